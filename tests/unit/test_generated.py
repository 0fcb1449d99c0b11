"""The files that are written from the code are as the code has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import settings
from gateway.cli import generate
from gateway.cli.generate import Part
from gateway.domain.lifecycle import TRANSITIONS
from gateway.domain.operations import TERMINAL

PART = Part("README.md", "settings", lambda: "new\n")


def test_nothing_generated_is_stale() -> None:
    """README, ARCHITECTURE and the OpenAPI document agree with the code; `mohar docs` writes them anew."""
    assert sorted(generate.stale_files(generate.ROOT)) == []


def test_the_picture_has_every_transition() -> None:
    """Each row of the table is an arrow, and each end leads out."""
    lines = generate.lifecycle().splitlines()
    assert (lines[0], lines[-1]) == ("```mermaid", "```")
    arrows = {line.strip() for line in lines}
    assert arrows >= {f"{status} --> {after}: {event}" for (status, event), after in TRANSITIONS.items()}
    assert arrows >= {f"{status} --> [*]" for status in TERMINAL}


def test_the_table_has_every_setting() -> None:
    """With its name, its default and its sentence."""
    table = settings.table()
    for name, field in settings.Settings.model_fields.items():
        assert f"| `MOHAR_{name.upper()}` |" in table
        assert str(field.description) in table


def test_a_part_is_put_between_its_marks() -> None:
    """What stands around stays; a second time changes nothing."""
    once = PART.within("above\n<!-- settings -->\nold\n<!-- /settings -->\nbelow\n")
    assert once == "above\n<!-- settings -->\nnew\n<!-- /settings -->\nbelow\n"
    assert PART.within(once) == once


def test_a_backslash_in_a_part_is_a_backslash() -> None:
    """The text is no pattern."""
    part = Part("README.md", "settings", lambda: "\\1 and \\g<0>\n")
    made = part.within("<!-- settings -->\n<!-- /settings -->")
    assert made == "<!-- settings -->\n\\1 and \\g<0>\n<!-- /settings -->"


def test_a_file_without_marks_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And whoever runs it is told which marks to add."""
    (tmp_path / "README.md").write_text("no marks")
    stale = generate.stale_files(tmp_path)
    assert "README.md" not in stale
    assert "<!-- settings -->" in capsys.readouterr().err
