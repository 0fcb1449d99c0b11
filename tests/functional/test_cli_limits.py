"""`mohar limits` and `mohar route limit`: how the shared limits stand for an operator, and changing one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import cli
from gateway.cli import limits, routes
from gateway.domain.operations import Lane
from gateway.domain.token_bucket import Limit
from gateway.errors import Invalid
from gateway.limits.health import FAILURES_MIN, TRY_SECONDS
from gateway.services import access
from gateway.wiring import Wiring
from tests.support_api import (
    LIVE_ROUTE,
    ROUTE,
    SECOND_SELLER,
    SELLER,
    STRANGER,
    Stack,
    document,
    document_of_a_stranger,
)

Mohar = Callable[..., Result]


@pytest.fixture
def mohar(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Mohar:
    """A command line on the stack of this test, whose limiter and clock are in this process."""

    @contextmanager
    def opened() -> Iterator[Wiring]:
        yield stack.wiring

    for module in (limits, routes):
        monkeypatch.setattr(module, "opened", opened)

    def run(*words: str) -> Result:
        result = CliRunner().invoke(cli.build("limits", "routes"), list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def test_a_quiet_gateway_shows_its_routes(mohar: Mohar) -> None:
    """Nobody is busy; every route has its breaker, every account its bucket."""
    told = json.loads(mohar("limits", "--json").stdout)
    assert {(each["account"], each["scope"], each["room"]) for each in told["accounts"]} == {
        (ROUTE.gsp_account, "account", 0)
    }
    assert (told["taxpayers"], told["used_last_minute"]) == ([], [])
    assert told["routes"] == [
        {"route": name, "breaker": "closed", "down_seconds": 0} for name in (ROUTE.name, LIVE_ROUTE.name)
    ]


def test_an_operator_sees_every_busy_taxpayer(mohar: Mohar, stack: Stack) -> None:
    """Who called, how often, for what; who waits, until when; and nobody who does neither."""
    stack.post(document())
    stack.idle = True
    stack.post(document_of_a_stranger(), client="stranger", headers={"Prefer": "respond-async"})
    stack.clock.step(seconds=2)
    told = json.loads(mohar("limits", "--json").stdout)
    waiting = {each["gstin"]: each["queues"]["queued"]["waiting"] for each in told["taxpayers"]}
    assert waiting == {SELLER: 0, STRANGER: 1}
    assert told["used_last_minute"] == [
        {"account": ROUTE.gsp_account, "gstin": SELLER, "class": "direct", "call": call, "calls": 1}
        for call in ("login", "send")
    ]
    shown = mohar("limits").stdout
    assert SECOND_SELLER not in shown
    [turn] = [each["queues"]["queued"]["expected_at"] for each in told["taxpayers"] if each["gstin"] == STRANGER]
    assert turn in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert f"{ROUTE.gsp_account} {SELLER} direct login 1" in lines


def test_who_was_throttled_is_shown_though_idle(mohar: Mohar, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it has its speed back: an operator sees whom the portal has slowed, and how far."""
    stack.post(document())
    seller = stack.ports.directory.seller(environment=ROUTE.environment, gstin=SELLER)
    assert seller is not None
    own = {name: limit for name, limit in stack.ports.enquiries.allowance(seller).items() if SELLER in name}
    monkeypatch.setattr(limits.limits, "LEVELS_AT_ONCE_MAX", 1)
    stack.ports.limiter.drain(own, seconds=60, keep_permille=500)
    seen = []
    for minutes in (2, 10):
        stack.clock.step(minutes=minutes)
        told = json.loads(mohar("limits", "--json").stdout)["taxpayers"]
        seen.append([(each["gstin"], min(kept["speed_percent"] for kept in each["buckets"])) for each in told])
    assert seen == [[(SELLER, 62)], []]


def test_a_taxpayer_is_shown_though_idle(mohar: Mohar) -> None:
    """`--gstin` shows one that is not busy."""
    told = json.loads(mohar("limits", "--gstin", SECOND_SELLER, "--json").stdout)
    assert [each["gstin"] for each in told["taxpayers"]] == [SECOND_SELLER]


def test_a_route_that_is_down_is_shown(mohar: Mohar, stack: Stack) -> None:
    """Open while nobody may call, half open when the next one tries; for people too."""
    for _ in range(FAILURES_MIN):
        stack.ports.health.failed(ROUTE.name)
    assert f"in {TRY_SECONDS} s" in mohar("limits").stdout
    states = []
    for _ in range(2):
        told = json.loads(mohar("limits", "--json").stdout)
        states.append({each["route"]: each["breaker"] for each in told["routes"]}[ROUTE.name])
        stack.clock.step(seconds=TRY_SECONDS)
    assert states == ["open", "half-open"]


def test_a_limit_is_changed_while_everything_runs(mohar: Mohar, stack: Stack) -> None:
    """A class of calls gets a limit of its own; the others stay; it is counted, obeyed and shown."""
    said = mohar("route", "limit", ROUTE.name, "login", "2", "--seconds", "600", "--burst", "1")
    assert said.exit_code == 0
    assert "2 calls in 600 s for login, 1 at once" in said.stdout
    stack.clock.step(hours=1)
    assert stack.ports.routebook.route(ROUTE.name).limits == {**ROUTE.limits, "login": Limit(2, 600, 1)}
    [told] = json.loads(mohar("limits", "--gstin", SELLER, "--json").stdout)["taxpayers"]
    [login] = [each for each in told["buckets"] if each["scope"] == "login"]
    assert (login["calls"], login["seconds"], login["burst"]) == (2, 600, 1)
    assert login["room"] == 0, "a bucket that nobody used is empty"


