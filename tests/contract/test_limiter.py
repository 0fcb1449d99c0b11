"""`ports.Limiter`, in Redis and in memory, each by a clock that stands still until a test moves it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final, Protocol

import pytest
from redis import Redis

from gateway.domain.token_bucket import MICROSECONDS, Limit
from gateway.limits import scripts
from gateway.limits.memory import MemoryLimiter
from gateway.limits.reckoning import PROMISE_SECONDS
from gateway.limits.redis import RedisLimiter
from gateway.ports import Caller, Limiter, LimiterAwayError, Use
from tests.contract.storage_kit import at_once
from tests.support import START, FakeClock

SELLER: Final = {"{g}:gstin:1": Limit(calls=6, seconds=60, burst=4)}
ACCOUNT: Final = {"{g}:account": Limit(calls=12, seconds=60, burst=6)}
BOTH: Final = SELLER | ACCOUNT
INTERVAL: Final = 10.0
"""Of the seller's bucket, in seconds. The account's is half of it."""
A_DAY: Final = 86_400.0
SERVER_TIME: Final = "redis.call('TIME')"
CLOCK: Final = "clock"
DIRECT: Final = Caller(account="g", gstin="1", direct=True)
QUEUED: Final = replace(DIRECT, direct=False)


LAWS: Final = (Limit(6, 60, 4), Limit(600, 60, 20), Limit(7, 60, 1), Limit(40, 60, 12))
"""Between which a limit is changed."""
CHANGES: Final = 0.2


class Rig(Protocol):
    """A limiter whose time a test can let pass."""

    limiter: Limiter

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""

    def forget(self) -> None:
        """Lose everything."""


class InMemory:
    """The twin."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self._memory = MemoryLimiter(self._clock)
        self.limiter: Limiter = self._memory

    def let_pass(self, seconds: float) -> None:
        """See Rig."""
        self._clock.sleep(seconds)

    def forget(self) -> None:
        """See Rig."""
        self._memory.forget()


class InRedis:
    """The real one. Its scripts ask a key for the time instead of the server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._now_us = int(START.timestamp()) * MICROSECONDS
        with pytest.MonkeyPatch.context() as patch:
            for name in ("TAKE", "PROMISE", "DRAIN", "USED"):
                script = getattr(scripts, name)
                assert script.count(SERVER_TIME) == 1, name
                patch.setattr(scripts, name, script.replace(SERVER_TIME, f"redis.call('LRANGE', '{CLOCK}', 0, -1)"))
            self.limiter: Limiter = RedisLimiter(redis, prefix="t:")
        self.let_pass(0)

    def let_pass(self, seconds: float) -> None:
        """See Rig."""
        self._now_us += int(seconds * MICROSECONDS)
        self._redis.delete(CLOCK)
        self._redis.rpush(CLOCK, *divmod(self._now_us, MICROSECONDS))

    def forget(self) -> None:
        """See Rig."""
        self._redis.flushdb()
        self.let_pass(0)


@pytest.fixture(params=["memory", "redis"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each limiter in its turn, empty."""
    return InMemory() if request.param == "memory" else InRedis(request.getfixturevalue("redis"))


def filled(rig: Rig, buckets: Mapping[str, Limit] = BOTH) -> Limiter:
    """The limiter with full buckets: they were made, and then nobody called for a day."""
    rig.limiter.take(buckets, DIRECT)
    rig.let_pass(A_DAY)
    return rig.limiter


def waits(limiter: Limiter, buckets: Mapping[str, Limit], *, calls: int, caller: Caller = DIRECT) -> list[float]:
    """What so many callers are told, one after the other, in whole seconds."""
    return [round(limiter.take(buckets, caller)) for _ in range(calls)]


def promised(name: str, caller: Caller = DIRECT) -> Caller:
    """The caller, with a name for what it is promised."""
    return replace(caller, promise=name)


