"""The sandbox's settings, and the strict reading of what `POST /_control` asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from gateway.domain import strict_json
from gateway.domain.identifiers import is_irn
from gateway.sandbox.faults import DEFAULT_OPERATIONS, GATEWAY_ERRORS, OPERATIONS, FaultEntry, Kind
from gateway.sandbox.sessions import TOKEN_MINUTES
from gateway.sandbox.wire import DropStyle, Envelope

READBACK_HOURS: Final = 48
"""How long details of an IRN can be read back, by the text of 2283 (older pages say three days)."""

WHOLE_NUMBER_MAX: Final = 10**9
"""Above any sensible setting; it keeps times within what a clock can hold."""


class ControlError(ValueError):
    """The control request is wrong. Its text is one sentence for the person who sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Calls per minute (None: no limit), life of tokens and the time in which registrations can be read back."""

    per_minute_gstin: int | None = None
    per_minute_client: int | None = None
    token_minutes: int = TOKEN_MINUTES
    readback_hours: int = READBACK_HOURS

    def as_json(self) -> dict[str, Any]:
        """The limits as `/_control` takes and tells them."""
        return {
            "per_minute_gstin": self.per_minute_gstin,
            "per_minute_client": self.per_minute_client,
            "token_minutes": self.token_minutes,
            "readback_hours": self.readback_hours,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a control request asks for. A member that was not sent is None and changes nothing.

    `now` is set by `sets_now`, because None means the real clock.
    """

    latency_ms: int | None = None
    faults: tuple[FaultEntry, ...] | None = None
    seed: int | None = None
    now: datetime | None = None
    sets_now: bool = False
    limits: Limits | None = None
    errors_base64: bool | None = None
    status_text: bool | None = None
    rotate_signing_key: bool = False
    publish_signing_key: bool = False
    reject: tuple[str, ...] = ()
    """IRNs that turn out to have been registered at another portal first. One that is not registered is passed over."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """New ones of taxpayers, by GSTIN. Their sessions live on, as long as they would have."""

    def envelope(self, present: Envelope) -> Envelope:
        """The envelope after this change."""
        return Envelope(
            errors_base64=present.errors_base64 if self.errors_base64 is None else self.errors_base64,
            status_text=present.status_text if self.status_text is None else self.status_text,
        )


def read(raw: bytes, *, limits: Limits) -> Change:
    """The change that a control request asks for. Raises ControlError; nothing is changed then."""
    try:
        asked = strict_json.read(raw)
    except strict_json.JsonFault as fault:
        raise ControlError(str(fault)) from fault
    members = _object(asked, "the request")
    change = Change()
    for name, value in members.items():
        reader = _READERS.get(name)
        if reader is None:
            message = f"{name} is no setting; there are {', '.join(sorted(_READERS))}"
            raise ControlError(message)
        change = replace(change, **reader(value, limits))
    return change


def _object(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    message = f"{what} is a JSON object"
    raise ControlError(message)


def _whole(value: Any, name: str, *, least: int = 0) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= WHOLE_NUMBER_MAX:
        return value
    message = f"{name} is a whole number from {least} to {WHOLE_NUMBER_MAX}"
    raise ControlError(message)


def _one_of(value: Any, name: str, choices: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and value in choices:
        return choices[value]
    message = f"{name} is one of {', '.join(choices)}"
    raise ControlError(message)


def _truth(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    message = f"{name} is true or false"
    raise ControlError(message)


def _latency(value: Any, _limits: Limits) -> dict[str, Any]:
    return {"latency_ms": _whole(value, "latency_ms")}


def _seed(value: Any, _limits: Limits) -> dict[str, Any]:
    return {"seed": _whole(value, "seed")}


def _now(value: Any, _limits: Limits) -> dict[str, Any]:
    if value is None:
        return {"now": None, "sets_now": True}
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        instant = None
    if instant is None or instant.tzinfo is None:
        message = "now is an ISO 8601 instant with its offset, or null for the real clock"
        raise ControlError(message)
    return {"now": instant, "sets_now": True}


def _envelope(value: Any, _limits: Limits) -> dict[str, Any]:
    return {"errors_base64": _one_of(value, "envelope", {"plain": False, "base64": True})}


def _status_as(value: Any, _limits: Limits) -> dict[str, Any]:
    return {"status_text": _one_of(value, "status_as", {"number": False, "string": True})}


def _rotate(value: Any, _limits: Limits) -> dict[str, Any]:
    return {"rotate_signing_key": _truth(value, "rotate_signing_key")}


def _publish(value: Any, _limits: Limits) -> dict[str, Any]:
    return {"publish_signing_key": _truth(value, "publish_signing_key")}


def _reject(value: Any, _limits: Limits) -> dict[str, Any]:
    if isinstance(value, list) and all(isinstance(irn, str) and is_irn(irn) for irn in value):
        return {"reject": tuple(value)}
    message = "reject is a list of IRNs"
    raise ControlError(message)


def _passwords(value: Any, _limits: Limits) -> dict[str, Any]:
    found = _object(value, "passwords")
    if not all(isinstance(password, str) and password for password in found.values()):
        message = "passwords gives a text for each GSTIN"
        raise ControlError(message)
    return {"passwords": found}


def _limits(value: Any, limits: Limits) -> dict[str, Any]:
    for name, number in _object(value, "limits").items():
        if name not in limits.as_json():
            message = f"limits.{name} is no limit; there are {', '.join(limits.as_json())}"
            raise ControlError(message)
        unlimited = number is None and name.startswith("per_minute")
        changed: dict[str, Any] = {name: None if unlimited else _whole(number, f"limits.{name}", least=1)}
        limits = replace(limits, **changed)
    return {"limits": limits}


def _faults(value: Any, _limits: Limits) -> dict[str, Any]:
    if not isinstance(value, list):
        message = "faults is a list"
        raise ControlError(message)
    return {"faults": tuple(_fault(entry, f"faults[{place}]") for place, entry in enumerate(value))}


def _fault(value: Any, where: str) -> FaultEntry:
    entry = dict(_object(value, where))
    kind = _one_of(entry.pop("kind", None), f"{where}.kind", {kind.value: kind for kind in Kind})
    operations = _operations(entry.pop("operations", list(DEFAULT_OPERATIONS)), f"{where}.operations")
    if ("probability" in entry) == ("times" in entry):
        message = f"{where} has either probability or times"
        raise ControlError(message)
    if "times" in entry:
        times = _whole(entry.pop("times"), f"{where}.times")
        return FaultEntry(kind=kind, times=times, operations=operations, members=_members(kind, entry, where))
    probability = _probability(entry.pop("probability"), f"{where}.probability")
    return FaultEntry(kind=kind, probability=probability, operations=operations, members=_members(kind, entry, where))


def _probability(value: Any, name: str) -> Decimal:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and 0 <= value <= 1:
        return Decimal(value)
    message = f"{name} is a number from 0 to 1"
    raise ControlError(message)


def _operations(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, list) and value and all(each in OPERATIONS for each in value):
        return tuple(value)
    message = f"{name} is a list of some of {', '.join(OPERATIONS)}"
    raise ControlError(message)


def _members(kind: Kind, entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    readers = _FAULT_MEMBERS.get(kind, {})
    for name in entry:
        if name not in readers:
            known = ", ".join(("kind", "probability", "times", "operations", *readers))
            message = f"{where}.{name} is no member of {kind.value}; there are {known}"
            raise ControlError(message)
    return {name: readers[name](value, f"{where}.{name}") for name, value in entry.items()}


def _style(value: Any, name: str) -> str:
    return str(_one_of(value, name, {style.value: style.value for style in DropStyle}))


def _gateway_status(value: Any, name: str) -> int:
    if value in GATEWAY_ERRORS:
        return int(value)
    message = f"{name} is one of {', '.join(str(status) for status in GATEWAY_ERRORS)}"
    raise ControlError(message)


def _code(value: Any, name: str) -> str:
    if isinstance(value, str) and value:
        return value
    message = f"{name} is a code as text"
    raise ControlError(message)


_DROP: Final[Mapping[str, Callable[[Any, str], Any]]] = {"style": _style}
_FAULT_MEMBERS: Final[Mapping[Kind, Mapping[str, Callable[[Any, str], Any]]]] = {
    Kind.REFUSE: {},
    Kind.DROP_BEFORE: _DROP,
    Kind.DROP_AFTER: _DROP,
    Kind.DELAY: {"ms": _whole},
    Kind.CUT: {"at": _whole},
    Kind.ERROR_5XX: {"after": _truth, "status": _gateway_status},
    Kind.HTML: {"after": _truth},
    Kind.THROTTLE: {"retry_after_seconds": _whole},
    Kind.WRONG_DOCUMENT: {"fabricate": _truth},
    Kind.LATE: {"ms": _whole, **_DROP},
    Kind.UNKNOWN_CODE: {"after": _truth, "code": _code},
}
_READERS: Final[Mapping[str, Callable[[Any, Limits], dict[str, Any]]]] = {
    "latency_ms": _latency,
    "faults": _faults,
    "seed": _seed,
    "now": _now,
    "limits": _limits,
    "envelope": _envelope,
    "status_as": _status_as,
    "rotate_signing_key": _rotate,
    "publish_signing_key": _publish,
    "reject": _reject,
    "passwords": _passwords,
}
