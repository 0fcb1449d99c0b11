"""`mohar conformance`: what is said of each real document of a corpus, beside what an independent check said of it."""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli.output import EXIT_FAILED, console, errors
from gateway.domain import strict_json
from gateway.domain.calendar import read_portal_date
from gateway.domain.rules import Context
from gateway.errors import Misconfigured
from gateway.services import examination
from gateway.services.examination import Examined

PAGE: Final = Path("docs", "conformance.md")
CHECK_DIGIT_RULE: Final = "GSP-PTY-01"
DAY_OF_THE_UNDATED: Final = date(2026, 4, 1)
"""Whose rules count for a document without a date. Any fixed day does: what is missing is told on each."""

DEPARTURES: Final[Mapping[str, str]] = {
    "inv01/OmkarGharat_CRN_CRN_2024_001.json": (
        "Its amounts are negative. The form of INV-01 has no amount below zero: a credit note says by its type that it "
        "takes back. What the portal answers to a negative one is in no recording; by its form it would be 5002, a "
        "field that breaks the schema, and that is our reading. The independent check knew no lower bounds."
    ),
    "inv01/OmkarGharat_INV_SEZ_2024_001.json": (
        "The buyer's GSTIN has 16 characters, which is no matter of a check digit, and the place of supply of a supply "
        "to a zone in India is 96, abroad. The independent check itself remarks that it has not the form of a GSTIN."
    ),
    "inv01/gstzen_ewb_on_irn.json": (
        "Its one flaw is a member that INV-01 does not have. The published form does not forbid further members, "
        "and the independent check itself accepts `gstzen_with_disp_ship.json`, which has one in a line. Such "
        "members are told as a warning: to refuse them would refuse what a portal takes."
    ),
}
"""Documents on which the gateway and the independent check do not agree, with the reason why it stays so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One document: what the index says of it (`entry`), and what is said here on either route."""

    entry: Mapping[str, Any]
    on: date
    sandbox: Examined
    live: Examined

    @property
    def file(self) -> str:
        """Its place in the corpus."""
        return str(self.entry["file"])

    @property
    def agrees(self) -> bool:
        """Whether both routes say what the verdict of the index asks for."""
        live = {fault.code for fault in self.live.errors}
        expected = {
            "ACCEPT": self.live.valid and self.sandbox.valid,
            "CHECKSUM-ONLY": self.sandbox.valid and live == {CHECK_DIGIT_RULE},
            "BORDERLINE": self.live.valid and self.sandbox.valid and bool(self.live.warnings),
            "REJECT": not self.live.valid,
        }
        return expected[self.entry["verdict"]]


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(conformance)


def conformance(
    *,
    corpus: Annotated[Path, typer.Option(help="A folder with index.json and the documents that it names.")],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit with 1 when the page is stale.")] = False,
) -> None:
    """Check every real document of a corpus and write docs/conformance.md."""
    if not (corpus / "index.json").is_file():
        raise Misconfigured("no-corpus", "There is no index.json in that folder.", help="Name the corpus' own folder.")
    made = page(rows(corpus))
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made:
        console.print(f"{PAGE} is as the code has it.")
        return
    if check:
        errors.print(f"{PAGE} is stale: run `mohar conformance` without --check.")
        raise typer.Exit(EXIT_FAILED)
    PAGE.write_text(made, encoding="utf-8")
    console.print(f"{PAGE} written")


def rows(corpus: Path) -> list[Row]:
    """Every INV-01 document of a corpus in version 1.01 and later, by the name of its file.

    Version 1.00 was withdrawn in 2020: its documents are evidence for IRNs and signatures, not for rules.
    """
    index = json.loads((corpus / "index.json").read_text(encoding="utf-8"))
    found = (each for each in index if each["file"].startswith(("inv01/", "inv01_signed/")))
    return [row for entry in sorted(found, key=lambda each: str(each["file"])) for row in _rows(corpus, entry)]


