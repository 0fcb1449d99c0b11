"""Everything that is wrong with a document that can be known without the portal: read leniently, its form, its content.

`read` and `examine` ask nobody and work without a database. `knowledge` collects what the ledger and the seller's
settings add to a check.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from gateway import form, shape
from gateway.codes import code_lists
from gateway.domain import canonical, invoice, irn, rules
from gateway.domain.calendar import read_portal_date
from gateway.domain.faults import Fault
from gateway.domain.identifiers import is_document_number
from gateway.domain.invoice import Invoice
from gateway.domain.normalise import Normalised
from gateway.domain.operations import Environment
from gateway.domain.rules import Context, Earlier, EarlierKey
from gateway.errors import Invalid
from gateway.ports import Route, Seller
from gateway.services.ports import Ports

NOTES: Final = frozenset({"CRN", "DBN"})
PRECEDING_MAX: Final = 100
"""Preceding documents that are looked up. A note that mends more at once is not known, and each costs a query."""
DOCUMENT_BYTES_MAX: Final = 2 * 1024 * 1024
"""The portal's limit for one document (2 MB, irp schema notes)."""
_GROWTH: Final = 8
"""How much longer a text can become when its numbers are written out: `1e30`, the worst, does so eightfold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A document as it is read, with what is wrong with its form. `document` is what is sent and digested."""

    lenient: Normalised
    faults: tuple[Fault, ...]

    @property
    def document(self) -> Any:
        """The document in the form of the schema, as far as it could be brought into it."""
        return self.lenient.document


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What there is to say about a document. `irn` is the one that it will get, where that can be computed."""

    irn: str | None
    errors: tuple[Fault, ...]
    warnings: tuple[Fault, ...]

    @property
    def valid(self) -> bool:
        """Whether it would be sent."""
        return not self.errors

    def as_json(self) -> dict[str, Any]:
        """The form in which a client reads it."""
        return {
            "valid": self.valid,
            "irn": self.irn,
            "errors": [fault.as_json() for fault in self.errors],
            "warnings": [fault.as_json() for fault in self.warnings],
        }


def read(sent: Any) -> Reading:
    """A document by its form: read leniently, then held to the schema."""
    lenient = form.read(sent)
    return Reading(lenient=lenient, faults=(*lenient.faults, *lenient.as_sent(shape.check(lenient.document))))


def examine(reading: Reading, *, context: Context) -> Examined:
    """Every fault of form and content in one answer, told in the words and at the places of what was sent."""
    verdict = rules.check(reading.document, context=replace(context, lists=code_lists()))
    told = reading.lenient.as_sent
    content = told(verdict.errors)
    return Examined(
        irn=_irn(reading),
        errors=(*_not_told_better(reading.faults, content), *content),
        warnings=(*reading.lenient.warnings, *told(verdict.warnings)),
    )


def _not_told_better(form: Iterable[Fault], content: Iterable[Fault]) -> Iterable[Fault]:
    """The faults of form, but for those of which a rule says more at the same place, with the portal's own code.

    Where the patch of a rule writes a member, its form brings no patch, for one would undo the other. Where none does,
    a form with a patch is told beside the rule, or the member would still not have the form when the rest is mended.
    """
    places = {fault.at for fault in content}
    written = {step["path"] for fault in content for step in fault.fix or ()}
    form = (replace(fault, fix=None) if fault.at in written else fault for fault in form)
    return (fault for fault in form if fault.fix or fault.at not in places)


def size(raw: bytes, document: Any) -> int:
    """The bytes of a document as it is sent, or of the text that it came in where that is surely small enough."""
    return len(raw) if len(raw) * _GROWTH <= DOCUMENT_BYTES_MAX else len(canonical.written(document))


def sized(context: Context, size_bytes: int) -> Context:
    """The same for a document of so many bytes."""
    return replace(context, size_bytes=size_bytes)


def knowledge(
    reading: Reading,
    *,
    on: date,
    seller: Seller,
    route: Route,
    ports: Ports,
    size_bytes: int,
    doc_types: frozenset[str] | None = None,
    allow: frozenset[str] = frozenset(),
) -> Context:
    """What a check has to know besides the document."""
    return Context(
        on=on,
        route_enforces_check_digit=route.enforce_check_digit,
        reporting_days=seller.reporting_days,
        earlier=_earlier(reading.document, environment=seller.environment, gstin=seller.gstin, ports=ports),
        allow=allow,
        size_bytes=size_bytes,
        doc_types=doc_types,
    )


def invalid(faults: Iterable[Fault]) -> Invalid:
    """The refusal of a document."""
    faults = list(faults)
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return Invalid(
        "document-invalid",
        f"The document has {count}; nothing was sent to the portal.",
        help="Correct every place that `errors` names, then send the document again.",
        faults=faults,
    )


def summary(reading: Reading) -> Invoice | None:
    """What the gateway needs to know of a document; None when it has not the form, or no real date."""
    if reading.faults:
        return None
    try:
        return invoice.read(reading.document)
    except ValueError:
        return None


def _irn(reading: Reading) -> str | None:
    """The IRN as far as it is certain: from the four values that make it, whatever is wrong elsewhere."""
    found = summary(reading)
    return None if found is None else found.irn


def _earlier(
    document: Any, *, environment: Environment, gstin: str, ports: Ports
) -> Mapping[EarlierKey, Earlier] | None:
    """What the ledger knows of the documents that a note refers to."""
    if not isinstance(document, dict) or not _is_note(document):
        return None
    known: dict[EarlierKey, Earlier] = {}
    for number, on in _preceding(document):
        key = rules.earlier_key(number, on)
        found = None if key is None or key in known else _registered(number, on, environment, gstin, ports)
        if key is not None and found is not None:
            known[key] = found
    return known


def _is_note(document: Mapping[str, Any]) -> bool:
    details = document.get("DocDtls")
    return isinstance(details, dict) and details.get("Typ") in NOTES


def _preceding(document: Mapping[str, Any]) -> Iterable[tuple[str, date]]:
    references = document.get("RefDtls")
    listed = references.get("PrecDocDtls") if isinstance(references, dict) else None
    for each in listed[:PRECEDING_MAX] if isinstance(listed, list) else ():
        number, on = (each.get("InvNo"), each.get("InvDt")) if isinstance(each, dict) else (None, None)
        if isinstance(number, str) and is_document_number(number) and isinstance(on, str):
            with contextlib.suppress(ValueError):  # no day of the calendar, which is another rule's business
                yield number, read_portal_date(on)


def _registered(number: str, on: date, environment: Environment, gstin: str, ports: Ports) -> Earlier | None:
    """A document of the seller with that number and date, an invoice or a note itself."""
    for doc_type in ("INV", "DBN", "CRN"):
        expected = irn.predict(seller_gstin=gstin, doc_type=doc_type, doc_no=number, doc_date=on)
        held = ports.ledger.by_irn(environment=environment, gstin=gstin, irn=expected)
        if held is not None and held.doc_date == on:
            return Earlier(cancelled=held.status == "cancelled", total=held.registration.total)
    return None
