"""`mohar validate`: what would be said of documents, from files without any gateway, or of those that are stored."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.markup import escape

from gateway.cli.output import EXIT_DONE, EXIT_FAILED, JsonOption, console, errors, fault_table, print_json, table
from gateway.domain import strict_json
from gateway.domain.calendar import indian_date
from gateway.domain.faults import Fault
from gateway.domain.operations import Environment
from gateway.domain.rules import Context
from gateway.services import examination, validation
from gateway.services.examination import Examined
from gateway.system import SystemClock

STANDARD_INPUT: Final = "-"
EXIT_WRONGLY_CALLED: Final = 2
_WRAPPING: Final = "transaction"
"""The member in which bulk files of some programs have each document."""


class RouteKind(StrEnum):
    """Which portal's rules count. The portal's own sandbox takes GSTINs whose check digit does not fit."""

    LIVE = "live"
    SANDBOX = "sandbox"


_ISO: Final = ["%Y-%m-%d"]
Day = Annotated[datetime | None, typer.Option(formats=_ISO, help="The day whose rules count; today.")]
_STORED_DAYS: Final = 90
"""How far --stored looks back unless it is told."""
Since = Annotated[
    datetime | None,
    typer.Option("--from", formats=_ISO, help=f"With --stored: first document date; {_STORED_DAYS} days before --to."),
]
Until = Annotated[datetime | None, typer.Option("--to", formats=_ISO, help="With --stored: last document date; today.")]
Files = Annotated[list[str] | None, typer.Argument(help="Documents or lists of them; - reads standard input.")]


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(validate)


def validate(
    files: Files = None,
    as_of: Day = None,
    route: Annotated[
        RouteKind | None, typer.Option(help="Whose rules: the live portal's (unless told) or its sandbox'.")
    ] = None,
    since: Since = None,
    until: Until = None,
    *,
    stored: Annotated[bool, typer.Option("--stored", help="Which registered documents would break by then.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check documents without sending them; needs no gateway and no database, but for --stored.

    Exit codes: 0 all are valid; 1 some are not; 2 wrongly called.
    """
    today = indian_date(SystemClock().now())
    on = as_of.date() if as_of is not None else today
    if stored:
        last = _day(until, today)
        first = _day(since, last - timedelta(days=_STORED_DAYS))
        if files or route is not None:
            _refuse("--stored takes no files and no --route: every document is judged by its seller's own route.")
        if first > last:
            _refuse(f"The period ends on {last}, before it begins on {first}.")
        raise typer.Exit(_stored(first, last, on, as_json=as_json))
    if not files or since is not None or until is not None:
        _refuse("Name at least one file; or --stored, with --from and --to if you like.")
    context = Context(on=on, route_enforces_check_digit=route is not RouteKind.SANDBOX)
    wrong = 0
    for name in files:
        for place, examined in _looked_at(name, context):
            wrong += not examined.valid
            _tell(place, examined, as_json=as_json)
    raise typer.Exit(EXIT_FAILED if wrong else EXIT_DONE)


def _refuse(why: str) -> NoReturn:
    errors.print(why)
    raise typer.Exit(EXIT_WRONGLY_CALLED)


def _looked_at(name: str, context: Context) -> Iterator[tuple[str, Examined]]:
    """Each document of a file by its place: the file's name, and its number where the file has several."""
    raw = _bytes(name)
    try:
        content = strict_json.read(raw)
    except strict_json.JsonFault as error:
        fault = Fault(error.code, error.at or "", error.message, error.help)
        yield name, Examined(irn=None, errors=(fault,), warnings=())
        return
    for number, document in enumerate(content if isinstance(content, list) else [content]):
        place = f"{name}#{number}" if isinstance(content, list) else name
        reading = examination.read(_unwrapped(document))
        size = examination.size(raw, reading.document)
        yield place, examination.examine(reading, context=examination.sized(context, size))


def _unwrapped(document: Any) -> Any:
    wrapped = isinstance(document, dict) and isinstance(document.get(_WRAPPING), dict)
    return document[_WRAPPING] if wrapped else document


def _bytes(name: str) -> bytes:
    if name == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        _refuse(f"{escape(name)}: {escape(error.strerror or 'cannot be read')}.")


def _tell(place: str, examined: Examined, *, as_json: bool) -> None:
    if as_json:
        told = {"errors": _members(examined.errors), "warnings": _members(examined.warnings)}
        print_json({"file": place, "valid": examined.valid, "irn": examined.irn} | told)
        return
    word = "[green]valid[/]" if examined.valid else "[red]not valid[/]"
    console.print(f"{escape(place)}: {word}", *([examined.irn] if examined.irn else []), soft_wrap=True)
    for heading, faults in (("", examined.errors), ("warnings", examined.warnings)):
        if faults:
            console.print(*([heading] if heading else []), end="\n" if heading else "")
            console.print(fault_table(fault.as_json() for fault in faults))


def _members(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """All members of each, so that a program finds the same columns everywhere."""
    columns = ("code", "at", "message", "help", "portal_code", "fix")
    return [dict.fromkeys(columns) | fault.as_json() for fault in faults]


def _day(given: datetime | None, otherwise: date) -> date:
    return given.date() if given is not None else otherwise


def _stored(since: date, until: date, as_of: date, *, as_json: bool) -> int:
    """The report of what would break: each document with new faults, and how often each rule is broken."""
    from gateway.cli import local  # noqa: PLC0415  files are checked without what a database needs

    looked_at, broken = 0, 0
    rules: Counter[str] = Counter()
    with local.opened() as wiring:
        sellers = [login.seller for login in wiring.survey.logins()]
        for environment in Environment:
            found = wiring.archive.of_period(environment=environment, since=since, until=until)
            own = [seller for seller in sellers if seller.environment is environment]
            for prospect in validation.prospects(found, own, as_of=as_of, ports=wiring.ports):
                looked_at += 1
                broken += bool(prospect.errors)
                rules.update({fault.code for fault in prospect.errors})
                if prospect.errors:
                    place = f"{prospect.stored.operation_id} {prospect.stored.gstin} {prospect.stored.doc_no}"
                    _tell(place, Examined(irn=None, errors=prospect.errors, warnings=()), as_json=as_json)
    if not as_json:
        console.print(
            f"{looked_at} registered documents from {since} to {until}, looked at as of {as_of}:",
            f"{broken} would be refused.",
            soft_wrap=True,
        )
    if rules and not as_json:
        console.print(table(("rule", "documents"), [(code, str(count)) for code, count in rules.most_common()]))
    return EXIT_FAILED if broken else EXIT_DONE
