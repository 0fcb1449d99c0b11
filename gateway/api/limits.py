"""GET /limits: what a caller may do, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, presenting, state
from gateway.api.dependencies import MayRead
from gateway.domain import error_budget
from gateway.domain.calendar import write_instant
from gateway.ports import Spending
from gateway.services import enquiry, limits
from gateway.services.limits import Bucket, Health, Logins, Standing
from gateway.services.principal import Scope

router = APIRouter()


@router.get(
    "/limits",
    summary="The limits, and how they stand",
    tags=["limits"],
    openapi_extra=contract.call({200: "Limits"}, scope=Scope.READ),
)
async def get_limits(request: Request, principal: MayRead) -> Response:
    """Every limit that the caller's calls count in, with its level and its use in the last minute.

    Also the queues, the turn of a new request, the errors and logins that the portal counts, and whether each route
    answers. Of other taxpayers it tells nothing but the sum of their calls in what all of an account share.
    """
    here = state.of(request)

    def show() -> dict[str, Any]:
        seller = enquiry.seller_of(principal, here.ports)
        return shown(limits.standing(seller, ports=here.ports), at=here.ports.clock.now())

    return presenting.respond(await here.run(show))


def shown(found: Standing, *, at: datetime) -> dict[str, Any]:
    """A taxpayer's standing as clients and operators read it."""
    return {
        "gstin": found.seller.gstin,
        "limiter": "away" if found.buckets is None else "present",
        "buckets": [bucket(each) for each in found.buckets or ()],
        "queues": {name: _queue(found, direct=direct, at=at) for name, direct in (("direct", True), ("queued", False))},
        "error_budget": {each.scope.value: _errors(each, at) for each in found.errors},
        "logins": [_logins(each) for each in found.logins],
        "routes": [health(each) for each in found.routes],
    }


def health(found: Health) -> dict[str, Any]:
    """A route's circuit breaker as clients and operators read it."""
    return {"route": found.route, "breaker": found.breaker.value, "down_seconds": found.down_seconds}


def bucket(found: Bucket) -> dict[str, Any]:
    """A bucket as clients and operators read it."""
    limit, level = found.limit, found.level
    return {
        "route": found.route,
        "scope": found.scope,
        "calls": limit.calls,
        "seconds": limit.seconds,
        "burst": limit.burst,
        "room": level.room,
        "promised": level.promised,
        "speed_percent": level.speed_permille // 10,
        "wait_seconds": {"direct": round(level.direct_wait), "queued": round(level.queued_wait)},
        "used_last_minute": {"direct": found.direct_used, "queued": found.queued_used},
    }


def _queue(found: Standing, *, direct: bool, at: datetime) -> Mapping[str, Any]:
    queue, expected = found.queues.get(direct), found.expected_at[direct]
    told = {"waiting": queue.waiting if queue is not None else 0}
    return told | ({} if expected is None else {"expected_at": write_instant(max(at, expected))})


def _logins(found: Logins) -> dict[str, Any]:
    told = {
        "route": found.route,
        "attempts": found.attempts,
        "limit": error_budget.LOGINS_MAX,
        "window_seconds": int(error_budget.LOGIN_WINDOW.total_seconds()),
    }
    return told | ({} if found.next_at is None else {"next_at": write_instant(found.next_at)})


def _errors(spent: Spending, at: datetime) -> dict[str, Any]:
    return {
        "errors": spent.errors,
        "limit": error_budget.ERRORS_MAX[spent.scope],
        "percent": error_budget.percent(spent.scope, spent.errors),
        "window_days": error_budget.WINDOW_DAYS,
        "eases_at": write_instant(error_budget.eases_at(at)),
    }
