"""Every key, secret and password is changed under load, and no caller is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import func, select
from standardwebhooks import Webhook

from gateway.auth import vault
from gateway.cli import demo, paper, test_mode
from gateway.cli.up import Stack
from gateway.domain import canonical
from gateway.sandbox.master import ACTIVE_SELLER
from gateway.services import administration
from gateway.services.administration import Manager
from gateway.storage.tables import deliveries, delivery_attempts
from gateway.system import SystemClock
from tests.receivers import Received, receiving, saying

OPERATOR: Final = Manager()
CALLERS: Final = 3
ROUNDS: Final = 4
"""Of each caller after a change. The first may have begun before it."""
WAIT_SECONDS: Final = 60
"""For an IRN: as long as a client may ask for."""
PATIENCE_SECONDS: Final = 120
"""What takes longer has failed."""
UNHURRIED: Final = {
    "MOHAR_CLIENT_REQUESTS_PER_MINUTE": "100000",
    "MOHAR_CLIENT_READS_PER_MINUTE": "100000",
    "MOHAR_DIRECT_PATIENCE_SECONDS": str(WAIT_SECONDS),
}
"""It is not the limits that are tried here, on a fast machine or a slow one."""


@dataclass
class Load:
    """Callers that get a token, register a document and read it with an API key, over and over, with what is valid."""

    base_url: str
    client_id: str
    secret: str
    key: str
    done: list[int] = field(default_factory=lambda: [0] * CALLERS)
    failures: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    stopping: threading.Event = field(default_factory=threading.Event)
    told: threading.Condition = field(default_factory=threading.Condition)

    def run(self, caller: int) -> None:
        """One caller's work until it is told to stop."""
        with httpx.Client(base_url=self.base_url, timeout=PATIENCE_SECONDS, trust_env=False) as http:
            while not self.stopping.is_set():
                self._once(http)
                with self.told:
                    self.done[caller] += 1
                    self.told.notify_all()

    def more(self) -> None:
        """Wait until every caller has made some more rounds, and see that none failed.

        Every one, because what was valid when its round began is ended afterwards.
        """
        with self.told:
            goal = [done + ROUNDS for done in self.done]
            self.told.wait_for(lambda: self.failures or self._have_done(goal), PATIENCE_SECONDS)
            assert self.failures == []
            assert self._have_done(goal), (self.done, goal)

    def _have_done(self, goal: list[int]) -> bool:
        return all(done >= wanted for done, wanted in zip(self.done, goal, strict=True))

    def _once(self, http: httpx.Client) -> None:
        form = {"grant_type": "client_credentials"}
        token = self._sent(http, "POST", "/oauth/token", 200, data=form, auth=(self.client_id, self.secret))
        document = paper.example(SystemClock().now()).content
        document["DocDtls"]["No"] = f"ROT/{next(self.numbers)}"
        headers = {"Authorization": f"Bearer {token.get('access_token')}", "Content-Type": "application/json"}
        headers["Prefer"] = f"wait={WAIT_SECONDS}"
        made = self._sent(http, "POST", "/irn", 201, headers=headers, content=canonical.written(document))
        self._sent(http, "GET", f"/operations/{made.get('id')}", 200, headers={"X-API-Key": self.key})

    def _sent(self, http: httpx.Client, method: str, path: str, status: int, **request: Any) -> dict[str, Any]:
        try:
            answer = http.request(method, path, **request)
        except httpx.HTTPError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return {}
        if answer.status_code != status:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        content: dict[str, Any] = answer.json()
        return content


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway of real processes."""
    with Stack(tmp_path_factory.mktemp("r"), extra=demo.THREADS | UNHURRIED) as made:
        yield made


@pytest.fixture(scope="module")
def load(stack: Stack) -> Iterator[Load]:
    """Callers who have been at work for a while."""
    ports = stack.wiring.ports
    client_id, secret = test_mode.add_seller(ports=ports).split(":")
    _, key = administration.add_api_key(
        OPERATOR, client_id, gstin=ACTIVE_SELLER.gstin, name="load", read_only=True, ports=ports
    )
    made = Load(stack.base_url, client_id, secret, key)
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(made.run, caller) for caller in range(CALLERS)]
        try:
            made.more()
            yield made
        finally:
            made.stopping.set()
    for caller in callers:
        caller.result()
    assert made.failures == []


def control(stack: Stack, **members: Any) -> None:
    """Set the portal up."""
    url = f"{stack.sandbox_url}/_control"
    httpx.post(url, json=members, timeout=PATIENCE_SECONDS, trust_env=False).raise_for_status()


def test_a_client_s_secret_is_changed(stack: Stack, load: Load) -> None:
    """Both are good while programs change over; then the old one is ended."""
    new, _ = administration.new_secret(OPERATOR, load.client_id, ports=stack.wiring.ports)
    load.more()
    load.secret = new
    load.more()
    administration.end_former_secret(OPERATOR, load.client_id, ports=stack.wiring.ports)
    load.more()


def test_an_api_key_is_changed(stack: Stack, load: Load) -> None:
    """Two are live; the old one is revoked when nobody uses it any more."""
    ports = stack.wiring.ports
    [old] = [key for key in administration.api_keys(OPERATOR, ports=ports) if key.revoked_at is None]
    _, new = administration.rotate_api_key(OPERATOR, old.id, ports=ports)
    load.more()
    load.key = new
    load.more()
    administration.revoke_api_key(OPERATOR, old.id, ports=ports)
    load.more()


def test_a_webhook_s_secret_is_changed(stack: Stack, load: Load) -> None:
    """Who knows the old one alone verifies all that is sent, and so does who knows the new one, from the answer on."""
    with httpx.Client(base_url=stack.base_url, timeout=PATIENCE_SECONDS, trust_env=False) as http:
        form = {"grant_type": "client_credentials"}
        token = http.post("/oauth/token", data=form, auth=(load.client_id, load.secret)).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        with receiving(saying(200)) as receiver:
            made = http.post("/webhooks", json={"url": receiver.url}).raise_for_status().json()
            load.more()
            _until(lambda: receiver.received)
            new = http.post(f"/webhooks/{made['id']}/rotate").raise_for_status().json()["secret"]
            rotated_at = SystemClock().now()
            load.more()
            _until(lambda: _begun_after(rotated_at, receiver.received, made["id"], stack))
            http.delete(f"/webhooks/{made['id']}").raise_for_status()
    both = _begun_after(rotated_at, receiver.received, made["id"], stack)
    assert 0 < len(both) < len(receiver.received)
    for requests, secret in ((receiver.received, made["secret"]), (both, new)):
        for request in requests:
            Webhook(secret).verify(request.body, dict(request.headers))


def _begun_after(at: datetime, requests: list[Received], webhook_id: str, stack: Stack) -> list[Received]:
    """The requests for events that were first sent to an endpoint after that."""
    began = func.min(delivery_attempts.c.began_at)
    query = select(deliveries.c.event_id).join_from(deliveries, delivery_attempts).group_by(deliveries.c.event_id)
    with stack.wiring.database.read() as connection:
        later = connection.execute(query.where(deliveries.c.webhook_id == webhook_id).having(began > at)).scalars()
        ids = set(later)
    return [request for request in requests if request.headers["webhook-id"] in ids]


def _until(so: Callable[[], object]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < ends_at
        time.sleep(0.1)


def test_the_key_that_signs_tokens_is_changed(stack: Stack, load: Load) -> None:
    """A token of either key is good in every process."""
    administration.rotate_token_key(OPERATOR, ports=stack.wiring.ports)
    load.more()
    administration.rotate_token_key(OPERATOR, ports=stack.wiring.ports, overlap=timedelta(minutes=16))
    load.more()


def test_the_master_key_is_changed(stack: Stack, load: Load) -> None:
    """Running processes follow the file, and at the end nothing is sealed under the old key."""
    path: Path = stack.wiring.settings.master_keys
    key_id = vault.prepare_master_key(path)
    load.more()
    vault.promote_master_key(path, key_id)
    stack.wiring.sealed.seal_anew()
    load.more()
    stack.wiring.sealed.seal_anew()
    assert set(stack.wiring.sealed.under()) == {key_id}


def test_a_portal_password_is_changed(stack: Stack, load: Load) -> None:
    """At the portal, then here; the session that was open bridges the moment between."""
    gstin = ACTIVE_SELLER.gstin
    control(stack, passwords={gstin: "another-password"})
    load.more()
    administration.replace_credentials(
        OPERATOR, gstin, user_name=f"{gstin}-api", password="another-password", ports=stack.wiring.ports
    )
    control(stack, faults=[{"kind": "expire_session", "times": 1}])
    load.more()


def test_the_portal_s_signing_key_is_changed(stack: Stack, load: Load) -> None:
    """It is installed when the portal publishes it, before it signs."""
    control(stack, publish_signing_key=True)
    test_mode.install_keys(stack.wiring.ports.routebook.route(test_mode.ROUTE), ports=stack.wiring.ports)
    control(stack, rotate_signing_key=True)
    load.more()
