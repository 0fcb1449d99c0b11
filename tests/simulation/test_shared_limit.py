"""The shared limit under a virtual clock, judged by the portal's own log: nobody starves, nothing exceeds, turns hold.

The small forms here take seconds; the sizes that are promised are played by the soak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import fmean

import pytest

from gateway.domain.operations import Status
from gateway.domain.token_bucket import Limit
from tests.simulation.fleet import Call, Fleet, fleet, violations
from tests.simulation.lab import Lab
from tests.support import START

MINUTE = 60
CANCEL_WINDOW = timedelta(hours=24)
GSTIN = Limit(calls=60, seconds=MINUTE, burst=6)
ACCOUNT = Limit(calls=300, seconds=MINUTE, burst=30)
WIDE = Limit(calls=30_000, seconds=MINUTE, burst=500)


def by_gstin(calls: list[Call]) -> dict[str, list[datetime]]:
    """The instants of the calls, by taxpayer."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for call in calls:
        found[call.gstin].append(call.at)
    return found


def check_law(fleet: Fleet, gstin: Limit, account: Limit) -> list[Call]:
    """No window of the log has more calls than the law of a bucket allows; the log."""
    calls = fleet.calls()
    assert violations((call.at for call in calls), account) == []
    for gstin_calls in by_gstin(calls).values():
        assert violations(gstin_calls, gstin) == []
    return calls


