"""What portals told of taxpayers, on every engine: the latest answer, of each organisation its own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from gateway.domain.operations import Environment
from gateway.domain.outcomes import Meaning
from gateway.ports.taxpayers import HeldTaxpayer
from gateway.storage.taxpayers import SqlTaxpayers
from tests.contract.storage_kit import Storage
from tests.support import GSTIN, ORG, OTHER_GSTIN, START

HELD = HeldTaxpayer(answer={"Gstin": GSTIN, "TradeName": "कावेरी", "AddrPncd": Decimal(560001)}, fetched_at=START)


def test_an_answer_takes_the_place_of_the_one_before(storage: Storage) -> None:
    """And is forgotten when it is to be."""
    kept = SqlTaxpayers(storage.database)
    for held in (HELD, HeldTaxpayer(answer={"Gstin": GSTIN}, fetched_at=storage.clock.step(hours=1))):
        kept.keep(GSTIN, held, environment=Environment.TEST, org_id=ORG)
        assert kept.get(GSTIN, environment=Environment.TEST, org_id=ORG) == held
    assert kept.get(GSTIN, environment=Environment.LIVE, org_id=ORG) is None
    assert kept.get(GSTIN, environment=Environment.TEST, org_id="org_2") is None
    kept.forget(GSTIN, environment=Environment.TEST, org_id=ORG)
    assert kept.get(GSTIN, environment=Environment.TEST, org_id=ORG) is None


def test_what_an_attempt_learnt_is_kept_with_its_outcome(storage: Storage) -> None:
    """In the transaction that records it, whatever came of it."""
    storage.accept()
    attempt = storage.begin()
    told = {OTHER_GSTIN: {"Gstin": OTHER_GSTIN}, GSTIN: HELD.answer}
    storage.settle(attempt, Meaning.REFUSED, taxpayers=told)
    kept = SqlTaxpayers(storage.database)
    for gstin, answer in told.items():
        held = kept.get(gstin, environment=Environment.TEST, org_id=ORG)
        assert held == HeldTaxpayer(answer=answer, fetched_at=storage.clock.now())


def test_what_nobody_asks_for_is_forgotten(storage: Storage) -> None:
    """After the time for which it may stand in; who was asked about since then stays."""
    kept = SqlTaxpayers(storage.database)
    known: dict[str, Any] = {"environment": Environment.TEST, "org_id": ORG}
    later = HeldTaxpayer(answer={"Gstin": OTHER_GSTIN}, fetched_at=START + timedelta(seconds=1))
    kept.keep(GSTIN, HELD, **known)
    kept.keep(OTHER_GSTIN, later, **known)
    assert kept.reap(before=START) == 0
    assert kept.reap(before=later.fetched_at) == 1
    assert kept.get(GSTIN, **known) is None
    assert kept.get(OTHER_GSTIN, **known) == later
