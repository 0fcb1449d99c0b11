"""What an endpoint's signature asks for: a caller with a scope, and the caller's wishes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from gateway.api import metering, queries, state
from gateway.api.body import BLANKS
from gateway.errors import Invalid, Unauthorised
from gateway.services import authentication
from gateway.services.principal import Principal, Scope

KEY_CHARACTERS_MAX: Final = 255
"""Of an Idempotency-Key: long enough for any identifier of an ERP."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_WAIT_DIGITS_MAX: Final = 9
"""Of `wait=N`; what is longer is no number of seconds and is passed over."""
_BEARER: Final = "bearer "
ALLOWED_MAX: Final = 20
"""Rules that one document is excused from: there are fewer that can be waived."""
_RULE_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preference:
    """How a caller wants its answer: at once (`direct` is false), or after waiting for the outcome."""

    direct: bool
    wait_seconds: float


def scoped(scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: the caller, whose token must have the scope."""

    async def caller(request: Request) -> Principal:
        here = state.of(request)
        credential = _credential(request)

        def known() -> Principal:
            found = authentication.principal(credential, ports=here.ports)
            of = metering.limit_of(here.settings, reads=scope in metering.READING_SCOPES)
            metering.enter(request.scope["state"], found.client_id, of, ports=here.ports)
            return found

        found = await here.run(known)
        request.state.principal = found
        found.require(scope)
        queries.check(request)
        return found

    return caller


def _credential(request: Request) -> str:
    """The token or API key of a request. Raises Unauthorised."""
    given = ",".join(request.headers.getlist("authorization"))  # two of them are no valid token either
    keys = request.headers.getlist("x-api-key")
    if len(keys) == 1 and not given and keys[0].startswith(authentication.KEY_MARKS):
        return keys[0].strip(BLANKS)
    if given[: len(_BEARER)].lower() != _BEARER or keys:
        raise Unauthorised(
            "token-missing",
            "There is no access token, or more than one proof of who is calling.",
            help="Get one from POST /oauth/token and send it as `Authorization: Bearer …`; or one `X-API-Key`.",
        )
    return given[len(_BEARER) :].strip(BLANKS)


MayRegister = Annotated[Principal, Depends(scoped(Scope.IRN_WRITE))]
MayRegisterNotes = Annotated[Principal, Depends(scoped(Scope.CDNR_WRITE))]
MayAudit = Annotated[Principal, Depends(scoped(Scope.AUDIT))]
MayManageWebhooks = Annotated[Principal, Depends(scoped(Scope.WEBHOOKS))]
MayCancel = Annotated[Principal, Depends(scoped(Scope.IRN_CANCEL))]
MayMove = Annotated[Principal, Depends(scoped(Scope.EWB_WRITE))]
MayRead = Annotated[Principal, Depends(scoped(Scope.READ))]
MayAdminister = Annotated[Principal, Depends(scoped(Scope.ADMIN))]


def preference(request: Request, principal: Principal) -> Preference:
    """What `Prefer` (RFC 7240) asks for; the client's registered way where it says nothing. Unknown words pass."""
    settings = state.of(request).settings
    words = _preferences(request)
    asked = words.get("wait", "")
    waits = asked.isascii() and asked.isdigit() and len(asked) <= _WAIT_DIGITS_MAX
    wait = min(int(asked) if waits else settings.direct_wait_seconds, settings.direct_wait_seconds_max)
    if "respond-async" in words:
        return Preference(direct=False, wait_seconds=0)
    return Preference(direct=waits or not principal.respond_async, wait_seconds=wait)


def _preferences(request: Request) -> dict[str, str]:
    """Names in lower case with their values; of a repeated one the first counts (RFC 7240, section 2)."""
    found: dict[str, str] = {}
    for part in ",".join(request.headers.getlist("prefer")).split(","):
        name, _, value = part.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def allowed(text: str) -> frozenset[str]:
    """The codes of rules of which the caller says that the document is meant so.

    `text` has them with commas. Raises Invalid for what can be no code; what stands for no rule is passed over.
    """
    codes = frozenset(code.strip() for code in text.split(",")) - {""}
    if len(codes) > ALLOWED_MAX or not all(_RULE_CODE.fullmatch(code) for code in codes):
        raise Invalid(
            "allow-malformed", "allow is no list of rule codes.", help="Write codes as `errors` had them, with commas."
        )
    return codes


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key, bare or quoted as the IETF draft has it. Raises Invalid."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0].strip(BLANKS)
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(given) > 1 or _KEY.fullmatch(key) is None or '"' in key:
        raise Invalid(
            "idempotency-key-invalid",
            f"An Idempotency-Key is one header of 1 to {KEY_CHARACTERS_MAX} visible ASCII characters.",
            help="Use a UUID, or the document's own id in your system.",
        )
    return key
