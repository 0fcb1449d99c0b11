"""A second look at the portal: what it says of a document that we hold, and what it cannot say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.domain.irn import predict
from gateway.domain.operations import Environment
from gateway.domain.outcomes import Meaning, Outcome, Registration, Rejections
from gateway.ports import Document, Seller
from tests.support_api import ROUTE, SELLER, Stack, document

TODAY = date(2026, 11, 20)


def held(stack: Stack) -> Document:
    """A document that the gateway has registered."""
    irn = stack.post(document()).json()["irn"]
    found = stack.ports.ledger.by_irn(environment=Environment.TEST, gstin=SELLER, irn=irn)
    assert found is not None
    return found


def seller(stack: Stack) -> Seller:
    """The taxpayer."""
    found = stack.ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
    assert found is not None
    return found


def looked_at(stack: Stack, kept: Document) -> Outcome:
    """What a second look at a document says."""
    return stack.ports.rechecks.document(
        seller(stack), route=ROUTE.name, held=kept.registration, keep_lease=lambda: None
    )


def result(outcome: Outcome) -> Registration:
    """The registration that came back."""
    assert isinstance(outcome.result, Registration), outcome
    return outcome.result


def test_what_stands_as_we_hold_it_is_no_news(stack: Stack) -> None:
    """The same content, neither cancelled nor rejected."""
    outcome = looked_at(stack, held(stack))
    assert (outcome.meaning, outcome.errors_told) == (Meaning.REGISTERED, 0)
    assert (result(outcome).cancelled, result(outcome).rejected) == (False, False)


def test_a_status_that_changed_is_told(stack: Stack) -> None:
    """Cancelled by another program; rejected by the registry."""
    kept = held(stack)
    with stack.visitor() as visitor:
        assert visitor.cancel(kept.registration.irn).codes == []
    assert result(looked_at(stack, kept)).cancelled
    stack.sandbox.configure(reject=[kept.registration.irn])
    assert result(looked_at(stack, kept)).rejected


def test_other_content_is_told_field_by_field(stack: Stack) -> None:
    """What we hold beside what stands there; with our copy's signing key gone, as far as the row tells."""
    kept = held(stack)
    stack.portal.delete("/_ledger")
    other = document()
    other["ItemList"][0]["PrdDesc"] = "something else"
    with stack.visitor() as visitor:
        assert visitor.generate(document(No="FIRST")).codes == []
        assert visitor.generate(other).codes == []
    stack.clock.step(seconds=5)  # the sessions went with the registrations
    outcome = looked_at(stack, kept)
    assert outcome.meaning is Meaning.CONFLICT
    assert [each["at"] for each in result(outcome).differences] == ["/AckNo", "/ItemList/0/PrdDesc"]
    unsigned = replace(kept, registration=replace(kept.registration, signed_invoice="e30.e30.e30"))
    assert [each["at"] for each in result(looked_at(stack, unsigned)).differences] == ["/AckNo"]


def test_what_is_gone_is_absent_and_what_is_old_is_not(stack: Stack) -> None:
    """A portal that no longer shows a document has not lost it."""
    kept = held(stack)
    stack.clock.step(hours=49)
    assert looked_at(stack, kept).meaning is Meaning.UNREADABLE
    stack.portal.delete("/_ledger")
    stack.clock.step(hours=7)
    outcome = looked_at(stack, kept)
    assert (outcome.meaning, outcome.errors_told) == (Meaning.ABSENT, 1)


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        ("refuse", Meaning.UNREACHED),
        ("drop_after", Meaning.UNKNOWN),
        ("garble", Meaning.UNKNOWN),
        ("unknown_code", Meaning.UNKNOWN),
        ("wrong_document", Meaning.UNKNOWN),
        ("throttle", Meaning.THROTTLED),
    ],
)
def test_what_says_nothing_of_the_document_is_no_answer(stack: Stack, kind: str, meaning: Meaning) -> None:
    """Neither silence nor nonsense counts as a difference."""
    kept = held(stack)
    stack.strike(kind, operations=["get_irn"])
    assert looked_at(stack, kept).meaning is meaning


def test_without_a_login_nothing_is_asked(stack: Stack) -> None:
    """A route that the taxpayer has no login for, or that there is none of, is held."""
    kept = held(stack)
    for route in ("live", "none"):
        outcome = stack.ports.rechecks.document(
            seller(stack), route=route, held=kept.registration, keep_lease=lambda: None
        )
        assert outcome.meaning is Meaning.HELD


def test_a_number_is_compared_with_what_was_sent(stack: Stack) -> None:
    """Nothing there; ours; somebody's other content."""
    details = ("INV", "TGW/26-27/0401", date(2026, 11, 10))

    def found(sent: object) -> Outcome:
        return stack.ports.rechecks.number(
            seller(stack), route=ROUTE.name, details=details, sent=sent, keep_lease=lambda: None
        )

    assert found(document()).meaning is Meaning.ABSENT
    held(stack)
    assert found(document()).meaning is Meaning.REGISTERED
    other = document()
    other["BuyerDtls"]["LglNm"] = "somebody else"
    assert [each["at"] for each in result(found(other)).differences] == ["/BuyerDtls/LglNm"]


def test_the_rejected_of_a_day_are_listed(stack: Stack) -> None:
    """None, some, and no list where the portal does not answer."""

    def listed() -> Outcome:
        return stack.ports.rechecks.rejected(seller(stack), route=ROUTE.name, day=TODAY, keep_lease=lambda: None)

    irn = held(stack).registration.irn
    assert listed().result == Rejections(irns=())
    stack.sandbox.configure(reject=[irn])
    assert listed().result == Rejections(irns=(irn,))
    stack.strike("unknown_code", operations=["rejected_irns"], code="3011")
    assert listed().result == Rejections(irns=())
    stack.strike("garble", operations=["rejected_irns"])
    assert listed().meaning is Meaning.UNKNOWN


def test_a_document_of_a_rejected_irn_is_not_taken_for_registered(stack: Stack) -> None:
    """The same number sent again finds what counts no more: the registration elsewhere does."""
    with stack.visitor() as visitor:
        irn = visitor.generate(document()).data["Irn"]
    stack.sandbox.configure(reject=[irn])
    answer = stack.post(document())
    assert answer.status_code == 409
    assert "registered elsewhere" in answer.json()["detail"]
    assert irn == predict(seller_gstin=SELLER, doc_type="INV", doc_no="TGW/26-27/0401", doc_date=date(2026, 11, 10))