def test_a_missing_bucket_starts_empty(rig: Rig) -> None:
    """Nobody may call at once after everything was lost; one interval later one may."""
    assert {level.room for level in rig.limiter.levels(BOTH).values()} == {0}
    assert waits(rig.limiter, SELLER, calls=2) == [10, 10]
    rig.let_pass(INTERVAL)
    assert waits(rig.limiter, SELLER, calls=1) == [0]
    assert waits(rig.limiter, SELLER, calls=1) != [0]


def test_a_flush_causes_no_burst(rig: Rig) -> None:
    """A bucket that was full before it was lost is empty after."""
    filled(rig)
    rig.forget()
    assert 0 not in waits(rig.limiter, BOTH, calls=3)


def test_nobody_is_sent_away_for_a_bucket_that_is_missing(rig: Rig) -> None:
    """`wait` is asked before a call is let in: where nothing is known it says 0, and the call itself then waits."""
    assert rig.limiter.wait(BOTH, direct=True) == 0
    assert rig.limiter.promise(BOTH, promised("a"), patience_seconds=0) == 0


def test_nested_buckets_both_count(rig: Rig) -> None:
    """Another seller of the same account meets what the first has left of the account."""
    limiter = filled(rig)
    other = {"{g}:gstin:2": SELLER["{g}:gstin:1"]} | ACCOUNT
    limiter.take(other, DIRECT)
    rig.let_pass(A_DAY)
    assert waits(limiter, BOTH, calls=3) == [0, 0, 0]
    assert 0 in waits(limiter, other, calls=1)
    assert waits(limiter, other, calls=3)[-1] > 0


def test_who_gets_nothing_has_taken_nothing(rig: Rig) -> None:
    """A seller at his own limit costs the account nothing."""
    limiter = filled(rig)
    while limiter.take(SELLER, DIRECT) == 0:
        pass
    before = limiter.levels(ACCOUNT)["{g}:account"].room
    assert 0 not in waits(limiter, BOTH, calls=5)
    assert limiter.levels(ACCOUNT)["{g}:account"].room == before == 6


def test_asking_takes_nothing(rig: Rig) -> None:
    """`wait` and `levels` tell how it stands, as often as they are asked."""
    limiter = filled(rig)
    assert [limiter.wait(SELLER, direct=True) for _ in range(9)] == [0] * 9
    assert [limiter.levels(SELLER)["{g}:gstin:1"].room for _ in range(9)] == [4] * 9


def test_the_classes_share_and_do_not_starve(rig: Rig) -> None:
    """Queued calls leave the direct share of the burst alone, and get their own share beside direct calls."""
    limiter = filled(rig)
    assert waits(limiter, SELLER, calls=3, caller=QUEUED).count(0) == 2
    assert waits(limiter, SELLER, calls=1) == [0]
    while limiter.take(SELLER, DIRECT) == 0:
        pass
    rig.let_pass(5 * INTERVAL)
    assert 0 in waits(limiter, SELLER, calls=1, caller=QUEUED)


def test_a_promise_is_kept(rig: Rig) -> None:
    """A permit that was promised goes to whom it was promised, whoever asks meanwhile; then the promise is over."""
    limiter = filled(rig)
    assert waits(limiter, SELLER, calls=2) == [0, 0]
    assert limiter.promise(SELLER, promised("a"), patience_seconds=0) == 0
    newcomer = limiter.take(SELLER, DIRECT)
    assert newcomer > 0
    assert limiter.take(SELLER, promised("a")) == 0
    assert limiter.levels(SELLER)["{g}:gstin:1"].promised == 0


def test_each_is_told_of_those_before_it(rig: Rig) -> None:
    """A burst of direct calls: each is told its own turn, and whoever is not patient enough is promised nothing."""
    limiter = filled(rig)
    told = [limiter.promise(SELLER, promised(f"c{n}"), patience_seconds=2.5 * INTERVAL) for n in range(12)]
    let_in = [wait for wait in told if wait <= 2.5 * INTERVAL]
    assert told == sorted(told)
    assert 4 <= len(let_in) < 9
    assert limiter.levels(SELLER)["{g}:gstin:1"].promised == len(let_in)


