"""`mohar limits`: the shared limits as they stand, for an operator: every account, every taxpayer that is busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from gateway.api.limits import health, shown
from gateway.cli.local import opened
from gateway.cli.output import JsonOption, console, print_json, table
from gateway.ports import LimiterAwayError, Seller
from gateway.services import limits
from gateway.services.ports import Ports

_CLASS: Final = {True: "direct", False: "queued"}


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command("limits")(show_limits)


def show_limits(
    gstin: Annotated[str | None, typer.Option(help="This taxpayer alone, busy or not.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Every bucket, its level and use in the last minute, queues, turns, errors, logins, and whether routes answer."""
    with opened() as wiring:
        ports = wiring.ports
        used = _used(ports)
        busy = _busy(ports, used, gstin)
        at = ports.clock.now()
        found = [shown(limits.standing(seller, ports=ports), at=at) for seller in busy]
        routes = [health(limits.health(each.name, ports=ports)) for each in ports.routebook.routes()]
    content = {"taxpayers": found, "routes": routes, "used_last_minute": used}  # null: nobody can ask the limiter
    if as_json:
        print_json(content)
        return
    console.print(table(("route", "breaker", "tried again"), map(_route_cells, routes)))
    if used is None:
        console.print("The limiter does not answer: who called within the last minute is not known.")
    elif not found:
        console.print("Nobody called within the last minute, and nothing waits. `--gstin` shows a taxpayer anyway.")
    if not found:
        return
    cells = [(each["gstin"], *_bucket_cells(bucket)) for each in found for bucket in each["buckets"] or [None]]
    console.print(table(("taxpayer", "bucket", "holds", "speed", "used in a minute"), cells))
    console.print(table(("taxpayer", "queues", "errors", "logins"), map(_taxpayer_cells, found)))


def _used(ports: Ports) -> list[dict[str, Any]] | None:
    """Who called in the last minute, by account, the busiest first; None where nobody can ask the limiter."""
    accounts = sorted({route.gsp_account for route in ports.routebook.routes()})
    try:
        calls = [(account, *each) for account in accounts for each in ports.limiter.used(account).items()]
    except LimiterAwayError:
        return None
    return [
        {"account": account, "gstin": use.gstin, "class": _CLASS[use.direct], "call": use.call, "calls": count}
        for account, use, count in sorted(calls, key=lambda call: (call[0], -call[2], call[1]))
    ]


def _busy(ports: Ports, used: Sequence[dict[str, Any]] | None, gstin: str | None) -> list[Seller]:
    waiting = {each.lane for each in ports.queues.lengths()}
    calling = {each["gstin"] for each in used or ()}
    return [
        seller
        for seller in ports.directory.sellers()
        if (seller.gstin == gstin if gstin is not None else seller.lane in waiting or seller.gstin in calling)
    ]


def _taxpayer_cells(found: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        found["gstin"],
        ", ".join(f"{name} {queue['waiting']}" for name, queue in found["queues"].items()),
        ", ".join(f"{scope} {budget['percent']} %" for scope, budget in found["error_budget"].items()),
        ", ".join(f"{login['route']} {login['attempts']} of {login['limit']}" for login in found["logins"]),
    )


def _route_cells(route: dict[str, Any]) -> tuple[str, str, str]:
    down = route["down_seconds"]
    return route["route"], route["breaker"], f"in {down} s" if down else ""


def _bucket_cells(bucket: dict[str, Any] | None) -> tuple[str, str, str, str]:
    if bucket is None:
        return "limiter away", "", "", ""
    used = bucket["used_last_minute"]
    return (
        f"{bucket['route']} {bucket['scope']}: {bucket['calls']}/{bucket['seconds']} s",
        f"{bucket['room']} of {bucket['burst']}",
        f"{bucket['speed_percent']} %",
        f"{used['direct']} direct, {used['queued']} queued",
    )
