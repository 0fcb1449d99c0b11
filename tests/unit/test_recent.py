"""Values that are kept for a moment."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from gateway.storage.recent import KEPT_SECONDS, Recent
from tests.support import FakeClock


def away() -> str:
    """A database that does not answer."""
    raise OperationalError("SELECT", {}, Exception("gone"))


def test_what_was_known_stands_while_the_database_is_away() -> None:
    """A wait for a permit reads its route again and again, and what it waits for must not end in doubt for that."""
    clock = FakeClock()
    recent: Recent[str] = Recent(clock.monotonic)
    with pytest.raises(OperationalError):
        recent.get("route", away)
    assert recent.get("route", lambda: "first") == "first"
    for _ in range(3):
        clock.sleep(KEPT_SECONDS)
        assert recent.get("route", away) == "first"
    clock.sleep(KEPT_SECONDS)
    assert recent.get("route", lambda: "second") == "second"