@pytest.mark.parametrize("words", [("sandbox", "postage", "1"), ("sandbox", "gstin", "0")])
def test_what_is_no_limit_is_refused(mohar: Mohar, stack: Stack, words: tuple[str, ...]) -> None:
    """Of nothing that is limited, or of no calls: nothing is changed."""
    assert mohar("route", "limit", *words).exit_code == 2
    assert stack.ports.routebook.route(ROUTE.name).limits == ROUTE.limits


def test_a_burst_is_a_tenth_unless_said(mohar: Mohar, stack: Stack) -> None:
    """So that nobody has to think of one."""
    mohar("route", "limit", ROUTE.name, "account", "500")
    stack.clock.step(seconds=2)
    assert stack.ports.routebook.route(ROUTE.name).limits["account"] == Limit(500, 60, 50)


def test_a_limit_is_that_of_the_account(mohar: Mohar, stack: Stack) -> None:
    """All routes of a GSP account share its buckets: one law for each, whichever route is named, each on record."""
    mohar("route", "limit", ROUTE.name, "account", "500")
    mohar("route", "limit", LIVE_ROUTE.name, "gstin", "30")
    stack.clock.step(seconds=2)
    for name in (ROUTE.name, LIVE_ROUTE.name):
        assert stack.ports.routebook.route(name).limits == {"account": Limit(500, 60, 50), "gstin": Limit(30, 60, 3)}
    elsewhere = replace(LIVE_ROUTE, name="elsewhere", gsp_account="gsp-2", limits={})
    access.put_route(elsewhere, ports=stack.ports)
    assert stack.ports.routebook.route(ROUTE.name).limits != {}


def add_route(mohar: Mohar, tmp_path: Path, *words: str, gsp_account: str) -> Result:
    """`mohar route add` for a new route of the test environment."""
    (tmp_path / "secret").write_text("s")
    route = ("--environment", "test", "--base-url", "https://portal.example", "--client-id", "C")
    secret = ("--client-secret-file", str(tmp_path / "secret"))
    return mohar("route", "add", "new", *route, *secret, "--gsp-account", gsp_account, *words)


def test_a_new_route_has_the_limits_of_its_account(mohar: Mohar, stack: Stack, tmp_path: Path) -> None:
    """Unless they are said, and then they are those of the account; an account of its own begins with cautious ones."""
    mohar("route", "limit", ROUTE.name, "login", "2")
    assert add_route(mohar, tmp_path, gsp_account=ROUTE.gsp_account).exit_code == 0
    routebook = stack.ports.routebook
    assert routebook.route("new").limits == {**ROUTE.limits, "login": Limit(2, 60, 1)}
    add_route(mohar, tmp_path, "--gstin-per-minute", "90", gsp_account=ROUTE.gsp_account)
    assert routebook.route(ROUTE.name).limits["gstin"] == routebook.route("new").limits["gstin"] == Limit(90, 60, 9)
    add_route(mohar, tmp_path, gsp_account="gsp-2")
    assert routebook.route("new").limits == {"gstin": Limit(60, 60, 6), "account": Limit(600, 60, 60)}


@pytest.mark.parametrize("gsp_account", ["", "a}b", "{a", "a" * 81, "a\n"])
def test_an_account_is_named_so_that_its_keys_share_a_slot(stack: Stack, gsp_account: str) -> None:
    """Neither empty nor with braces, which would end the hash tag of its keys, nor longer than its column."""
    with pytest.raises(Invalid) as refused:
        access.put_route(replace(ROUTE, gsp_account=gsp_account), ports=stack.ports)
    assert refused.value.code == "gsp-account-malformed"
    assert {route.name for route in stack.ports.routebook.routes()} == {ROUTE.name, LIVE_ROUTE.name}


@pytest.mark.parametrize("stale", [False, True])
def test_a_raised_limit_is_used_by_who_waits_for_the_old_one(mohar: Mohar, stack: Stack, *, stale: bool) -> None:
    """Two an hour become a hundred a second: what was to wait for half an hour is done within two seconds.

    Also what was to be sent when its login had taken the permit.
    """
    mohar("route", "limit", ROUTE.name, "gstin", "2", "--seconds", "3600")
    stack.clock.step(hours=3)
    queued = [stack.post(document(No=f"S/{number}"), headers={"Prefer": "respond-async"}).json() for number in range(4)]

    def standing() -> list[str]:
        return [stack.get(f"/operations/{each['id']}").json()["status"] for each in queued]

    stack.later(minutes=1)
    assert standing().count("queued") >= 2
    lane = Lane(ROUTE.environment, SELLER)
    far = stack.clock.now() + timedelta(minutes=30)
    mohar("route", "limit", ROUTE.name, "gstin", "6000")
    if stale:  # a process that knew the old limit for a moment longer
        stack.ports.work.block_lane(lane, direct=False, until=far)
    for _ in range(2):
        stack.later(seconds=1)
    assert standing() == ["succeeded"] * 4


def test_who_waits_is_freed_though_no_sweeper_leads(mohar: Mohar, stack: Stack) -> None:
    """A sweeper that comes later than it looks back for changed routes finds the lanes free."""
    stack.idle = True
    stack.post(document(), headers={"Prefer": "respond-async"})
    lane = Lane(ROUTE.environment, SELLER)
    stack.ports.work.block_lane(lane, direct=False, until=stack.clock.now() + timedelta(minutes=30))
    mohar("route", "limit", ROUTE.name, "gstin", "6000")
    stack.clock.step(minutes=1)
    assert stack.ports.upkeep.due_lanes(at=stack.clock.now()) == [(lane, False)]
