"""Whose turn it is to write to the embedded database: what a caller waits for does not stand behind queued work."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from gateway.domain.outcomes import Meaning
from gateway.storage.database import Database
from tests.contract.storage_kit import Storage
from tests.support import LANE, new_operation

SECONDS_MAX = 30
"""Only a failure takes as long: it would wait for ever."""


@contextmanager
def _crowd(database: Database) -> Iterator[None]:
    """Queued work of another process wants to write, and the first of it stands before the seat."""
    with Path(f"{database.url.database}.gate").open("wb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _done(work: Callable[[], object]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(SECONDS_MAX)
    return not thread.is_alive()


@pytest.fixture
def embedded(storage: Storage) -> Storage:
    """The embedded database: a server orders its writers by rows."""
    if not storage.database.is_sqlite:
        pytest.skip("a server orders its writers by rows")
    return storage


def test_what_is_urgent_passes_the_queue(embedded: Storage) -> None:
    """While queued work of another process stands before the seat, an urgent write is done; what is not comes after."""
    order: list[str] = []

    def note(who: str) -> Callable[[Connection], None]:
        return lambda _: order.append(who)

    queued = threading.Thread(target=partial(embedded.database.write, note("queued")))
    with _crowd(embedded.database):
        queued.start()
        assert _done(partial(embedded.database.write, note("urgent"), urgent=True))
    queued.join(SECONDS_MAX)
    assert order == ["urgent", "queued"]


def test_a_direct_call_passes_the_queue_at_every_step(embedded: Storage) -> None:
    """Accepted, claimed, renewed, given back, begun and recorded while queued work stands before the seat."""

    def whole() -> None:
        embedded.accept(new_operation(direct=True))
        claim = embedded.work.renew(embedded.claimed(direct=True), until=embedded.clock.now())
        embedded.work.release(claim, due_at=embedded.clock.now())
        embedded.settle(embedded.begin(embedded.claimed(direct=True)), Meaning.REGISTERED)
        embedded.work.block_lane(LANE, direct=True, until=embedded.clock.now())

    with _crowd(embedded.database):
        assert _done(whole)
