"""What a try at a portal meant. The IRP adapter decides it, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from gateway.domain.operations import HoldCause


class Certainty(StrEnum):
    """The three classes of outcomes, and never two."""

    SUCCESS = "definite success"
    NO_EFFECT = "definite no effect"
    AMBIGUOUS = "ambiguous"


class Meaning(StrEnum):
    """What the portal's answer, or its silence, says of what was asked."""

    REGISTERED = "registered"
    """It stands at the portal as we asked for it; of a document: with our content, and a signature that was checked."""
    CONFLICT = "conflict"
    """The number is registered with other content."""
    REFUSED = "refused"
    """The portal's own verdict on this request."""
    TOO_LATE = "too_late"
    """The time that the law gives for it is over: it was not sent, or the portal said so."""
    THROTTLED = "throttled"
    """Too many calls: nothing was done."""
    UNREACHED = "unreached"
    """No byte of the request was written."""
    HELD = "held"
    """Refused for a reason that is not the document's: credentials, account, quota."""
    UNVERIFIED = "unverified"
    """Answered and signed, but by a key we do not know yet: the answer is kept."""
    UNREADABLE = "unreadable"
    """Registered, but the portal no longer gives, or never had, the copy that we would have to compare."""
    ABSENT = "absent"
    """A look-up found nothing."""
    UNKNOWN = "unknown"
    """Everything else: time-out, reset, 5xx, an answer that does not parse, decrypt or verify, an unknown code."""


CERTAINTY: Final[Mapping[Meaning, Certainty]] = {
    Meaning.REGISTERED: Certainty.SUCCESS,
    Meaning.CONFLICT: Certainty.NO_EFFECT,
    Meaning.REFUSED: Certainty.NO_EFFECT,
    Meaning.TOO_LATE: Certainty.NO_EFFECT,
    Meaning.THROTTLED: Certainty.NO_EFFECT,
    Meaning.UNREACHED: Certainty.NO_EFFECT,
    Meaning.HELD: Certainty.NO_EFFECT,
    Meaning.ABSENT: Certainty.NO_EFFECT,
    Meaning.UNVERIFIED: Certainty.AMBIGUOUS,
    Meaning.UNREADABLE: Certainty.AMBIGUOUS,
    Meaning.UNKNOWN: Certainty.AMBIGUOUS,
}


@dataclass(frozen=True, slots=True)
class Result:
    """What stands at the portal after a success, or in the way of one. A class for each thing that can stand there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EwayBill(Result):
    """An e-way bill, alone or with a registration: made (a number) or not (faults of the portal), never both."""

    number: str | None = None
    made_at: datetime | None = None
    valid_until: datetime | None = None
    errors: tuple[tuple[str, str], ...] = ()
    """Pairs of the portal's code and sentence."""
    remarks: str | None = None
    cancelled: bool = False
    computed_until: datetime | None = None
    """The end of validity that the distance gives by law; None where that cannot be told. The portal's counts."""
    differences: tuple[Mapping[str, Any], ...] = ()
    """Where the bill that is there differs from what was asked for; empty unless it is a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillChange(Result):
    """What a step changed about an e-way bill. None: not that. `at` is the portal's time."""

    at: datetime | None = None
    valid_until: datetime | None = None
    computed_until: datetime | None = None
    vehicle_no: str | None = None
    transporter_id: str | None = None
    trip_sheet: str | None = None
    group: str | None = None
    """The number of a movement by several vehicles."""
    bills: tuple[str, ...] = ()
    """The bills of a trip sheet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation(Result):
    """That something was cancelled. `at` is the portal's time, or None where a look-up does not tell it."""

    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration(Result):
    """A document as the portal registered and signed it. `ack_at` is the one inside the signature."""

    irn: str
    ack_no: str
    ack_at: datetime
    signed_invoice: str
    signed_qr: str
    key_id: str
    seller_gstin: str
    buyer_gstin: str
    doc_type: str
    doc_no: str
    doc_date: date
    total: Decimal
    cancelled: bool = False
    rejected: bool = False
    """Whether it counts no more, because the same document was registered at another portal first."""
    ewb: EwayBill | None = None
    originals: tuple[tuple[str, date], ...] = ()
    """Number and date of the documents that a note refers to."""
    differences: tuple[Mapping[str, Any], ...] = ()
    """Where the registered content differs from ours, field by field; empty unless it is a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejections(Result):
    """The IRNs that a portal lists as rejected on one day, because another portal had the documents first."""

    irns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one call, or a look-up, told. `evidence` is the answer's bytes as they came, decrypted if they could be."""

    meaning: Meaning
    code: str | None = None
    message: str | None = None
    result: Result | None = None
    hold_cause: HoldCause | None = None
    retry_after_seconds: int | None = None
    evidence: bytes | None = field(default=None, repr=False)
    lasting: bool = False
    """Of a refusal: whether it is for what was sent, which would be refused again."""
    errors_told: int = 0
    """Answers of the portal that were errors, those of a login and a look-up on the way included."""
    silent: bool = False
    """Whether the portal gave no sign at all, which is how an outage looks."""
    taxpayers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """What the portal told of taxpayers on the way, in its own members, by GSTIN."""
    found_by: str = "call"
    """`call` or `look_up`: an operation that was adopted is told apart from one that was answered."""

    @property
    def certainty(self) -> Certainty:
        """The class of the three that it belongs to."""
        return CERTAINTY[self.meaning]
