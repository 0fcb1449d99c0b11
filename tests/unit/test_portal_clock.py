"""The portal's clock, and what is not sent by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from gateway.domain.lifecycle import CLOCKS_APART_CODE
from gateway.domain.operations import Kind, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.token_bucket import Limit
from gateway.irp.client import PortalConversation
from gateway.irp.clocks import ASKED_AGAIN_SECONDS, PortalClocks
from gateway.irp.endpoints import EINVOICE, EWAYBILL, SIGN_OF_LIFE
from gateway.irp.exchange import Exchange
from gateway.irp.permits import Permits
from gateway.irp.protocols import PROTOCOLS
from gateway.irp.wire import Wire
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller, Use
from tests.support import START, FakeClock, account, operation, route

URL = "http://portal/eicore"


MUTE = [None, "", "yesterday", "Fri, 20 Nov 2026 06:30:00", "Fri, 99 Nov 2026 06:30:00 GMT", "0", "1 " * 5000]
"""No date, or one that cannot be read."""


class Sent(Exception):
    """The request would have been sent."""


class Line:
    """An exchange that knows the portal's clock and lets nothing through."""

    def __init__(self, skew: float | None) -> None:
        self._skew = skew

    def skew_seconds(self, _system: str) -> float | None:
        """See Exchange."""
        return self._skew

    def ask_time(self, _system: str) -> bool:
        """See Exchange."""
        return False

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
    assert made.clocks.skew_seconds("http://portal/other") == told
    assert made.clocks.skew_seconds("http://elsewhere/") is None


@pytest.mark.parametrize("date", MUTE)
def test_a_portal_that_tells_no_time_is_taken_for_none(wire: tuple[Wire, list[str]], date: str | None) -> None:
    """No date, or one that cannot be read."""
    made, dates = wire
    dates += [] if date is None else [date]
    made.send("GET", URL, headers={}, params={}, body=None)
    assert made.clocks.skew_seconds(URL) is None


@pytest.mark.parametrize("age", ["1", "86400", "soon"])
def test_a_cache_tells_no_time(wire: tuple[Wire, list[str]], age: str) -> None:
    """Its date is that of the answer that it keeps (RFC 9111, 5.1)."""
    made, _ = wire
    dated = {"date": format_datetime(START - timedelta(hours=2), usegmt=True)}
    made.clocks.note(URL, dated | {"age": age})
    assert made.clocks.skew_seconds(URL) is None
    made.clocks.note(URL, dated | {"age": "0"})
    assert made.clocks.skew_seconds(URL) == -7200


def test_a_host_is_asked_for_its_time_a_few_times_a_minute() -> None:
    """However many operations wait for it; another host has its own turn."""
    clock = FakeClock()
    clocks = PortalClocks(clock)
    assert [clocks.may_ask(url) for url in (URL, URL, "http://ewb.portal/")] == [True, False, True]
    clock.step(seconds=ASKED_AGAIN_SECONDS)
    assert clocks.may_ask(URL)


def test_the_two_systems_of_a_portal_have_clocks_of_their_own() -> None:
    """What is done to an e-way bill goes by the clock of the host that does it."""
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        ahead = {"portal": 0, "bills": 600}[request.url.host]
        return httpx.Response(404, headers={"Date": format_datetime(START + timedelta(seconds=ahead), usegmt=True)})

    made = Wire(FakeClock(), call_seconds=30, transport=httpx.MockTransport(answer))
    nothing: Any = None
    split = route(base_url="http://portal", ewb_base_url="http://bills/api")
    caller = Caller(account="g", gstin=account().gstin, direct=True)
    permits = Permits(MemoryLimiter(FakeClock()), FakeClock(), lambda: route(limits={}), caller)
    exchange = Exchange(route=split, account=account(), sessions=nothing, wire=made, permits=permits)
    assert (exchange.ask_time(EINVOICE), exchange.ask_time(EWAYBILL), exchange.ask_time(EWAYBILL)) == (
        True,
        True,
        False,
    )
    assert hosts == ["portal", "bills"]
    assert (exchange.skew_seconds(EINVOICE), exchange.skew_seconds(EWAYBILL)) == (0, 600)
    assert {kind for kind, row in PROTOCOLS.items() if row.system is EWAYBILL} == {
        kind for kind in Kind if kind.value.startswith("ewb.") and kind is not Kind.EWB_GENERATE
    }
    made.close()


