"""HDR: the document itself, its number, its dates and its size."""

from __future__ import annotations

from typing import Final

from gateway.domain.calendar import write_portal_date
from gateway.domain.rules.case import Case, is_written_as_date
from gateway.domain.rules.row import Rule

DOCUMENT_BYTES_MAX: Final = 2 * 1024 * 1024
"""The portal's limit for one document: 2 MB of JSON (NIC, schema notes)."""


def _is_no_day(case: Case) -> bool:
    return case.doc_date is None and is_written_as_date(case.details.get("Dt"))


def date_is_no_day(_: Case, case: Case) -> bool:
    """31/02/2026 has the form of a date."""
    return _is_no_day(case)


def date_in_the_future(_: Case, case: Case) -> bool:
    """The document is dated after the day of checking."""
    return case.doc_date is not None and case.doc_date > case.context.on


RULES: Final = (
    Rule(
        code="GSP-HDR-01",
        at="DocDtls/Dt",
        sentence="The document date is no day of the calendar.",
        help="Write the day that is printed on the document, as dd/MM/yyyy.",
        broken=date_is_no_day,
        portal_code="2144",
        source="NIC, error 2144",
    ),
    Rule(
        code="GSP-HDR-02",
        at="DocDtls/Dt",
        sentence="The document date is after today.",
        help="Send the document on its own day or later, or correct its date.",
        broken=date_in_the_future,
        facts=lambda _, case: f"Today is {write_portal_date(case.context.on)} in India.",
        portal_code="2163",
        source="NIC, error 2163",
    ),
)
