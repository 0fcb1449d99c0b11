"""The verdict on what was asked for an IRN afterwards, on the e-way bills, and on what receivers are told (I7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gateway.domain.events import announced
from gateway.domain.operations import TERMINAL, Kind, Status
from tests.simulation.plan import Want
from tests.simulation.violations import Violation

if TYPE_CHECKING:
    from tests.simulation.checker import Checker

SENDS = {Kind.IRN_GENERATE: "generate", Kind.IRN_CANCEL: "cancel", Kind.EWB_GENERATE: "bill_by_irn"}
"""What the portal calls the request of each kind."""
LOOKS = {
    Kind.IRN_GENERATE: ("get_by_document", {"2154"}),
    Kind.IRN_CANCEL: ("get_irn", {"ok"}),
    Kind.EWB_GENERATE: ("get_bill_by_irn", {"4005"}),
}
"""What each kind is looked up by, and what the portal answers where it does not stand."""
STANDS = {"ACT": "active", "CNL": "cancelled"}
_WANTED = {Want.CANCEL: Kind.IRN_CANCEL, Want.BILL: Kind.EWB_GENERATE}


def aftermath(checker: Checker) -> Iterator[Violation]:
    """Everything that is wrong with it."""
    yield from _wishes(checker)
    yield from _standings(checker)
    for row in checker.operations.values():
        if row["kind"] != Kind.IRN_GENERATE:
            yield from _end(checker, row)
        yield from _events(checker, row)


def _wishes(checker: Checker) -> Iterator[Violation]:
    """Whoever was told of an operation finds it there, of that kind and on that IRN."""
    for wish in checker.plan.wishes:
        answer = wish.answer or ""
        row = checker.operations.get(answer)
        if row is None and answer.startswith("op_"):
            yield Violation("accepted-and-lost", answer, "a client was told of an operation that is not stored")
        elif row is not None and (row["kind"], row["subject"]) != (_WANTED[wish.want], wish.paper.irn):
            yield Violation("wrong-operation", answer, f"a client wanted a {wish.want} of {wish.paper.irn}")


def _standings(checker: Checker) -> Iterator[Violation]:
    """A document is cancelled on both sides or on neither, and both sides have the same bills, as they stand."""
    for irn, document in checker.documents.items():
        there = STANDS[checker.ledger[irn]["status"]] if irn in checker.ledger else None
        if there != document["status"]:
            yield Violation("stands-otherwise", irn, f"it is {document['status']} here, {there} there")
    ours = {row["number"]: (row["irn"], row["status"]) for row in checker.bills.values()}
    theirs = {
        str(each["number"]): (each["irn"], STANDS[each["status"]])
        for each in checker.bills_there
        if each["irn"] in checker.documents
    }
    for number in {number for number in {*ours, *theirs} if ours.get(number) != theirs.get(number)}:
        yield Violation("bill-otherwise", number, f"it is {ours.get(number)} here, {theirs.get(number)} there")
    for irn, count in Counter(each["irn"] for each in checker.bills_there if each["irn"]).items():
        if count > 1:
            yield Violation("billed-twice", irn, f"{count} e-way bills were made")


def _end(checker: Checker, row: dict[str, Any]) -> Iterator[Violation]:
    """What ended well stands at the portal; what ended otherwise was not done by any of its attempts."""
    id, status, kind = row["id"], Status(row["status"]), Kind(row["kind"])
    mine = {attempt["id"] for attempt in checker.attempts[id]}
    done = [call for call in checker.sent if call.sender in mine and (call.service, call.code) == (SENDS[kind], "ok")]
    entry = checker.ledger.get(row["subject"], {})
    stands = entry.get("status") == "CNL" if kind is Kind.IRN_CANCEL else entry.get("ewb_no") is not None
    if status not in TERMINAL or status is Status.CONFLICT:
        yield Violation("unexpected-end", id, f"a {kind} ended as {status}")
    if status is Status.SUCCEEDED and not stands:
        yield Violation("succeeded-falsely", id, f"the portal does not show the {kind}: {entry}")
    if status is not Status.SUCCEEDED and done:
        yield Violation("ended-but-done", id, f"{status}, and the portal has done it")
    if len(done) > 1:
        yield Violation("done-twice", id, f"{len(done)} times")
    if row["waits_for"] and mine and checker.operations[row["waits_for"]]["status"] != Status.SUCCEEDED:
        yield Violation("did-not-wait", id, "it was tried, and what it waits for did not succeed")


def _events(checker: Checker, row: dict[str, Any]) -> Iterator[Violation]:
    """Each transition that receivers are to be told of is told once, under its version, and no other is.

    Left out: that it is still held for the same cause, which is told once; and events without a transition, which a
    clock or an operator causes (a window that closes soon, a login that is refused).
    """
    told = Counter((event["version"], event["type"]) for event in checker.events_of[row["id"]])
    expected = {
        (record["version"], announced(Kind(row["kind"]), Status(record["facts"]["status"])))
        for record in checker.audit[row["id"]]
        if "status" in record["facts"]
    }
    due = {(version, event.value) for version, event in expected if event is not None}
    held = {each for each in due if each[1] == "operation.held"}
    if not due - held <= told.keys() <= due or any(count > 1 for count in told.values()):
        yield Violation("told-otherwise", row["id"], f"its events are {dict(told)}, and should be {sorted(due)}")
