"""Rings for instants to come."""

from __future__ import annotations

import queue
import threading

from gateway.jobs.alarm import Alarm
from gateway.system import SystemClock

SECONDS_MAX = 30
AN_HOUR = 3600.0


def test_each_is_rung_at_its_own_time() -> None:
    """What is due now does not wait for what was put in before it and is due later; said anew, that is due now too."""
    rung: queue.Queue[str] = queue.Queue()
    alarm = Alarm[str](rung.put, monotonic=SystemClock().monotonic)
    alarm.put("later", seconds=AN_HOUR)
    alarm.put("now", seconds=0)
    assert rung.get(timeout=SECONDS_MAX) == "now"
    alarm.put("later", seconds=0)
    assert rung.get(timeout=SECONDS_MAX) == "later"


def test_what_was_said_last_counts() -> None:
    """A lane that was to be rung and is put off is not rung at the time that was said before."""
    rung: queue.Queue[str] = queue.Queue()
    held = threading.Event()

    def ring(what: str) -> None:
        assert held.wait(SECONDS_MAX)
        rung.put(what)

    alarm = Alarm[str](ring, monotonic=SystemClock().monotonic)
    alarm.put("first", seconds=0)
    alarm.put("put off", seconds=0)
    alarm.put("put off", seconds=AN_HOUR)
    alarm.put("last", seconds=0)
    held.set()
    assert {rung.get(timeout=SECONDS_MAX) for _ in range(2)} == {"first", "last"}
