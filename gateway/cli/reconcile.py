"""`mohar reconcile`: a taxpayer's ledger against the portals, now, for an operator."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer

from gateway.api.reconciliation import shown
from gateway.cli.local import opened
from gateway.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_UNDER_WAY, JsonOption, console, print_json, table
from gateway.cli.setup import EnvironmentOption
from gateway.domain.calendar import indian_date
from gateway.domain.operations import Environment
from gateway.errors import Absent
from gateway.services import reconciling
from gateway.services.reconciling import Day, Standing
from gateway.wiring import Wiring

ACTOR: Final = "operator"


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile")(reconcile)


def reconcile(
    gstin: Annotated[str, typer.Option(help="The taxpayer.")],
    *,
    on: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="A day of India; today's, if not given.")
    ] = None,
    environment: EnvironmentOption = Environment.TEST,
    as_json: JsonOption = False,
) -> None:
    """Look at a day's documents at the portal again, here and now, and at the portal's list of rejected IRNs.

    A run that has ended begins anew, and tells nothing twice. Exit codes: 0 nothing was found; 1 something was, by this
    run or an earlier one of the day; 3 wrongly configured; 4 it waits, or another process is at it: it goes on there.
    """
    with opened(needs_redis=True) as wiring:
        day = _work_off(wiring, environment=environment, gstin=gstin.strip().upper(), on=on)
    content = shown(day)
    if as_json:
        print_json(content)
    else:
        _print(content)
    if day.standing is not Standing.DONE:
        raise typer.Exit(EXIT_UNDER_WAY)
    raise typer.Exit(EXIT_FAILED if day.run.found else EXIT_DONE)


def _work_off(wiring: Wiring, *, environment: Environment, gstin: str, on: datetime | None) -> Day:
    """The run as far as it comes in this process. Raises Absent or Invalid."""
    ports = wiring.ports
    seller = ports.directory.seller(environment=environment, gstin=gstin)
    if seller is None:
        raise Absent(
            "gstin-unknown",
            f"{gstin} is not set up here for {environment}.",
            help="See `mohar gstin list`; name its environment with --environment.",
        )
    wanted = indian_date(ports.clock.now()) if on is None else on.date()
    run = reconciling.ask(seller=seller, day=wanted, actor=ACTOR, ports=ports)
    while reconciling.drain(run.lane, ports=ports, policy=wiring.drain_policy):
        pass
    [day] = reconciling.days(
        seller.environment, seller.org_id, seller.gstin, before=run.day + timedelta(days=1), rows_max=1, ports=ports
    )
    return day


def _print(content: dict[str, Any]) -> None:
    counts = f"{content['checked']} documents checked, {content['looked_up']} numbers looked up"
    left = f", {content['unread']} left out" if content["unread"] else ""
    console.print(f"{content['day']}: {content['standing']}, {counts}{left}, {content['found']} found.")
    if content["waiting"]:
        console.print(f"It goes on at {content['goes_on_at']}: {content['waiting']}", markup=False)
    if content["findings"]:
        rows = [
            (
                each["kind"],
                each["doc_no"] or "",
                each["irn"],
                ", ".join(diff["at"] or "/" for diff in each["differences"]),
            )
            for each in content["findings"]
        ]
        console.print(table(("finding", "document", "IRN", "differs at"), rows))
