"""The documents that the cases of the rules change: nothing is wrong with them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gateway import shape
from gateway.codes import code_lists
from gateway.domain import strict_json
from gateway.domain.rules import Context, check

BASES = sorted((Path(__file__).parent / "bases").glob("*.json"))


@pytest.mark.parametrize("path", BASES, ids=lambda path: path.stem)
def test_nothing_is_wrong_with_a_base(path: Path) -> None:
    """Each base has the right form and breaks no rule on a live route."""
    document = strict_json.read(path.read_bytes())
    verdict = check(document, context=Context(on=date(2026, 11, 20), lists=code_lists()))
    assert (shape.check(document), verdict.errors, verdict.warnings) == ([], (), ())
