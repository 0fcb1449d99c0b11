"""What the doctor finds, from worlds that are told what to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import ConnectionError as RedisAway
from sqlalchemy.exc import OperationalError

from gateway.cli import checks
from gateway.cli.checks import Check, Level
from gateway.domain.deliveries import DisabledCause
from gateway.domain.operations import Status
from gateway.errors import Misconfigured, Throttled
from gateway.ports import Leader, Route, SellerLogin, TroubledEndpoint, Unsettled
from gateway.storage import migrate
from gateway.storage.database import Database
from tests.support import START, FakeClock, route, seller


@dataclass
class FakeSurvey:
    """Implements `ports.Survey` with what a test puts in it."""

    skew: timedelta = timedelta()
    leads: Leader | None = None
    open: Sequence[Unsettled] = ()
    ignored_for: timedelta | None = None
    sellers: Sequence[SellerLogin] = field(default_factory=list)
    troubled: Sequence[TroubledEndpoint] = ()

    def now(self) -> Any:
        """The database's clock."""
        return START + self.skew

    def leader(self, _role: str) -> Leader | None:
        """Who leads."""
        return self.leads

    def unsettled(self) -> Sequence[Unsettled]:
        """What is open."""
        return self.open

    def oldest_ignored(self, *, at: Any) -> Any:
        """Since when work lies about."""
        return None if self.ignored_for is None else at - self.ignored_for

    def troubled_endpoints(self) -> Sequence[TroubledEndpoint]:
        """The endpoints that fail."""
        return self.troubled

    def logins(self) -> Sequence[SellerLogin]:
        """The taxpayers."""
        return self.sellers


def world(survey: FakeSurvey | None = None, **parts: Any) -> Any:
    """What a check needs of a wiring."""
    return SimpleNamespace(survey=survey or FakeSurvey(), clock=FakeClock(START), **parts)


def only(found: Iterator[Check]) -> Check:
    """The single finding of a check."""
    [check] = list(found)
    return check


def unsettled(status: Status, *, hours: float) -> Check:
    """The finding about one operation of that status and age."""
    open_work = [Unsettled(status=status, count=1, oldest=START - timedelta(hours=hours))]
    return list(checks._operations(world(FakeSurvey(open=open_work))))[1]


@pytest.mark.parametrize(
    ("hours", "level"),
    [(0.99, Level.OK), (1, Level.WARNING), (11.9, Level.WARNING), (12, Level.WRONG), (39, Level.WRONG)],
)
@pytest.mark.parametrize("status", [Status.PARKED, Status.HELD, Status.INDETERMINATE, Status.QUARANTINED])
def test_unsettled_work_alarms_with_its_age(status: Status, hours: float, level: Level) -> None:
    """After one hour and after twelve."""
    assert unsettled(status, hours=hours).level is level


def test_forty_hours_are_close_to_the_end() -> None:
    """The portal gives a document back for two days, so that is said."""
    assert "48 hours" not in unsettled(Status.INDETERMINATE, hours=39).fix
    assert "48 hours" in unsettled(Status.INDETERMINATE, hours=40).fix


def test_a_parked_operation_needs_a_person() -> None:
    """And the person is told which call to make."""
    assert "resume" in unsettled(Status.PARKED, hours=2).fix
    assert "resume" not in unsettled(Status.HELD, hours=2).fix


def test_a_long_queue_is_no_illness() -> None:
    """Rows that wait for their turn are not counted as unsettled, however old they are."""
    open_work = [Unsettled(status=Status.QUEUED, count=9, oldest=START - timedelta(days=3))]
    found = list(checks._operations(world(FakeSurvey(open=open_work))))
    assert [check.level for check in found] == [Level.OK, Level.OK]


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(None, Level.OK), (10, Level.OK), (11, Level.WARNING), (60, Level.WARNING), (61, Level.WRONG)],
)
def test_work_that_nobody_takes_up_alarms(seconds: int | None, level: Level) -> None:
    """The sweeper rings every second: ten are strange, sixty are wrong."""
    ignored_for = None if seconds is None else timedelta(seconds=seconds)
    assert next(checks._operations(world(FakeSurvey(ignored_for=ignored_for)))).level is level


@pytest.mark.parametrize(("left_seconds", "level"), [(5, Level.OK), (0, Level.WRONG), (-60, Level.WRONG)])
def test_a_sweeper_leads_or_there_is_none(left_seconds: int, level: Level) -> None:
    """A lease that is over means that nobody sweeps."""
    leads = Leader(holder="host:1", until=START + timedelta(seconds=left_seconds))
    assert only(checks._sweeper(world(FakeSurvey(leads=leads)))).level is level


def test_a_gateway_that_never_had_a_sweeper_is_told_so() -> None:
    """With the command that starts one."""
    found = only(checks._sweeper(world()))
    assert (found.level, found.fix) == (Level.WRONG, "Start `mohar sweeper`.")


