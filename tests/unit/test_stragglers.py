"""Who stalls is waited for aside: the thread that sent to it goes on with others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final, cast

import pytest

from gateway.ports import Sent
from workers.stragglers import Stragglers

WAIT_SECONDS: Final = 30
"""Far more than any of this takes: who waits longer has failed."""
SENT: Final = cast("Sent", "what came of it")


@pytest.fixture
def answering() -> Iterator[threading.Event]:
    """Set when the receiver answers; at the end it does in any case."""
    event = threading.Event()
    yield event
    event.set()


def staller(answering: threading.Event, begun: threading.Event | None = None) -> Any:
    """A delivery that takes until its receiver answers."""

    def work() -> Sent:
        if begun is not None:
            begun.set()
        assert answering.wait(WAIT_SECONDS)
        return SENT

    return work


def unheard(_sent: Sent) -> None:
    """For what is not to come late."""
    pytest.fail("it came late")


def test_what_is_prompt_comes_at_once() -> None:
    """As if there were no other thread, errors too."""

    def fail() -> Sent:
        raise TimeoutError("its own")

    aside = Stragglers(threads=1, seconds=WAIT_SECONDS)
    assert aside.run(lambda: SENT, unheard) is SENT
    with pytest.raises(TimeoutError, match="its own"):
        aside.run(fail, unheard)
    aside.close()


def test_a_staller_is_left_and_told_of_later(answering: threading.Event) -> None:
    """Whoever sends goes on with the next, however many stall; at the end all are waited for."""
    aside, told = Stragglers(threads=1, stragglers_max=3, seconds=0.01), list[Sent]()
    for _ in range(3):
        assert aside.run(staller(answering), told.append) is None
    assert told == []
    answering.set()
    aside.close()
    assert told == [SENT] * 3


def test_there_is_an_end_of_room(answering: threading.Event) -> None:
    """Who finds none waits itself, as without any of this."""
    aside, told, second = Stragglers(threads=1, stragglers_max=1, seconds=0), threading.Event(), threading.Event()
    assert aside.run(staller(answering), lambda _: told.set()) is None
    given: list[Sent | None] = []
    begun = threading.Event()
    waiting = threading.Thread(target=lambda: given.append(aside.run(staller(second, begun), unheard)))
    waiting.start()
    assert begun.wait(WAIT_SECONDS)
    second.set()
    waiting.join(WAIT_SECONDS)
    assert given == [SENT]
    answering.set()
    assert told.wait(WAIT_SECONDS)
    aside.close()


def test_a_surprise_is_logged_by_its_kind(answering: threading.Event, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be recorded is sent again when its lease ends; nobody else suffers."""

    def fail(_sent: Sent) -> None:
        raise RuntimeError("the database is away")

    aside = Stragglers(threads=1, stragglers_max=1, seconds=0.01)
    assert aside.run(staller(answering), fail) is None
    answering.set()
    aside.close()
    assert [record.message for record in caplog.records] == ["an event could not be sent"]
