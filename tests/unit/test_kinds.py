"""Every kind of operation has its row in every table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from gateway.api.results import RESULTS
from gateway.domain import kinds
from gateway.domain.kinds import KINDS
from gateway.domain.operations import Kind
from gateway.irp.protocols import PROTOCOLS
from gateway.services.interventions import SCOPES
from gateway.storage.effects import EFFECTS
from tests.support import START

TABLES: dict[str, Mapping[Kind, Any]] = {
    "KINDS": KINDS,
    "PROTOCOLS": PROTOCOLS,
    "EFFECTS": EFFECTS,
    "RESULTS": RESULTS,
    "SCOPES": SCOPES,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_kind_has_its_row(table: str) -> None:
    """A kind that is missing in a table would be accepted and fail in the middle of its life."""
    assert set(TABLES[table]) == set(Kind)


def test_a_window_ends_two_minutes_early() -> None:
    """What may be asked for 24 hours is not begun in the last two minutes: it may have to wait for its turn."""
    assert kinds.deadline(Kind.IRN_CANCEL, since=START) == START + timedelta(hours=23, minutes=58)


def test_what_has_no_window_has_no_deadline() -> None:
    """Neither a kind without a window, nor one whose beginning is not known yet."""
    assert kinds.deadline(Kind.IRN_GENERATE, since=START) is None
    assert kinds.deadline(Kind.IRN_CANCEL, since=None) is None
