"""`mohar audit`: evidence bundles checked by anybody, and the sealed log for an operator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer
from rich.markup import escape

from gateway.cli.judge import BundleJudge
from gateway.cli.local import opened
from gateway.cli.output import EXIT_FAILED, JsonOption, console, errors, print_json, table
from gateway.domain import bundle
from gateway.domain.bundle_check import Check, Flaw
from gateway.domain.calendar import write_instant
from gateway.domain.operations import Environment
from gateway.errors import Absent
from gateway.ports.evidence import SealedRecord, Wanted
from gateway.services import evidence, sealing
from gateway.services.access import OPERATOR
from gateway.services.ports import Ports
from gateway.services.principal import Principal, Scope

FLAWS_SHOWN_MAX: Final = 100
"""Of one bundle: more tell a person nothing new."""
STANDARD_INPUT: Final = "-"

audit_app = typer.Typer(help="The sealed audit log and its evidence.", no_args_is_help=True)
GstinArgument = Annotated[str, typer.Argument(help="Whose records.")]
EnvironmentOption = Annotated[Environment, typer.Option(help="`live` for invoices that count.")]
SinceOption = Annotated[datetime | None, typer.Option(help="Not before this time, in UTC.")]
UntilOption = Annotated[datetime | None, typer.Option(help="Before this time, in UTC.")]


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(audit_app, name="audit")


@audit_app.command()
def verify(
    file: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="A bundle of GET /audit/export; - reads it from a pipe.")
    ],
    *,
    key_id: Annotated[
        list[str] | None, typer.Option(help="A key that your operator named to you; others are then refused.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle with nothing but itself: exit code 0 if it holds, 1 if anything in it was touched."""
    check = Check(BundleJudge())
    with _lines_of(file) as lines:
        flaws = [flaw for _, flaw in zip(range(FLAWS_SHOWN_MAX), check.flaws(lines), strict=False)]
    strangers = sorted(set(check.summary.key_ids) - set(key_id)) if key_id else []
    flaws += [
        Flaw(0, "key-unexpected", f"The bundle is signed with a key that you did not name: {each}.")
        for each in strangers
    ]
    if as_json:
        print_json(_verdict(check, flaws))
    else:
        _print_verdict(check, flaws)
    if flaws:
        raise typer.Exit(EXIT_FAILED)


@audit_app.command()
def show(
    gstin: GstinArgument,
    *,
    environment: EnvironmentOption = Environment.TEST,
    subject: Annotated[str | None, typer.Option(help="Only about this, such as an operation's id.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sealed records of a taxpayer and its organisation, in the order of the log."""
    with opened() as wiring:
        reader = _reader(gstin, environment, wiring.ports)
        wanted = Wanted(series=evidence.series_of(reader), since=_utc(since), until=_utc(until), subject=subject)
        if as_json:
            for each in _all(wanted, wiring.ports):
                if each.record is not None:
                    print_json(bundle.record_line(each.record, leaf=each.leaf.index, ordinal=each.leaf.ordinal))
            return
        rows = [_row(each) for each in _all(wanted, wiring.ports)]
    console.print(table(("leaf", "when", "who", "what", "to what", "facts"), rows))


@audit_app.command()
def export(
    gstin: GstinArgument,
    *,
    environment: EnvironmentOption = Environment.TEST,
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("evidence.jsonl"),
    since: SinceOption = None,
    until: UntilOption = None,
) -> None:
    """Write an evidence bundle of a taxpayer, for `mohar audit verify`."""
    with opened() as wiring:
        reader = _reader(gstin, environment, wiring.ports)
        wanted = Wanted(series=evidence.series_of(reader), since=_utc(since), until=_utc(until))
        record = evidence.export_record(reader, wanted, ports=wiring.ports)
        with output.open("x", encoding="ascii") as file:
            for line in evidence.export(wanted, record=record, ports=wiring.ports):
                file.write(line)
    console.print(f"{escape(str(output))} written. Check it with `mohar audit verify {escape(str(output))}`.")


@audit_app.command("rotate-key")
def rotate_key() -> None:
    """A new key for seals. Tell whoever checks bundles its id by another way than the bundle."""
    with opened() as wiring:
        key = sealing.add_key(actor=OPERATOR, ports=wiring.ports)
    console.print(f"Seals are signed with {key.key_id} from now on; what the older keys signed stays good.")


@contextmanager
def _lines_of(file: str) -> Iterator[IO[bytes]]:
    if file == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    if not Path(file).is_file():
        raise Absent("bundle-missing", f"There is no file {file}.", help="Check the name of the bundle.")
    with Path(file).open("rb") as lines:
        yield lines


def _verdict(check: Check, flaws: list[Flaw]) -> dict[str, Any]:
    summary = check.summary
    return {
        "holds": not flaws,
        "records": summary.records,
        "seals": summary.seals,
        "documents": summary.documents,
        "key_ids": summary.key_ids,
        "flaws": [{"line": flaw.line, "code": flaw.code, "message": flaw.message} for flaw in flaws],
    }


def _print_verdict(check: Check, flaws: list[Flaw]) -> None:
    summary = check.summary
    for flaw in flaws:
        errors.print(f"line {flaw.line}: [bold red]{flaw.code}[/] {escape(flaw.message)}", soft_wrap=True)
    counted = f"{summary.records} records under {summary.seals} seals, {summary.documents} signed documents"
    if flaws:
        errors.print(f"This bundle does not hold ({counted}).")
        return
    console.print(f"This bundle holds: {counted}. Signed with:")
    for key_id in summary.key_ids:
        console.print(f"  {key_id}")
    console.print("Compare these with what the operator of the gateway told you by another way.")


def _reader(gstin: str, environment: Environment, ports: Ports) -> Principal:
    seller = ports.directory.seller(environment=environment, gstin=gstin.strip().upper())
    if seller is None:
        raise Absent("gstin-unknown", f"{gstin} is not set up there.", help="See `mohar gstin list`.")
    return Principal(
        client_id=OPERATOR,
        org_id=seller.org_id,
        environment=environment,
        gstin=seller.gstin,
        scopes=frozenset({Scope.AUDIT}),
        respond_async=False,
    )


def _all(wanted: Wanted, ports: Ports) -> Iterator[SealedRecord]:
    after: int | None = wanted.after
    while after is not None:
        asked = Wanted(
            series=wanted.series, after=after, since=wanted.since, until=wanted.until, subject=wanted.subject
        )
        found, after = evidence.page(asked, rows_max=evidence.PAGE_MAX, ports=ports)
        yield from found


def _row(found: SealedRecord) -> tuple[str, ...]:
    record = found.record
    if record is None:
        return (str(found.leaf.index), "", "", "past its age", "", "")
    facts = ", ".join(f"{name}={value}" for name, value in record.facts.items() if value is not None)
    return (str(found.leaf.index), write_instant(record.at), record.actor, record.action, record.subject, facts)


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)
