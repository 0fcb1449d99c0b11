"""`mohar limits`: the shared limits as they stand, for an operator: every account, every taxpayer that is busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gateway.api.limits import shown
from gateway.cli.local import opened
from gateway.cli.output import JsonOption, console, print_json, table
from gateway.ports import LimiterAwayError, Seller
from gateway.services import limits
from gateway.services.ports import Ports


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command("limits")(show_limits)


def show_limits(
    gstin: Annotated[str | None, typer.Option(help="This taxpayer alone, busy or not.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Every bucket and its level, who used it in the last minute, queues, turns, errors, and whether portals answer."""
    with opened() as wiring:
        ports = wiring.ports
        used = _used(ports)
        busy = _busy(ports, used, gstin)
        at = ports.clock.now()
        found = [shown(limits.standing(seller, ports=ports), at=at) for seller in busy]
    content = {"taxpayers": found, "used_last_minute": used}
    if as_json:
        print_json(content)
        return
    if not found:
        console.print("Nobody called within the last minute, and nothing waits. `--gstin` shows a taxpayer anyway.")
        return
    columns = ("taxpayer", "bucket", "holds", "speed", "used in a minute", "queues", "errors", "portal")
    console.print(table(columns, _rows(found)))


def _used(ports: Ports) -> list[dict[str, Any]]:
    """Who called in the last minute, by account, the busiest first."""
    accounts = sorted({route.gsp_account for route in ports.routebook.routes()})
    try:
        calls = [(account, *each) for account in accounts for each in ports.limiter.used(account).items()]
    except LimiterAwayError:
        return []
    return [
        {"account": account, "gstin": gstin, "class": "direct" if direct else "queued", "calls": count}
        for account, (gstin, direct), count in sorted(calls, key=lambda call: (call[0], -call[2], call[1]))
    ]


def _busy(ports: Ports, used: Sequence[dict[str, Any]], gstin: str | None) -> list[Seller]:
    waiting = {each.lane for each in ports.queues.lengths()}
    calling = {each["gstin"] for each in used}
    return [
        seller
        for seller in ports.directory.sellers()
        if (seller.gstin == gstin if gstin is not None else seller.lane in waiting or seller.gstin in calling)
    ]


def _rows(found: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for each in found:
        spent = ", ".join(f"{scope} {budget['percent']} %" for scope, budget in each["error_budget"].items())
        down = each["portal"]["down_seconds"]
        last = (
            ", ".join(f"{name} {queue['waiting']}" for name, queue in each["queues"].items()),
            spent,
            f"{each['portal']['route']}: " + (f"down for {down} s" if down else "answers"),
        )
        rows.extend((each["gstin"], *_bucket_cells(bucket), *last) for bucket in each["buckets"] or [None])
    return rows


def _bucket_cells(bucket: dict[str, Any] | None) -> tuple[str, str, str, str]:
    if bucket is None:
        return "limiter away", "", "", ""
    used = bucket["used_last_minute"]
    return (
        f"{bucket['scope']}: {bucket['calls']}/{bucket['seconds']} s",
        f"{bucket['room']} of {bucket['burst']}",
        f"{bucket['speed_percent']} %",
        f"{used['direct']} direct, {used['queued']} queued",
    )