def test_a_refused_login_is_wrong_and_a_missing_one_too() -> None:
    """Each taxpayer is named, with the command that mends it."""
    logins = [
        SellerLogin(seller=seller(gstin=f"29AAACM000{index}A1Z5"), present=present, refused_code=code)
        for index, (present, code) in enumerate([(True, None), (True, "3002"), (False, None)])
    ]
    found = list(checks._sellers(logins))
    assert [check.level for check in found] == [Level.WRONG, Level.WRONG]
    assert "3002" in found[0].message
    assert all("mohar gstin add 29AAACM000" in check.fix for check in found)
    assert only(checks._sellers(logins[:1])).level is Level.OK


def test_a_master_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Others may not read it, and without it nothing can be opened."""
    file = tmp_path / "master.key"
    wiring = world(settings=SimpleNamespace(master_keys=file))
    assert checks._master_key(wiring).level is Level.WRONG
    file.touch(mode=0o600)
    assert checks._master_key(wiring).level is Level.OK
    file.chmod(0o640)
    assert checks._master_key(wiring).fix == f"chmod 600 {file}"


@pytest.mark.parametrize("error", [RedisAway("gone"), OperationalError("SELECT", {}, Exception()), PermissionError()])
def test_a_part_that_is_away_is_a_finding(error: Exception) -> None:
    """And no end of the examination."""

    def check() -> Iterator[Check]:
        raise error
        yield

    found = only(checks._guarded("redis", check))
    assert (found.level, type(error).__name__ in found.message) == (Level.WRONG, True)


def test_a_misconfiguration_brings_its_own_fix() -> None:
    """The error's help is the fix."""

    def check() -> Iterator[Check]:
        raise Misconfigured("lease-too-short", "Too short.", help="Make it longer.")
        yield

    assert only(checks._guarded("settings", check)).fix == "Make it longer."


@pytest.mark.parametrize(
    ("environment", "keys", "level"),
    [
        ("live", {"login": 1, "signing": 2}, Level.OK),
        ("live", {"login": 1, "signing": 0}, Level.WRONG),
        ("test", {"login": 1, "signing": 0}, Level.WARNING),
        ("test", {"login": 0, "signing": 1}, Level.WRONG),
    ],
)
def test_a_route_needs_its_portals_keys(environment: str, keys: dict[str, int], level: Level) -> None:
    """Nobody can log in without the one, and nothing that is live may be taken unverified."""

    def portal_keys(*, route: str, purpose: str) -> dict[str, str]:
        return {f"{route}-{index}": "pem" for index in range(keys[purpose])}

    ports = SimpleNamespace(routebook=SimpleNamespace(portal_keys=portal_keys))
    way = route(environment=checks.Environment(environment))
    assert checks._keys(world(ports=ports), way).level is level


def test_dead_deliveries_are_a_warning() -> None:
    """So are endpoints that fail, and those that were disabled for it; and it says how they come back."""
    troubled = TroubledEndpoint(
        id="whk_1",
        client_id="cli_1",
        disabled_cause=DisabledCause.FAILING,
        failing_since=START - timedelta(hours=3),
        dead=2,
    )
    found = only(checks._webhooks(world(FakeSurvey(troubled=[troubled]))))
    assert found.level is Level.WARNING
    assert found.message == "whk_1 of cli_1 is disabled (failing), fails for 3 h, has 2 dead deliveries."
    assert "/webhooks/whk_1/replay" in found.fix
    assert only(checks._webhooks(world())).level is Level.OK


def test_a_database_that_others_may_read_is_told(tmp_path: Path) -> None:
    """It is made for its owner alone; whoever copies it with the usual rights finds out."""
    database = Database(f"sqlite:///{tmp_path / 'mohar.db'}")
    migrate.upgrade(database)
    seen = world(database=database, settings=SimpleNamespace(database=str(database.url)))
    assert {check.level for check in checks._database(seen)} == {Level.OK}
    (tmp_path / "mohar.db").chmod(0o644)
    [told] = [check for check in checks._database(seen) if check.level is not Level.OK]
    assert (told.level, told.name) == (Level.WARNING, "database file")
    database.close()


def test_a_portal_that_could_not_be_asked_is_not_called_wrong() -> None:
    """The shared limit had no room for its sign of life: nothing is known of the portal."""

    def heartbeat(_: Route) -> str:
        raise Throttled("limit-reached", "No room.", help="Try again.", retry_after=5)

    found = checks._heartbeat(world(ports=SimpleNamespace(enquiries=SimpleNamespace(heartbeat=heartbeat))), route())
    assert (found.level, found.message, found.fix) == (Level.WARNING, "No room.", "Try again.")
