"""Idle connections: for whom they are kept, for how long, and how many."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from gateway.webhooks import connections
from gateway.webhooks.addresses import Way
from gateway.webhooks.connections import Connection, Connections, UnconnectedError
from gateway.webhooks.networks import Address
from gateway.webhooks.targets import Target
from tests.support import FakeClock

FIRST, SECOND = ip_address("93.184.215.14"), ip_address("93.184.215.15")
TARGET = Target(secure=False, host="hooks.example.com", port=80, path="/", is_loopback=False)
WAY = Way(TARGET, (FIRST, SECOND))

Dial = Callable[[Address, int, float], socket.socket]


@pytest.fixture
def far_ends() -> Iterator[list[socket.socket]]:
    """The receivers' ends of the connections that were made."""
    with ExitStack() as stack:
        ends: list[socket.socket] = []
        yield ends
        for each in ends:
            stack.enter_context(each)


@pytest.fixture
def clock() -> FakeClock:
    """Time that the test moves."""
    return FakeClock()


@pytest.fixture
def pool(clock: FakeClock, far_ends: list[socket.socket]) -> Iterator[Connections]:
    """Connections that lead nowhere but to the test."""

    def dial(_address: Address, _port: int, _seconds: float) -> socket.socket:
        near, far = socket.socketpair()
        far_ends.append(far)
        return near

    made = Connections(clock, connect=dial)
    yield made
    made.close()


def opened(pool: Connections, way: Way = WAY) -> Connection:
    """A new one."""
    return pool.open(way, deadline=1)


def test_a_kept_connection_is_used_again(pool: Connections) -> None:
    """For the same host and port, and by one message at a time."""
    first = opened(pool)
    pool.keep(first)
    assert pool.idle(WAY) is first
    assert pool.idle(WAY) is None
    first.close()


@pytest.mark.parametrize(
    "other",
    [
        Way(Target(secure=False, host="hooks.example.org", port=80, path="/", is_loopback=False), (FIRST,)),
        Way(Target(secure=False, host="hooks.example.com", port=81, path="/", is_loopback=False), (FIRST,)),
        Way(Target(secure=True, host="hooks.example.com", port=80, path="/", is_loopback=False), (FIRST,)),
        Way(TARGET, (SECOND,)),
    ],
)
def test_a_kept_connection_serves_nobody_else(pool: Connections, other: Way) -> None:
    """Not another host, port or scheme, and not when its address is no longer the name's."""
    pool.keep(opened(pool))
    assert pool.idle(other) is None


def test_another_path_of_the_host_shares_it(pool: Connections) -> None:
    """Two endpoints of one receiver need one connection."""
    first = opened(pool)
    pool.keep(first)
    elsewhere = Target(secure=False, host="hooks.example.com", port=80, path="/other", is_loopback=False)
    assert pool.idle(Way(elsewhere, (FIRST,))) is first
    first.close()


def test_an_idle_connection_is_closed_in_time(
    pool: Connections, clock: FakeClock, far_ends: list[socket.socket]
) -> None:
    """Before the receiver closes it."""
    pool.keep(opened(pool))
    clock.sleep(connections.IDLE_SECONDS_MAX + 0.1)
    assert pool.idle(WAY) is None
    assert far_ends[0].recv(1) == b""


@pytest.mark.parametrize("end", [lambda far: far.close(), lambda far: far.send(b"HTTP/1.1 408 Late\r\n\r\n")])
def test_a_connection_with_news_is_not_used(
    pool: Connections, far_ends: list[socket.socket], end: Callable[[socket.socket], object]
) -> None:
    """It has ended, or holds what nobody asked for."""
    pool.keep(opened(pool))
    end(far_ends[0])
    assert pool.idle(WAY) is None


def test_only_so_many_are_kept(
    pool: Connections, far_ends: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that has waited longest makes room."""
    monkeypatch.setattr(connections, "IDLE_CONNECTIONS_MAX", 2)
    kept = [opened(pool) for _ in range(3)]
    for each in kept:
        pool.keep(each)
    assert far_ends[0].recv(1) == b""
    assert pool.idle(WAY) is kept[2]
    assert pool.idle(WAY) is kept[1]
    for each in kept:
        each.close()


def test_the_time_to_connect_is_shared_among_addresses(clock: FakeClock) -> None:
    """One that swallows everything leaves room for the next, and their number is bounded."""
    shares = []

    def swallow(_address: Address, _port: int, seconds: float) -> socket.socket:
        shares.append(round(seconds, 3))
        clock.sleep(seconds)
        raise TimeoutError

    pool = Connections(clock, connect=swallow)
    many = tuple(ip_address(f"93.184.215.{number}") for number in range(9))
    with pytest.raises(UnconnectedError, match="connect-timeout"):
        pool.open(Way(TARGET, many), deadline=4)
    assert shares == [1] * connections.ADDRESSES_MAX


def test_no_time_is_no_try(clock: FakeClock) -> None:
    """A deadline that has passed opens nothing."""
    pool = Connections(clock, connect=lambda *_: pytest.fail("dialled"))
    with pytest.raises(UnconnectedError, match="connect-timeout"):
        pool.open(WAY, deadline=0)