def rush(lab: Lab, *, sellers: int, seconds: int) -> None:
    """More work than the account allows, for so long: the limit is never exceeded and nearly all of it is used."""
    with fleet(lab, sellers=sellers, gstin_limit=GSTIN, account_limit=ACCOUNT) as played:
        allowed = seconds * ACCOUNT.calls // ACCOUNT.seconds
        for gstin in played.sellers:
            played.queue(gstin, allowed // sellers + 10)
        began = played.time.now()
        played.play(seconds_max=seconds)
        calls = check_law(played, GSTIN, ACCOUNT)
        used = sum(call.at >= began for call in calls)
        assert used >= 0.97 * allowed, f"{used} of {allowed}"


def trickle(lab: Lab, *, every: float, calls: int) -> None:
    """A limit that lets a call through so seldom that no thread waits for it, and saves none: no permit is lost."""
    slow = Limit(calls=1000, seconds=round(1000 * every), burst=1)
    with fleet(lab, sellers=1, gstin_limit=slow, account_limit=WIDE) as played:
        (gstin,) = played.sellers
        played.queue(gstin, calls + 10)
        began = played.time.now()
        played.play(seconds_max=calls * every)
        used = sum(call.at >= began for call in check_law(played, slow, WIDE))
        assert used >= 0.97 * calls, f"{used} of {calls}"


def alone(lab: Lab, gstin: Limit, account: Limit) -> tuple[float, float]:
    """What one queued document and one direct call take when nothing else goes on, each with its login."""
    with fleet(lab, sellers=2, gstin_limit=gstin, account_limit=account) as played:
        (queued,) = played.queue(played.sellers[0], 1)
        direct: list[float] = []
        played.time.start(lambda: direct.append(played.call(played.sellers[1])))
        played.play(seconds_max=30)
        return played.took(queued), direct[0]


def crowd(lab: Lab, *, backlog: int, others: int) -> None:
    """One seller with a backlog; then others with one document each, and a direct call of the busy one."""
    queued_alone, direct_alone = alone(lab, GSTIN, WIDE)
    with fleet(lab, sellers=others + 1, gstin_limit=GSTIN, account_limit=WIDE) as played:
        busy, *rest = played.sellers
        played.queue(busy, backlog)
        singles: list[str] = []
        direct: list[float] = []

        def come() -> None:
            played.time.sleep(15)
            for gstin in rest:
                singles.extend(played.queue(gstin, 1))
            direct.append(played.call(busy))

        played.time.start(come)
        played.play(seconds_max=30)
        check_law(played, GSTIN, WIDE)
        slowest = max(played.took(id) for id in singles)
        assert len(singles) == others
        assert slowest <= 2 * queued_alone, f"{slowest} s, alone {queued_alone} s"
        assert direct[0] <= 2 * direct_alone, f"{direct[0]} s, alone {direct_alone} s"


def spread(lab: Lab, *, sellers: int, each: int, account: Limit) -> None:
    """Sellers with the same backlog on one account are done at about the same time; each was told its turn honestly."""
    with fleet(lab, sellers=sellers, gstin_limit=GSTIN, account_limit=account) as played:
        began = played.time.now()
        ids = {gstin: played.queue(gstin, each) for gstin in played.sellers}
        everything = [id for of_one in ids.values() for id in of_one]
        tell_later(played, ids.values(), seconds=5)
        played.play(everything, seconds_max=10 * 3600)
        check_law(played, GSTIN, account)
        ends = [max(played.settled[id] for id in of_one) for of_one in ids.values()]
        took = [(end - began).total_seconds() for end in ends]
        assert max(took) - min(took) <= 0.15 * max(took), f"{min(took)} to {max(took)} s"
        check_turns(played, asked_at=began + timedelta(seconds=5))


def tell_later(played: Fleet, queues: Iterable[list[str]], *, seconds: float) -> None:
    """Ask, in so many seconds, when it is the turn of the later half of each queue."""

    def ask() -> None:
        played.time.sleep(seconds)
        for ids in queues:
            for id in ids[len(ids) // 2 :]:
                played.tell(id)

    played.time.start(ask)


def check_turns(played: Fleet, *, asked_at: datetime) -> None:
    """The turn that each was told lies within a fifth of what it then took, and two seconds."""
    errors = []
    assert played.expected
    for id, expected in played.expected.items():
        told, took = ((at - asked_at).total_seconds() for at in (expected, played.settled[id]))
        errors.append(abs(told - took) / took)
        assert abs(told - took) <= max(2.0, 0.2 * took), f"told {told} s, took {took} s"
    assert fmean(errors) <= 0.2


def slow(lab: Lab, *, latency_ms: int, documents: int) -> None:
    """A long queue of one seller at a portal that takes its time; the later half was told its turn honestly."""
    wide = Limit(calls=1200, seconds=MINUTE, burst=40)
    with fleet(lab, sellers=1, gstin_limit=wide, account_limit=WIDE) as played:
        played.sandbox.configure(latency_ms=latency_ms)
        began, (gstin,) = played.time.now(), played.sellers
        ids = played.queue(gstin, documents)
        tell_later(played, [ids], seconds=10)  # the first tries are slower by their login
        played.play(ids, seconds_max=600)
        check_turns(played, asked_at=began + timedelta(seconds=10))


def deadlines(lab: Lab, *, behind: int, urgent: int, within: timedelta) -> None:
    """What has little legal time left goes before a backlog that came first."""
    with fleet(lab, sellers=1, gstin_limit=GSTIN, account_limit=WIDE) as played:
        (gstin,) = played.sellers
        played.queue(gstin, behind)
        found: list[str] = []

        def come() -> None:
            played.time.sleep(3)
            found.extend(played.queue(gstin, urgent, within=within))

        played.time.start(come)
        played.play(seconds_max=within.total_seconds() + 5)
        assert len(found) == urgent
        assert all(played.took(id) <= within.total_seconds() for id in found)
        check_law(played, GSTIN, WIDE)


def cancels(lab: Lab, *, behind: int, urgent: int, left: timedelta, seconds: float) -> None:
    """Documents whose window of 24 hours is about to close are cancelled before a backlog that came first."""
    irns: list[str] = []

    def register(made: Fleet) -> None:
        irns.extend(made.register(made.sellers[0], urgent, ago=CANCEL_WINDOW - left))

    with fleet(lab, sellers=1, gstin_limit=GSTIN, account_limit=WIDE, before=register) as played:
        (gstin,) = played.sellers
        played.queue(gstin, behind)
        ids: list[str] = []

        def come() -> None:
            played.time.sleep(3)
            ids.extend(played.cancel(gstin, irn) for irn in irns)

        played.time.start(come)
        played.play(seconds_max=seconds)
        settled = [played.ports.intake.get(id) for id in ids]
        assert [found.status for found in settled if found is not None] == [Status.SUCCEEDED] * urgent
        calls = check_law(played, GSTIN, WIDE)
        assert sum(call.operation == "cancel" and call.code == "ok" for call in calls) == urgent
        assert sum(call.operation == "generate" for call in calls) - urgent < behind, "nothing was in their way"


def restart(lab: Lab, *, seconds: int) -> None:
    """The limiter forgets everything in the middle: no violation beyond one burst, and work goes on within 5 s."""
    with fleet(lab, sellers=6, gstin_limit=GSTIN, account_limit=ACCOUNT) as played:
        for gstin in played.sellers:
            played.queue(gstin, seconds)
        lost_at: list[datetime] = []

        def lose() -> None:
            played.time.sleep(seconds / 2)
            played.limiter.forget()
            played.bell.rung.clear()
            lost_at.append(played.time.now())

        played.time.start(lose)
        played.play(seconds_max=seconds)
        calls = played.calls()
        after = [call.at for call in calls if call.at > lost_at[0]]
        assert after[0] - lost_at[0] <= timedelta(seconds=5)
        assert len(violations((call.at for call in calls), ACCOUNT)) <= ACCOUNT.burst
        for of_one in by_gstin(calls).values():
            assert len(violations(of_one, GSTIN)) <= GSTIN.burst


def test_nothing_exceeds_and_nothing_is_wasted(lab: Lab) -> None:
    """Forty seconds of more work than the account allows."""
    rush(lab, sellers=8, seconds=40)


@pytest.mark.parametrize("every", [0.7, 1.3, 2.7])
def test_a_slow_limit_is_used_to_the_full(lab: Lab, every: float) -> None:
    """Forty calls, seconds apart: who gave up is woken when there is a permit, not when the sweeper comes by."""
    trickle(lab, every=every, calls=40)


def test_a_backlog_holds_nobody_up(lab: Lab) -> None:
    """Eight others, and a direct call of the busy seller itself, take at most twice as long as alone."""
    crowd(lab, backlog=60, others=8)


def test_sellers_of_one_account_are_done_together(lab: Lab) -> None:
    """Eight sellers with twelve documents each, and their turns as they were told."""
    spread(lab, sellers=8, each=12, account=Limit(calls=120, seconds=MINUTE, burst=12))


@pytest.mark.parametrize("latency_ms", [270, 1000, 2000])
def test_turns_are_told_by_the_speed_of_the_portal_too(lab: Lab, latency_ms: int) -> None:
    """Sixteen calls at once are less than the limit where each takes a second.

    270 is no multiple of the 50 ms between two permits: a thread that ended with a permit would always have the next
    before those that wait for it, which no clock but this one brings about.
    """
    slow(lab, latency_ms=latency_ms, documents=400)


def test_what_is_put_off_is_ahead_of_nobody(lab: Lab) -> None:
    """Thirty documents of each of three sellers wait for midnight, and two of them have twenty that came after."""
    midnight = START + timedelta(hours=12)

    def come_before(made: Fleet) -> None:
        for gstin in made.sellers:
            made.queue(gstin, 30)
            made.put_off(gstin, until=midnight)

    account = Limit(calls=60, seconds=MINUTE, burst=6)
    with fleet(lab, sellers=3, gstin_limit=GSTIN, account_limit=account, before=come_before) as played:
        began = played.time.now()
        ids = [played.queue(gstin, 20) for gstin in played.sellers[:2]]
        tell_later(played, ids, seconds=5)
        played.play([*ids[0], *ids[1]], seconds_max=600)
        check_turns(played, asked_at=began + timedelta(seconds=5))


def test_the_nearest_deadline_goes_first(lab: Lab) -> None:
    """Five documents with 20 seconds left, behind 60."""
    deadlines(lab, behind=60, urgent=5, within=timedelta(seconds=20))


def test_a_closing_window_goes_first(lab: Lab) -> None:
    """Four cancellations behind 40 documents; of the three minutes that are left the last two are too late to begin."""
    cancels(lab, behind=40, urgent=4, left=timedelta(minutes=3), seconds=15)


def test_a_limiter_that_forgets_costs_a_moment(lab: Lab) -> None:
    """Its buckets start empty."""
    restart(lab, seconds=24)


@pytest.mark.soak
def test_ten_minutes_of_more_work_than_allowed(lab: Lab) -> None:
    """0 violations, 97 % of the allowed rate."""
    rush(lab, sellers=20, seconds=600)


@pytest.mark.soak
def test_fifty_behind_ten_thousand(lab: Lab) -> None:
    """50 sellers with one document each, while another has 10,000."""
    crowd(lab, backlog=10_000, others=50)


@pytest.mark.soak
def test_a_hundred_sellers_with_a_hundred_each(lab: Lab) -> None:
    """Their ends spread by at most 15 %."""
    spread(lab, sellers=100, each=100, account=Limit(calls=1200, seconds=MINUTE, burst=120))


@pytest.mark.soak
def test_ten_minutes_left_behind_five_thousand(lab: Lab) -> None:
    """Fifty cancellations with 10 minutes of their window left, behind 5,000 documents of the same seller."""
    cancels(lab, behind=5000, urgent=50, left=timedelta(minutes=10), seconds=600)
