"""What an endpoint's signature asks for: a caller with a scope, and the caller's wishes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from gateway.api import state
from gateway.errors import Invalid, Unauthorised
from gateway.services import access
from gateway.services.principal import Principal, Scope

KEY_CHARACTERS_MAX: Final = 255
"""Of an Idempotency-Key: long enough for any identifier of an ERP."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_WAIT: Final = re.compile(r"wait\s*=\s*([0-9]{1,4})", re.ASCII)
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Preference:
    """How a caller wants its answer: at once (`direct` is false), or after waiting for the outcome."""

    direct: bool
    wait_seconds: float


def scoped(scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: the caller, whose token must have the scope."""

    async def caller(request: Request) -> Principal:
        given = request.headers.get("authorization", "")
        if given[: len(_BEARER)].lower() != _BEARER:
            raise Unauthorised(
                "token-missing",
                "There is no access token.",
                help="Get one from POST /oauth/token and send it as `Authorization: Bearer …`.",
            )
        here = state.of(request)
        found = await here.run(access.principal, given[len(_BEARER) :].strip(), ports=here.ports)
        found.require(scope)
        return found

    return caller


MayRegister = Annotated[Principal, Depends(scoped(Scope.IRN_WRITE))]
MayRegisterNotes = Annotated[Principal, Depends(scoped(Scope.CDNR_WRITE))]
MayRead = Annotated[Principal, Depends(scoped(Scope.READ))]


def preference(request: Request, principal: Principal) -> Preference:
    """What `Prefer` (RFC 7240) asks for; the client's registered way where it says nothing. Unknown words pass."""
    settings = state.of(request).settings
    words = ",".join(request.headers.getlist("prefer")).lower()
    match = _WAIT.search(words)
    asked = int(match.group(1)) if match else settings.direct_wait_seconds
    wait = float(min(asked, settings.direct_wait_seconds_max))
    if "respond-async" in words:
        return Preference(direct=False, wait_seconds=0)
    return Preference(direct=match is not None or not principal.respond_async, wait_seconds=wait)


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key, bare or quoted as the IETF draft has it. Raises Invalid."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(given) > 1 or _KEY.fullmatch(key) is None or '"' in key:
        raise Invalid(
            "idempotency-key-invalid",
            f"An Idempotency-Key is one header of 1 to {KEY_CHARACTERS_MAX} visible ASCII characters.",
            help="Use a UUID, or the document's own id in your system.",
        )
    return key
