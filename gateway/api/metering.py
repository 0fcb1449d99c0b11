"""What a client may ask of the gateway: counted when it is known, told in every answer, given back at the end.

The fields are those of draft-ietf-httpapi-ratelimit-headers, and the older `X-RateLimit-*` that many clients know.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import anyio
from starlette.types import Scope as AsgiScope

from gateway.domain import client_limits
from gateway.domain.calendar import write_instant
from gateway.domain.client_limits import ClientLimit, Standing
from gateway.domain.token_bucket import Limit
from gateway.errors import Throttled
from gateway.services.ports import Ports
from gateway.services.principal import Scope
from gateway.settings import Settings

MINUTE_SECONDS: Final = 60
READ: Final = "read"
WRITE: Final = "write"
_ANSWER_SECONDS: Final = 1
"""Within so long one of those that are under way is mostly answered."""
READING_SCOPES: Final = frozenset({Scope.READ, Scope.AUDIT})
_READING: Final = frozenset({"GET", "HEAD"})


def limit_of(settings: Settings, *, reads: bool) -> ClientLimit:
    """The limit that a call counts in: reading has one of its own."""
    calls = settings.client_reads_per_minute if reads else settings.client_requests_per_minute
    return ClientLimit(
        name=READ if reads else WRITE,
        limit=Limit(calls=calls, seconds=MINUTE_SECONDS, burst=settings.client_burst),
        in_flight_max=settings.client_in_flight_max,
    )


def enter(state: dict[str, Any], client_id: str, of: ClientLimit, *, ports: Ports) -> None:
    """Count a request; `state` is the request's own. Raises Throttled, with the standing noted all the same."""
    slot = ports.ids.new("")  # the request's own id is the client's to choose, and may be that of another
    standing = ports.clients.enter(client_id, slot, of)
    state["standing"] = standing
    if standing.let_in:
        state["leave"] = lambda: ports.clients.leave(client_id, slot)
        return
    if standing.under_way >= of.in_flight_max:
        code, seconds = "too-many-under-way", _ANSWER_SECONDS
        message = f"{standing.under_way} requests of this client are under way already; {of.in_flight_max} is the most."
        help = "Wait for answers before you ask more, or send `Prefer: respond-async`."
    else:
        code, seconds = "client-limit-reached", max(1, standing.wait_seconds)
        message = f"This client made more than {of.limit.calls} requests a minute ({of.name})."
        help = "Try again after Retry-After seconds, and go by the RateLimit field of every answer."
    raise Throttled(
        code,
        message,
        help=help,
        retry_after=seconds,
        limit_owner="gateway",
        scope="client",
        reset=write_instant(ports.clock.now() + timedelta(seconds=seconds)),
    )


async def leave(scope: AsgiScope) -> None:
    """The request is answered, or given up."""
    done: Callable[[], None] | None = scope.get("state", {}).pop("leave", None)
    if done is not None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(done)


def fields(scope: AsgiScope, settings: Settings) -> dict[str, str]:
    """The header fields that tell a client how it stands.

    Where nobody knows who it is, or the call counts in nobody's limit, the limit is told of which nothing is spent.
    """
    standing: Standing | None = scope.get("state", {}).get("standing")
    return _fields(standing) if standing is not None else nobodys_fields(settings, reads=scope["method"] in _READING)


def nobodys_fields(settings: Settings, *, reads: bool = False) -> dict[str, str]:
    """Those of the limit that a client would have, whole."""
    return _fields(client_limits.unspent(limit_of(settings, reads=reads)))


def _fields(standing: Standing) -> dict[str, str]:
    limit, name = standing.of.limit, standing.of.name
    return {
        "X-RateLimit-Limit": str(limit.calls),
        "X-RateLimit-Remaining": str(standing.remaining),
        "X-RateLimit-Reset": str(standing.reset_seconds),
        "RateLimit-Policy": f'"{name}";q={limit.calls};w={limit.seconds};burst={limit.burst}',
        "RateLimit": f'"{name}";r={standing.remaining};t={max(standing.wait_seconds, standing.reset_seconds)}',
    }
