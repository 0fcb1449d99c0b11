"""`mohar limits`: the shared limits as they stand, for an operator: every account, every taxpayer that is busy."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from gateway.api.limits import bucket, health, shown
from gateway.cli.local import opened
from gateway.cli.output import JsonOption, console, print_json, table
from gateway.ports import LimiterAwayError, Seller
from gateway.services import limits
from gateway.services.ports import Ports

_BUCKET: Final = ("bucket", "holds", "speed", "waits", "used")
"""Direct calls come before queued ones; what is used is that of the last minute."""
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
        accounts = _accounts(ports)
        at = ports.clock.now()
        found = [shown(limits.standing(seller, ports=ports), at=at) for seller in busy]
        routes = [health(limits.health(each.name, ports=ports)) for each in ports.routebook.routes()]
    # null: nobody can ask the limiter
    content = {"taxpayers": found, "routes": routes, "accounts": accounts, "used_last_minute": used}
    if as_json:
        print_json(content)
        return
    console.print(table(("route", "breaker", "tried again"), map(_route_cells, routes)))
    _print_limits(accounts, used, gstin)
    if not found and used is not None:
        console.print("Nobody called within the last minute, and nothing waits. `--gstin` shows a taxpayer anyway.")
    if not found:
        return
    cells = [(each["gstin"], *_bucket_cells(kept)) for each in found for kept in each["buckets"] or [None]]
    console.print(table(("taxpayer", *_BUCKET), cells))
    console.print(table(("taxpayer", "queues", "errors", "logins"), map(_taxpayer_cells, found)))


def _print_limits(
    accounts: Sequence[dict[str, Any]] | None, used: Sequence[dict[str, Any]] | None, gstin: str | None
) -> None:
    if accounts is None or used is None:
        console.print("The limiter does not answer: who called within the last minute is not known.")
        return
    console.print(table(("account", *_BUCKET), [(each["account"], *_bucket_cells(each)) for each in accounts]))
    calls = [each for each in used if gstin in (None, each["gstin"])]
    if calls:
        names = ("account", "gstin", "class", "call", "calls")
        console.print(table(names, [[str(each[name]) for name in names] for each in calls]))


def _accounts(ports: Ports) -> list[dict[str, Any]] | None:
    """The bucket of every account, busy or not; None where nobody can ask the limiter."""
    try:
        found = limits.of_accounts(ports.directory.sellers(), ports=ports)
    except LimiterAwayError:
        return None
    return [{"account": ports.routebook.route(each.route).gsp_account, **bucket(each)} for each in found]


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
    """Those who call, who wait, and whom the portal has throttled."""
    sellers = ports.directory.sellers()
    if gstin is not None:
        return [seller for seller in sellers if seller.gstin == gstin]
    lanes = {each.lane for each in ports.queues.lengths()}
    with contextlib.suppress(LimiterAwayError):  # said where nobody's use is known
        lanes |= limits.slowed(sellers, ports=ports)
    calling = {each["gstin"] for each in used or ()}
    return [seller for seller in sellers if seller.lane in lanes or seller.gstin in calling]


def _taxpayer_cells(found: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        found["gstin"],
        ", ".join(
            f"{name} {queue['waiting']}, turn {queue.get('expected_at', 'not known')}"
            for name, queue in found["queues"].items()
        ),
        ", ".join(f"{scope} {budget['percent']} %" for scope, budget in found["error_budget"].items()),
        ", ".join(f"{login['route']} {login['attempts']} of {login['limit']}" for login in found["logins"]),
    )


def _route_cells(route: dict[str, Any]) -> tuple[str, str, str]:
    down = route["down_seconds"]
    return route["route"], route["breaker"], f"in {down} s" if down else ""


def _bucket_cells(shown: dict[str, Any] | None) -> tuple[str, str, str, str, str]:
    if shown is None:
        return "limiter away", "", "", "", ""
    used, waits = shown["used_last_minute"], shown["wait_seconds"]
    return (
        f"{shown['route']} {shown['scope']}: {shown['calls']}/{shown['seconds']} s",
        f"{shown['room']} of {shown['burst']}",
        f"{shown['speed_percent']} %",
        f"{waits['direct']} s, {waits['queued']} s",
        f"{used['direct']}, {used['queued']}",
    )
