"""E-way bills of registered documents: made, read and cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.domain import canonical
from gateway.domain.ewaybill import Standing
from gateway.domain.notes import INVOICE
from gateway.domain.operations import Kind
from gateway.domain.outcomes import EwayBill
from gateway.errors import Absent, Clash
from gateway.ports import CANCELLED, Document, Received, Reception
from gateway.ports.bills import HeldBill
from gateway.services import admission, enquiry, grounds, requests
from gateway.services.admission import Asked
from gateway.services.grounds import Ground
from gateway.services.ports import Ports
from gateway.services.principal import Principal

_TRIES_MAX: Final = 3
"""Tries when what a request would wait for is settled at the same moment."""


def generate(asked: Asked, principal: Principal, *, ports: Ports) -> Received:
    """Make an e-way bill for an IRN, or find what this repeats. While the registration is unknown, it waits for that.

    Raises Invalid, Absent, Clash for a note, a cancelled document or one that has a bill, Throttled.
    """
    payload = requests.ewb_by_irn(asked.document)
    digest = canonical.digest(payload)
    key, replay = admission.key_of(asked, principal, digest, ports=ports)
    if replay is not None:
        return admission.checked(replay, asked)
    seller = admission.seller_of(principal, ports=ports)
    for _ in range(_TRIES_MAX):
        ground = grounds.of_irn(payload["Irn"], principal, ports=ports)
        done = _made_before(ground, digest, ports)
        if done is not None:
            return done
        new = admission.new_operation(
            Kind.EWB_GENERATE,
            asked,
            principal,
            payload=canonical.written(payload),
            digest=digest,
            at=ports.clock.now(),
            subject=ground.irn,
            deadline_at=None,
            **ground.named(),
        )
        met = admission.accept(new, key, seller, asked, ports=ports)
        if met.reception is not Reception.GROUND_MOVED:
            return met
    raise RuntimeError(f"{new.irn}: what its e-way bill would wait for was settled {_TRIES_MAX} times")


def cancel(number: str, asked: Asked, principal: Principal, *, ports: Ports) -> Received:
    """Cancel an e-way bill, or find the cancellation that this repeats. Raises Invalid, Absent, Lapsed, Throttled."""
    bill = get(number, principal, ports=ports)
    payload = requests.ewb_cancellation(asked.document, number=number)
    digest = canonical.digest(payload)
    key, replay = admission.key_of(asked, principal, digest, ports=ports)
    if replay is not None:
        return admission.checked(replay, asked)
    seller = admission.seller_of(principal, ports=ports)
    if bill.standing is Standing.CANCELLED:
        done = enquiry.latest_done(Kind.EWB_CANCEL, number, principal, ports=ports)
        if done is not None:
            return Received(Reception.SAME_DOCUMENT, done)
    at = ports.clock.now()
    until = grounds.window(Kind.EWB_CANCEL, since=bill.made_at, at=at, number=number)
    new = admission.new_operation(
        Kind.EWB_CANCEL,
        asked,
        principal,
        payload=canonical.written(payload),
        digest=digest,
        at=at,
        subject=number,
        irn=bill.irn,
        deadline_at=until,
    )
    return admission.accept(new, key, seller, asked, ports=ports)


def get(number: str, principal: Principal, *, ports: Ports) -> HeldBill:
    """An e-way bill as the ledger has it. Raises Absent."""
    known = number.isascii() and number.isdigit()
    found = ports.bills.get(environment=principal.environment, gstin=principal.gstin, number=number) if known else None
    if found is None:
        raise Absent("ewb-unknown", "There is no such e-way bill here.", help="Check the number and the token's GSTIN.")
    return found


def of_irn(irn: str, principal: Principal, *, refresh: bool, ports: Ports) -> HeldBill:
    """The e-way bill of an IRN, asked of the portal where the ledger has none or `refresh` is wanted.

    Raises Absent, Throttled or Unavailable.
    """
    held = grounds.must_be_registered(grounds.of_irn(irn, principal, ports=ports))
    known = ports.bills.of_irn(environment=held.environment, gstin=held.gstin, irn=irn)
    if known is not None and not refresh:
        return known
    seller = enquiry.asking(principal, ports)
    told = ports.enquiries.bill_of(seller, irn=irn)
    if told is None:
        raise Absent("ewb-unknown", "The document has no e-way bill.", help="Make one with POST /ewb.", irn=irn)
    ports.bills.take_over(_as_told(told, held, known, at=ports.clock.now()))
    return get(told.number or "", principal, ports=ports)


def _as_told(told: EwayBill, held: Document, known: HeldBill | None, *, at: datetime) -> HeldBill:
    """A bill as the portal tells of it now; what it does not tell is as it was known."""
    standing = Standing.CANCELLED if told.cancelled else Standing.ACTIVE
    if known is not None and known.number == told.number:
        return replace(known, standing=standing, valid_until=told.valid_until, recorded_at=at)
    return HeldBill(
        environment=held.environment,
        org_id=held.org_id,
        gstin=held.gstin,
        number=told.number or "",
        irn=held.registration.irn,
        operation_id=None,
        doc_type=held.registration.doc_type,
        doc_no=held.registration.doc_no,
        doc_date=held.doc_date,
        standing=standing,
        made_at=told.made_at,
        valid_until=told.valid_until,
        computed_until=None,
        vehicle_no=None,
        transporter_id=None,
        trip_sheet=None,
        remarks=told.remarks,
        differences=(),
        cancelled_at=None,
        recorded_at=at,
    )


def _made_before(ground: Ground, digest: str, ports: Ports) -> Received | None:
    """The operation that made the active bill, if it asked for the same. Raises Clash for what stands in the way."""
    held = ground.document
    if held is None:
        return None
    if held.status == CANCELLED:
        raise Clash(
            "irn-cancelled",
            "The document is cancelled: no e-way bill can be made for it.",
            help="Register the sale anew, under a new number.",
            irn=ground.irn,
            portal_code="4000",
        )
    if held.registration.doc_type != INVOICE:
        raise Clash(
            "ewb-for-a-note",
            "No e-way bill is made for a credit or debit note.",
            help="Make a bill of another kind in the e-way bill system.",
            irn=ground.irn,
            portal_code="4010",
        )
    bill = ports.bills.of_irn(environment=held.environment, gstin=held.gstin, irn=ground.irn)
    if bill is None or bill.standing is not Standing.ACTIVE:
        return None
    maker = ports.intake.get(bill.operation_id) if bill.operation_id is not None else None
    if maker is not None and maker.kind is Kind.EWB_GENERATE and maker.content_digest == digest:
        return Received(Reception.SAME_DOCUMENT, maker)
    raise Clash(
        "ewb-exists",
        f"The document has the e-way bill {bill.number} already.",
        help=f"See GET /ewb/{bill.number}. To change its transport, change the bill; or cancel it and ask again.",
        irn=ground.irn,
        portal_code="4002",
    )