def test_the_time_is_not_asked_for_without_a_permit() -> None:
    """It is a call of the taxpayer like any other, left undone where there is no room for it within a moment."""
    clock = FakeClock()
    dated = {"Date": format_datetime(START + timedelta(hours=2), usegmt=True)}
    made = Wire(clock, call_seconds=30, transport=httpx.MockTransport(lambda _: httpx.Response(200, headers=dated)))
    limiter, slow = MemoryLimiter(clock), route(limits={"gstin": Limit(calls=1, seconds=600, burst=1)})
    caller = Caller(account=slow.gsp_account, gstin=account().gstin, direct=False)
    nothing: Any = None
    permits = Permits(limiter, clock, lambda: slow, caller)
    exchange = Exchange(route=slow, account=account(), sessions=nothing, wire=made, permits=permits)
    assert (exchange.ask_time(EINVOICE), exchange.skew_seconds(EINVOICE)) == (False, None)
    assert clock.now() == START
    assert made.clocks.may_ask(slow.base_url), "it keeps nobody else from asking"
    made.clocks.was_not_asked(slow.base_url)
    clock.step(hours=2)
    assert (exchange.ask_time(EINVOICE), exchange.skew_seconds(EINVOICE)) == (True, 0)
    assert limiter.used(slow.gsp_account) == {Use(caller.gstin, direct=False, call=SIGN_OF_LIFE): 1}
    made.close()


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


@pytest.mark.parametrize(
    ("left_seconds", "skew", "meaning"),
    [
        (30, 30, Meaning.TOO_LATE),
        (31, 30, None),
        (60, 60, Meaning.TOO_LATE),
        (60, 61, None),
        (0, 61, Meaning.TOO_LATE),
        (0, -61, Meaning.TOO_LATE),
        (3600, 2 * 3600, None),
        (3600, -1.8e9, None),
        (3600, 2.6e11, None),
        (0, 2.6e11, Meaning.TOO_LATE),
    ],
)
def test_what_has_days_goes_by_our_clock_where_the_portals_is_beyond_belief(
    left_seconds: float, skew: float, meaning: Meaning | None
) -> None:
    """A registration neither waits for clocks nor ends for good because of a `Date` years away."""
    assert called(Kind.IRN_GENERATE, left_seconds=left_seconds, skew=skew) is meaning


@pytest.mark.parametrize(
    ("kind", "skew", "in_doubt", "waits"),
    [
        (Kind.IRN_CANCEL, 61, False, True),
        (Kind.EWB_CANCEL, -61, False, True),
        (Kind.IRN_CANCEL, -1.8e9, False, True),
        (Kind.IRN_CANCEL, 60, False, False),
        (Kind.IRN_CANCEL, None, False, False),
        (Kind.IRN_CANCEL, 61, True, False),
        (Kind.IRN_GENERATE, 61, False, False),
    ],
)
def test_what_waits_for_clocks_begins_no_attempt(
    *, kind: Kind, skew: float | None, in_doubt: bool, waits: bool
) -> None:
    """What has a window waits before an attempt is on record, and says why; one in doubt is looked up first."""
    doubt = {"doubtful_since": START, "status": Status.INDETERMINATE} if in_doubt else {}
    about = operation(kind=kind, irn="f" * 64, deadline_at=START + timedelta(hours=1), **doubt)
    line: Any = Line(skew)
    nothing: Any = None
    put_off = PortalConversation(line, nothing, FakeClock()).put_off(about, keep_lease=lambda: None)
    assert (put_off is not None and put_off.code) == (CLOCKS_APART_CODE if waits else False)