def test_a_promise_that_is_asked_for_again_is_the_same(rig: Rig) -> None:
    """Whoever was promised a permit does not stand behind itself."""
    limiter = filled(rig)
    for _ in range(9):
        assert limiter.promise(SELLER, promised("a"), patience_seconds=0) == 0
    assert limiter.levels(SELLER)["{g}:gstin:1"].promised == 1


def test_a_promise_ends(rig: Rig) -> None:
    """By being dismissed, or after a minute: nobody waits for the dead."""
    limiter = filled(rig)
    for name in "ab":
        limiter.promise(SELLER, promised(name), patience_seconds=99)
    limiter.dismiss(SELLER, promised("a"))
    assert limiter.levels(SELLER)["{g}:gstin:1"].promised == 1
    rig.let_pass(PROMISE_SECONDS + 1)
    assert limiter.levels(SELLER)["{g}:gstin:1"].promised == 0


def test_a_drained_bucket_gives_one_when_the_time_is_over(rig: Rig) -> None:
    """After "too many calls" nobody calls for so long, and then one at a time."""
    limiter = filled(rig)
    limiter.drain(BOTH, seconds=60, keep_permille=1000)
    assert round(limiter.wait(BOTH, direct=True)) == 60
    assert waits(limiter, SELLER, calls=1) == [60]
    rig.let_pass(60)
    assert waits(limiter, SELLER, calls=1) == [0]
    assert waits(limiter, SELLER, calls=1) != [0]


def test_a_throttle_slows_and_wears_off(rig: Rig) -> None:
    """Half the speed after a throttle; throttles of the same moment count once; all of it later."""
    limiter = filled(rig)
    for _ in range(4):
        limiter.drain(SELLER, seconds=0, keep_permille=500)
    assert limiter.levels(SELLER)["{g}:gstin:1"].speed_permille == pytest.approx(500, abs=2)
    rig.let_pass(250)
    assert limiter.levels(SELLER)["{g}:gstin:1"].speed_permille == pytest.approx(750, abs=2)
    rig.let_pass(A_DAY)
    assert limiter.levels(SELLER)["{g}:gstin:1"].speed_permille == 1000


def test_a_drain_never_shortens_a_wait(rig: Rig) -> None:
    """The longer of two pauses holds."""
    limiter = filled(rig)
    limiter.drain(SELLER, seconds=60, keep_permille=1000)
    limiter.drain(SELLER, seconds=5, keep_permille=1000)
    assert round(limiter.wait(SELLER, direct=True)) == 60


def test_a_missing_bucket_is_drained_too(rig: Rig) -> None:
    """A pause holds though nobody had called yet."""
    rig.limiter.drain(SELLER, seconds=60, keep_permille=1000)
    assert round(rig.limiter.wait(SELLER, direct=True)) == 60


def test_without_buckets_nothing_is_limited(rig: Rig) -> None:
    """A route without limits has none."""
    assert rig.limiter.take({}, DIRECT) == 0
    assert rig.limiter.wait({}, direct=True) == 0
    assert rig.limiter.promise({}, promised("a"), patience_seconds=0) == 0
    rig.limiter.drain({}, seconds=60, keep_permille=500)


def test_use_is_told_by_seller_and_class(rig: Rig) -> None:
    """Who called within the last minute, for what; whoever was sent away did not."""
    limiter = filled(rig, ACCOUNT)
    rig.forget()
    limiter.take(ACCOUNT, DIRECT)
    rig.let_pass(A_DAY)
    callers = [DIRECT, DIRECT, QUEUED, replace(DIRECT, gstin="2")]
    assert [limiter.take(ACCOUNT, caller) for caller in callers] == [0, 0, 0, 0]
    limiter.take({"{g}:gstin:9": SELLER["{g}:gstin:1"]}, replace(DIRECT, gstin="9"))
    limiter.take(ACCOUNT, replace(DIRECT, call="login"))
    assert limiter.used("g") == {
        Use(gstin="1", direct=True): 2,
        Use(gstin="1", direct=True, call="login"): 1,
        Use(gstin="1", direct=False): 1,
        Use(gstin="2", direct=True): 1,
    }
    assert limiter.used("another") == {}


