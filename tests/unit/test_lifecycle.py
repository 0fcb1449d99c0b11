"""The table of the lifecycle, and what an outcome, a death, a person and time make of a row."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

import pytest

from gateway.domain import lifecycle
from gateway.domain.lifecycle import CRASHES_ALONE_MAX, NEVER_IN_DOUBT, TRANSITIONS, ForbiddenTransitionError
from gateway.domain.operations import CLAIMABLE, RELEASES_NUMBER, TERMINAL, HoldCause, Operation, Status
from gateway.domain.outcomes import CERTAINTY, Certainty, Meaning, Outcome
from gateway.domain.retries import ATTEMPTS_MAX, QUARANTINE_LOOKS_AFTER, READ_BACK_WINDOW, STANDARD
from gateway.domain.settlement import Event, Settlement
from tests.support import START, operation

BEGAN: Final = START
AT: Final = START + timedelta(seconds=7)
EARLIER: Final = START - timedelta(hours=1)
PAIRS: Final = list(product(Status, Event))

CLEAN: Final[dict[str, Any]] = {"doubtful_since": None, "quarantined_since": None}
DOUBT: Final[dict[str, Any]] = {"doubtful_since": EARLIER, "quarantined_since": None}
QUARANTINE: Final[dict[str, Any]] = {"doubtful_since": EARLIER, "quarantined_since": EARLIER}


def attempt(**members: Any) -> Operation:
    """A row whose attempt is under way."""
    return operation(**{"status": Status.SUBMITTING, "attempts": 1, "updated_at": BEGAN} | members)


def settle(row: Operation, meaning: Meaning, *, at: datetime = AT, **members: Any) -> Settlement:
    """What an outcome of that meaning makes of it."""
    return lifecycle.settle(row, Outcome(meaning=meaning, **members), at=at, pace=STANDARD)


# The table ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "event"), sorted(TRANSITIONS), ids=str)
def test_every_row_of_the_table_is_taken(status: Status, event: Event) -> None:
    """What the table allows happens, to an operation that is not in doubt."""
    assert lifecycle.advance(operation(status=status), event) is TRANSITIONS[status, event]


@pytest.mark.parametrize(("status", "event"), [pair for pair in PAIRS if pair not in TRANSITIONS], ids=str)
def test_every_pair_that_is_not_in_it_is_refused(status: Status, event: Event) -> None:
    """What the table does not name is a bug, and says which."""
    with pytest.raises(ForbiddenTransitionError, match=event.value):
        lifecycle.advance(operation(status=status), event)


@pytest.mark.parametrize(("status", "event"), sorted(TRANSITIONS), ids=str)
def test_doubt_forbids_what_would_end_it_unproven(status: Status, event: Event) -> None:
    """In doubt a row takes every step but the three that would say that nothing was registered."""
    row = operation(status=status, doubtful_since=EARLIER)
    if event in NEVER_IN_DOUBT:
        with pytest.raises(ForbiddenTransitionError, match="in doubt"):
            lifecycle.advance(row, event)
    else:
        assert lifecycle.advance(row, event) is TRANSITIONS[status, event]


def test_the_way_out_of_doubt_without_a_registration_is_quarantine() -> None:
    """Nothing but the end of quarantine, or a person, takes an operation in doubt to where its number is free."""
    freeing = {event for (_, event), status in TRANSITIONS.items() if status in RELEASES_NUMBER}
    assert freeing - NEVER_IN_DOUBT == {Event.QUARANTINE_OVER, Event.QUARANTINE_OUTLASTED, Event.DISOWNED}


def test_terminal_means_that_nothing_follows() -> None:
    """The five ends have no row of their own, and every other status has one."""
    assert {status for status, _ in TRANSITIONS} == set(Status) - TERMINAL


def test_every_status_is_reached_from_the_queue() -> None:
    """There is no status that an operation cannot come to."""
    reached = {Status.QUEUED}
    for _ in Status:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(Status)


def test_what_workers_claim_is_what_an_attempt_can_begin_from() -> None:
    """The claimable statuses and the table agree."""
    assert {status for status, event in TRANSITIONS if event is Event.ATTEMPT_BEGAN} == CLAIMABLE


# Outcomes -------------------------------------------------------------------------------------------------------------

SETTLED: Final = [
    (CLEAN, Meaning.REGISTERED, Event.REGISTERED, Status.SUCCEEDED),
    (CLEAN, Meaning.CONFLICT, Event.CONFLICTED, Status.CONFLICT),
    (CLEAN, Meaning.REFUSED, Event.REFUSED, Status.REJECTED),
    (CLEAN, Meaning.TOO_LATE, Event.TOO_LATE, Status.EXPIRED),
    (CLEAN, Meaning.THROTTLED, Event.POSTPONED, Status.QUEUED),
    (CLEAN, Meaning.UNREACHED, Event.POSTPONED, Status.QUEUED),
    (CLEAN, Meaning.HELD, Event.PUT_ON_HOLD, Status.HELD),
    (CLEAN, Meaning.UNVERIFIED, Event.PUT_ON_HOLD, Status.HELD),
    (CLEAN, Meaning.UNREADABLE, Event.GIVEN_UP, Status.PARKED),
    (CLEAN, Meaning.UNKNOWN, Event.LOST, Status.INDETERMINATE),
    (DOUBT, Meaning.REGISTERED, Event.REGISTERED, Status.SUCCEEDED),
    (DOUBT, Meaning.CONFLICT, Event.CONFLICTED, Status.CONFLICT),
    (DOUBT, Meaning.REFUSED, Event.REFUSED_IN_DOUBT, Status.QUARANTINED),
    (DOUBT, Meaning.TOO_LATE, Event.REFUSED_IN_DOUBT, Status.QUARANTINED),
    (DOUBT, Meaning.THROTTLED, Event.LOST, Status.INDETERMINATE),
    (DOUBT, Meaning.UNREACHED, Event.LOST, Status.INDETERMINATE),
    (DOUBT, Meaning.HELD, Event.PUT_ON_HOLD, Status.HELD),
    (DOUBT, Meaning.UNVERIFIED, Event.PUT_ON_HOLD, Status.HELD),
    (DOUBT, Meaning.UNREADABLE, Event.GIVEN_UP, Status.PARKED),
    (DOUBT, Meaning.UNKNOWN, Event.LOST, Status.INDETERMINATE),
    (DOUBT, Meaning.ABSENT, Event.LOST, Status.INDETERMINATE),
    (QUARANTINE, Meaning.REGISTERED, Event.REGISTERED, Status.SUCCEEDED),
    (QUARANTINE, Meaning.CONFLICT, Event.CONFLICTED, Status.CONFLICT),
    (QUARANTINE, Meaning.REFUSED, Event.STILL_QUARANTINED, Status.QUARANTINED),
    (QUARANTINE, Meaning.TOO_LATE, Event.STILL_QUARANTINED, Status.QUARANTINED),
    (QUARANTINE, Meaning.THROTTLED, Event.STILL_QUARANTINED, Status.QUARANTINED),
    (QUARANTINE, Meaning.UNREACHED, Event.STILL_QUARANTINED, Status.QUARANTINED),
    (QUARANTINE, Meaning.HELD, Event.PUT_ON_HOLD, Status.HELD),
    (QUARANTINE, Meaning.UNVERIFIED, Event.PUT_ON_HOLD, Status.HELD),
    (QUARANTINE, Meaning.UNREADABLE, Event.GIVEN_UP, Status.PARKED),
    (QUARANTINE, Meaning.UNKNOWN, Event.STILL_QUARANTINED, Status.QUARANTINED),
    (QUARANTINE, Meaning.ABSENT, Event.STILL_QUARANTINED, Status.QUARANTINED),
]


@pytest.mark.parametrize(("standing", "meaning", "event", "status"), SETTLED)
def test_an_outcome_has_one_consequence(
    standing: dict[str, Any], meaning: Meaning, event: Event, status: Status
) -> None:
    """Each meaning of each certainty, for a row that is clean, in doubt, and in quarantine."""
    settled = settle(attempt(**standing), meaning)
    assert (settled.event, settled.status) == (event, status)


def test_the_consequences_are_complete() -> None:
    """Every meaning has its place in the table above; only a row in doubt is looked up, so only it can be absent."""
    known = {(id(standing), meaning) for standing, meaning, _, _ in SETTLED}
    wanted = set(product((id(CLEAN), id(DOUBT), id(QUARANTINE)), Meaning)) - {(id(CLEAN), Meaning.ABSENT)}
    assert known == wanted


def test_every_meaning_has_one_certainty() -> None:
    """There are three classes, and success is one meaning alone."""
    assert set(CERTAINTY) == set(Meaning)
    assert [meaning for meaning in Meaning if CERTAINTY[meaning] is Certainty.SUCCESS] == [Meaning.REGISTERED]


@pytest.mark.parametrize("meaning", [meaning for meaning in Meaning if CERTAINTY[meaning] is Certainty.AMBIGUOUS])
def test_doubt_is_as_old_as_the_attempt(meaning: Meaning) -> None:
    """An ambiguous outcome puts a row in doubt from when its attempt began, not from when we took note."""
    assert settle(attempt(), meaning).doubtful_since == BEGAN


@pytest.mark.parametrize("meaning", [meaning for meaning in Meaning if CERTAINTY[meaning] is Certainty.NO_EFFECT])
def test_what_had_no_effect_puts_nothing_in_doubt(meaning: Meaning) -> None:
    """A definite No, or nothing at all, leaves a clean row clean."""
    assert settle(attempt(), meaning).doubtful_since is None


@pytest.mark.parametrize("meaning", list(Meaning))
def test_doubt_is_kept_until_a_terminal_status(meaning: Meaning) -> None:
    """Its age does not change while it lasts, and a terminal status alone ends it."""
    settled = settle(attempt(**DOUBT), meaning)
    assert settled.doubtful_since == (None if settled.status in TERMINAL else EARLIER)


@pytest.mark.parametrize(
    ("meaning", "said", "cause"),
    [
        (Meaning.HELD, HoldCause.CREDENTIALS, HoldCause.CREDENTIALS),
        (Meaning.HELD, HoldCause.QUOTA, HoldCause.QUOTA),
        (Meaning.HELD, None, HoldCause.ACCOUNT),
        (Meaning.UNVERIFIED, None, HoldCause.SIGNING_KEY_UNKNOWN),
        (Meaning.UNKNOWN, None, None),
    ],
)
def test_a_hold_has_a_cause(meaning: Meaning, said: HoldCause | None, cause: HoldCause | None) -> None:
    """What is held says why, and nothing else does."""
    assert settle(attempt(), meaning, hold_cause=said).hold_cause is cause


@pytest.mark.parametrize("meaning", [Meaning.UNKNOWN, Meaning.THROTTLED, Meaning.ABSENT, Meaning.UNREACHED])
@pytest.mark.parametrize("standing", [DOUBT, QUARANTINE])
def test_after_too_long_a_person_decides(meaning: Meaning, standing: dict[str, Any]) -> None:
    """In doubt for longer than the portal remembers, no answer proves anything any more."""
    row = attempt(**standing)
    assert settle(row, meaning, at=EARLIER + READ_BACK_WINDOW).status is Status.PARKED
    assert settle(row, meaning, at=EARLIER + READ_BACK_WINDOW - timedelta(seconds=1)).status is not Status.PARKED


@pytest.mark.parametrize("meaning", [Meaning.REGISTERED, Meaning.CONFLICT])
def test_a_proof_is_never_too_late(meaning: Meaning) -> None:
    """What the portal shows counts after any time and any number of attempts."""
    row = attempt(**DOUBT, attempts=ATTEMPTS_MAX)
    assert settle(row, meaning, at=EARLIER + 9 * READ_BACK_WINDOW).status in TERMINAL


def test_attempts_are_exhausted() -> None:
    """The last attempt that is made without a person parks the row."""
    assert settle(attempt(attempts=ATTEMPTS_MAX - 1), Meaning.UNREACHED).status is Status.QUEUED
    assert settle(attempt(attempts=ATTEMPTS_MAX), Meaning.UNREACHED).status is Status.PARKED


# Quarantine -----------------------------------------------------------------------------------------------------------


def test_quarantine_begins_with_a_refusal_in_doubt() -> None:
    """It counts from the refusal, and no look-up has been made in it."""
    settled = settle(attempt(**DOUBT), Meaning.REFUSED)
    assert (settled.quarantined_since, settled.quarantine_looks) == (AT, 0)
    assert settled.due_at == AT + QUARANTINE_LOOKS_AFTER[0]


def test_quarantine_takes_three_looks_in_its_time() -> None:
    """Looked up in vain after 15 minutes, 2 hours and 24 hours, it is over, and the row rejected."""
    row = attempt(**DOUBT | {"quarantined_since": EARLIER})
    seen = []
    for wait in QUARANTINE_LOOKS_AFTER:
        settled = settle(row, Meaning.ABSENT, at=EARLIER + wait)
        seen.append((settled.status, settled.quarantine_looks, settled.due_at))
        row = replace(row, quarantine_looks=settled.quarantine_looks)
    assert seen == [
        (Status.QUARANTINED, 1, EARLIER + timedelta(hours=2)),
        (Status.QUARANTINED, 2, EARLIER + timedelta(hours=24)),
        (Status.REJECTED, 2, None),
    ]


@pytest.mark.parametrize("meaning", [Meaning.UNKNOWN, Meaning.UNREACHED, Meaning.THROTTLED, Meaning.HELD])
def test_a_look_that_tells_nothing_is_not_counted(meaning: Meaning) -> None:
    """Only "no such document" brings the end of quarantine nearer."""
    row = attempt(**QUARANTINE, quarantine_looks=2)
    settled = settle(row, meaning)
    assert (settled.quarantine_looks, settled.quarantined_since) == (2, EARLIER)


def test_a_found_document_ends_quarantine_at_once() -> None:
    """The late request landed: that is a success like any other."""
    settled = settle(attempt(**QUARANTINE), Meaning.REGISTERED)
    assert (settled.status, settled.due_at, settled.doubtful_since) == (Status.SUCCEEDED, None, None)


# Deaths, persons, time ------------------------------------------------------------------------------------------------


def test_a_death_leaves_doubt() -> None:
    """What a dead process did is unknown since it began, and looked up at once, alone."""
    settled = lifecycle.lease_ended(attempt(), at=AT)
    assert (settled.event, settled.status, settled.due_at) == (Event.LOST, Status.INDETERMINATE, AT)
    assert (settled.doubtful_since, settled.run_alone, settled.crashes_alone) == (BEGAN, True, 0)


def test_a_death_noticed_late_leaves_old_doubt() -> None:
    """After an outage of days, nobody believes that the portal still remembers."""
    settled = lifecycle.lease_ended(attempt(), at=BEGAN + 2 * READ_BACK_WINDOW)
    assert settled.doubtful_since == BEGAN


def test_a_death_in_quarantine_changes_nothing_in_it() -> None:
    """The look is made again; it was not counted."""
    settled = lifecycle.lease_ended(attempt(**QUARANTINE, quarantine_looks=1), at=AT)
    assert (settled.event, settled.status) == (Event.STILL_QUARANTINED, Status.QUARANTINED)
    assert (settled.quarantined_since, settled.quarantine_looks, settled.doubtful_since) == (EARLIER, 1, EARLIER)


def test_only_crashes_while_alone_count() -> None:
    """The first crash may be a neighbour's fault; three more, alone, are this row's, and park it in doubt."""
    row = attempt()
    counted = []
    for _ in range(1 + CRASHES_ALONE_MAX):
        settled = lifecycle.lease_ended(row, at=AT)
        counted.append((settled.crashes_alone, settled.status))
        row = replace(row, crashes_alone=settled.crashes_alone, run_alone=settled.run_alone)
    assert counted == [
        (0, Status.INDETERMINATE),
        (1, Status.INDETERMINATE),
        (2, Status.INDETERMINATE),
        (3, Status.PARKED),
    ]
    assert settled.due_at is None
    assert settled.doubtful_since == BEGAN


def test_an_outcome_forgives_earlier_crashes() -> None:
    """Whoever comes through runs beside others again."""
    settled = settle(attempt(run_alone=True, crashes_alone=2), Meaning.UNKNOWN)
    assert (settled.run_alone, settled.crashes_alone) == (False, 0)


@pytest.mark.parametrize("standing", [CLEAN, DOUBT, QUARANTINE])
def test_a_person_resumes_through_a_look_up(standing: dict[str, Any]) -> None:
    """Resumed, a row is due and in doubt, whatever it was parked for; quarantine stays quarantine."""
    settled = lifecycle.resume(operation(status=Status.PARKED, due_at=None, **standing), at=AT)
    assert (settled.status, settled.due_at) == (Status.INDETERMINATE, AT)
    assert settled.doubtful_since == (standing["doubtful_since"] or AT)
    assert settled.quarantined_since == standing["quarantined_since"]


def test_what_was_parked_for_its_crashes_is_resumed_alone() -> None:
    """It may crash again, and must not take others with it; its count begins anew."""
    settled = lifecycle.resume(operation(status=Status.PARKED, run_alone=True, crashes_alone=3), at=AT)
    assert (settled.run_alone, settled.crashes_alone) == (True, 0)
    assert not lifecycle.resume(operation(status=Status.PARKED), at=AT).run_alone


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PARKED}))
def test_only_what_is_parked_is_resumed(status: Status) -> None:
    """A row that moves by itself needs no person."""
    with pytest.raises(ForbiddenTransitionError):
        lifecycle.resume(operation(status=status), at=AT)


@pytest.mark.parametrize(("event", "status"), [(Event.WITHDRAWN, "withdrawn"), (Event.WINDOW_CLOSED, "expired")])
@pytest.mark.parametrize("waiting", [Status.QUEUED, Status.HELD])
def test_what_was_never_sent_is_closed(event: Event, status: str, waiting: Status) -> None:
    """A waiting row ends by a word of its client, or of the calendar."""
    settled = lifecycle.close(operation(status=waiting), event)
    assert (settled.status.value, settled.due_at, settled.doubtful_since) == (status, None, None)


@pytest.mark.parametrize("event", [Event.WITHDRAWN, Event.WINDOW_CLOSED])
@pytest.mark.parametrize("status", list(Status))
def test_what_may_have_been_sent_is_not_closed(event: Event, status: Status) -> None:
    """In doubt, no word of anybody ends it."""
    with pytest.raises(ForbiddenTransitionError):
        lifecycle.close(operation(status=status, doubtful_since=EARLIER), event)
