"""The portal's clock, and what is not sent by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from gateway.domain.operations import Kind, Operation
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp.client import PortalConversation
from gateway.irp.wire import Wire
from tests.support import START, FakeClock, operation

URL = "http://portal/eicore"


class Sent(Exception):
    """The request would have been sent."""


class Line:
    """An exchange that knows the portal's clock and lets nothing through."""

    def __init__(self, skew: float | None) -> None:
        self._skew = skew

    def skew_seconds(self) -> float | None:
        """See Exchange."""
        return self._skew

    def ask_time(self) -> None:
        """See Exchange."""

    def dismiss_permits(self) -> None:
        """See Exchange."""

    def ask(self, *_: Any, **__: Any) -> Outcome:
        """See Exchange."""
        raise Sent


class Try:
    """An attempt, as far as a conversation looks at it."""

    def __init__(self, about: Operation) -> None:
        self.operation = about
        self.payload = b"{}"
        self.kept_answer = None


@pytest.fixture
def wire() -> Iterator[tuple[Wire, list[str]]]:
    """A wire whose portal answers with the dates in the list."""
    dates: list[str] = []
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers={"Date": dates[-1]} if dates else {}))
    made = Wire(FakeClock(), call_seconds=30, transport=transport)
    yield made, dates
    made.close()


@pytest.mark.parametrize(("ahead", "told"), [(90, 90.0), (-5, -5.0), (0, 0.0)])
def test_the_portal_tells_its_time(wire: tuple[Wire, list[str]], ahead: int, told: float) -> None:
    """By the date of its last answer."""
    made, dates = wire
    dates.append(format_datetime(START + timedelta(seconds=ahead), usegmt=True))
    made.send("GET", URL, headers={}, params={}, body=None)
    assert made.skew_seconds("http://portal/other") == told
    assert made.skew_seconds("http://elsewhere/") is None


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 20 Nov 2026 06:30:00"])
def test_a_portal_that_tells_no_time_is_taken_for_none(wire: tuple[Wire, list[str]], date: str | None) -> None:
    """No date, or one that cannot be read."""
    made, dates = wire
    dates += [] if date is None else [date]
    made.send("GET", URL, headers={}, params={}, body=None)
    assert made.skew_seconds(URL) is None


def called(kind: Kind, *, left_seconds: float, skew: float | None) -> Meaning | None:
    """What a call means whose window closes after so many seconds by our clock; None when it would be sent."""
    about = operation(kind=kind, irn="f" * 64, deadline_at=START + timedelta(seconds=left_seconds))
    line: Any = Line(skew)
    nothing: Any = None
    attempt: Any = Try(about)
    try:
        return PortalConversation(line, nothing, FakeClock()).call(attempt, keep_lease=lambda: None).meaning
    except Sent:
        return None


@pytest.mark.parametrize(
    ("left_seconds", "skew", "meaning"),
    [
        (1, None, None),
        (0, None, Meaning.TOO_LATE),
        (31, 30, None),
        (30, 30, Meaning.TOO_LATE),
        (-29, -30, None),
        (3600, 60, None),
        (3600, 61, Meaning.UNREACHED),
        (3600, -61, Meaning.UNREACHED),
    ],
)
def test_the_portals_clock_closes_a_window(left_seconds: float, skew: float | None, meaning: Meaning | None) -> None:
    """Neither too late by it, nor while the two are more than a minute apart."""
    assert called(Kind.IRN_CANCEL, left_seconds=left_seconds, skew=skew) is meaning


def test_what_has_no_window_of_hours_does_not_wait_for_clocks() -> None:
    """A registration has days: a minute more or less keeps nobody."""
    assert called(Kind.IRN_GENERATE, left_seconds=3600, skew=300) is None