def test_use_is_told_for_a_minute(rig: Rig) -> None:
    """Then it is forgotten, minute by minute, whoever calls again in the meantime."""
    limiter = filled(rig, ACCOUNT)
    for _ in range(3):
        rig.let_pass(60)
        assert limiter.used("g") == {}
        limiter.take(ACCOUNT, DIRECT)
        rig.let_pass(10)
        limiter.take(ACCOUNT, DIRECT)
        assert sum(limiter.used("g").values()) == 2


def test_threads_share_the_permits(rig: Rig) -> None:
    """Of sixteen that ask at the same moment, as many get one as there are, and the others none."""
    limiter = filled(rig)
    told = at_once([lambda: limiter.take(SELLER, DIRECT)] * 16)
    assert told.count(0) == 4 - limiter.levels(SELLER)["{g}:gstin:1"].room
    assert 2 <= told.count(0) <= 4


@pytest.mark.parametrize("seed", range(6))
def test_the_twins_agree(redis: Redis, seed: int) -> None:
    """A long script of calls, promises, pauses, throttles and changed limits goes alike in both, to the millisecond."""
    chance = random.Random(seed)  # noqa: S311  has to repeat
    twins: tuple[Rig, Rig] = (InMemory(), InRedis(redis))
    laws = dict.fromkeys(BOTH, LAWS[0]) if seed % 2 else {}
    for turn in range(120):
        step = chance.choice(("take", "take", "take", "promise", "dismiss", "pass", "pass", "drain"))
        buckets, number = chance.choice((SELLER, ACCOUNT, BOTH)), chance.randrange(1, 40)
        if chance.random() < CHANGES:
            laws = {name: chance.choice(LAWS) for name in laws}
        buckets = {name: laws.get(name, limit) for name, limit in buckets.items()}
        caller = replace(chance.choice((DIRECT, QUEUED)), promise=chance.choice((None, "a", "b", "c")))
        told = [_told(step, twin, buckets, caller, number) for twin in twins]
        assert told[0] == pytest.approx(told[1], abs=0.001), f"seed {seed}, turn {turn}: {step} of {list(buckets)}"


def _told(step: str, rig: Rig, buckets: Mapping[str, Limit], caller: Caller, number: int) -> list[float]:
    rig.let_pass(0.5)  # never exactly what there is to wait, where the clocks would decide
    answer: Any = 0.0
    if step == "take":
        answer = rig.limiter.take(buckets, caller)
    elif step == "promise":
        answer = rig.limiter.promise(buckets, caller, patience_seconds=number + 0.25)
    elif step == "dismiss":
        rig.limiter.dismiss(buckets, caller)
    elif step == "pass":
        rig.let_pass(number)
    else:
        rig.limiter.drain(buckets, seconds=number / 4, keep_permille=700)
    return [answer, rig.limiter.wait(buckets, direct=True), rig.limiter.wait(buckets, direct=False)]


@pytest.mark.parametrize("seed", range(6))
def test_changed_limits_hold(rig: Rig, seed: int) -> None:
    """Whatever is taken while it changes: from a change on no window holds more than what the new limit allows.

    Nor does one across changes: it holds one burst, and the rate of each limit while it held.
    """
    chance = random.Random(seed)  # noqa: S311  has to repeat
    name, law, earned = "{g}:gstin:1", LAWS[1], Fraction(0)
    calls: list[tuple[Fraction, int]] = []
    for _ in range(400):
        passed = chance.choice((0, 0, 0, 0.01, 0.3, 7))
        rig.let_pass(passed)
        earned += Fraction(passed).limit_denominator(100) * law.calls / law.seconds
        law = chance.choice(LAWS) if chance.random() < CHANGES else law
        if rig.limiter.take({name: law}, chance.choice((DIRECT, QUEUED))) == 0:
            calls.append((earned, law.burst))
    assert len(calls) > 20
    for first, (before, burst) in enumerate(calls):
        assert all(last - first + 1 <= burst + calls[last][0] - before for last in range(first, len(calls)))


