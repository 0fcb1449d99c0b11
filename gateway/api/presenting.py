"""Values as the JSON that clients read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from fastapi.responses import Response

from gateway.domain import canonical, retries
from gateway.domain.calendar import write_instant
from gateway.domain.ewaybill import Standing
from gateway.domain.faults import Fault
from gateway.domain.kinds import KINDS
from gateway.domain.lifecycle import CLOCKS_APART_CODE
from gateway.domain.operations import HoldCause, Operation, Status
from gateway.domain.outcomes import EwayBill, Registration
from gateway.ports import Document, Listed, Relative
from gateway.ports.bills import HeldBill
from gateway.services.limits import Place

_ADVICE: Final[Mapping[Status, str]] = {
    Status.QUEUED: "It waits for its turn; nothing needs to be done.",
    Status.SUBMITTING: "It is being sent; nothing needs to be done.",
    Status.INDETERMINATE: "The portal may have done it: {warning}. The gateway finds out.",
    Status.QUARANTINED: (
        "The portal refused it after an attempt whose outcome is unknown: {warning}. "
        "The gateway looks again until the outcome is certain."
    ),
    Status.HELD: "It waits for a cause that is not the document's; it goes on by itself once that is gone.",
    Status.PARKED: "An operator has to look at it and resume it; {warning}.",
}
_WARNINGS: Final[Mapping[bool, str]] = {
    True: "do not renumber it",
    False: "count on neither outcome yet",
}
"""What not to do while an outcome is unknown, by whether the operation has claimed a document's number."""
_HELD: Final[Mapping[HoldCause, str]] = {
    HoldCause.CREDENTIALS: "The portal does not take the GSTIN's login: enter it anew with `mohar gstin add`.",
    HoldCause.ACCOUNT: "The GSTIN's account at the portal, or the route to it, needs attention.",
    HoldCause.QUOTA: "The portal has blocked further calls for a while; the gateway tries again every hour.",
    HoldCause.SIGNING_KEY_UNKNOWN: "The answer is signed with a key that is not installed: `mohar route key` adds it.",
}


_CLOCKS_APART: Final = (
    "It goes on by itself once the clocks agree: an operator lets the gateway's follow NTP (`mohar doctor`) or has the "
    "`Date` of the portal's answers mended. If its window is near its end, do it at the portal's own pages."
)


