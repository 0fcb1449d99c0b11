"""How the engines find what is asked of large tables all the time: by which index, and that they do not sort."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import pytest
from sqlalchemy import event

from gateway.jobs.memory import MemoryBell
from gateway.services import sweeping
from gateway.storage.gauges import SqlGauges
from gateway.storage.keyring import SqlKeyring
from gateway.storage.notices import SqlNotices
from gateway.storage.queries import LONGEST_DUE_MAX, NEAREST_MAX
from gateway.storage.queues import SqlQueues
from gateway.storage.reconciling import SqlReconciliations
from gateway.storage.road import SqlBills
from gateway.storage.taxpayers import SqlTaxpayers
from tests.contract.storage_kit import Storage
from tests.support import ROUTE, new_operation

DUE: Final = 2 * LONGEST_DUE_MAX
LARGE: Final = (
    "operations|documents|deliveries|delivery_attempts|events|audit|attempts|idempotency_keys|eway_bills|taxpayers"
)
"""Tables that grow with what a gateway does."""


@dataclass(frozen=True)
class Asked:
    """A statement and how the engine answers it."""

    statement: str
    plan: str

    @property
    def sorts(self) -> int:
        """How many times it sorts."""
        return len(re.findall(r"TEMP B-TREE|Sort  \(", self.plan))

    def uses(self, index: str) -> bool:
        """Whether it takes this index."""
        return (
            re.search(rf"USING (COVERING )?INDEX {index}\b|(Scan using|Index Scan on) {index}\b", self.plan) is not None
        )

    def reads_all_of(self, tables: str) -> bool:
        """Whether it goes through the whole of one of these tables."""
        return re.search(rf"\bSCAN ({tables})\b|Seq Scan on ({tables})\b", self.plan) is not None


def asked(storage: Storage, work: Callable[[], object]) -> list[Asked]:
    """The statements that `work` made, with their plans."""
    made: dict[str, Any] = {}

    def note(_c: Any, _r: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:  # noqa: FBT001  SQLAlchemy's
        if not many and statement.startswith(("SELECT", "UPDATE", "DELETE")):
            made.setdefault(statement, parameters)

    with listening(storage, note):
        work()
    explain = "EXPLAIN QUERY PLAN " if storage.database.is_sqlite else "EXPLAIN "
    with storage.database.read() as connection:
        if not storage.database.is_sqlite:  # for so few rows it would not look for an index
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [
            Asked(each, "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + each, parameters)))
            for each, parameters in made.items()
        ]


@contextmanager
def listening(storage: Storage, note: Callable[..., None]) -> Iterator[None]:
    """Let `note` hear of every statement."""
    event.listen(storage.database.engine, "before_cursor_execute", note)
    yield
    event.remove(storage.database.engine, "before_cursor_execute", note)


def analyze(storage: Storage) -> None:
    """Let the planner know what is there."""
    storage.database.write(lambda connection: connection.exec_driver_sql("ANALYZE"))


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_claim_of_a_long_lane_looks_into_two_indexes(storage: Storage, analyzed: bool) -> None:  # noqa: FBT001  a case
    """By due time for a bounded number, by deadline in its order: neither sorts the lane, whatever is known of it."""
    storage.fill_lane(later=5, due=DUE)
    if analyzed:
        analyze(storage)

    made = asked(storage, storage.claimed)

    longest, nearest = (each for each in made if each.statement.startswith("SELECT anon_1.id"))
    assert longest.uses("operations_due"), longest.plan
    assert nearest.uses("operations_claim"), nearest.plan
    own = 1 if storage.database.is_sqlite else 0  # SQLite orders once more what comes in order
    assert (longest.sorts, nearest.sorts) == (1, own), f"{longest.plan}\n{nearest.plan}"
    assert not any(each.reads_all_of("operations") for each in made)


def test_a_claim_finds_the_few_that_are_due_behind_many_that_are_not(storage: Storage) -> None:
    """It looks at those alone."""
    storage.fill_lane(later=NEAREST_MAX + 50, due=2)

    made = asked(storage, lambda: [storage.claimed(), storage.claimed()])

    [found] = (each for each in made if each.statement.startswith("SELECT anon_1.id"))
    assert found.uses("operations_due"), found.plan


def test_a_place_in_a_long_lane_is_counted_within_an_index(storage: Storage) -> None:
    """Of what is free, which is most; and how fast the portal answers is read from the newest tries."""
    *_, last = storage.fill_lane(later=5, due=DUE)
    queues = SqlQueues(storage.database, storage.clock, leases_max={True: 1, False: 1})

    ahead, *more = asked(
        storage,
        lambda: [
            storage.intake.queued_ahead(storage.get(last), by=storage.clock.now()),
            queues.seconds_each(ROUTE, direct=False),
        ],
    )[1:]

    assert ahead.uses("operations_claim"), ahead.plan
    assert not ahead.reads_all_of("operations"), ahead.plan
    [tries] = (each for each in more if "attempts" in each.statement)
    assert tries.sorts == 0, tries.plan


def test_a_sweep_finds_all_it_asks_for_by_an_index(storage: Storage) -> None:
    """However large a table is: no statement of a sweep that does everything goes through one."""
    storage.accept(new_operation("A/1"))
    ids, database = storage.ids, storage.database
    more = {
        "notices": SqlNotices(database, ids),
        "bills": SqlBills(database, ids),
        "keyring": SqlKeyring(database),
        "taxpayers": SqlTaxpayers(database),
        "reconciliations": SqlReconciliations(database, ids),
        "bell": MemoryBell(),
    }
    ports: Any = SimpleNamespace(**vars(storage) | more)

    made = asked(storage, lambda: sweeping.sweep(holder="sweeper", count=0, ports=ports))

    assert len(made) > 15
    assert [each for each in made if each.reads_all_of(LARGE)] == []


def test_measures_are_read_within_indexes(storage: Storage) -> None:
    """Whoever watches a gateway that fell behind is no load on it: what is counted is in an index of nothing else."""
    storage.accept(new_operation("A/1"))

    made = asked(storage, lambda: SqlGauges(storage.database).read(at=storage.clock.now()))

    assert [each for each in made if each.reads_all_of(LARGE) and " INDEX " not in each.plan] == []
    if storage.database.is_sqlite:  # PostgreSQL takes any index of so few rows
        [standing] = (each for each in made if "operations.status" in each.statement)
        assert standing.uses("operations_standing"), standing.plan