def page(found: Iterable[Row]) -> str:
    """`docs/conformance.md`."""
    found = list(found)
    agreeing = Counter(row.entry["verdict"] for row in found if row.agrees)
    lines = [*_HEAD, "| verdict of the index | documents | as it asks |", "|---|---|---|"]
    lines += [
        f"| {verdict} | {count} | {agreeing[verdict]} |"
        for verdict, count in sorted(Counter(row.entry["verdict"] for row in found).items())
    ]
    lines += ["", "## Where they differ, and why it stays so", ""]
    for row in found:
        if not row.agrees:
            lines += textwrap.wrap(f"- `{row.file}`: {DEPARTURES[row.file]}", 120, subsequent_indent="  ")
    lines += ["", "## All documents", "", "| document | verdict | sandbox | live | warnings |", "|---|---|---|---|---|"]
    lines += map(_line, found)
    return "\n".join([*lines, ""])


def _rows(corpus: Path, entry: Mapping[str, Any]) -> Iterator[Row]:
    raw = (corpus / entry["file"]).read_bytes()
    reading = examination.read(strict_json.read(raw))
    if reading.document.get("Version") == "1.00":
        return
    on = DAY_OF_THE_UNDATED
    with contextlib.suppress(KeyError, TypeError, ValueError):  # no date, or none of the calendar
        on = read_portal_date(reading.document["DocDtls"]["Dt"])
    sandbox, live = (
        examination.examine(reading, context=Context(on=on, route_enforces_check_digit=enforced, size_bytes=len(raw)))
        for enforced in (False, True)
    )
    yield Row(entry=entry, on=on, sandbox=sandbox, live=live)


def _line(row: Row) -> str:
    more = {fault.code for fault in row.live.errors} - {fault.code for fault in row.sandbox.errors}
    cells = [
        f"`{row.file}`",
        f"{row.entry['verdict']}{'' if row.agrees else ' (differs)'}",
        _told(row.sandbox, (fault.code for fault in row.sandbox.errors)),
        _told(row.live, more, besides=not row.sandbox.valid),
        ", ".join(sorted({fault.code for fault in row.live.warnings})),
    ]
    return f"| {' | '.join(cells)} |"


def _told(examined: Examined, codes: Iterable[str], *, besides: bool = False) -> str:
    if examined.valid:
        return "valid"
    listed = ", ".join(sorted(set(codes)))
    if besides:
        return f"the same, {listed}" if listed else "the same"
    return listed


_HEAD: Final = (
    "# Real documents",
    "",
    "What Mohar says of INV-01 documents that were found in public repositories and manuals, beside the verdict of",
    "an independent check. Written by `mohar conformance --corpus DIR`. Each document is checked as it was found,",
    "by the rules of its own day, on the route of the portal's sandbox and on that of the live portal. What is",
    "listed are codes (`docs/rules.md`).",
    "",
    "- ACCEPT passes on both routes.",
    "- CHECKSUM-ONLY passes on the sandbox route, and fails on the live one for check digits alone",
    f"  ({CHECK_DIGIT_RULE}).",
    "- BORDERLINE passes on both, with a warning.",
    "- REJECT fails on the live route for the reasons that are given. Four pass on the sandbox route. Beside check",
    "  digits, one reason is given for each of them: a member that the form does not know (`UserGstin`, `_comment`,",
    "  `ExpShipDtls`). The published form forbids none, and the index itself accepts documents with others (`AckNo`",
    "  in `nehajha123321_INV_SAMPLES_0001.json`, `ItemNo` in `gstzen_with_disp_ship.json`). No recorded answer is a",
    "  refusal for one. So it is told as a warning, `member-unknown`: to refuse it would stop a document that a",
    "  portal takes. `itemList` is read as `ItemList`, with a warning; to the index that is a remark, no reason, and",
    "  recorded requests that a portal took have names in other letter-case.",
    "",
)
