"""Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from gateway.cli import interrupts
from gateway.cli.interrupts import whole


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installed for one test, with nothing asked yet, and taken back."""
    monkeypatch.setattr(interrupts, "_state", interrupts._State())
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    interrupts.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_what_runs(number: signal.Signals) -> None:
    """Ctrl-C, a polite kill and a closed terminal are one to us."""
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_a_whole_block_is_not_torn() -> None:
    """The stop comes at its end, not in it."""
    done = []

    def work() -> None:
        with whole():
            signal.raise_signal(signal.SIGTERM)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all of it"]


def test_a_block_within_a_block_is_not_its_end() -> None:
    """Only the outermost one lets the stop through."""
    done = []

    def work() -> None:
        with whole():
            with whole():
                signal.raise_signal(signal.SIGINT)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]


def test_the_ending_is_not_ended() -> None:
    """After the first stop, impatience changes nothing."""
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    with whole():
        signal.raise_signal(signal.SIGTERM)


def test_a_block_without_a_signal_ends_quietly() -> None:
    """Nothing is raised that nobody asked for."""
    with whole():
        pass


def test_nohup_is_respected() -> None:
    """What was told to outlive its terminal does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.install()
    signal.raise_signal(signal.SIGHUP)
