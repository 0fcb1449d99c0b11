"""The ledger of e-way bills: rows, steps, lists and ends, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.domain.calendar import IST
from gateway.domain.ewaybill import Standing
from gateway.domain.operations import Environment, Kind, Operation
from gateway.domain.outcomes import BillChange, EwayBill, Result
from gateway.ports.bills import HeldBill
from gateway.storage import effects
from gateway.storage.road import SqlBills
from gateway.storage.tables import events
from tests.contract.storage_kit import Storage
from tests.support import GSTIN, ORG, START, SeededIds, new_operation

ENDS = datetime(2026, 11, 25, 23, 59, tzinfo=IST)
NUMBER = "180000000001"


@pytest.fixture
def bills(storage: Storage) -> SqlBills:
    """The ledger on an empty database."""
    return SqlBills(storage.database, SeededIds(9))


def _bill(number: str = NUMBER, **members: Any) -> HeldBill:
    bill = HeldBill(
        environment=Environment.TEST,
        org_id=ORG,
        gstin=GSTIN,
        number=number,
        irn=None,
        operation_id=None,
        doc_type="INV",
        doc_no="A/1",
        doc_date=date(2026, 11, 20),
        standing=Standing.ACTIVE,
        made_at=START,
        valid_until=ENDS,
        computed_until=ENDS,
        vehicle_no=None,
        transporter_id=None,
        trip_sheet=None,
        remarks=None,
        differences=(),
        cancelled_at=None,
        recorded_at=START,
    )
    return replace(bill, **members)


def _accepted(storage: Storage, kind: Kind, subject: str) -> Operation:
    new = replace(new_operation(subject), kind=kind, subject=subject, id=f"op_{kind.name.lower()}_{subject[-3:]}")
    return storage.intake.accept(new, None, at=START).operation


def _apply(storage: Storage, operation: Operation, result: Result) -> None:
    storage.database.write(lambda connection: effects.apply(connection, operation, result, at=START))


def _get(bills: SqlBills, number: str = NUMBER) -> HeldBill:
    found = bills.get(environment=Environment.TEST, gstin=GSTIN, number=number)
    assert found is not None
    return found


def test_a_bill_that_was_read_back_is_kept_and_kept_anew(storage: Storage, bills: SqlBills) -> None:
    """The latest reading counts, and nobody else sees it."""
    _accepted(storage, Kind.EWB_STANDALONE, "A/1")
    bills.take_over(_bill())
    bills.take_over(_bill(standing=Standing.CANCELLED, valid_until=None))
    assert (_get(bills).standing, _get(bills).valid_until) == (Standing.CANCELLED, None)
    assert bills.get(environment=Environment.LIVE, gstin=GSTIN, number=NUMBER) is None
    assert bills.get(environment=Environment.TEST, gstin="29AABCA5312L1ZP", number=NUMBER) is None


def test_a_bill_that_was_made_is_found_by_its_operation(storage: Storage, bills: SqlBills) -> None:
    """With the end that the portal gave and the one that the law gives."""
    made = _accepted(storage, Kind.EWB_STANDALONE, "A/1")
    _apply(storage, made, EwayBill(number=NUMBER, made_at=START, valid_until=ENDS, computed_until=ENDS))
    found = bills.of_operation(made.id)
    assert found is not None
    assert (found.number, found.valid_until, found.computed_until) == (NUMBER, ENDS, ENDS)


def test_a_step_changes_what_it_says_and_nothing_else(storage: Storage, bills: SqlBills) -> None:
    """Each stands beside the others, in their order."""
    steps = [
        (Kind.EWB_VEHICLE, BillChange(at=START, vehicle_no="KA05CD5678", valid_until=ENDS)),
        (Kind.EWB_TRANSPORTER, BillChange(transporter_id="29AAACM0013N1Z1")),
        (Kind.EWB_EXTEND, BillChange(valid_until=ENDS + timedelta(days=2))),
        (Kind.EWB_CLOSE, BillChange()),
    ]
    done = [(_accepted(storage, kind, NUMBER), change) for kind, change in steps]
    bills.take_over(_bill())
    for operation, change in done:
        _apply(storage, operation, change)
        if change.vehicle_no is not None:
            assert _get(bills).computed_until == ENDS, "the same end is computed from the same distance"
    held = _get(bills)
    assert (held.vehicle_no, held.transporter_id) == ("KA05CD5678", "29AAACM0013N1Z1")
    assert (held.valid_until, held.computed_until) == (ENDS + timedelta(days=2), None)
    assert held.standing is Standing.CLOSED
    told = bills.steps(environment=Environment.TEST, number=NUMBER)
    assert [step["step"] for step in told] == ["vehicle", "transporter", "extend", "close"]


def test_a_trip_sheet_is_a_step_of_each_of_its_bills(storage: Storage, bills: SqlBills) -> None:
    """Known ones are changed, of another's there is the step alone."""
    sheet = _accepted(storage, Kind.EWB_CONSOLIDATE, "sheet")
    bills.take_over(_bill())
    _apply(storage, sheet, BillChange(trip_sheet="3210000001", bills=(NUMBER, "180000000002")))
    assert _get(bills).trip_sheet == "3210000001"
    assert [step["number"] for step in bills.steps_of(sheet.id)] == [NUMBER, "180000000002"]


def test_bills_are_listed_from_the_highest_number(storage: Storage, bills: SqlBills) -> None:
    """By standing, and below a mark."""
    _accepted(storage, Kind.EWB_STANDALONE, "A/1")
    for each in range(1, 5):
        standing = Standing.CANCELLED if each == 2 else Standing.ACTIVE
        bills.take_over(_bill(f"18000000000{each}", standing=standing))

    def listed(**asked: Any) -> list[str]:
        wish = {"standing": None, "before": None, "rows_max": 10} | asked
        return [each.number[-1] for each in bills.list(environment=Environment.TEST, gstin=GSTIN, **wish)]

    assert listed() == ["4", "3", "2", "1"]
    assert listed(before="180000000003") == ["2", "1"]
    assert listed(standing=Standing.CANCELLED) == ["2"]
    assert listed(rows_max=1) == ["4"]


def test_an_end_is_told_once_and_a_new_end_again(storage: Storage, bills: SqlBills) -> None:
    """From eight hours before, while the bill is in force."""
    _accepted(storage, Kind.EWB_STANDALONE, "A/1")
    bills.take_over(_bill())
    bills.take_over(_bill("180000000002", standing=Standing.CANCELLED))
    opens_at = ENDS - timedelta(hours=8)
    assert bills.tell_of_ends(at=opens_at - timedelta(seconds=1), rows_max=10) == 0
    assert [bills.tell_of_ends(at=opens_at, rows_max=10) for _ in range(2)] == [1, 0]
    later = ENDS + timedelta(days=1)
    bills.take_over(replace(_get(bills), valid_until=later))
    assert bills.tell_of_ends(at=later, rows_max=10) == 1
    with storage.database.read() as connection:
        told = connection.execute(select(events.c.subject, events.c.sequence).order_by(events.c.position)).all()
    assert [tuple(each) for each in told] == [(NUMBER, 1), (NUMBER, 2)]
