"""Documents are looked at, and nothing else happens: one before it is sent, all of a period before rules change.

Nothing is stored, sent or taken from a limit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from gateway.domain import strict_json
from gateway.domain.calendar import indian_date, read_portal_date, write_portal_date
from gateway.domain.faults import Fault
from gateway.errors import Forbidden
from gateway.ports import Seller, Stored
from gateway.services import examination
from gateway.services.examination import Examined, Reading
from gateway.services.ports import Ports
from gateway.services.principal import Principal

_NO_CODES: Final[frozenset[str]] = frozenset()


def validate(
    sent: Any, principal: Principal, *, raw: bytes, as_of: date | None, allow: frozenset[str], ports: Ports
) -> Examined:
    """What would be said of a document on a day, today unless another is named. Raises Forbidden."""
    seller = ports.directory.seller(environment=principal.environment, gstin=principal.gstin)
    if seller is None:
        raise Forbidden(
            "gstin-unknown",
            f"The GSTIN {principal.gstin} is not set up here.",
            help="Have an operator add it with `mohar gstin add`.",
        )
    on = as_of or indian_date(ports.clock.now())
    reading = examination.read(sent)
    examined = _examined(reading, seller, raw=raw, on=on, allow=allow, ports=ports)
    if _seller_of(reading.document) in (None, principal.gstin):
        return examined
    fault = Fault(
        "seller-not-yours",
        "/SellerDtls/Gstin",
        "The seller of the document is not the GSTIN of the access token.",
        "Get a token for the seller's GSTIN, or correct /SellerDtls/Gstin.",
    )
    return replace(examined, errors=(fault, *examined.errors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """A stored document, and for what it would be refused on a later day though it was right on its own."""

    stored: Stored
    errors: tuple[Fault, ...]


def prospects(found: Iterable[Stored], sellers: Iterable[Seller], *, as_of: date, ports: Ports) -> Iterator[Prospect]:
    """Stored documents, each as if it were made anew on a later day.

    Its dates move with it, so that its age makes no difference, and only what is new is told: what is wrong with it on
    its own day as well is no consequence of a change. Documents of sellers who are gone are passed over.
    """
    known = {seller.gstin: seller for seller in sellers}
    for stored in found:
        seller = known.get(stored.gstin)
        if seller is None:
            continue
        document = strict_json.read(stored.payload)
        before = _errors(document, stored, replace(seller, reporting_days=None), on=stored.doc_date, ports=ports)
        moved = _moved(document, days_from=stored.doc_date, to=as_of)
        after = _errors(moved, stored, replace(seller, reporting_days=None), on=as_of, ports=ports)
        told = {(fault.code, fault.at) for fault in before}
        yield Prospect(stored=stored, errors=tuple(each for each in after if (each.code, each.at) not in told))


def _errors(document: Any, stored: Stored, seller: Seller, *, on: date, ports: Ports) -> tuple[Fault, ...]:
    reading = examination.read(document)
    return _examined(reading, seller, raw=stored.payload, on=on, allow=_NO_CODES, ports=ports).errors


def _examined(
    reading: Reading, seller: Seller, *, raw: bytes, on: date, allow: frozenset[str], ports: Ports
) -> Examined:
    context = examination.knowledge(
        reading,
        on=on,
        seller=seller,
        route=ports.routebook.route(seller.route),
        ports=ports,
        size_bytes=examination.size(raw, reading.document),
        allow=allow,
    )
    return examination.examine(reading, context=context)


def _seller_of(document: Any) -> str | None:
    details = document.get("SellerDtls") if isinstance(document, dict) else None
    gstin = details.get("Gstin") if isinstance(details, dict) else None
    return gstin if isinstance(gstin, str) else None


def _moved(document: Mapping[str, Any], *, days_from: date, to: date) -> dict[str, Any]:
    """A document with the dates that say when it was made and sent on its way moved to another day."""
    delta = to - days_from
    moved = {**document, "DocDtls": {**document["DocDtls"], "Dt": write_portal_date(to)}}
    eway_bill = document.get("EwbDtls", {})
    if "TransDocDt" in eway_bill:
        with contextlib.suppress(ValueError, OverflowError):  # what is no date stays what it is
            left = read_portal_date(eway_bill["TransDocDt"]) + delta
            moved["EwbDtls"] = {**eway_bill, "TransDocDt": write_portal_date(left)}
    return moved
