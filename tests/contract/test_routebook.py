"""Routes, their keys, and the logins of taxpayers: sealed, and one login at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Table, update

from gateway.auth.vault import MasterKeyVault
from gateway.domain.audit import Action
from gateway.domain.error_budget import LOGIN_WINDOW, LOGINS_MAX
from gateway.domain.operations import Environment
from gateway.domain.token_bucket import Limit
from gateway.errors import Misconfigured
from gateway.ports import LoginPause, PortalAccount, Route
from gateway.storage import tables
from gateway.storage.routebook import SqlRoutebook
from tests.contract.storage_kit import Storage, at_once
from tests.support import GSTIN, ORG, OTHER_GSTIN, ROUTE, START, account, record, route, session

SYSTEM: Final = "einvoice"
UNTIL: Final = START + timedelta(seconds=60)
SECRETS: Final = (
    route().client_secret,
    account().user_name,
    account().password,
    session().token,
    session().session_key.decode(),
    session().session_key.hex(),
)


@pytest.fixture
def logged_in(storage: Storage) -> Storage:
    """A storage with a route, a login on it and its first session."""
    storage.routebook.put_route(route(), record=record("aud_1"))
    storage.routebook.put_account(account(), org_id=ORG, record=record("aud_2"))
    token = _lease(storage, generation=0)
    assert token is not None
    assert storage.routebook.store_session(session(), system=SYSTEM, token=token, record=record("aud_3"))
    return storage


def _lease(
    storage: Storage, *, generation: int, at: datetime = START, until: datetime = UNTIL, system: str = SYSTEM
) -> str | None:
    return storage.routebook.lease_session("acc_1", system=system, generation=generation, at=at, until=until)


def _account(storage: Storage) -> PortalAccount | None:
    return storage.routebook.account(environment=Environment.TEST, gstin=GSTIN, route=ROUTE)


# Routes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "put",
    [
        route(),
        route(environment=Environment.LIVE, enforce_check_digit=True, pace="standard"),
        route(limits={}, relogin_seconds_min=600),
        route(limits={"account": Limit(calls=7, seconds=3600, burst=1)}, client_secret="\u0938 and \x00"),
    ],
    ids=["sandbox", "live", "without limits", "odd secret"],
)
def test_a_route_is_read_back_as_it_was_put(storage: Storage, put: Route) -> None:
    """Limits, pace and secret included."""
    storage.routebook.put_route(put, record=record())
    assert storage.routebook.route(ROUTE) == put
    assert list(storage.routebook.routes()) == [put]


def test_a_route_can_be_changed(storage: Storage) -> None:
    """The later one stands, and both changes are on record."""
    storage.routebook.put_route(route(), record=record("aud_1"))
    changed = route(base_url="http://elsewhere", client_secret="another")
    storage.routebook.put_route(changed, record=record("aud_2"))
    assert list(storage.routebook.routes()) == [changed]
    assert {"aud_1", "aud_2"} <= {row["id"] for row in storage.rows(tables.audit)}


def test_an_unknown_route_is_misconfigured(storage: Storage) -> None:
    """Whoever names it learns that it is missing."""
    with pytest.raises(Misconfigured) as refused:
        storage.routebook.route("nowhere")
    assert refused.value.code == "route-unknown"
    assert "nowhere" in refused.value.message


def test_portal_keys_are_told_newest_last(storage: Storage) -> None:
    """By route and purpose; a key that is added again is replaced."""
    storage.routebook.put_route(route(), record=record("aud_1"))
    storage.routebook.put_route(route(name="other"), record=record("aud_2"))
    added = [
        (ROUTE, "signing", "b", "old", 1),
        (ROUTE, "signing", "a", "pem a", 2),
        (ROUTE, "login", "a", "pem login", 3),
        ("other", "signing", "a", "pem other", 4),
        (ROUTE, "signing", "b", "pem b", 5),
    ]
    for name, purpose, kid, pem, second in added:
        told = record(f"aud_k{second}", action=Action.PORTAL_KEY_ADDED, at=START + timedelta(seconds=second))
        storage.routebook.add_portal_key(route=name, purpose=purpose, kid=kid, pem=pem, record=told)
    signing = storage.routebook.portal_keys(route=ROUTE, purpose="signing")
    assert list(signing.items()) == [("a", "pem a"), ("b", "pem b")]
    assert storage.routebook.portal_keys(route=ROUTE, purpose="login") == {"a": "pem login"}
    assert storage.routebook.portal_keys(route="nowhere", purpose="signing") == {}


# Logins ---------------------------------------------------------------------------------------------------------------


def test_a_login_is_read_back_as_it_was_put(logged_in: Storage) -> None:
    """By environment, seller and route; nobody else's is."""
    assert _account(logged_in) == account()
    find = partial(logged_in.routebook.account, environment=Environment.TEST, gstin=GSTIN, route=ROUTE)
    assert find(environment=Environment.LIVE) is None
    assert find(gstin=OTHER_GSTIN) is None
    assert find(route="other") is None


