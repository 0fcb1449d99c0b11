"""Ctrl-C, SIGTERM, a closed terminal: the first one ends a command in order, and no second one ends the ending."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class _State:
    """Of the process: signals reach its main thread alone."""

    whole_blocks: int = 0
    asked: bool = False
    raised: bool = False


_state = _State()


def install() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt: once, and never inside a `whole` block.

    Where SIGHUP is ignored it stays so: that is how `nohup` asks to go on when the terminal closes.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _stop)


@contextmanager
def whole() -> Iterator[None]:
    """Let what is in the block happen entirely; a stop that is asked for meanwhile is raised at its end.

    For making a thing and noting that it must be removed, and for removing it: neither may be half done.
    """
    _state.whole_blocks += 1
    try:
        yield
    finally:
        _state.whole_blocks -= 1
        _raise_if_due()


def _stop(_number: int, _frame: FrameType | None) -> None:
    _state.asked = True
    _raise_if_due()


def _raise_if_due() -> None:
    if _state.asked and not _state.raised and _state.whole_blocks == 0:
        _state.raised = True
        raise KeyboardInterrupt
