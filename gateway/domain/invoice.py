"""A reading of an INV-01 document: what the gateway needs to know of it. The document itself is kept as it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.domain import irn
from gateway.domain.calendar import financial_year, read_portal_date
from gateway.domain.identifiers import same_document_number


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice, credit note or debit note. `total` is ValDtls.TotInvVal in rupees."""

    seller_gstin: str
    doc_type: str
    doc_no: str
    doc_date: date
    buyer_gstin: str
    total: Decimal
    lines: int
    asks_for_ewb: bool

    @property
    def financial_year(self) -> str:
        """`YYYY-YY` of the document's date."""
        return financial_year(self.doc_date)

    @property
    def number_key(self) -> str:
        """The number as duplicates are recognised by it."""
        return same_document_number(self.doc_no)

    @property
    def irn(self) -> str:
        """The IRN that the portal will give it."""
        return irn.predict(
            seller_gstin=self.seller_gstin, doc_type=self.doc_type, doc_no=self.doc_no, doc_date=self.doc_date
        )


def read(document: Mapping[str, Any]) -> Invoice:
    """Read a document that has passed the INV-01 schema. One that has not raises KeyError, TypeError or ValueError."""
    details = document["DocDtls"]
    return Invoice(
        seller_gstin=document["SellerDtls"]["Gstin"],
        doc_type=details["Typ"].upper(),
        doc_no=details["No"],
        doc_date=read_portal_date(details["Dt"]),
        buyer_gstin=document["BuyerDtls"]["Gstin"],
        total=Decimal(document["ValDtls"]["TotInvVal"]),
        lines=len(document["ItemList"]),
        asks_for_ewb="EwbDtls" in document,
    )
