"""What a log may say: listed events, listed fields, masked GSTINs, and of errors no word."""

from __future__ import annotations

import ast
import logging
import threading
from typing import Any

import pytest

from gateway import correlation, observability
from gateway.domain.identifiers import masked_gstin
from tests.repository import none_of, sources
from tests.support import GSTIN
from tests.support_logs import logged

LOG = logging.getLogger("gateway.test")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def calls_of_loggers() -> list[tuple[str, ast.Call]]:
    """Every place where something is logged."""
    return [
        (source.at(node, ast.unparse(node)), node)
        for source in sources("gateway", "workers")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"log", "logger", "logging"}
        and node.func.attr in LEVELS
    ]


def test_every_event_is_listed_and_every_field_allowed() -> None:
    """Whoever logs names one of EVENTS, literally, and puts what belongs to it into `extra`, under names of FIELDS."""
    offenders = [at for at, call in calls_of_loggers() if not is_plain(call)]
    none_of(offenders, 'Write log.info("an event of observability.EVENTS", extra={a field of FIELDS: value}):')


def is_plain(call: ast.Call) -> bool:
    """Whether the event is literal and listed, and the fields, where they can be read, are too."""
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Constant):
        return False
    extra = next((each.value for each in call.keywords if each.arg == "extra"), None)
    keys = extra.keys if isinstance(extra, ast.Dict) else []
    named = {key.value for key in keys if isinstance(key, ast.Constant)}
    return call.args[0].value in observability.EVENTS and named <= set(observability.FIELDS)


def test_no_event_is_listed_in_vain() -> None:
    """An event that nothing logs any more is taken off the list."""
    said = {call.args[0].value for _, call in calls_of_loggers() if isinstance(call.args[0], ast.Constant)}
    none_of(sorted(set(observability.EVENTS) - said), "Nobody says these:")


def test_fields_that_are_not_allowed_are_left_out() -> None:
    """What somebody hands over by mistake does not reach the log."""
    with logged() as lines:
        LOG.info("swept", extra={"rung": 3, "password": "canary"})
    [line] = lines()
    assert (line["event"], line["rung"]) == ("swept", 3)
    assert "canary" not in str(line)


def test_what_is_no_event_has_no_words() -> None:
    """A library's line is told of, without what it says; its arguments could be anything."""
    with logged() as lines:
        logging.getLogger("some.library").warning("the password is %s", "canary")
    [line] = lines()
    assert (line["event"], line["logger"], line["level"]) == (observability.FOREIGN, "some.library", "warning")
    assert "canary" not in str(line)


@pytest.mark.parametrize("text", [GSTIN, f"lane test/{GSTIN}", f"{GSTIN},{GSTIN}", f"x{GSTIN}y"])
def test_gstins_are_masked(text: str) -> None:
    """Characters 3 to 12 of a GSTIN are a PAN: most of it stands in no log, wherever the GSTIN is."""
    with logged() as lines:
        LOG.info("swept", extra={"reason": text})
    [line] = lines()
    assert GSTIN not in str(line)
    assert GSTIN[2:12] not in str(line)
    assert masked_gstin(GSTIN) in line["reason"]


def test_an_error_is_told_without_its_words() -> None:
    """Its kind, its cause's kind, and where it came from; its message may hold what it failed over."""
    with logged() as lines:
        try:
            fail()
        except RuntimeError:
            LOG.exception("request failed")
    [line] = lines()
    assert line["error"] == "RuntimeError < KeyError"
    assert line["at"][-1].startswith("test_observability.py:")
    assert line["at"][-1].endswith(" fail")
    assert "canary" not in str(line)


def fail() -> None:
    """Fail for a reason."""
    try:
        {}["canary-1"]
    except KeyError as error:
        raise RuntimeError("canary-2") from error


def test_lines_of_a_request_carry_its_name() -> None:
    """In the thread or task that works for it, every line names the request and the trace."""

    def work() -> None:
        correlation.begin("mine-7", trace="ab" * 16)
        LOG.info("swept")

    with logged() as lines:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        LOG.info("swept")
    inside, outside = lines()
    assert (inside["request_id"], inside["trace_id"]) == ("mine-7", "ab" * 16)
    assert "request_id" not in outside


GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (GOOD, GOOD[3:35]),
        (GOOD.upper(), ""),
        (GOOD + "-x", ""),
        (GOOD.replace("00-", "ff-", 1), ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-{GOOD[3:35]}-{'0' * 16}-01", ""),
        ("", ""),
        (GOOD + "\n", ""),
    ],
)
def test_traces_are_read_strictly(header: str, trace: str) -> None:
    """A traceparent of version 00 names a trace; anything else names none."""
    assert correlation.trace_in(header) == trace


def test_calls_to_others_carry_the_name() -> None:
    """The same trace for all calls of a request, and a span of its own for each."""
    told: list[Any] = []

    def work() -> None:
        told.append(dict(correlation.headers("outside")))
        correlation.begin("mine-7")
        told.extend(dict(correlation.headers(call)) for call in ("one", "two"))
        correlation.begin(GOOD[3:35])
        told.append(dict(correlation.headers("one")))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    outside, one, two, traced = told
    assert outside == {}
    assert one["X-Request-Id"] == two["X-Request-Id"] == "mine-7"
    assert one["traceparent"] != two["traceparent"]
    assert correlation.trace_in(one["traceparent"]) == correlation.trace_in(two["traceparent"]) != ""
    assert correlation.trace_in(traced["traceparent"]) == GOOD[3:35]
