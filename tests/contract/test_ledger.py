"""`ports.Ledger`: what is true at the portal, as far as we were told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.operations import Environment, Operation, Status
from gateway.domain.outcomes import EwayBill, Meaning
from gateway.ports import Document
from gateway.storage.tables import documents
from tests.contract.storage_kit import Storage
from tests.support import GSTIN, ORG, OTHER_GSTIN, START, new_operation, registration

NEW = new_operation()
IRN = NEW.irn
NUMBER: dict[str, Any] = {
    "environment": Environment.TEST,
    "gstin": GSTIN,
    "financial_year": "2026-27",
    "doc_type": "INV",
    "number_key": "A/1",
}


def registered(storage: Storage, meaning: Meaning = Meaning.REGISTERED, **members: Any) -> Operation:
    """An operation that ended in a document of the portal."""
    storage.accept()
    return storage.settle(storage.begin(), meaning, result=registration(NEW, **members))


def by_irn(storage: Storage, **changes: Any) -> Document | None:
    """The document under the IRN."""
    return storage.ledger.by_irn(**{"environment": Environment.TEST, "gstin": GSTIN, "irn": IRN} | changes)


def test_a_document_is_read_back_whole(storage: Storage) -> None:
    """By its IRN and by its operation: the signed texts as they came, the amount as it was written."""
    operation = registered(storage)
    expected = Document(
        environment=Environment.TEST,
        org_id=ORG,
        gstin=GSTIN,
        operation_id=operation.id,
        doc_date=NEW.doc_date,
        cancelled_at=None,
        superseded_at=None,
        ours=True,
        status="active",
        registration=registration(NEW),
    )
    assert by_irn(storage) == expected
    assert storage.ledger.by_operation(operation.id) == expected
    assert expected.registration.total.as_tuple() == Decimal("2950.00").as_tuple()


@pytest.mark.parametrize(
    "changes",
    [{"environment": Environment.LIVE}, {"gstin": OTHER_GSTIN}, {"irn": "0" * 64}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_sees_nothing_of_it(storage: Storage, changes: dict[str, Any]) -> None:
    """A document is its seller's, in its environment."""
    registered(storage)
    assert by_irn(storage, **changes) is None


@pytest.mark.parametrize("meaning", [each for each in Meaning if each not in (Meaning.REGISTERED, Meaning.CONFLICT)])
def test_nothing_but_proof_makes_a_document(storage: Storage, meaning: Meaning) -> None:
    """Whatever else an answer carried: only a registration, ours or another's, is in the ledger."""
    operation = registered(storage, meaning)
    assert storage.rows(documents) == []
    assert storage.ledger.by_operation(operation.id) is None
    assert storage.ledger.by_operation("op_nothing") is None


def test_another_s_content_is_kept_with_its_differences(storage: Storage) -> None:
    """After a conflict the ledger has what stands at the portal, and says that it is not ours."""
    differences = ({"at": "/ValDtls/TotInvVal", "ours": "2950.00", "registered": "2951.00"},)
    operation = registered(storage, Meaning.CONFLICT, differences=differences, total=Decimal("2951.00"))
    found = storage.ledger.by_operation(operation.id)
    assert found is not None
    assert (operation.status, found.ours) == (Status.CONFLICT, False)
    assert found.registration.differences == differences
    assert found.registration.total == Decimal("2951.00")


def test_a_cancelled_document_is_told_apart(storage: Storage) -> None:
    """What was cancelled at the portal stands in the ledger as that."""
    registered(storage, cancelled=True)
    found = by_irn(storage)
    assert found is not None
    assert (found.status, found.registration.cancelled) == ("cancelled", True)


