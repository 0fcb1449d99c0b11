"""Logs as a process writes them, for tests that look at what stands in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gateway import observability

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def logged(level: int = logging.INFO) -> Iterator[Lines]:
    """While this is open, whatever is logged goes through our formatter; call what it gives for the lines so far."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(observability.formatter(as_json=True))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