def respond(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, its amounts written as they are."""
    return Response(
        canonical.write(content), status_code=status, media_type="application/json", headers=dict(headers or {})
    )


def operation(
    found: Operation, *, place: Place | None = None, attempts: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """An operation. `place` is where it stands in the queue, if it does."""
    shown: dict[str, Any] = {
        "id": found.id,
        "kind": found.kind.value,
        "status": found.status.value,
        "subject": found.subject,
        "irn": found.irn,
        "irn_confirmed": found.status is Status.SUCCEEDED if KINDS[found.kind].claims_number else None,
        "document": None if found.doc_date is None else _document_of(found, found.doc_date),
        "waits_for": found.waits_for,
        "in_doubt": found.in_doubt,
        "attempts": found.attempts,
        "position": None if place is None else place.position,
        "expected_at": None if place is None else _instant(place.expected_at),
        "hold_cause": found.hold_cause and found.hold_cause.value,
        "portal_code": found.portal_code,
        "portal_message": found.portal_message,
        "created_at": write_instant(found.created_at),
        "updated_at": write_instant(found.updated_at),
        "next_attempt_at": _instant(found.due_at),
        "settles_by": _instant(retries.settles_by(found)),
        "settled_at": _instant(found.settled_at),
        "advice": _advice(found),
        "links": links(found),
    }
    if attempts:
        shown["history"] = [_attempt(each) for each in attempts]
    return {name: value for name, value in shown.items() if value is not None}


def step(found: Operation) -> dict[str, Any]:
    """An operation as a part of another."""
    shown = {
        "id": found.id,
        "kind": found.kind.value,
        "status": found.status.value,
        "subject": found.subject,
        "portal_code": found.portal_code,
        "portal_message": found.portal_message,
        "links": links(found),
    }
    return {name: value for name, value in shown.items() if value is not None}


def registration(registered: Registration) -> dict[str, Any]:
    """A document as the portal registered it."""
    return {
        "irn": registered.irn,
        "ack_no": registered.ack_no,
        "ack_date": write_instant(registered.ack_at),
        "signed_invoice": registered.signed_invoice,
        "signed_qr": registered.signed_qr,
    }


def document(
    held: Document, *, bill: HeldBill | None = None, notes: Sequence[Relative] = (), originals: Sequence[Relative] = ()
) -> dict[str, Any]:
    """A document of the ledger, with the operation that brought it; `differences` when it has other content than that.

    Such a one was registered by somebody else under the same number. `bill` is its e-way bill as it stands now, `notes`
    are those that refer to it, and `originals` what it refers to itself.
    """
    registered = held.registration
    shown = {
        "differences": None if held.ours else list(registered.differences),
        "notes": [relative(each) for each in notes] or None,
        "originals": [relative(each) for each in originals] or None,
        "cancelled_at": _instant(held.cancelled_at),
        "superseded_at": _instant(held.superseded_at),
        "source": "portal" if held.operation_id is None else None,
        "id": held.operation_id,
    }
    return {name: value for name, value in shown.items() if value is not None} | {
        "status": held.status,
        **registration(registered),
        "ewb": _eway_bill(registered.ewb, bill),
        "document": _details(registered) | {"doc_date": held.doc_date.isoformat()},
        "links": _links_of(registered.irn, held.operation_id),
    }


def bill(found: HeldBill) -> dict[str, Any]:
    """An e-way bill of the ledger."""
    about = {} if found.irn is None else {"irn": f"/irn/{found.irn}"}
    brought_by = {} if found.operation_id is None else {"operation": f"/operations/{found.operation_id}"}
    return {
        "number": found.number,
        "standing": found.standing.value,
        "irn": found.irn,
        "made_at": _instant(found.made_at),
        "valid_until": _instant(found.valid_until),
        "cancelled_at": _instant(found.cancelled_at),
        "computed_until": _instant(found.computed_until),
        "document": None
        if found.doc_no is None
        else {
            "doc_type": found.doc_type,
            "doc_no": found.doc_no,
            "doc_date": found.doc_date and found.doc_date.isoformat(),
        },
        "vehicle_no": found.vehicle_no,
        "transporter_id": found.transporter_id,
        "trip_sheet": found.trip_sheet,
        "remarks": found.remarks,
        "links": {"self": f"/ewb/{found.number}"} | about | brought_by,
    }


def bill_step(step: Mapping[str, Any]) -> dict[str, Any]:
    """What was done to an e-way bill."""
    told = {
        "step": step["step"],
        "at": _instant(step["at"]),
        "valid_until": _instant(step["valid_until"]),
        "vehicle_no": step["vehicle_no"],
        "transporter_id": step["transporter_id"],
        "trip_sheet": step["trip_sheet"],
        "group": step["movement_group"],
        "links": {"operation": f"/operations/{step['operation_id']}"},
    }
    return {name: value for name, value in told.items() if value is not None}


def relative(found: Relative) -> dict[str, Any]:
    """A note of an invoice, or the invoice of a note."""
    shown = {
        "doc_type": found.doc_type,
        "doc_no": found.doc_no,
        "doc_date": found.doc_date.isoformat(),
        "irn": found.irn,
        "status": found.status,
        "total": found.total,
    }
    return {name: value for name, value in shown.items() if value is not None}


def listed(found: Listed) -> dict[str, Any]:
    """A document in a list."""
    return {
        "irn": found.irn,
        "status": found.status,
        "ack_no": found.ack_no,
        "ack_date": write_instant(found.ack_at),
        "ewb_no": found.ewb_no,
        "document": {
            "doc_type": found.doc_type,
            "doc_no": found.doc_no,
            "doc_date": found.doc_date.isoformat(),
            "buyer_gstin": found.buyer_gstin,
            "total": found.total,
        },
        "links": _links_of(found.irn, found.operation_id),
    }


def warnings(found: Sequence[Fault]) -> dict[str, Any]:
    """What the sender of a document should know about it, if anything."""
    return {"warnings": [fault.as_json() for fault in found]} if found else {}


def links(found: Operation) -> dict[str, str]:
    """Where to go on from an operation."""
    about = {} if found.irn is None else {"irn": f"/irn/{found.irn}"}
    return {"self": f"/operations/{found.id}"} | about


def _document_of(found: Operation, doc_date: date) -> dict[str, Any]:
    return {
        "doc_type": found.doc_type,
        "doc_no": found.doc_no,
        "doc_date": doc_date.isoformat(),
        "seller_gstin": found.gstin,
    }


def _links_of(irn: str, operation_id: str | None) -> dict[str, str]:
    brought_by = {} if operation_id is None else {"operation": f"/operations/{operation_id}"}
    return {"self": f"/irn/{irn}"} | brought_by | {"qr_png": f"/irn/{irn}/qr.png", "qr_svg": f"/irn/{irn}/qr.svg"}


def _details(registered: Registration) -> dict[str, str | Decimal]:
    return {
        "doc_type": registered.doc_type,
        "doc_no": registered.doc_no,
        "seller_gstin": registered.seller_gstin,
        "buyer_gstin": registered.buyer_gstin,
        "total": registered.total,
    }


def _eway_bill(ewb: EwayBill | None, now: HeldBill | None) -> dict[str, Any] | None:
    """What became of the e-way bill: as it was told with the document, and whether it has been cancelled since."""
    if ewb is None:
        return None
    cancelled = now is not None and now.number == ewb.number and now.standing is Standing.CANCELLED
    return {
        "status": "failed" if ewb.number is None else "cancelled" if cancelled else "generated",
        "number": ewb.number,
        "made_at": _instant(ewb.made_at),
        "valid_until": _instant(ewb.valid_until),
        "errors": [{"portal_code": code, "message": message} for code, message in ewb.errors],
        "remarks": ewb.remarks,
    }


def _attempt(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": row["number"],
        "route": row["route"],
        "began_at": write_instant(row["began_at"]),
        "ended_at": _instant(row["ended_at"]),
        "looked_up_first": bool(row["in_doubt"]),
        "meaning": row["meaning"],
        "certainty": row["certainty"],
        "portal_code": row["portal_code"],
        "message": row["message"],
    }


def _advice(found: Operation) -> str | None:
    if found.status is Status.QUEUED and found.portal_code == CLOCKS_APART_CODE:
        return _CLOCKS_APART
    warning = _WARNINGS[KINDS[found.kind].claims_number]
    if found.status is not Status.HELD or found.hold_cause is None:
        advice = _ADVICE.get(found.status)
        return None if advice is None else advice.format(warning=warning)
    doubt = f" It may be done already: {warning}." if found.in_doubt else ""
    return _HELD[found.hold_cause] + doubt


def _instant(at: datetime | None) -> str | None:
    return None if at is None else write_instant(at)