def test_the_acknowledgement_is_an_instant(storage: Storage) -> None:
    """Read in Indian time, it is given back as the same instant in UTC."""
    india = timezone(timedelta(hours=5, minutes=30))
    registered(storage, ack_at=datetime(2026, 11, 20, 12, 0, 39, tzinfo=india))
    found = by_irn(storage)
    assert found is not None
    assert found.registration.ack_at == datetime(2026, 11, 20, 6, 30, 39, tzinfo=UTC)
    assert found.registration.ack_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "ewb",
    [
        None,
        EwayBill(number="121000000017", made_at=START, valid_until=START + timedelta(days=1)),
        EwayBill(number="121000000017", made_at=START, remarks="distance taken from the portal"),
        EwayBill(errors=(("4002", "already made"), ("4019", "no transporter"))),
        EwayBill(errors=(("4019", "no transporter"),), remarks="the invoice stands"),
        EwayBill(remarks="nothing was made"),
    ],
    ids=["none", "made", "made with remarks", "not made", "not made with remarks", "remarks alone"],
)
def test_an_e_way_bill_is_read_back_whole(storage: Storage, ewb: EwayBill | None) -> None:
    """Made, not made and why, or never asked for."""
    registered(storage, ewb=ewb)
    found = by_irn(storage)
    assert found is not None
    assert found.registration.ewb == ewb


@pytest.mark.parametrize("total", ["0", "0.00", "-1.50", "99999999999999.99", "1E+3"])
def test_amounts_are_exact(storage: Storage, total: str) -> None:
    """No amount of the schema loses a digit on any engine."""
    registered(storage, total=Decimal(total))
    found = by_irn(storage)
    assert found is not None
    assert found.registration.total == Decimal(total)


def test_a_long_signed_invoice_is_kept_whole(storage: Storage) -> None:
    """A signed document of several megabytes comes back to the byte."""
    signed = "a" * 3_000_000 + ".b.c"
    registered(storage, signed_invoice=signed, signed_qr="q" * 5_000)
    found = by_irn(storage)
    assert found is not None
    assert (found.registration.signed_invoice, len(found.registration.signed_qr)) == (signed, 5_000)


# Operations on a number -----------------------------------------------------------------------------------------------


def test_the_holder_of_a_number_is_found(storage: Storage) -> None:
    """While it is under way, and when it is registered."""
    waiting = storage.accept()
    assert storage.ledger.operation_on(**NUMBER) == waiting
    done = storage.settle(storage.begin(), Meaning.REGISTERED)
    assert storage.ledger.operation_on(**NUMBER) == done


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": Environment.LIVE},
        {"gstin": OTHER_GSTIN},
        {"financial_year": "2025-26"},
        {"doc_type": "CRN"},
        {"number_key": "A/2"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_part_of_a_number_counts(storage: Storage, changes: dict[str, Any]) -> None:
    """Another series has another holder, or none."""
    storage.accept()
    assert storage.ledger.operation_on(**NUMBER | changes) is None


def test_a_released_number_has_no_holder(storage: Storage) -> None:
    """After a rejection it is free, until another takes it; after a conflict it is not."""
    storage.come_to(Meaning.REFUSED)
    assert storage.ledger.operation_on(**NUMBER) is None
    second = storage.accept(replace(NEW, id="op_2"))
    assert storage.ledger.operation_on(**NUMBER) == second
    held = storage.settle(storage.begin(), Meaning.CONFLICT)
    assert storage.ledger.operation_on(**NUMBER) == held


def test_an_irn_is_one_seller_s(storage: Storage) -> None:
    """It is another's for every seller but its own, in its environment alone; what nobody has is nobody else's."""

    def is_anothers(irn: str = IRN, environment: Environment = Environment.TEST, *, gstin: str) -> bool:
        return storage.ledger.is_anothers(irn, environment=environment, gstin=gstin)

    assert not is_anothers(gstin=OTHER_GSTIN)
    storage.accept()
    assert not is_anothers(gstin=OTHER_GSTIN), "an operation that has not ended is no document"
    storage.settle(storage.begin(), Meaning.REGISTERED, result=registration(NEW))
    assert (is_anothers(gstin=OTHER_GSTIN), is_anothers(gstin=GSTIN)) == (True, False)
    assert not is_anothers("0" * 64, gstin=OTHER_GSTIN)
    assert not is_anothers(environment=Environment.LIVE, gstin=OTHER_GSTIN)
