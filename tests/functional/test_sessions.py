"""The session that all workers of an account share: one login for a herd, one repeat for a session that ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest

from gateway.auth.vault import MasterKeyVault
from gateway.domain.error_budget import LOGINS_MAX
from gateway.domain.operations import HoldCause
from gateway.domain.outcomes import Meaning, Outcome
from gateway.irp.permits import LIMITER_AWAY_SECONDS, Permits
from gateway.irp.session import Sessions
from gateway.irp.wire import Wire
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller, Clock, Limiter, PortalAccount, Session
from gateway.sandbox import in_process
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.wire import Request
from gateway.storage import migrate
from gateway.storage.database import Database
from gateway.storage.directory import SqlDirectory
from gateway.storage.routebook import SqlRoutebook
from gateway.system import SystemClock, SystemIds
from tests import support
from tests.support_api import AwayLimiter

WORKERS = 20
LATER = support.START + timedelta(seconds=1)


class Portal:
    """A sandbox, the rows it is reached by, and as many workers as a test wants."""

    def __init__(self, folder: Path, keys: SandboxKeys, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.sandbox = Sandbox(clock=self.clock, keys=keys)
        self.database = Database(f"sqlite:///{folder / 'mohar.db'}")
        migrate.upgrade(self.database)
        vault = MasterKeyVault({"00000001": bytes(32)}, SystemIds().random_bytes)
        self.book = SqlRoutebook(self.database, vault, SystemIds())
        self.route = support.route(base_url="http://portal", relogin_seconds_min=0)
        self.account = support.account(route=self.route.name)
        directory = SqlDirectory(self.database)
        directory.add_organisation(id=support.seller().org_id, name="Org", record=support.record("aud_o"))
        self.book.put_route(self.route, record=support.record("aud_r"))
        self.book.add_portal_key(
            route=self.route.name,
            purpose="login",
            kid="login",
            pem=keys.login_public_pem,
            record=support.record("aud_k"),
        )
        self.book.put_account(self.account, org_id=support.seller().org_id, record=support.record("aud_a"))

    def worker(self, name: str = "w", transport: httpx.BaseTransport | None = None) -> Sessions:
        """Another process' view of the sessions."""
        wire = Wire(self.clock, call_seconds=30, transport=transport or in_process.transport(self.sandbox))
        return Sessions(routebook=self.book, wire=wire, clock=self.clock, ids=SystemIds(), worker=name)

    def current(self, sessions: Sessions) -> Session | Outcome:
        """What a worker gets when it asks for a session."""
        return sessions.current(self.route, self.account, permits=self.permits(), keep_lease=lambda: None)

    def password_changed(self, password: str) -> PortalAccount:
        """The login as the portal takes it from now on."""
        body = json.dumps({"passwords": {self.account.gstin: password}}).encode()
        assert self.sandbox.handle(Request.of("POST", "/_control", body=body)).status == 200
        return replace(self.account, password=password)

    def permits(self) -> Permits:
        """Permits without a limit."""
        caller = Caller(account="gsp", gstin=self.account.gstin, direct=True)
        return Permits(MemoryLimiter(self.clock), self.clock, lambda: support.route(limits={}), caller)

    def logins(self) -> int:
        """How often the portal was asked to log somebody in."""
        answer = self.sandbox.handle(Request.of("GET", "/_calls"))
        return sum(json.loads(line)["operation"] == "login" for line in answer.body.decode().splitlines())


@pytest.fixture(scope="module")
def keys() -> SandboxKeys:
    """One pair of keys for all tests: they are slow to make."""
    return SandboxKeys.generate()


@pytest.fixture
def portal(tmp_path: Path, keys: SandboxKeys) -> Iterator[Portal]:
    """A portal that nobody has logged in to."""
    made = Portal(tmp_path, keys)
    yield made
    made.database.close()


def test_a_herd_logs_in_once(portal: Portal) -> None:
    """Twenty workers that wake at once and have no session cause one login and share its yield."""
    workers = [portal.worker(f"w{index}") for index in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(portal.current, workers))
    assert portal.logins() == 1
    assert {session.token for session in found if isinstance(session, Session)} == {_session(found[0]).token}
    assert len({_session(session).session_key for session in found}) == 1


def test_a_session_that_ended_is_replaced_once_for_all(portal: Portal) -> None:
    """When the portal drops a session, the workers who notice replace it with one login between them."""
    workers = [portal.worker(f"w{index}") for index in range(WORKERS)]
    stale = _session(portal.current(workers[0]))
    portal.sandbox.configure(faults=[{"kind": "expire_session", "times": 1, "operations": ["gstin"]}])

    def replace(sessions: Sessions) -> Session | Outcome:
        return sessions.replace(portal.route, portal.account, stale, permits=portal.permits(), keep_lease=lambda: None)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(replace, workers))
    assert portal.logins() == 2
    assert {_session(each).generation for each in found} == {stale.generation + 1}


def test_two_gateways_do_not_throw_each_other_out_for_ever(portal: Portal) -> None:
    """A session that was renewed a moment ago is not renewed again before the route's pause is over."""
    portal.route = support.route(base_url="http://portal", relogin_seconds_min=60)
    sessions = portal.worker()
    fresh = _session(portal.current(sessions))
    refused = sessions.replace(portal.route, portal.account, fresh, permits=portal.permits(), keep_lease=lambda: None)
    assert isinstance(refused, Outcome)
    assert refused.meaning is Meaning.UNREACHED
    assert 0 < (refused.retry_after_seconds or 0) <= 60
    assert portal.logins() == 1