def test_a_refused_login_says_so_until_it_is_changed(logged_in: Storage) -> None:
    """The portal's code stands on it, on record; new credentials forget it."""
    refused = record("aud_4", action=Action.CREDENTIALS_REFUSED)
    logged_in.routebook.refuse_account("acc_1", code="3029", record=refused)
    assert _account(logged_in) == account(refused_code="3029")
    assert "aud_4" in {row["id"] for row in logged_in.rows(tables.audit)}
    changed = account(password="another", refused_code="3029")
    logged_in.routebook.put_account(changed, org_id=ORG, record=record("aud_5"))
    assert _account(logged_in) == replace(changed, refused_code=None)


# Sealing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", SECRETS)
def test_no_table_has_a_secret_in_the_clear(logged_in: Storage, secret: str) -> None:
    """Neither text nor bytes of any column of any row contain it."""
    for name, table in tables.metadata.tables.items():
        for row in logged_in.rows(table):
            for column, value in row.items():
                shown = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                assert secret.encode() not in shown, f"{name}.{column}"


def test_no_file_has_a_secret_in_the_clear(logged_in: Storage) -> None:
    """Nor do the pages of an embedded database, its log and what lies between rows."""
    if not logged_in.database.is_sqlite:
        pytest.skip("a server's files are not ours to read")
    path = Path(str(logged_in.database.url.database))
    written = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    assert account().gstin.encode() in written
    assert not [secret for secret in SECRETS if secret.encode() in written]


@pytest.mark.parametrize(
    ("table", "column"),
    [(tables.routes, "client_secret_sealed"), (tables.portal_accounts, "credentials_sealed")],
    ids=["route", "account"],
)
def test_a_sealed_value_does_not_open_in_another_row(logged_in: Storage, table: Table, column: str) -> None:
    """Somebody who can write to the table cannot make us use one row's secret for another."""
    logged_in.routebook.put_route(route(name="other"), record=record("aud_4"))
    logged_in.routebook.put_account(account(id="acc_2", route="other"), org_id=ORG, record=record("aud_5"))
    key = "name" if table is tables.routes else "id"
    here, there = ("other", ROUTE) if table is tables.routes else ("acc_2", "acc_1")
    [sealed] = [row[column] for row in logged_in.rows(table) if row[key] == here]
    move = update(table).where(table.c[key] == there).values({column: sealed})
    logged_in.database.write(lambda connection: connection.execute(move))
    with pytest.raises(Misconfigured):
        _ = logged_in.routebook.route(ROUTE) if table is tables.routes else _account(logged_in)


def test_without_the_master_key_nothing_is_read(logged_in: Storage) -> None:
    """Another gateway's key opens none of it."""
    vault = MasterKeyVault({"00000002": bytes(32)}, logged_in.ids.random_bytes)
    foreign = SqlRoutebook(logged_in.database, vault, logged_in.ids)
    with pytest.raises(Misconfigured):
        foreign.route(ROUTE)
    with pytest.raises(Misconfigured):
        foreign.account(environment=Environment.TEST, gstin=GSTIN, route=ROUTE)
    with pytest.raises(Misconfigured):
        foreign.session("acc_1", system=SYSTEM)


def test_what_is_logged_by_mistake_shows_no_secret() -> None:
    """Routes, logins and sessions hide their secrets from whoever prints them."""
    shown = repr([route(), account(), session()])
    assert not [secret for secret in SECRETS if secret in shown]


# Sessions -------------------------------------------------------------------------------------------------------------


def test_a_session_is_shared_as_it_was_stored(logged_in: Storage) -> None:
    """Token and key come in one piece; another system, or another account, has its own."""
    assert logged_in.routebook.session("acc_1", system=SYSTEM) == session()
    assert logged_in.routebook.session("acc_1", system="ewaybill") is None
    assert logged_in.routebook.session("acc_2", system=SYSTEM) is None


def test_twenty_that_want_to_log_in_are_one(logged_in: Storage) -> None:
    """Of a herd, one has the right to log in, at first and at each renewal."""
    for generation, system in ((0, "ewaybill"), (1, SYSTEM)):
        tokens = at_once([partial(_lease, logged_in, generation=generation, system=system)] * 20)
        assert len([each for each in tokens if each is not None]) == 1


