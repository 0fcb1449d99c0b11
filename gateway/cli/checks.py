"""What `mohar doctor` looks at: each check says how it stands, and what to do where it stands badly."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.local import missing_file
from gateway.domain.operations import Environment, Status
from gateway.errors import MoharError, Throttled
from gateway.jobs import presence
from gateway.ports import Route, SellerLogin, Unsettled
from gateway.services.sweeping import LEADER_LEASE, ROLE
from gateway.storage import revision
from gateway.system import skew_seconds
from gateway.wiring import Wiring


class Level(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


SKEW_SECONDS_MAX: Final = 5.0
"""Leases and due times of several machines are compared: above a few seconds they contradict each other."""
UNSETTLED_LEVELS: Final = (
    (timedelta(hours=40), Level.WRONG, "The portal gives a document back for 48 hours only: settle it today."),
    (timedelta(hours=12), Level.WRONG, "Half a day is long for it to mend by itself."),
    (timedelta(hours=1), Level.WARNING, "It should settle by itself; look again in an hour."),
)
IGNORED_WARNING: Final = timedelta(seconds=10)
"""The sweeper rings every second, so a row that nobody takes up for this long is a sign."""
IGNORED_WRONG: Final = timedelta(seconds=60)
EVICTION_NONE: Final = "noeviction"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MOVING: Final = frozenset({Status.QUEUED, Status.SUBMITTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding: what, how it stands, in words, and the fix where there is something to mend."""

    name: str
    level: Level
    message: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"name": self.name, "level": self.level.value, "message": self.message, "fix": self.fix or None}


def run(wiring: Wiring, *, probing: Wiring) -> Iterator[Check]:
    """Every check. A part that is away is one finding and stops no other check.

    `probing` is what portals are asked through: it may be less patient.
    """
    yield from _guarded("settings", lambda: _settings(wiring))
    database = list(_guarded("database", lambda: _database(wiring)))
    yield from database
    redis = list(_guarded("redis", lambda: _redis(wiring)))
    yield from redis
    if _stands(redis):
        yield from _guarded("workers", lambda: _workers(wiring))
    if not _stands(database):
        return
    yield from _guarded("sweeper", lambda: _sweeper(wiring))
    yield from _guarded("operations", lambda: _operations(wiring))
    yield from _guarded("sellers", lambda: _sellers(wiring.survey.logins()))
    yield from _guarded("webhooks", lambda: _webhooks(wiring))
    if _stands(redis):
        yield from _guarded("routes", lambda: _routes(probing))


def _stands(checks: Sequence[Check]) -> bool:
    return all(check.level is not Level.WRONG for check in checks)