def _spent(rig: Rig, limit: Limit) -> Mapping[str, Limit]:
    """A bucket that was full a moment ago, and of which neither class gets more."""
    buckets = {"{g}:gstin:1": limit}
    filled(rig, buckets)
    for caller in (DIRECT, QUEUED):
        while rig.limiter.take(buckets, caller) == 0:
            pass
    return buckets


def test_a_lowered_limit_gives_no_second_burst(rig: Rig) -> None:
    """Who has just used the burst of the old limit waits for the new one's interval."""
    _spent(rig, Limit(6000, 60, 60))
    lowered = {"{g}:gstin:1": Limit(60, 60, 60)}
    assert min(rig.limiter.take(lowered, caller) for caller in (DIRECT, QUEUED)) >= 1
    assert rig.limiter.promise(lowered, promised("a"), patience_seconds=0) >= 1


def test_a_raised_limit_is_used_at_once(rig: Rig) -> None:
    """Nobody waits for what the old limit would have taken half an hour for."""
    _spent(rig, Limit(2, 3600, 1))
    raised = {"{g}:gstin:1": Limit(6000, 60, 100)}
    assert rig.limiter.promise(raised, promised("a", QUEUED), patience_seconds=0) == pytest.approx(0.01, abs=0.001)
    rig.let_pass(1)
    assert rig.limiter.take(raised, QUEUED) == 0
    assert rig.limiter.levels(raised)["{g}:gstin:1"].room > 90


def test_a_pause_outlives_a_changed_limit(rig: Rig) -> None:
    """What the portal said counts by the clock."""
    buckets = _spent(rig, Limit(6000, 60, 60))
    rig.limiter.drain(buckets, seconds=60, keep_permille=1000)
    for law in LAWS[::-1]:
        changed = {"{g}:gstin:1": law}
        assert rig.limiter.take(changed, DIRECT) == pytest.approx(60, abs=0.001), law
    rig.let_pass(60)
    assert rig.limiter.take(changed, DIRECT) == 0
    assert rig.limiter.take(changed, DIRECT) > 0


def test_a_bucket_of_an_older_version_is_read(redis: Redis) -> None:
    """It tells no limit and no pause: its horizon is read by the present limit, and it is written anew."""
    rig, key = InRedis(redis), "t:bucket:{g}:gstin:1"
    now = int(START.timestamp()) * MICROSECONDS
    limit = SELLER["{g}:gstin:1"]
    horizon = now + limit.tolerance_us + 5 * MICROSECONDS
    redis.hset(key, mapping={"h": horizon, "d": now, "q": now, "p": 1000, "s": 0})
    assert rig.limiter.wait(SELLER, direct=True) == 5
    assert rig.limiter.take(SELLER, DIRECT) == 5
    rig.let_pass(5)
    assert rig.limiter.take(SELLER, DIRECT) == 0
    assert redis.hget(key, "i") == str(limit.interval_us).encode()


def test_buckets_are_forgotten_when_they_have_long_been_full(redis: Redis) -> None:
    """Every key has a time to live, that of a bucket beyond the moment at which it is full again."""
    limiter = RedisLimiter(redis, prefix="t:")
    limiter.drain(ACCOUNT, seconds=3600, keep_permille=500)
    limiter.promise(BOTH, promised("a"), patience_seconds=10**6)
    filled(InRedis(redis), SELLER)
    limiter.take(SELLER, DIRECT)
    assert all(redis.ttl(key) > 0 for key in redis.keys("t:*"))
    assert redis.ttl("t:bucket:{g}:account") > A_DAY + 3000


