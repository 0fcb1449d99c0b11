"""One name for a request and for all that follows from it: in logs, in records, and in calls to others.

A request is named by its `X-Request-Id`; without one, by the trace of its `traceparent` (W3C Trace Context); without
that, by an id of ours. An operation keeps the name and the trace: workers go on under them, hours later perhaps,
with the portal, and with those who are told how it ended.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_PARENT: Final = re.compile(r"00-([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_TRACE: Final = re.compile(r"(?!0{32})[0-9a-f]{32}", re.ASCII)
_SPAN_CHARACTERS: Final = 16
_TRACE_CHARACTERS: Final = 32

_request: ContextVar[str] = ContextVar("request", default="")
_trace: ContextVar[str] = ContextVar("trace", default="")


def trace_in(traceparent: str) -> str:
    """The trace that a header names; empty when it is none of version 00."""
    found = _PARENT.fullmatch(traceparent)
    return found[1] if found is not None and _TRACE.fullmatch(found[1]) else ""


def begin(request_id: str, *, trace: str = "") -> None:
    """From here on, in this thread or task and what it starts, everything belongs to that request."""
    _request.set(request_id)
    _trace.set(trace or _trace_of(request_id))


def trace() -> str:
    """The trace of the present request; empty outside of one."""
    return _trace.get()


@contextmanager
def about(request_id: str, *, trace: str = "") -> Iterator[None]:
    """While this is open, everything belongs to that request; to none when the name is empty."""
    before = _request.get(), _trace.get()
    begin(request_id, trace=trace)
    try:
        yield
    finally:
        _request.set(before[0])
        _trace.set(before[1])


def fields() -> Mapping[str, str]:
    """The names, for a line of a log; empty outside a request."""
    return {"request_id": _request.get(), "trace_id": _trace.get()} if _request.get() else {}


def headers(call: str) -> Mapping[str, str]:
    """The names as headers of a call to others; `call` is different for each call. Empty outside a request."""
    if not _request.get():
        return {}
    span = hashlib.sha256(f"{_request.get()} {call}".encode()).hexdigest()[:_SPAN_CHARACTERS]
    return {"X-Request-Id": _request.get(), "traceparent": f"00-{_trace.get()}-{span}-01"}


def _trace_of(request_id: str) -> str:
    if _TRACE.fullmatch(request_id):
        return request_id
    return hashlib.sha256(request_id.encode()).hexdigest()[:_TRACE_CHARACTERS]
