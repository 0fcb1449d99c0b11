"""What can go wrong, split by what the caller must do.

    MoharError
    ├── Invalid            the request is wrong: mend it, then send it again
    │   └── Malformed      it cannot even be read
    ├── Unauthorised       who is calling is unknown: get a token
    ├── Forbidden          known, but not allowed
    ├── Absent             no such thing (or another's: the two look alike)
    ├── Clash              contradicts what is registered or under way
    ├── Lapsed             the law's time for it is over: take the way out that `help` names
    ├── Throttled          no room just now: come back after `retry_after` seconds, nothing was stored
    ├── Unavailable        a part we need is away: come back, nothing was stored
    └── Misconfigured      an operator has to mend the set-up

Every error has a stable `code`, a sentence that says what is wrong and one that says what to do next. The layer that
speaks HTTP gives each class its status; nothing below it knows of statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.faults import Fault


class MoharError(Exception):
    """The root of all errors that the gateway raises on purpose."""

    def __init__(self, code: str, message: str, *, help: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.facts: Mapping[str, Any] = facts


class Invalid(MoharError):
    """The request is wrong. `faults` has everything that is wrong with it, never the first finding alone."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        help: str,
        faults: Sequence[Fault] = (),
        **facts: Any,
    ) -> None:
        super().__init__(code, message, help=help, **facts)
        self.faults = tuple(faults)


class Malformed(Invalid):
    """The bytes cannot be read as strict JSON."""


class TooLarge(MoharError):
    """The body is above the limit."""


class UnsupportedMedia(MoharError):
    """The body is of a type, or in an encoding, that is not read here."""


class Unauthorised(MoharError):
    """The caller did not prove who it is."""


class Forbidden(MoharError):
    """The caller is known and may not do this."""


class Absent(MoharError):
    """There is no such thing, or it is another's."""


class Clash(MoharError):
    """The request contradicts something that is registered or under way."""


class Lapsed(MoharError):
    """The time that the law gives for it is over."""


class Throttled(MoharError):
    """There is no room just now. Nothing was stored."""

    def __init__(self, code: str, message: str, *, help: str, retry_after: int, **facts: Any) -> None:
        super().__init__(code, message, help=help, **facts)
        self.retry_after = retry_after


class Unavailable(Throttled):
    """A part that is needed is away. Nothing was stored."""


class Misconfigured(MoharError):
    """The set-up is wrong: an operator has to mend it."""
