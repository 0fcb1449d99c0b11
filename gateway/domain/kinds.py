"""What is particular to each kind of operation, as far as it can be said without a portal or a table of the database.

The other columns of this table stand where their words are known, each under the same key: `irp.protocols` (how to
call, how to look up, how to read), `storage.effects` (what success changes in the ledger) and `api.results` (what a
client is told of a success). The engine asks the table and never the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.operations import Kind

CANCEL_WINDOW: Final = timedelta(hours=24)
"""An IRN can be cancelled for so long after the portal acknowledged it (code 2270 afterwards)."""
WINDOW_MARGIN: Final = timedelta(minutes=2)
"""No call is begun within so long before its window closes: it may wait for a permit, a login and then 30 seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """One row."""

    claims_number: bool = False
    """Whether it holds the number of its document, from its acceptance until it ends without an effect."""
    window: timedelta | None = None
    """How long after its subject came to be at the portal it may be asked for. None: that does not matter."""
    after_refusal: str = "Correct what `portal_code` names, then ask again."
    """What to do when the portal has refused it."""
    way_out: str
    """What is left to do when its window is over."""


_OVER: Final = "The validity of the e-way bill is over. Extend it within 8 hours of its end, or make a new one."
"""What is left where a bill has to be valid."""

KINDS: Final[Mapping[Kind, KindRules]] = {
    Kind.IRN_GENERATE: KindRules(
        claims_number=True,
        after_refusal=(
            "Correct the document and send it again: its number is free. A refused document is never sent unchanged."
        ),
        way_out="The legal time to report it is over. Ask your adviser how to proceed.",
    ),
    Kind.IRN_CANCEL: KindRules(
        window=CANCEL_WINDOW,
        after_refusal="See `portal_code`: the IRN stands. An active e-way bill has to be cancelled first.",
        way_out=(
            "An IRN can be cancelled for 24 hours only. Issue a credit note for the invoice and send it to POST /cdnr; "
            "POST /irn/{irn}/reverse drafts one. The invoice itself is amended in GSTR-1."
        ),
    ),
    Kind.EWB_GENERATE: KindRules(
        after_refusal="Correct what `portal_code` names and ask again: the IRN stands, and no e-way bill was made.",
        way_out="The document is too old for an e-way bill. Ask your adviser how to proceed.",
    ),
    Kind.EWB_CANCEL: KindRules(
        window=timedelta(hours=24),
        after_refusal="See `portal_code`: the e-way bill stands.",
        way_out=(
            "An e-way bill can be cancelled for 24 hours only. Let it lapse if the goods do not move; "
            "if they do, the recipient can reject it within 72 hours."
        ),
    ),
    Kind.EWB_STANDALONE: KindRules(
        way_out="The document is too old for an e-way bill. Ask your adviser how to proceed.",
    ),
    Kind.EWB_VEHICLE: KindRules(way_out=_OVER),
    Kind.EWB_TRANSPORTER: KindRules(way_out=_OVER),
    Kind.EWB_EXTEND: KindRules(
        way_out="Validity can be extended for 8 hours after its end only. Make a new e-way bill for the goods.",
    ),
    Kind.EWB_CONSOLIDATE: KindRules(way_out=_OVER),
    Kind.EWB_REJECT: KindRules(
        window=timedelta(hours=72),
        way_out="An e-way bill can be rejected for 72 hours only. Come to terms with its maker.",
    ),
    Kind.EWB_CLOSE: KindRules(way_out="It cannot be closed any more, and nothing depends on it."),
    Kind.EWB_MOVEMENT: KindRules(way_out=_OVER),
    Kind.EWB_MOVEMENT_ADD: KindRules(way_out=_OVER),
    Kind.EWB_MOVEMENT_CHANGE: KindRules(way_out=_OVER),
}


def deadline(kind: Kind, *, since: datetime | None) -> datetime | None:
    """The instant after which an operation is not begun any more, by when its subject came to be at the portal."""
    window = KINDS[kind].window
    return None if window is None or since is None else since + window - WINDOW_MARGIN
