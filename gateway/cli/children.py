"""A child of `mohar up` must not outlive it, not even when it is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PARENT_VARIABLE: Final = "MOHAR_PARENT_PID"
_PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """If this process is a child of `mohar up`, end when that does. On Linux only; elsewhere it goes on alone."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if str(os.getppid()) != parent:
        sys.exit(0)


if __name__ == "__main__":  # become another program, such as a Redis server, that ends with its parent all the same
    die_with_parent()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  a program that our caller found
