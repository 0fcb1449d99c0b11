"""Cancelling a registered document; and taking it back by whichever road the law has open."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.domain import canonical, notes, strict_json
from gateway.domain.calendar import indian_date
from gateway.domain.ewaybill import Standing
from gateway.domain.identifiers import OPERATION_PREFIX
from gateway.domain.kinds import KINDS, deadline
from gateway.domain.operations import OPEN, Kind, Operation, Status
from gateway.errors import Clash
from gateway.ports import CANCELLED, Document, NewOperation, Received, Reception
from gateway.ports.bills import HeldBill
from gateway.services import admission, grounds, requests
from gateway.services.admission import Asked
from gateway.services.grounds import Ground
from gateway.services.ports import Ports
from gateway.services.principal import Principal

_TRIES_MAX: Final = 3
"""Tries when what a request would wait for is settled at the same moment."""
_EWB_REMARK_CHARACTERS_MAX: Final = 50
"""Of an e-way bill's cancellation; that of an IRN may have 100."""
_REVERSED: Final = {"reason": "order_cancelled", "remarks": "The sale is reversed"}
"""What the steps of a reversal say where the caller gives no reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The lawful road of a reversal: an operation whose success is the end of it, or a draft that the caller posts."""

    received: Received | None = None
    draft: dict[str, Any] | None = None
    original: Document | None = None


def cancel(irn: str, asked: Asked, principal: Principal, *, ports: Ports) -> Received:
    """Cancel an IRN, or find the cancellation that this repeats. While its registration is unknown, it waits for that.

    Raises Invalid, Absent, Lapsed when the 24 hours are over, Clash for a document with an active e-way bill, and
    Throttled.
    """
    steps = _Steps(asked, principal, requests.cancellation(asked.document, irn=irn), ports)
    key, replay = admission.key_of(asked, principal, steps.digest, ports=ports)
    if replay is not None:
        return admission.checked(replay, asked)
    seller = admission.seller_of(principal, ports=ports)
    for _ in range(_TRIES_MAX):
        ground = grounds.of_irn(irn, principal, ports=ports)
        done = _cancelled_before(ground, ports)
        if done is not None:
            return done
        new = steps.of_irn(ground, awaited=_no_bill(ground, ports))
        met = admission.accept(new, key, seller, asked, ports=ports)
        if met.reception is not Reception.GROUND_MOVED:
            return met
    raise RuntimeError(f"{irn}: what its cancellation would wait for was settled {_TRIES_MAX} times")


def reverse(irn: str, asked: Asked, principal: Principal, *, ports: Ports) -> Way:
    """Take a registered document back: its e-way bill and then the IRN are cancelled, or a credit note is drafted.

    The steps are operations, stored together; the second waits for the first. Raises what `cancel` does.
    """
    wish = asked.document if isinstance(asked.document, dict) and asked.document else _REVERSED
    steps = _Steps(asked, principal, requests.cancellation(wish, irn=irn), ports)
    key, replay = admission.key_of(asked, principal, steps.digest, ports=ports)
    if replay is not None:
        return Way(received=admission.checked(replay, asked))
    seller = admission.seller_of(principal, ports=ports)
    ground = grounds.of_irn(irn, principal, ports=ports)
    held = grounds.must_be_registered(ground)
    done = _cancelled_before(ground, ports)
    if done is not None:
        return Way(received=done)
    if _is_over(held, ports):
        return Way(draft=draft(held, ports=ports), original=held)
    bill = _active_bill(ground, ports)
    before = None if bill is None else steps.of_bill(bill, ground)
    return Way(received=admission.accept(steps.of_irn(ground), key, seller, asked, ports=ports, before=before))


