"""Rough weather: faults, crashes, processes that fall asleep, lost doorbells and flushes, for some hours."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.domain.calendar import IST
from gateway.domain.operations import Environment, Lane
from gateway.domain.token_bucket import Limit
from gateway.sandbox.faults import Kind
from gateway.services import sweeping
from tests.simulation import menus, plan
from tests.simulation.driver import Driver
from tests.simulation.perils import Chance, Peace
from tests.simulation.plan import Times
from tests.simulation.world import VISITOR, Sent, World

KEY_SECONDS_MAX = 1_800
"""How long the portal signs, now and then, with a key that we do not have: what it signed then is asked for anew
every minute, which is slow to simulate."""
_ABSENCES = ((0, 0), (1, 40), (91, 400), (3_600, 7_200))
"""Seconds for which a process is away at a boundary: not at all, less than its lease, more, and far more."""
_ABSENCE_WEIGHTS = (8, 5, 8, 1)
_DAYS = ((2026, 11, 20), (2026, 12, 31), (2027, 4, 1), (2028, 2, 29), (2028, 3, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How rough a world is.

    `fault_rate` is the share of the portal's calls that a fault strikes, `kinds` are the faults that may be on its
    menu, `crash` and `overtaken` are probabilities per boundary, `lost_ring` is one per ring. `eves` fills the world
    with papers of the coming day. `wishes` has documents cancelled and e-way bills made for them afterwards, once an
    operator has set the portal's clock: until then cancellations wait.
    """

    documents: int = 20
    fault_rate: float = 0.6
    crash: float = 0.008
    overtaken: float = 0.012
    lost_ring: float = 0.15
    eves: bool = False
    wishes: bool = False
    kinds: frozenset[Kind] = frozenset(Kind)


class Storm(Driver):
    """A world in which much goes wrong, until it has had enough. `stormy` are the calls of that time."""

    def __init__(self, world: World, profile: Profile, times: Times) -> None:
        chance = random.Random(world.rng.getrandbits(64))  # noqa: S311  has to repeat, guards nothing
        papers, eves, wishes = profile.documents, profile.eves, profile.wishes
        super().__init__(world, plan.draw(chance, times, documents=papers, eves=eves, wishes=wishes))
        self.profile = profile
        self.times = times
        self.calm_at = times.calm_at
        self.stormy: list[Sent] = []
        self._lanes = [Lane(Environment.TEST, gstin) for gstin in sorted({each.gstin for each in self.plan.papers})]
        self._faults = menus.menu(self.rng, rate=profile.fault_rate, kinds=profile.kinds, afterwards=wishes)
        self._make_weather()
        self.at(times.start + timedelta(seconds=self.rng.uniform(0, KEY_SECONDS_MAX)), self._get_the_key)
        if wishes:
            latest = (times.calm_at - times.portal_midnight).total_seconds()
            self.at(times.portal_midnight + timedelta(seconds=self.rng.uniform(0, latest)), self._set_the_clock)

    def play(self) -> None:
        """Let everything happen. Raises StuckError when not all of it comes to an end."""
        world = self.world
        world.meanwhile = self._get_ahead
        world.peril = Chance(self.rng, crash=self.profile.crash, overtaken=self.profile.overtaken)
        while world.clock.now() < self.calm_at or any(ask.answer is None for ask in self.plan.asks):
            self._step()
        self.calm_at = world.clock.now() + timedelta(seconds=self.rng.uniform(300, 3_600))
        while world.clock.now() < self.calm_at:
            self._step()
        self.stormy = [call for call in world.sent() if call.sender != VISITOR]
        world.peril = Peace()
        world.sandbox.configure(faults=[])
        self.settle()

    def _make_weather(self) -> None:
        """What differs between worlds: the portal's clock and habits, the pace and the limits of the route."""
        rng = self.rng
        behind = self.times.portal_midnight - self.times.midnight
        self.world.sandbox.configure(
            now=(self.times.start - behind).isoformat(),
            limits={"token_minutes": rng.choice([60, 360])},
            envelope=rng.choice(["plain", "base64"]),
            status_as=rng.choice(["number", "string"]),
            faults=self._faults,
        )
        wide, narrow = (Limit(600, 60, 10), Limit(6000, 60, 100)), (Limit(30, 60, 3), Limit(60, 60, 5))
        gstin_limit, account_limit = rng.choice([wide, narrow])
        self.world.set_route(
            pace=rng.choice(["standard", "brisk"]), gstin_limit=gstin_limit, account_limit=account_limit
        )

    def _step(self) -> None:
        """One thing that can happen now; when there is none, time goes on."""
        rung = self.world.bell.rung
        if self.do_next():
            return
        if rung and self.rng.random() < self.profile.lost_ring:
            rung.pop(self.rng.choice(list(rung)))
        elif rung:
            lane, direct = self.rng.choice(list(rung))
            self.drain(lane, direct=direct)
        else:
            self._time_goes_on()

    def _time_goes_on(self) -> None:
        rng, clock = self.rng, self.world.clock
        chance = rng.random()
        if chance < 0.03:
            self.world.flush()
        elif chance < 0.06:
            self.drain(rng.choice(self._lanes), direct=rng.random() < 0.5)  # a doorbell that came twice
        elif chance < 0.08:
            self.resume_parked()
        elif chance < 0.2:
            clock.sleep(rng.uniform(0.1, 20))
        if not self.world.sweep():
            clock.sleep(sweeping.LEADER_LEASE.total_seconds())
        elif not self.world.bell.rung:
            due = self.next_due() or clock.now() + timedelta(minutes=1)
            self.sleep_until(min(due, max(self.calm_at, clock.now())) + timedelta(seconds=rng.random() * 2))

    def _get_ahead(self) -> None:
        """What others do while a process is at a boundary: for an instant, a while, or far more than a lease."""
        seconds = self.rng.uniform(*self.rng.choices(_ABSENCES, _ABSENCE_WEIGHTS)[0])
        self.world.clock.sleep(seconds)
        if seconds > self.world.settings.lease_seconds or self.rng.random() < 0.3:
            self.world.sweep()
        for _ in range(self.rng.randint(1, 3)):
            self._step()

    def _set_the_clock(self) -> None:
        self.world.sandbox.configure(now=self.world.clock.now().isoformat())

    def _get_the_key(self) -> None:
        self.world.install_hidden_key()
        self._faults = menus.without(self._faults, Kind.SIGNING_UNKNOWN)
        self.world.sandbox.configure(faults=self._faults)


def times_of(rng: random.Random) -> Times:
    """When a world plays: around a midnight, now and then that of a new financial year or of a leap day."""
    midnight = datetime(*rng.choice(_DAYS), tzinfo=IST).astimezone(UTC)
    start = midnight - timedelta(seconds=rng.uniform(0, 1200))
    portal_midnight = midnight + timedelta(seconds=rng.uniform(240, 2400))
    calm_at = portal_midnight + timedelta(seconds=rng.uniform(600, 18_000))
    return Times(start=start, midnight=midnight, portal_midnight=portal_midnight, calm_at=calm_at)