def _guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The findings of a check; whatever is away or misconfigured is a finding too."""
    try:
        yield from check()
    except MoharError as error:
        yield _wrong(name, error.message, error.help)
    except (SQLAlchemyError, RedisError, OSError) as error:
        fixes = {"database": "Check MOHAR_DATABASE_URL.", "redis": "Check MOHAR_REDIS_URL."}
        yield _wrong(name, f"It does not answer ({type(error).__name__}).", fixes.get(name, "Look into its log."))


def _settings(wiring: Wiring) -> Iterator[Check]:
    settings = wiring.settings
    folder = settings.data_dir.absolute()
    if os.access(folder, os.W_OK):
        yield _ok("data folder", f"{folder} is writable")
    else:
        yield _wrong("data folder", f"{folder} is missing or not writable.", "Set MOHAR_DATA_DIR to the right folder.")
    yield _master_key(wiring)
    policy = wiring.drain_policy  # raises Misconfigured when a lease is too short for a call
    yield _ok("leases", f"{policy.lease_seconds} s, for calls of up to {settings.call_seconds} s")


def _master_key(wiring: Wiring) -> Check:
    file = wiring.settings.master_keys
    if not file.exists():
        return _wrong("master key", f"There is no {file}.", "Restore it from your backup, or run `mohar migrate`.")
    if file.stat().st_mode & _OTHERS:
        return _wrong("master key", f"{file} can be read by others.", f"chmod 600 {file}")
    return _ok("master key", f"{file}, for its owner alone")


def _database(wiring: Wiring) -> Iterator[Check]:
    missing = missing_file(wiring.settings)
    if missing is not None:
        yield _wrong("database", f"There is no {missing}.", "Set MOHAR_DATA_DIR, or run `mohar migrate`.")
        return
    url = wiring.database.url.render_as_string(hide_password=True)
    if not revision.is_current(wiring.database):
        yield _wrong("database", f"{url} has not the present schema.", "Run `mohar migrate`.")
        return
    yield _ok("database", f"{url}, migrated")
    file = Path(wiring.database.url.database or "")
    if wiring.database.is_sqlite and file.stat().st_mode & _OTHERS:
        yield _warning("database file", f"{file} can be read by others.", f"chmod 600 {file}*")
    skew = skew_seconds(wiring.clock, wiring.survey.now)
    if skew > SKEW_SECONDS_MAX:
        yield _wrong("clock", f"It is {skew:.1f} s away from the database's.", "Let both machines follow NTP.")
    else:
        yield _ok("clock", f"{skew * 1000:,.0f} ms away from the database's")


def _redis(wiring: Wiring) -> Iterator[Check]:
    began = time.monotonic()
    wiring.redis.ping()
    yield _ok("redis", f"answers in {(time.monotonic() - began) * 1000:,.1f} ms")
    memory: Any = wiring.redis.info("memory")
    policy = memory.get("maxmemory_policy", "unknown")
    if policy == EVICTION_NONE:
        yield _ok("redis memory", f"maxmemory-policy {policy}")
    else:
        yield _warning(
            "redis memory",
            f"maxmemory-policy {policy}: limits and doorbells may be thrown out, and calls wait for it.",
            f"Set maxmemory-policy {EVICTION_NONE}.",
        )


def _workers(wiring: Wiring) -> Iterator[Check]:
    counts = presence.workers(wiring.redis, prefix=wiring.settings.redis_prefix)
    told = ", ".join(f"{count} on queue {name}" for name, count in counts.items())
    if all(counts.values()):
        yield _ok("workers", told)
    else:
        yield _wrong("workers", f"{told}: a queue has nobody.", "Start `mohar worker`.")


def _sweeper(wiring: Wiring) -> Iterator[Check]:
    leader = wiring.survey.leader(ROLE)
    now = wiring.clock.now()
    if leader is None:
        yield _wrong("sweeper", "There never was one.", "Start `mohar sweeper`.")
    elif leader.until <= now:
        last = _ago(now - (leader.until - LEADER_LEASE))
        yield _wrong("sweeper", f"{leader.holder} swept last, {last} ago.", "Start `mohar sweeper`.")
    else:
        yield _ok("sweeper", f"{leader.holder} leads")


def _operations(wiring: Wiring) -> Iterator[Check]:
    now = wiring.clock.now()
    ignored = wiring.survey.oldest_ignored(at=now)
    age = timedelta() if ignored is None else now - ignored
    if age > IGNORED_WARNING:
        level = Level.WRONG if age > IGNORED_WRONG else Level.WARNING
        fix = "See the checks of workers and sweeper; look into the log of the workers."
        yield Check(name="due work", level=level, message=f"A row is due for {_ago(age)} and not taken up.", fix=fix)
    else:
        yield _ok("due work", "none is left lying")
    found = [each for each in wiring.survey.unsettled() if each.status not in _MOVING]
    yield from (_unsettled(each, at=now) for each in found)
    if not found:
        yield _ok("unsettled", "no operation is parked, held, in doubt or in quarantine")


def _webhooks(wiring: Wiring) -> Iterator[Check]:
    troubled = wiring.survey.troubled_endpoints()
    for each in troubled:
        flaws = [
            f"is disabled ({each.disabled_cause})" if each.disabled_cause is not None else "",
            "" if each.failing_since is None else f"fails for {_ago(wiring.clock.now() - each.failing_since)}",
            f"has {each.dead} dead deliveries" if each.dead else "",
        ]
        message = f"{each.id} of {each.client_id} {', '.join(filter(None, flaws))}."
        fix = f"Have its receiver mended, enable it if need be, then POST /webhooks/{each.id}/replay."
        yield _warning("webhook", message, fix)
    if not troubled:
        yield _ok("webhooks", "none fails, none is disabled by its failures, no delivery is dead")


def _unsettled(found: Unsettled, *, at: datetime) -> Check:
    age = at - found.oldest
    message = f"{found.count} {found.status}, the oldest for {_ago(age)}"
    for least, level, sentence in UNSETTLED_LEVELS:
        if age >= least:
            return Check(name="unsettled", level=level, message=f"{message}.", fix=sentence + _way_out(found))
    return _ok("unsettled", message)


def _way_out(found: Unsettled) -> str:
    if found.status is Status.PARKED:
        return " Find out why, then POST /operations/{id}/resume."
    return " See `advice` in `mohar operation show ID`."


def _sellers(logins: Sequence[SellerLogin]) -> Iterator[Check]:
    if not logins:
        yield _warning("sellers", "There is no taxpayer yet.", "Add one with `mohar gstin add`.")
        return
    bad = [each for each in logins if not each.present or each.refused_code is not None]
    for each in bad:
        flaw = "has no login" if not each.present else f"has a login that the portal refused ({each.refused_code})"
        again = f"mohar gstin add {each.seller.gstin} --environment {each.seller.environment}"
        yield _wrong("seller", f"{each.seller.gstin} {flaw}.", f"Enter it: {again}")
    if not bad:
        yield _ok("sellers", f"{len(logins)} set up, each with a login that nobody refused")


def _routes(wiring: Wiring) -> Iterator[Check]:
    routes = wiring.ports.routebook.routes()
    if not routes:
        yield _warning("routes", "There is no way to a portal yet.", "Add one with `mohar route add`.")
    for route in routes:
        yield _keys(wiring, route)
        yield _heartbeat(wiring, route)


def _keys(wiring: Wiring, route: Route) -> Check:
    name = f"route {route.name}"
    counts = {
        purpose: len(wiring.ports.routebook.portal_keys(route=route.name, purpose=purpose))
        for purpose in ("login", "signing")
    }
    missing = [purpose for purpose, count in counts.items() if count == 0]
    if not missing:
        return _ok(name, f"{route.environment}, {counts['login']} login and {counts['signing']} signing keys")
    fix = f"Install it: mohar route key {route.name} --purpose {missing[0]} FILE"
    level = Level.WRONG if route.environment is Environment.LIVE or "login" in missing else Level.WARNING
    return Check(name=name, level=level, message=f"The portal's {' and '.join(missing)} key is missing.", fix=fix)


def _heartbeat(wiring: Wiring, route: Route) -> Check:
    name = f"portal {route.name}"
    began = time.monotonic()
    try:
        said = wiring.ports.enquiries.heartbeat(route)
    except Throttled as error:
        return _warning(name, error.message, error.help)
    except MoharError as error:
        return _wrong(name, error.message, f"Check {route.base_url}, and the way to it from this machine.")
    return _ok(name, f"answers in {(time.monotonic() - began) * 1000:,.0f} ms: {said}")


def _ago(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _ok(name: str, message: str) -> Check:
    return Check(name=name, level=Level.OK, message=message)


def _warning(name: str, message: str, fix: str) -> Check:
    return Check(name=name, level=Level.WARNING, message=message, fix=fix)


def _wrong(name: str, message: str, fix: str) -> Check:
    return Check(name=name, level=Level.WRONG, message=message, fix=fix)