def draft(held: Document, *, ports: Ports) -> dict[str, Any]:
    """A credit note for the whole of an invoice, without a number. Raises Clash for what is no invoice."""
    if held.registration.doc_type != notes.INVOICE:
        raise Clash(
            "not-an-invoice",
            f"A document of type {held.registration.doc_type} cannot be cancelled any more, nor credited.",
            help=KINDS[Kind.IRN_CANCEL].way_out,
            irn=held.registration.irn,
        )
    document = _signed_document(held.registration.signed_invoice)
    return notes.credit_note(document, on=indian_date(ports.clock.now()))


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of one request, as operations to be. `payload` is the portal's, for the cancellation of the IRN."""

    asked: Asked
    principal: Principal
    payload: dict[str, Any]
    ports: Ports

    @property
    def digest(self) -> str:
        return canonical.digest(self.payload)

    def of_irn(self, ground: Ground, *, awaited: Operation | None = None) -> NewOperation:
        """Cancel the IRN, once what it waits for has succeeded. Raises Lapsed."""
        since = None if ground.document is None else ground.document.registration.ack_at
        waits = {} if awaited is None else {"waits_for": awaited.id}
        return self._new(Kind.IRN_CANCEL, ground, ground.irn, self.payload, since=since, **waits)

    def of_bill(self, bill: HeldBill, ground: Ground) -> NewOperation:
        """Cancel the e-way bill, for the same reason, which its system counts otherwise. Raises Lapsed."""
        names = {code: name for name, code in requests.CANCEL_REASONS.items()}
        remarks = self.payload["CnlRem"][:_EWB_REMARK_CHARACTERS_MAX]
        words = {"reason": names[self.payload["CnlRsn"]], "remarks": remarks}
        payload = requests.ewb_cancellation(words, number=bill.number)
        return self._new(Kind.EWB_CANCEL, ground, bill.number, payload, since=bill.made_at)

    def _new(
        self,
        kind: Kind,
        ground: Ground,
        subject: str,
        payload: dict[str, Any],
        *,
        since: datetime | None,
        **waits: Any,
    ) -> NewOperation:
        at = self.ports.clock.now()
        until = grounds.window(kind, since=since, at=at, irn=ground.irn)
        return admission.new_operation(
            kind,
            self.asked,
            self.principal,
            id=self.asked.operation_id if kind is Kind.IRN_CANCEL else self.ports.ids.new(OPERATION_PREFIX),
            payload=canonical.written(payload),
            digest=canonical.digest(payload),
            at=at,
            subject=subject,
            deadline_at=until,
            **ground.named() | waits,
        )


def _cancelled_before(ground: Ground, ports: Ports) -> Received | None:
    """The operation that cancelled it. One that was cancelled elsewhere is asked of the portal, which tells when."""
    held = ground.document
    if held is None or held.status != CANCELLED:
        return None
    done = ports.intake.latest_on(
        environment=held.environment,
        gstin=held.gstin,
        kind=Kind.IRN_CANCEL,
        subject=ground.irn,
        statuses=[Status.SUCCEEDED],
    )
    return None if done is None else Received(Reception.SAME_DOCUMENT, done)


def _no_bill(ground: Ground, ports: Ports) -> Operation | None:
    """The cancellation of the e-way bill to wait for, if one is under way. Raises Clash while the bill is active."""
    bill = _active_bill(ground, ports)
    if bill is None:
        return None
    under_way = ports.intake.latest_on(
        environment=bill.environment, gstin=bill.gstin, kind=Kind.EWB_CANCEL, subject=bill.number, statuses=OPEN
    )
    if under_way is None:
        raise Clash(
            "ewb-active",
            f"The document has the active e-way bill {bill.number}: its IRN cannot be cancelled.",
            help=f"Cancel the bill first (POST /ewb/{bill.number}/cancel), or do both: POST /irn/{ground.irn}/reverse.",
            irn=ground.irn,
            portal_code="2230",
        )
    return under_way


def _active_bill(ground: Ground, ports: Ports) -> HeldBill | None:
    held = ground.document
    if held is None:
        return None
    bill = ports.bills.of_irn(environment=held.environment, gstin=held.gstin, irn=ground.irn)
    return bill if bill is not None and bill.standing is Standing.ACTIVE else None


def _is_over(held: Document, ports: Ports) -> bool:
    until = deadline(Kind.IRN_CANCEL, since=held.registration.ack_at)
    return until is not None and ports.clock.now() >= until


def _signed_document(token: str) -> dict[str, Any]:
    """The document that a portal signed, whose signature was checked when it came. Raises ValueError."""
    payload = token.split(".")[1]
    claims = strict_json.read(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    document: dict[str, Any] = strict_json.read(claims["data"].encode())
    return document
