"""HDR: the document itself, its number, its dates and its size."""

from __future__ import annotations

from datetime import date
from typing import Final

from gateway.domain import irn
from gateway.domain.calendar import write_portal_date
from gateway.domain.identifiers import is_document_number, same_document_number
from gateway.domain.rules.case import LINES_MAX, NOTES, Case, Dated
from gateway.domain.rules.patches import putting, remove
from gateway.domain.rules.reading import day, is_written_as_date, part, text
from gateway.domain.rules.row import Patch, Rule, Scope, Severity

DOCUMENT_BYTES_MAX: Final = 2 * 1024 * 1024
"""The portal's limit for one document: 2 MB of JSON (NIC, schema notes)."""

_TYPES: Final = ("INV", *sorted(NOTES))


def is_no_day(_: Case, case: Case) -> bool:
    """31/02/2026 has the form of a date."""
    return case.doc_date is None and is_written_as_date(case.details.get("Dt"))


def is_in_the_future(_: Case, case: Case) -> bool:
    """The document is dated after the day of checking."""
    return case.doc_date is not None and case.doc_date > case.context.on


def is_too_old(_: Case, case: Case) -> bool:
    """The seller's time to report is over: with 30 days, a document of 1 April can be reported until 30 April."""
    days = case.context.reporting_days
    return days is not None and case.doc_date is not None and (case.context.on - case.doc_date).days >= days


def belongs_elsewhere(_: Case, case: Case) -> bool:
    """The document's type has another address."""
    wanted = case.context.doc_types
    return wanted is not None and case.doc_type in _TYPES and case.doc_type not in wanted


def is_too_large(_: Case, case: Case) -> bool:
    """The portal takes 2 MB."""
    return case.context.size_bytes is not None and case.context.size_bytes > DOCUMENT_BYTES_MAX


def has_too_many_lines(_: Case, case: Case) -> bool:
    """The portal takes 1,000 lines."""
    return case.line_count is not None and case.line_count > LINES_MAX


def has_no_lines(_: Case, case: Case) -> bool:
    """A document is about something."""
    return case.line_count == 0


def number_will_fold(_: Case, case: Case) -> bool:
    """The number has small letters."""
    number = _number(case)
    return number is not None and number != same_document_number(number)


def brings_another_irn(_: Case, case: Case) -> bool:
    """The document carries an IRN that is not the one it will get."""
    sent, expected = case.document.get("Irn"), _expected_irn(case)
    return isinstance(sent, str) and expected is not None and sent != expected


def date_is_no_day(dated: Dated, _: Case) -> bool:
    """Some date of the document has the form of one and is none."""
    return is_written_as_date(dated.value) and day(dated.value) is None


def period_ends_before_it_begins(_: Case, case: Case) -> bool:
    """The billed period runs backwards."""
    period = part(part(case.document.get("RefDtls")).get("DocPerdDtls"))
    begins, ends = day(period.get("InvStDt")), day(period.get("InvEndDt"))
    return begins is not None and ends is not None and ends < begins


def _number(case: Case) -> str | None:
    number = text(case.details.get("No"))
    return number if number is not None and is_document_number(number) else None


def _folded(case: Case) -> str | None:
    number = _number(case)
    return None if number is None else same_document_number(number)


def _expected_irn(case: Case) -> str | None:
    number, gstin, on = _number(case), case.seller.gstin, case.doc_date
    if number is None or gstin is None or on is None or case.doc_type not in _TYPES:
        return None
    return irn.predict(seller_gstin=gstin, doc_type=case.doc_type, doc_no=number, doc_date=on)


def _without_irn(_: Case, __: Case) -> Patch:
    return remove("/Irn")


RULES: Final = (
    Rule(
        code="GSP-HDR-01",
        at="DocDtls/Dt",
        sentence="The document date is no day of the calendar.",
        help="Write the day that is printed on the document, as dd/MM/yyyy.",
        broken=is_no_day,
        portal_code="2144",
        source="NIC, error 2144",
    ),
    Rule(
        code="GSP-HDR-02",
        at="DocDtls/Dt",
        sentence="The document date is after today.",
        help="Send the document on its own day or later, or correct its date.",
        broken=is_in_the_future,
        facts=lambda _, case: f"Today is {write_portal_date(case.context.on)} in India.",
        portal_code="2163",
        source="NIC, error 2163",
    ),
    Rule(
        code="GSP-HDR-03",
        at="DocDtls/Dt",
        sentence="The time in which this seller has to report a document is over.",
        help="It cannot be registered any more: ask your adviser how to proceed, or correct a wrong date.",
        broken=is_too_old,
        facts=lambda _, case: f"It is {case.context.reporting_days} days, the document's own among them.",
        portal_code="2305",
        source="NIC, error 2305; GSTN: a turnover from 100 crore since 01-11-2023, from 10 crore since 01-04-2025",
        valid_from=date(2023, 11, 1),
    ),
    Rule(
        code="GSP-HDR-04",
        at="DocDtls/Typ",
        sentence="A document of this type does not belong here.",
        help="Send invoices (INV) to POST /irn, credit and debit notes (CRN, DBN) to POST /cdnr.",
        broken=belongs_elsewhere,
        source="the gateway's own addresses",
    ),
    Rule(
        code="GSP-HDR-05",
        at="",
        sentence="The document is larger than the portal takes.",
        help="Split it into several documents, or shorten descriptions and attachments.",
        broken=is_too_large,
        facts=lambda _, case: f"It has {case.context.size_bytes} bytes; {DOCUMENT_BYTES_MAX} are the limit.",
        portal_code="5002",
        source="NIC, schema notes: 2 MB",
    ),
    Rule(
        code="GSP-HDR-06",
        at="ItemList",
        sentence="The document has more lines than the portal takes.",
        help="Split it into several documents with numbers of their own.",
        broken=has_too_many_lines,
        facts=lambda _, case: f"It has {case.line_count}; {LINES_MAX} are the limit.",
        portal_code="2173",
        source="NIC, error 2173",
    ),
    Rule(
        code="GSP-HDR-07",
        at="ItemList",
        sentence="The document has no lines.",
        help="Add the goods or services that it is about.",
        broken=has_no_lines,
        portal_code="2228",
        source="NIC, error 2228",
    ),
    Rule(
        code="GSP-HDR-08",
        at="DocDtls/No",
        sentence="The portal takes the document number in capitals.",
        help="Print the number in capitals: numbers that differ in letter-case alone are one number.",
        broken=number_will_fold,
        severity=Severity.WARNING,
        source="GSTN advisory of 04-04-2025",
        valid_from=date(2025, 6, 1),
        fix=putting("DocDtls", "No", _folded),
    ),
    Rule(
        code="GSP-HDR-09",
        at="Irn",
        sentence="The document carries an IRN that is not its own.",
        help="Leave Irn out: the portal gives it.",
        broken=brings_another_irn,
        severity=Severity.WARNING,
        source="NIC, INV-01: Irn is what the portal answers",
        fix=_without_irn,
    ),
    Rule(
        code="GSP-HDR-10",
        at="",
        sentence="The date is no day of the calendar.",
        help="Write a day that there is, as dd/MM/yyyy.",
        broken=date_is_no_day,
        scope=Scope.DATE,
        portal_code="5002",
        source="NIC, error 5002",
    ),
    Rule(
        code="GSP-HDR-11",
        at="RefDtls/DocPerdDtls/InvEndDt",
        sentence="The billed period ends before it begins.",
        help="Exchange the two dates, or correct the wrong one.",
        broken=period_ends_before_it_begins,
        portal_code="2219",
        source="NIC, error 2219",
    ),
)
