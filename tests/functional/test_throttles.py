"""A portal that says that it is too much, in any of its ways, to a call or to a login: the buckets shrink at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from gateway.domain.outcomes import Meaning, Outcome
from gateway.domain.token_bucket import Limit
from gateway.irp import endpoints, envelope, permits
from gateway.irp.codes import THROTTLED_WAIT_SECONDS
from gateway.irp.exchange import Exchange, Told
from gateway.irp.permits import ACCOUNT_KEEPS_PERMILLE, SELLER_KEEPS_PERMILLE
from gateway.irp.wire import RETRY_AFTER_SECONDS_MAX, Reply, Wire
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller
from gateway.sandbox.keys import SandboxKeys
from tests import support
from tests.functional.test_sessions import Portal

NO = '{"Status":0,"ErrorDetails":[{"ErrorCode":"%s","ErrorMessage":"No."}],"Data":null}'
FULL_AGAIN = timedelta(minutes=1)
"""After a first call, which finds buckets that start empty."""
SOON = {"Retry-After": "7"}
DATED = {"Retry-After": format_datetime(support.START + timedelta(seconds=7), usegmt=True)}


class Said(NamedTuple):
    """An answer, and what is made of it."""

    status: int
    body: str
    headers: dict[str, str]
    seconds: int
    meaning: Meaning | None
    """What it means for the operation that made the call; None: what the kind makes of the code."""


THROTTLES = {
    "429": Said(429, "", {}, THROTTLED_WAIT_SECONDS, Meaning.THROTTLED),
    "429-seconds": Said(429, "", SOON, 7, Meaning.THROTTLED),
    "429-date": Said(429, "", DATED, 7, Meaning.THROTTLED),
    "429-for-a-year": Said(429, "", {"Retry-After": "31536000"}, RETRY_AFTER_SECONDS_MAX, Meaning.THROTTLED),
    "118": Said(200, NO % "118", {}, THROTTLED_WAIT_SECONDS, Meaning.THROTTLED),
    "118-seconds": Said(200, NO % "118", SOON, 7, Meaning.THROTTLED),
    "658": Said(200, NO % "658", {}, THROTTLED_WAIT_SECONDS, None),
    "503-seconds": Said(503, "", SOON, 7, Meaning.UNKNOWN),
    "503-date": Said(503, "", DATED, 7, Meaning.UNKNOWN),
}
OTHERS = {
    "503": Said(503, "", {}, 0, Meaning.UNKNOWN),
    "refused": Said(200, NO % "2150", {}, 0, None),
    "no-time": Said(503, "", {"Retry-After": "soon"}, 0, Meaning.UNKNOWN),
}


@pytest.fixture(scope="module")
def keys() -> SandboxKeys:
    """One pair of keys for all tests: they are slow to make."""
    return SandboxKeys.generate()


class Asked:
    """A portal that answers all alike, and a shared limit."""

    def __init__(self, folder: Path, keys: SandboxKeys) -> None:
        self.clock = support.FakeClock(support.START - FULL_AGAIN)
        self.portal = Portal(folder, keys, self.clock)
        self.limiter = MemoryLimiter(self.clock)
        self.route = support.route(base_url="http://portal")
        self.limiter.take(self.buckets(), self.caller())
        self.clock.sleep(FULL_AGAIN.total_seconds())

    def buckets(self) -> dict[str, Limit]:
        """The account's, and the seller's."""
        return permits.buckets(self.route, self.portal.account.gstin)

    def caller(self) -> Caller:
        """The seller, for whom somebody waits."""
        return Caller(account=self.route.gsp_account, gstin=self.portal.account.gstin, direct=True)

    def permits(self) -> permits.Permits:
        """Those of one conversation."""
        return permits.Permits(self.limiter, self.clock, lambda: self.route, self.caller())

    def log_in(self, said: Said | None = None) -> object:
        """What comes of a login that is answered so; by default as it ought to be."""
        worker = self.portal.worker(transport=_saying(said) if said else None)
        return worker.current(self.route, self.portal.account, permits=self.permits(), keep_lease=lambda: None)

    def look_up(self, said: Said) -> Told | envelope.Failure | Outcome:
        """What comes of a call that is answered so."""
        self.log_in()
        exchange = Exchange(
            route=self.route,
            account=self.portal.account,
            sessions=self.portal.worker(),
            wire=Wire(self.clock, call_seconds=30, transport=_saying(said)),
            permits=self.permits(),
        )
        return exchange.ask(endpoints.GET_IRN, key="0" * 64, keep_lease=lambda: None)

    def speeds(self) -> list[int]:
        """Of the account and of the seller, in thousandths."""
        return [level.speed_permille for level in self.limiter.levels(self.buckets()).values()]

    def wait(self) -> float:
        """How long the seller's next call waits."""
        return self.limiter.wait(self.buckets(), direct=True)


@pytest.fixture
def asked(tmp_path: Path, keys: SandboxKeys) -> Iterator[Asked]:
    """A seller whose buckets are full."""
    made = Asked(tmp_path, keys)
    yield made
    made.portal.database.close()


@pytest.mark.parametrize("said", THROTTLES.values(), ids=THROTTLES)
def test_a_throttled_call_slows_its_seller_down(asked: Asked, said: Said) -> None:
    """At once, for as long as the portal says; an outcome that was in doubt without that stays so."""
    answer = asked.look_up(said)
    assert asked.speeds() == [ACCOUNT_KEEPS_PERMILLE, SELLER_KEEPS_PERMILLE]
    assert asked.wait() >= said.seconds
    if isinstance(answer, Outcome):
        assert (answer.meaning, answer.retry_after_seconds) == (said.meaning, said.seconds)
    else:
        assert said.meaning is None


@pytest.mark.parametrize("said", THROTTLES.values(), ids=THROTTLES)
def test_a_throttled_login_slows_its_seller_down(asked: Asked, said: Said) -> None:
    """As a call does; and nobody logs in before the portal wants it."""
    answer = asked.log_in(said)
    assert asked.speeds() == [ACCOUNT_KEEPS_PERMILLE, SELLER_KEEPS_PERMILLE]
    assert asked.wait() >= said.seconds
    assert isinstance(answer, Outcome)
    assert answer.retry_after_seconds == said.seconds


@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS)
def test_what_is_no_throttle_slows_nobody_down(asked: Asked, said: Said) -> None:
    """A portal that breaks down, or refuses, has not said that it is too much."""
    asked.look_up(said)
    assert asked.speeds() == [1000, 1000]


@pytest.mark.parametrize(
    ("status", "body", "errors"),
    [
        (200, NO % "2150", 1),
        (400, NO % "2150", 1),
        (401, "", 1),
        (403, "<html>", 1),
        (429, "", 1),
        (503, "", 0),
        (200, "<html>", 0),
    ],
)
def test_a_refusal_is_an_error_in_whichever_form(asked: Asked, status: int, body: str, errors: int) -> None:
    """Of HTTP alone too, once; a portal that breaks down has refused nothing."""
    taken = asked.permits()
    reply = Reply(status, {}, body.encode())
    taken.heard(reply, envelope.read(status, reply.body), endpoints.SEND)
    assert taken.errors_told == errors


def _saying(said: Said) -> httpx.BaseTransport:
    return httpx.MockTransport(lambda _: httpx.Response(said.status, content=said.body.encode(), headers=said.headers))
