"""`mohar docs`: the files, and parts of files, that are written from the code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway import metrics, observability, settings
from gateway.api import openapi
from gateway.api.app import outline
from gateway.cli import codepage, eventpage, rulebook
from gateway.cli.output import EXIT_FAILED, console, errors
from gateway.domain.lifecycle import TRANSITIONS
from gateway.domain.operations import TERMINAL, Status
from gateway.errors import Misconfigured

ROOT: Final = Path(__file__).parents[2]
"""The checkout, where this is one."""
_INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class Part:
    """What stands in a file between `<!-- name -->` and `<!-- /name -->`."""

    file: str
    name: str
    text: Callable[[], str]

    def within(self, content: str) -> str | None:
        """The file's content with this part anew; None when it has no such marks."""
        pattern = re.compile(rf"(<!-- {self.name} -->\n).*?(<!-- /{self.name} -->)", re.DOTALL)
        made = self.text()
        found, count = pattern.subn(lambda match: f"{match[1]}{made}{match[2]}", content)
        return found if count else None


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(docs)


def docs(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit with 1 when a file is stale.")] = False,
) -> None:
    """Write the generated files of the repository: README's settings, ARCHITECTURE's lifecycle, openapi.json."""
    if not (ROOT / "pyproject.toml").exists():
        raise Misconfigured(
            "no-checkout",
            "Generated files belong to a checkout of Mohar.",
            help="Run it from the repository's own venv.",
        )
    stale = stale_files(ROOT)
    for name, content in stale.items():
        if check:
            errors.print(f"{name} is stale: run `mohar docs`.")
        else:
            (ROOT / name).write_text(content, encoding="utf-8")
            console.print(f"{name} written")
    if not stale:
        console.print("All generated files are as the code has them.")
    if stale and check:
        raise typer.Exit(EXIT_FAILED)


def stale_files(root: Path) -> Mapping[str, str]:
    """The files that are not as the code has them, with what they should be. A file without its marks is told of."""
    wanted = {name: make() for name, make in FILES.items()}
    for part in PARTS:
        file = root / part.file
        content = wanted.get(part.file) or (file.read_text(encoding="utf-8") if file.exists() else "")
        made = part.within(content)
        if made is None:
            errors.print(f"{part.file} has no place for it: add <!-- {part.name} --> and <!-- /{part.name} -->.")
            continue
        wanted[part.file] = made
    return {name: content for name, content in wanted.items() if not _holds(root / name, content)}


def lifecycle() -> str:
    """The lifecycle of an operation as a Mermaid state diagram, from the table that the code goes by."""
    lines = ["```mermaid", "stateDiagram-v2", f"{_INDENT}[*] --> {Status.QUEUED}: accepted"]
    for (status, event), following in TRANSITIONS.items():
        lines.append(f"{_INDENT}{status} --> {following}: {event}")
    lines += [f"{_INDENT}{status} --> [*]" for status in Status if status in TERMINAL]
    return "\n".join([*lines, "```", ""])


def api_document() -> str:
    """`schemas/openapi.json`."""
    return openapi.text(openapi.document(outline()))


def snippet(name: str, language: str) -> Callable[[], str]:
    """A program of `docs/verify` as README shows it."""

    def text() -> str:
        program = (ROOT / "docs" / "verify" / name).read_text(encoding="utf-8")
        return f"```{language}\n{program}```\n"

    return text


FILES: Final[Mapping[str, Callable[[], str]]] = {
    "schemas/openapi.json": api_document,
    "docs/events.md": eventpage.page,
    "schemas/rules.json": rulebook.catalogue,
    "docs/rules.md": rulebook.page,
}
PARTS: Final = (
    Part("README.md", "settings", settings.table),
    Part("README.md", "verify.py", snippet("verify.py", "python")),
    Part("README.md", "verify.mjs", snippet("verify.mjs", "js")),
    Part("README.md", "verify.php", snippet("verify.php", "php")),
    Part("ARCHITECTURE.md", "lifecycle", lifecycle),
    Part("docs/observability.md", "events", observability.table),
    Part("docs/observability.md", "measures", metrics.table),
    Part("docs/ewaybill.md", "ewb-codes", codepage.table),
)


def _holds(file: Path, content: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == content
