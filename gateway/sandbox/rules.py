"""What the portal refuses in a document that passes the schema.

Two tables are asked. What can be seen in the document itself is told by the rows of `gateway.domain.rules`, as far as
they have a code of the portal. What only the portal can know, from its master of taxpayers and from who is calling, is
told by the rows here: code, predicate and sentence. The codes are the published ones; the sentences are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from gateway.codes import code_lists
from gateway.domain import rules
from gateway.domain.faults import Fault
from gateway.domain.identifiers import UNREGISTERED
from gateway.domain.invoice import Invoice
from gateway.sandbox import master
from gateway.sandbox.master import Taxpayer

_SEZ_SUPPLIES: Final = ("SEZWP", "SEZWOP")
_EWAY_BILLS: Final = "GSP-EWB-"
"""Rules about the e-way bill: the document is registered all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a rule may look at. `caller` is the GSTIN of the header, `today` the day in India."""

    document: Mapping[str, Any]
    invoice: Invoice
    caller: str
    today: date
    seller: Taxpayer | None
    buyer: Taxpayer | None
    verdict: rules.Verdict

    @property
    def supply(self) -> str:
        """TranDtls.SupTyp in capitals."""
        return str(self.document["TranDtls"]["SupTyp"]).upper()

    @property
    def operator(self) -> str | None:
        """TranDtls.EcmGstin."""
        value = self.document["TranDtls"].get("EcmGstin")
        return None if value is None else str(value)


def case_of(document: Mapping[str, Any], invoice: Invoice, *, caller: str, today: date) -> Case:
    """The case of a document, with both parties looked up in the master."""
    seller = master.find(invoice.seller_gstin)
    return Case(
        document=document,
        invoice=invoice,
        caller=caller,
        today=today,
        seller=seller,
        buyer=master.find(invoice.buyer_gstin),
        verdict=rules.check(document, context=_context(seller, today=today)),
    )


def _context(seller: Taxpayer | None, *, today: date) -> rules.Context:
    return rules.Context(
        on=today,
        lists=code_lists(),
        route_enforces_check_digit=False,
        seller_in_sez=seller is not None and seller.kind == master.SEZ_DEVELOPER,
    )


class Rule(NamedTuple):
    """One row: the portal's code, whether a case breaks it, and what is said then."""

    code: str
    broken: Callable[[Case], bool]
    sentence: str


def check(case: Case) -> list[tuple[str, str]]:
    """The code and sentence of every rule that the case breaks: those of this table first, e-way bills left out."""
    known = [(rule.code, rule.sentence) for rule in RULES if rule.broken(case)]
    return known + [_told(fault) for fault in case.verdict.errors if not fault.code.startswith(_EWAY_BILLS)]


def eway_bill_faults(case: Case) -> list[tuple[str, str]]:
    """The code and sentence of everything that keeps an e-way bill from being made, for all that can be seen."""
    found = (*case.verdict.errors, *case.verdict.warnings)
    return [_told(fault) for fault in found if fault.portal_code and fault.code.startswith(_EWAY_BILLS)]


def _told(fault: Fault) -> tuple[str, str]:
    """A finding as the portal tells it. One without a code of its own would be none of the portal's."""
    return fault.portal_code or "5002", f"{fault.at or '/'}: {fault.message}"


def _caller_may_not_report(case: Case) -> bool:
    return case.caller not in (case.invoice.seller_gstin, case.operator)


def _operator_is_no_tax_collector(case: Case) -> bool:
    operator = master.find(case.operator) if case.operator else None
    return case.operator == case.caller != case.invoice.seller_gstin and (
        operator is None or operator.kind != master.TAX_COLLECTOR
    )


def _seller_is_sez_unit(case: Case) -> bool:
    return case.seller is not None and case.seller.kind == master.SEZ_UNIT


def _seller_not_active(case: Case) -> bool:
    return case.seller is None or case.seller.status != master.ACTIVE


def _buyer_unknown(case: Case) -> bool:
    return case.buyer is None and case.invoice.buyer_gstin != UNREGISTERED


def _cancelled(case: Case) -> Taxpayer | None:
    buyer = case.buyer
    return buyer if buyer is not None and buyer.status == master.CANCELLED else None


def _after_cancellation(case: Case) -> bool:
    buyer = _cancelled(case)
    return buyer is not None and buyer.deregistered is not None and case.invoice.doc_date > buyer.deregistered


def _cancelled_on_an_unknown_day(case: Case) -> bool:
    buyer = _cancelled(case)
    return buyer is not None and buyer.deregistered is None


def _buyer_inactive(case: Case) -> bool:
    return case.buyer is not None and case.buyer.status == master.INACTIVE


def _before_registration(case: Case) -> bool:
    registered = case.buyer.registered if case.buyer is not None else None
    return registered is not None and case.invoice.doc_date < registered and _cancelled(case) is None


def _before_registration_of_cancelled(case: Case) -> bool:
    buyer = _cancelled(case)
    return buyer is not None and buyer.registered is not None and case.invoice.doc_date < buyer.registered


def _sez_buyer_outside_sez_supply(case: Case) -> bool:
    return case.supply == "B2B" and case.buyer is not None and case.buyer.in_sez


def _sez_supply_to_another(case: Case) -> bool:
    return case.supply in _SEZ_SUPPLIES and case.buyer is not None and not case.buyer.in_sez


RULES: Final[tuple[Rule, ...]] = (
    Rule("2169", _caller_may_not_report, "Only the supplier, or the e-commerce operator, may ask for this IRN."),
    Rule("2195", _operator_is_no_tax_collector, "The e-commerce operator's GSTIN is not of type TCS."),
    Rule("2231", _seller_is_sez_unit, "The supplier is a SEZ unit and cannot report e-invoices."),
    Rule("3029", _seller_not_active, "The supplier GSTIN is not active."),
    Rule("3028", _buyer_unknown, "The recipient GSTIN is not valid."),
    Rule("3074", _after_cancellation, "The recipient GSTIN was cancelled before the document date."),
    Rule("3075", _cancelled_on_an_unknown_day, "The recipient GSTIN is cancelled and the date is not known."),
    Rule("3076", _buyer_inactive, "The recipient GSTIN is inactive."),
    Rule("3077", _before_registration_of_cancelled, "The document is older than the cancelled recipient's GSTIN."),
    Rule("3079", _before_registration, "The document is older than the recipient's registration."),
    Rule(
        "2246",
        _sez_buyer_outside_sez_supply,
        "The recipient is in a SEZ: the type of supply has to be SEZWP or SEZWOP.",
    ),
    Rule("2247", _sez_supply_to_another, "The recipient is not in a SEZ."),
)
