"""Every call that comes in is measured, recorded and named."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select

from gateway import metrics
from gateway.storage.tables import audit, operations
from tests.support_api import SELLER, Blueprint, Stack, document

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def told(stack: Stack) -> list[dict[str, Any]]:
    """The records of calls."""
    query = select(audit).where(audit.c.action == "calls:receive").order_by(audit.c.position)
    with stack.wiring.database.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def lived(blueprint: Blueprint, folder: Any, *steps: Any) -> list[dict[str, Any]]:
    """The records of calls that a whole life of a process leaves behind."""
    with Stack(folder, blueprint) as stack:
        for step in steps:
            step(stack)
    return told(stack)


def test_calls_are_recorded_in_batches(blueprint: Blueprint, tmp_path: Any) -> None:
    """Who, for which GSTIN, what, with which answer, under which name: a record for many calls of one caller."""
    records = lived(
        blueprint,
        tmp_path,
        lambda stack: stack.post(document()),
        lambda stack: stack.get("/irn/x", client="erp"),
        lambda stack: stack.get("/operations/op_x", client="stranger"),
    )
    by_actor = {record["gstin"]: record for record in records}
    mine = [call[1:4] for call in by_actor[SELLER]["facts"]["calls"]]
    assert mine == [["POST /irn", 201, None], ["GET /irn/{irn}", 400, "irn-malformed"]]
    assert by_actor[SELLER]["actor"].startswith("cli_")
    assert by_actor["07AAACM0009J1ZW"]["facts"]["calls"][0][1:4] == ["GET /operations/{id}", 404, "operation-unknown"]


def test_calls_of_nobody_are_counted(blueprint: Blueprint, tmp_path: Any) -> None:
    """A flood of calls without a token makes one short record, not one line each."""

    def flood(stack: Stack) -> None:
        for number in range(30):
            stack.send("GET", f"/irn/{number:064}")
            stack.send("GET", f"/nowhere/{number}")

    [record] = lived(blueprint, tmp_path, flood)
    assert record["actor"] == "nobody"
    assert record["facts"]["counted"] == {"GET /irn/{irn} 401 token-missing": 30, "elsewhere elsewhere 404": 30}


def test_a_record_of_calls_has_no_token_and_no_body(blueprint: Blueprint, tmp_path: Any) -> None:
    """Neither what was sent nor what it was sent with."""
    tokens: list[str] = []

    def call(stack: Stack) -> None:
        tokens.append(stack.token())
        stack.post(document(No="CANARY/1"))

    records = lived(blueprint, tmp_path, call)
    assert "CANARY" not in repr(records)
    assert tokens[0] not in repr(records)


def test_a_request_has_a_name(stack: Stack) -> None:
    """Its own, else its trace's, else one of ours; the answer, the operation and the portal's calls carry it."""
    mine = stack.post(document(No="N/1"), headers={"X-Request-Id": "mine-7", "traceparent": PARENT})
    traced = stack.post(document(No="N/2"), headers={"traceparent": PARENT})
    ours = stack.post(document(No="N/3"), headers={"traceparent": PARENT + "-x"})
    assert mine.headers["x-request-id"] == "mine-7"
    assert traced.headers["x-request-id"] == TRACE
    assert ours.headers["x-request-id"].startswith("req_")
    with stack.wiring.database.read() as connection:
        names = connection.execute(select(operations.c.request_id).order_by(operations.c.created_at)).scalars().all()
    assert set(names) == {"mine-7", TRACE, ours.headers["x-request-id"]}


def test_measures_are_served(blueprint: Blueprint, tmp_path: Any) -> None:
    """GET /metrics has a line for every measure that this process gives, in the form of Prometheus."""
    with Stack(tmp_path, blueprint) as stack:
        stack.idle = True
        stack.post(document(), headers={"Prefer": "respond-async"})
        wiring = stack.wiring
        wiring.observe_call(method="GET", route="/irn", status=200, seconds=0.02)
        text = wiring.measures().decode()
        served = stack.send("GET", "/metrics")
    assert served.status_code == 200
    assert 'mohar_operations_unsettled{kind="irn.generate",status="queued"} 1.0' in text
    assert 'mohar_http_requests_seconds_count{method="GET",route="/irn",status="200"} 1.0' in text
    assert re.search(r"^mohar_audit_unsealed [1-9]", text, re.MULTILINE)
    for measure in metrics.MEASURES:
        assert f"# HELP {measure.name}" in text
    assert SELLER not in text


def test_attempts_and_waits_are_measured(stack: Stack) -> None:
    """A try at the portal counts by what it meant; a wait for a permit by who waits."""
    stack.post(document())
    text = stack.wiring.metrics.text().decode()
    assert 'mohar_attempts_seconds_count{meaning="registered",route="sandbox"} 1.0' in text
