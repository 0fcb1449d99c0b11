"""The Invoice Reference Number, which anybody can compute before the portal is asked."""

from __future__ import annotations

import hashlib
from datetime import date

from gateway.domain.calendar import financial_year
from gateway.domain.identifiers import same_document_number


def predict(*, seller_gstin: str, doc_type: str, doc_no: str, doc_date: date) -> str:
    """The IRN of a document: lower-case hexadecimal SHA-256 of GSTIN, financial year, type and number, joined bare.

    The number is upper-cased first, as the portals do since 01-06-2025.
    """
    return _hash(seller_gstin, doc_type, same_document_number(doc_no), doc_date)


def predict_case_kept(*, seller_gstin: str, doc_type: str, doc_no: str, doc_date: date) -> str:
    """The IRN as it was hashed before 01-06-2025, with the number as it was written."""
    return _hash(seller_gstin, doc_type, doc_no, doc_date)


def _hash(seller_gstin: str, doc_type: str, doc_no: str, doc_date: date) -> str:
    text = f"{seller_gstin}{financial_year(doc_date)}{doc_type}{doc_no}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()
