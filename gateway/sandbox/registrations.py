"""The portal's calls about documents: register, read back, cancel."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.calendar import indian_date, read_portal_date, write_portal_time
from gateway.domain.identifiers import is_document_number, is_irn
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import read as read_invoice
from gateway.domain.irn import predict
from gateway.sandbox import codec, documents, ewaybills, ledger, master, rules
from gateway.sandbox.calls import Answer, Call, read_document, read_object
from gateway.sandbox.eway_bills import ACTIVE, Bills, bill_of_irn
from gateway.sandbox.faults import Kind
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.ledger import EwayBill, Ledger, Registration, rounded_to_the_minute
from gateway.sandbox.wire import Refusal

ISSUER: Final = "NIC Sandbox"
"""The `iss` of what is signed, as recorded at the portal's own sandbox."""

CANCEL_HOURS: Final = 24
"""How long after its acknowledgement an IRN can be cancelled."""

CANCEL_REASONS: Final = ("1", "2", "3", "4")
"""Duplicate, data entry mistake, order cancelled, others."""

CANCEL_REMARK_CHARACTERS_MAX: Final = 100


@dataclass(slots=True, kw_only=True)
class Registrar:
    """Registers documents, tells of them and cancels them. `readback_hours` is how long it tells."""

    ledger: Ledger
    bills: Bills
    keys: SandboxKeys
    rng: random.Random
    readback_hours: int

    def generate(self, call: Call) -> Answer:
        """Register the document of a call. Raises Refusal with the published codes."""
        sent = read_object(call)
        document = read_document(sent)
        case = rules.case_of(document, read_invoice(document), caller=call.session.gstin, today=indian_date(call.at))
        broken = rules.check(case)
        if broken:
            raise Refusal(*broken[0], more=broken[1:])
        self._refuse_duplicate(case.invoice)
        info, ewb = self._eway_bill(case, call)
        registration = self._register(case, ewb, call, content_digest=canonical.digest(sent))
        if ewb is not None:
            km = ewaybills.distance_km(case.document)
            self.bills.keep(bill_of_irn(case.document, irn=registration.irn, ewb=ewb, km=km))
        answer = self._answer(registration, ack_at=registration.ack_at)
        return self._perhaps_of_another(replace(answer, info=info), registration, call)

    def get_irn(self, call: Call) -> Answer:
        """Tell of an IRN. Raises Refusal 2145, 2148, 2143 or 2283."""
        if not is_irn(call.argument):
            raise Refusal("2145", "The IRN is not valid.")
        registration = self._owned(call.argument, call)
        return self._read_back(registration, call)

    def get_by_document(self, call: Call) -> Answer:
        """Tell of the IRN of a document by type, number and date. Raises Refusal 2142, 2144, 2154 or 2283."""
        query = {name.lower(): value for name, value in call.request.query.items()}
        doc_type, doc_no, written = (query.get(name, "") for name in ("doctype", "docnum", "docdate"))
        if not (doc_type and doc_no and written):
            raise Refusal("2142", "Document type, number and date are needed.")
        try:
            doc_date = read_portal_date(written)
        except ValueError as error:
            raise Refusal("2144", "The document date is not dd/MM/yyyy.") from error
        found = None
        if is_document_number(doc_no) and doc_type.isascii():
            gstin = call.session.gstin
            found = self.ledger.get(
                predict(seller_gstin=gstin, doc_type=doc_type.upper(), doc_no=doc_no, doc_date=doc_date)
            )
        if found is None or found.doc_date != doc_date:
            raise Refusal("2154", "There is no IRN for these document details.")
        return self._read_back(found, call)

    def rejected(self, call: Call) -> Answer:
        """The IRNs of the caller that were rejected on a day. Raises Refusal 2142 or 2144."""
        written = next((value for name, value in call.request.query.items() if name.lower() == "date"), "")
        if not written:
            raise Refusal("2142", "The date is needed.")
        try:
            day = read_portal_date(written)
        except ValueError as error:
            raise Refusal("2144", "The date is not dd/MM/yyyy.") from error
        irns = [
            each.irn
            for each in self.ledger
            if each.gstin == call.session.gstin and each.rejected_at and indian_date(each.rejected_at) == day
        ]
        return Answer(canonical.write(irns))

    def cancel(self, call: Call) -> Answer:
        """Cancel an IRN. Raises Refusal 2148, 2143, 9999, 2270, 2230, 3029 or 5002."""
        asked = {name.lower(): value for name, value in read_object(call).items()}
        irn = asked.get("irn")
        if not isinstance(irn, str) or not is_irn(irn):
            raise Refusal("2145", "The IRN is not valid.")
        _check_reason(str(asked.get("cnlrsn", "")), asked.get("cnlrem"))
        registration = self._owned(irn, call)
        self._refuse_cancellation(registration, call)
        self.ledger.cancel(registration, at=call.at)
        members = {"Irn": irn, "CancelDate": write_portal_time(call.at)}
        return Answer(canonical.write(members), irn=irn)

    def _refuse_cancellation(self, registration: Registration, call: Call) -> None:
        seller = master.find(registration.gstin)
        if seller is None or seller.status not in (master.ACTIVE, master.SUSPENDED):
            raise Refusal("3029", "The supplier GSTIN is not active.")
        if registration.status != ledger.ACTIVE:
            raise Refusal("9999", "The invoice is not active.")
        bill = self.bills.get(registration.ewb.number) if registration.ewb is not None else None
        if bill is not None and bill.status == ACTIVE:
            raise Refusal("2230", "The IRN has an active e-way bill: cancel that first.")
        if call.at - registration.ack_at > timedelta(hours=CANCEL_HOURS):
            raise Refusal("2270", f"The {CANCEL_HOURS} hours in which an IRN can be cancelled are over.")

    def _refuse_duplicate(self, invoice: Invoice) -> None:
        known = self.ledger.get(invoice.irn)
        if known is None:
            return
        if known.cancelled_at is not None:
            raise Refusal("2278", "The IRN of this document number is cancelled; the number cannot be used again.")
        raise Refusal("2150", "Duplicate IRN.", info=self._duplicate_info(known))

    def _duplicate_info(self, known: Registration) -> list[Mapping[str, Any]]:
        """DUPIRN, and now and then free text before it: readers must look for the entry, not for a place."""
        ack_date = write_portal_time(rounded_to_the_minute(known.ack_at))
        description = {"AckNo": known.ack_no, "AckDt": ack_date, "Irn": known.irn}
        info: list[Mapping[str, Any]] = [{"InfCd": "DUPIRN", "Desc": description}]
        if self.rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
            info.insert(0, {"InfCd": "ADDNLNFO", "Desc": "This document was reported before."})
        return info

    def _eway_bill(self, case: rules.Case, call: Call) -> tuple[tuple[Mapping[str, Any], ...], EwayBill | None]:
        """The e-way bill that the document asks for, or why there is none, as InfoDtls says it."""
        if not case.invoice.asks_for_ewb:
            return (), None
        refused = ewaybills.refusals(case)
        if call.is_struck_by(Kind.EWB_FAIL):
            refused = [("4013", "The distance is too high or too low for the two PIN codes.")]
        if refused:
            errors = [{"ErrorCode": code, "ErrorMessage": sentence} for code, sentence in refused]
            return ({"InfCd": "EWBERR", "Desc": errors},), None
        remarks = None
        if ewaybills.is_computed(case.document):
            remarks = f"Pin-Pin calc distance: {ewaybills.distance_km(case.document)}KM"
        ewb = EwayBill(
            number=self.ledger.next_ewb_no(),
            made_at=call.at,
            valid_until=ewaybills.valid_until(case.document, at=call.at),
            remarks=remarks,
        )
        return (({"InfCd": "EWBPPD", "Desc": remarks},) if remarks else ()), ewb

    def _register(self, case: rules.Case, ewb: EwayBill | None, call: Call, *, content_digest: str) -> Registration:
        invoice, at = case.invoice, call.at.replace(microsecond=0)
        ack_no = self.ledger.next_ack_no(at)
        key = self.keys.hidden if call.is_struck_by(Kind.SIGNING_UNKNOWN) else self.keys.current
        registration = Registration(
            irn=invoice.irn,
            gstin=invoice.seller_gstin,
            doc_type=invoice.doc_type,
            doc_no=invoice.doc_no,
            doc_date=invoice.doc_date,
            buyer_gstin=invoice.buyer_gstin,
            total=invoice.total,
            ack_no=ack_no,
            ack_at=at,
            content_digest=content_digest,
            signed_text=documents.signed_invoice(case.document, ack_no=ack_no, ack_at=at, irn=invoice.irn),
            qr_text=documents.qr_content(case.document, invoice, ack_at=at, irn=invoice.irn),
            kid=key.kid,
            ewb=ewb,
        )
        self.ledger.add(registration)
        return registration

    def _owned(self, irn: str, call: Call) -> Registration:
        registration = self.ledger.get(irn)
        if registration is None:
            raise Refusal("2148", "There is no data for this IRN.")
        if registration.gstin != call.session.gstin:
            raise Refusal("2143", "The IRN belongs to another GSTIN.")
        return registration

    def _read_back(self, registration: Registration, call: Call) -> Answer:
        if call.at - registration.ack_at > timedelta(hours=self.readback_hours):
            raise Refusal("2283", "The IRN was generated too long ago to be read back.")
        answer = self._answer(registration, ack_at=rounded_to_the_minute(registration.ack_at))
        return self._perhaps_of_another(answer, registration, call)

    def _answer(self, registration: Registration, *, ack_at: datetime) -> Answer:
        key = self.keys.by_kid(registration.kid)
        ewb = registration.ewb
        members = {
            "AckNo": registration.ack_no,
            "AckDt": write_portal_time(ack_at),
            "Irn": registration.irn,
            "SignedInvoice": codec.sign(key, registration.signed_text, issuer=ISSUER),
            "SignedQRCode": codec.sign(key, registration.qr_text, issuer=ISSUER),
            "Status": registration.status,
            "EwbNo": ewb.number if ewb else None,
            "EwbDt": write_portal_time(ewb.made_at) if ewb else None,
            "EwbValidTill": write_portal_time(ewb.valid_until) if ewb and ewb.valid_until else None,
            "Remarks": ewb.remarks if ewb else None,
        }
        return Answer(canonical.write(members), irn=registration.irn)

    def _perhaps_of_another(self, answer: Answer, registration: Registration, call: Call) -> Answer:
        """Another document's answer where that fault struck: one that is registered, else one that is made up."""
        if not call.is_struck_by(Kind.WRONG_DOCUMENT) or call.strike is None:
            return answer
        others = [] if call.strike.fabricate else [each for each in self.ledger if each is not registration]
        other = self.rng.choice(others) if others else _fabricated(registration, self.rng)
        return replace(self._answer(other, ack_at=other.ack_at), irn=answer.irn)


def _check_reason(reason: str, remark: Any) -> None:
    if reason not in CANCEL_REASONS:
        raise Refusal("5002", f"The field CnlRsn must be one of {', '.join(CANCEL_REASONS)}.")
    if not isinstance(remark, str) or not 0 < len(remark) <= CANCEL_REMARK_CHARACTERS_MAX:
        raise Refusal("5002", f"The field CnlRem must have 1 to {CANCEL_REMARK_CHARACTERS_MAX} characters.")


def _fabricated(registration: Registration, rng: random.Random) -> Registration:
    """A registration that does not exist: the same document under a number that nobody sent."""
    doc_no = f"X{rng.randrange(10**9):09}"
    irn = predict(
        seller_gstin=registration.gstin,
        doc_type=registration.doc_type,
        doc_no=doc_no,
        doc_date=registration.doc_date,
    )
    rewritten = {
        text: getattr(registration, text)
        .replace(registration.irn, irn)
        .replace(f'"{registration.doc_no}"', f'"{doc_no}"')
        for text in ("signed_text", "qr_text")
    }
    return replace(registration, irn=irn, doc_no=doc_no, **rewritten)