def test_every_key_that_a_script_touches_is_named_to_it(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis Cluster, and rules of who may see what, go by KEYS."""
    named: set[str] = set()
    register = redis.register_script

    def spying(text: str) -> Any:
        script = register(text)

        def run(keys: list[str], args: list[Any]) -> Any:
            named.update(keys)
            return script(keys=keys, args=args)

        return run

    monkeypatch.setattr(redis, "register_script", spying)
    rig = InRedis(redis)
    filled(rig)
    rig.limiter.take(BOTH, DIRECT)
    rig.limiter.promise(BOTH, promised("a", QUEUED), patience_seconds=10**6)
    rig.limiter.drain(BOTH, seconds=1, keep_permille=500)
    assert rig.limiter.used("g")
    assert {key.decode() for key in redis.keys("t:*")} <= named


def test_the_keys_of_an_account_share_a_slot(redis: Redis) -> None:
    """A Redis Cluster keeps by what stands in braces: one text in all keys of an account."""
    rig = InRedis(redis)
    filled(rig)
    rig.limiter.take(BOTH, DIRECT)
    rig.limiter.promise(BOTH, promised("a", QUEUED), patience_seconds=10**6)
    tags = {key.decode().partition("{")[2].partition("}")[0] for key in redis.keys("t:*")}
    assert len(redis.keys("t:*")) >= 4
    assert tags == {"g"}


def test_two_gateways_in_one_redis_do_not_share(redis: Redis) -> None:
    """The prefix keeps them apart."""
    one, other = InRedis(redis), RedisLimiter(redis, prefix="u:")
    filled(one, SELLER)
    assert one.limiter.take(SELLER, DIRECT) == 0
    assert other.take(SELLER, DIRECT) > 0


def test_without_redis_nobody_knows() -> None:
    """Each question says so, and none is answered by a guess."""
    limiter = RedisLimiter(Redis.from_url("unix:///nowhere/redis.sock"), prefix="t:")
    with pytest.raises(LimiterAwayError):
        limiter.take(SELLER, DIRECT)
    with pytest.raises(LimiterAwayError):
        limiter.wait(SELLER, direct=True)
    with pytest.raises(LimiterAwayError):
        limiter.promise(SELLER, promised("a"), patience_seconds=1)
    with pytest.raises(LimiterAwayError):
        limiter.dismiss(SELLER, promised("a"))
    with pytest.raises(LimiterAwayError):
        limiter.drain(SELLER, seconds=1, keep_permille=500)
    with pytest.raises(LimiterAwayError):
        limiter.used("g")


def test_the_scripts_come_back(redis: Redis) -> None:
    """A server that lost its scripts is given them again."""
    rig = InRedis(redis)
    filled(rig, SELLER)
    redis.script_flush()
    assert rig.limiter.take(SELLER, DIRECT) == 0


def test_lanes_take_turns_at_what_they_share(rig: Rig) -> None:
    """Of two taxpayers who both wait for the account, the one that was served longer ago goes first, whoever asks."""
    limiter, one, other = filled(rig, ACCOUNT), promised("a", QUEUED), replace(promised("b", QUEUED), gstin="2")
    while limiter.take(ACCOUNT, QUEUED) == 0:
        pass
    served = []
    for turn in range(8):
        rig.let_pass(INTERVAL / 2 + 0.1)
        for caller in (one, one, other):
            mine = replace(caller, promise=f"{caller.gstin}-{turn}-{len(served)}")
            if limiter.promise(ACCOUNT, mine, patience_seconds=0) == 0 and limiter.take(ACCOUNT, mine) == 0:
                served.append(caller.gstin)
    assert abs(served.count("1") - served.count("2")) <= 1
    assert len(served) >= 7