def test_a_session_that_was_renewed_meanwhile_is_not_thrown_away(logged_in: Storage) -> None:
    """Whoever still thinks of an older generation gets no right to log in; of the present one, it does."""
    assert _lease(logged_in, generation=0) is None
    assert _lease(logged_in, generation=2) is None
    token = _lease(logged_in, generation=1)
    assert token is not None
    renewed = session(generation=2, token="second", renewed_at=START + timedelta(hours=5))
    assert logged_in.routebook.store_session(renewed, system=SYSTEM, token=token, record=record("aud_4"))
    assert logged_in.routebook.session("acc_1", system=SYSTEM) == renewed
    assert _lease(logged_in, generation=1) is None


def test_a_right_that_was_given_back_is_free(logged_in: Storage) -> None:
    """After a login that failed somebody else may try, and the old session still stands."""
    token = _lease(logged_in, generation=1)
    assert token is not None
    logged_in.routebook.release_session("acc_1", system=SYSTEM, token=token)
    assert _lease(logged_in, generation=1) is not None
    assert logged_in.routebook.session("acc_1", system=SYSTEM) == session()


def test_a_right_that_was_not_ours_cannot_be_given_back(logged_in: Storage) -> None:
    """An old token frees nothing."""
    assert _lease(logged_in, generation=1) is not None
    logged_in.routebook.release_session("acc_1", system=SYSTEM, token="an old token")
    assert _lease(logged_in, generation=1) is None


def test_the_right_to_log_in_ends(logged_in: Storage) -> None:
    """Whoever died with it does not keep the others out; whoever slept with it stores nothing."""
    slept = _lease(logged_in, generation=1)
    assert slept is not None
    assert _lease(logged_in, generation=1, at=UNTIL) is None
    late = UNTIL + timedelta(microseconds=1)
    assert _lease(logged_in, generation=1, at=late, until=late + timedelta(seconds=60)) is not None
    before = logged_in.everything()
    late_session = session(generation=2, token="too late")
    assert not logged_in.routebook.store_session(late_session, system=SYSTEM, token=slept, record=record("aud_4"))
    assert logged_in.everything() == before


def test_all_routes_of_a_taxpayer_have_four_logins_together(logged_in: Storage) -> None:
    """However many go for one at once: the user is one, and a portal locks it out at the fifth. Another has its own."""
    routebook = logged_in.routebook
    routebook.put_route(route(name="other"), record=record("aud_4"))
    routebook.put_account(account(id="acc_2", route="other"), org_id=ORG, record=record("aud_5"))
    routebook.put_account(account(id="acc_3", gstin=OTHER_GSTIN), org_id=ORG, record=record("aud_6"))
    begins = []
    for id, generation in (("acc_1", 1), ("acc_2", 0), ("acc_3", 0)):
        token = routebook.lease_session(id, system=SYSTEM, generation=generation, at=START, until=UNTIL)
        begins.append(partial(routebook.begin_login, id, system=SYSTEM, token=token or "", at=START))
    assert sum(at_once(begins[:2] * 6)) == LOGINS_MAX
    assert len(routebook.logins("acc_1")) == len(routebook.logins("acc_2")) == LOGINS_MAX
    for id in ("acc_1", "acc_2"):
        assert routebook.login_pause(id, system=SYSTEM, changed_at=START, at=START) == LoginPause(
            until=START + LOGIN_WINDOW
        )
    assert routebook.login_pause("acc_3", system=SYSTEM, changed_at=START, at=START) is None
    assert begins[2]()


def test_a_login_is_audited_with_its_session(logged_in: Storage) -> None:
    """The record of a renewal is there when the session is."""
    assert "aud_3" in {row["id"] for row in logged_in.rows(tables.audit)}


def test_a_refusal_that_comes_late_leaves_a_new_login_alone(logged_in: Storage) -> None:
    """A login that was entered while the old one was being refused is not marked with the old one's refusal."""
    old = logged_in.routebook.account(environment=account().environment, gstin=account().gstin, route=account().route)
    assert old is not None
    later = record("aud_later", at=START + timedelta(seconds=1))
    logged_in.routebook.put_account(account(password="new"), org_id=ORG, record=later)
    logged_in.routebook.refuse_account(old.id, code="1019", record=record("aud_refused"), tried=old.changed_at)
    now = logged_in.routebook.account(environment=old.environment, gstin=old.gstin, route=old.route)
    assert now is not None
    assert (now.password, now.refused_code) == ("new", None)