def test_a_wrong_password_is_tried_once(portal: Portal) -> None:
    """The portal locks a user out after wrong passwords: after the first refusal the account is marked."""
    _session(portal.current(portal.worker()))
    wrong = support.account(route=portal.route.name, password="another")
    portal.sandbox.configure(faults=[])
    portal.book.put_account(wrong, org_id=support.seller().org_id, record=support.record("aud_b"))
    with portal.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM portal_sessions")
    portal.account = wrong
    refused = portal.current(portal.worker())
    assert isinstance(refused, Outcome)
    assert (refused.meaning, refused.hold_cause) == (Meaning.HELD, HoldCause.CREDENTIALS)
    stored = portal.book.account(environment=wrong.environment, gstin=wrong.gstin, route=wrong.route)
    assert stored is not None
    assert stored.refused_code == refused.code


def test_who_began_before_a_password_was_replaced_uses_the_new_one(portal: Portal) -> None:
    """A conversation that read the login before it was changed does not try the old one when its session ends."""
    stale = _session(portal.current(portal.worker()))
    began_with, new = portal.account, portal.password_changed("another")
    portal.book.put_account(new, org_id=support.seller().org_id, record=support.record("aud_b", at=LATER))
    found = portal.worker().replace(portal.route, began_with, stale, permits=portal.permits(), keep_lease=lambda: None)
    assert _session(found).generation == stale.generation + 1
    assert portal.logins() == 2


def test_a_password_that_is_replaced_while_it_is_being_refused_holds_nothing(portal: Portal) -> None:
    """The refusal is of a login that is no longer ours: it is tried anew with the one that is, and nothing waits."""
    stale = _session(portal.current(portal.worker()))
    new = portal.password_changed("another")
    answered = in_process.transport(portal.sandbox).handle_request

    def replaced_meanwhile(request: httpx.Request) -> httpx.Response:
        reply = answered(request)
        if portal.logins() == 2:
            portal.book.put_account(new, org_id=support.seller().org_id, record=support.record("aud_b", at=LATER))
        return reply

    worker = portal.worker(transport=httpx.MockTransport(replaced_meanwhile))
    found = worker.replace(portal.route, portal.account, stale, permits=portal.permits(), keep_lease=lambda: None)
    assert _session(found).generation == stale.generation + 1
    stored = portal.book.account(environment=new.environment, gstin=new.gstin, route=new.route)
    assert portal.logins() == 3
    assert stored is not None
    assert stored.refused_code is None


def test_a_pause_holds_for_all_processes(portal: Portal) -> None:
    """What one process learnt of a login that failed, the next one knows: the portal is not asked again."""
    portal.route = support.route(base_url="http://portal", relogin_seconds_min=60)
    portal.sandbox.configure(faults=[{"kind": "error_5xx", "times": 1, "operations": ["login"]}])
    first = portal.current(portal.worker("one"))
    second = portal.current(portal.worker("another"))
    assert [isinstance(each, Outcome) and each.meaning for each in (first, second)] == [Meaning.UNREACHED] * 2
    assert isinstance(second, Outcome)
    assert 0 < (second.retry_after_seconds or 0) <= 60
    assert portal.logins() == 1


def test_a_login_that_got_no_permit_pauses_nothing(tmp_path: Path, keys: SandboxKeys) -> None:
    """The portal was not asked: as soon as the limiter is back, or has room, the login goes out."""
    clock = support.FakeClock()
    portal = Portal(tmp_path, keys, clock)
    portal.route = support.route(base_url="http://portal", relogin_seconds_min=60)
    caller = Caller(account="gsp", gstin=portal.account.gstin, direct=True)
    away = Permits(cast("Limiter", AwayLimiter()), clock, lambda: portal.route, caller)
    told = portal.worker().current(portal.route, portal.account, permits=away, keep_lease=lambda: None)
    assert isinstance(told, Outcome)
    assert told.retry_after_seconds == LIMITER_AWAY_SECONDS
    clock.step(seconds=LIMITER_AWAY_SECONDS)
    assert isinstance(portal.current(portal.worker()), Session)
    portal.database.close()


def test_never_more_logins_than_the_portal_bears(tmp_path: Path, keys: SandboxKeys) -> None:
    """Forty tries by forty processes, each of which would log in: four reach the portal, the others are told when."""
    clock = support.FakeClock()
    portal = Portal(tmp_path, keys, clock)
    portal.sandbox.configure(limits={"token_minutes": 1})
    found = [portal.current(portal.worker(f"w{index}")) for index in range(40)]
    refused = [each for each in found if isinstance(each, Outcome)]
    assert portal.logins() == LOGINS_MAX
    assert len(refused) == 36
    clock.sleep(max(each.retry_after_seconds or 0 for each in refused))
    assert isinstance(portal.current(portal.worker()), Session)
    portal.database.close()


def test_an_early_renewal_asks_for_a_new_token(portal: Portal) -> None:
    """A session is renewed before it ends, and nobody uses one that is about to."""
    portal.sandbox.configure(limits={"token_minutes": 1})
    first = _session(portal.current(portal.worker()))
    second = _session(portal.current(portal.worker()))
    assert second.generation == first.generation + 1


def _session(found: Session | Outcome) -> Session:
    assert isinstance(found, Session), found
    return found
