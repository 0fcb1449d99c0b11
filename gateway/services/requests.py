"""Small requests as clients write them: the portal's own members, or ours, which say the same in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway import shape
from gateway.domain.faults import Fault
from gateway.errors import Invalid

CANCEL_REASONS: Final[Mapping[str, str]] = {
    "duplicate": "1",
    "data_entry_mistake": "2",
    "order_cancelled": "3",
    "other": "4",
}
"""Of an IRN, by the portal's codes (e-invoice API v1.03)."""
EWB_CANCEL_REASONS: Final[Mapping[str, int]] = {
    "duplicate": 1,
    "order_cancelled": 2,
    "data_entry_mistake": 3,
    "other": 4,
}
"""Of an e-way bill. The two systems count the same reasons differently (e-way bill API v1.03)."""


def cancellation(asked: Any, *, irn: str) -> dict[str, Any]:
    """The portal's payload for the cancellation of an IRN. Raises Invalid with all faults."""
    members = _object(asked)
    given = {"CnlRsn": ("reason", "CnlRsn"), "CnlRem": ("remarks", "CnlRem")}
    payload: dict[str, Any] = {"Irn": irn} | _picked(members, given)
    reason = payload.get("CnlRsn")
    payload |= {} if reason is None else {"CnlRsn": CANCEL_REASONS.get(str(reason).lower(), str(reason))}
    _check(payload, "einvoice/1.03#cancel", members, given)
    return payload


def ewb_cancellation(asked: Any, *, number: str) -> dict[str, Any]:
    """The portal's payload for the cancellation of an e-way bill. Raises Invalid with all faults."""
    members = _object(asked)
    given = {"cancelRsnCode": ("reason", "cancelRsnCode"), "cancelRmrk": ("remarks", "cancelRmrk")}
    payload: dict[str, Any] = {"ewbNo": int(number)} | _picked(members, given)
    reason = payload.get("cancelRsnCode")
    if isinstance(reason, str):
        known = EWB_CANCEL_REASONS.get(reason.lower(), int(reason) if reason in _CODES else None)
        payload["cancelRsnCode"] = reason if known is None else known
    _check(payload, "ewaybill/1.03#cancel", members, given)
    return payload


def ewb_by_irn(asked: Any) -> dict[str, Any]:
    """The portal's payload for an e-way bill of an IRN. Raises Invalid with all faults."""
    members = _object(asked)
    _check(members, "einvoice/1.03#ewb", members, {})
    return members


_CODES: Final = frozenset("1234")


def _object(asked: Any) -> dict[str, Any]:
    if isinstance(asked, dict):
        return asked
    raise Invalid("body-no-object", "The body is no JSON object.", help="Send an object with the named members.")


def _picked(members: Mapping[str, Any], given: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The portal's members, each from the first of its names that the client has used."""
    named = {name: next((each for each in names if each in members), None) for name, names in given.items()}
    return {name: members[used] for name, used in named.items() if used is not None}


def _check(
    payload: Mapping[str, Any], schema: str, members: Mapping[str, Any], given: Mapping[str, tuple[str, ...]]
) -> None:
    faults = [_at_client(fault, members, given) for fault in shape.check(payload, schema)]
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise Invalid(
            "request-invalid",
            f"The request has {count}; nothing was sent to the portal.",
            help="Correct every place that `errors` names, then send it again.",
            faults=faults,
        )


def _at_client(fault: Fault, members: Mapping[str, Any], given: Mapping[str, tuple[str, ...]]) -> Fault:
    """A fault at the place where the client wrote it, or would write it."""
    names = given.get(fault.at.removeprefix("/"))
    if names is None:
        return fault
    used = next((each for each in names if each in members), names[0])
    return Fault(fault.code, f"/{used}", fault.message, fault.help, portal_code=fault.portal_code)
