"""What an operator is told about everything at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.operations import Status
from gateway.domain.outcomes import Meaning
from gateway.ports import Leader, SellerLogin, Unsettled
from gateway.storage.survey import SqlSurvey
from tests.contract.storage_kit import LEASE, Storage
from tests.support import LANE, ORG, START, account, new_operation, record, route, seller


def test_the_clock_of_the_database_is_told_in_utc(storage: Storage) -> None:
    """Its instant is aware, and no more than a minute from this machine's."""
    told = SqlSurvey(storage.database).now()
    assert told.tzinfo is UTC
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


def test_every_taxpayer_is_told_with_its_login(storage: Storage) -> None:
    """Missing, present, refused: each as it is, without a secret being opened."""
    survey = SqlSurvey(storage.database)
    assert survey.logins() == []
    storage.routebook.put_route(route(), record=record("aud_route"))
    storage.directory.put_seller(seller(), record=record("aud_seller"))
    missing = SellerLogin(seller=seller(), present=False, refused_code=None)
    assert survey.logins() == [missing]
    storage.routebook.put_account(account(), org_id=ORG, record=record("aud_account"))
    assert survey.logins() == [SellerLogin(seller=seller(), present=True, refused_code=None)]
    storage.routebook.refuse_account(account().id, code="3002", record=record("aud_refused"))
    assert survey.logins() == [SellerLogin(seller=seller(), present=True, refused_code="3002")]


def test_a_login_of_another_route_is_none(storage: Storage) -> None:
    """A taxpayer that was moved to another route needs a login there."""
    storage.routebook.put_route(route(), record=record("aud_route"))
    storage.routebook.put_account(account(), org_id=ORG, record=record("aud_account"))
    storage.directory.put_seller(seller(route="other"), record=record("aud_seller"))
    assert [login.present for login in SqlSurvey(storage.database).logins()] == [False]


def test_the_leader_of_a_role_is_told_while_and_after_it_leads(storage: Storage) -> None:
    """Nobody before the first; then who has, or had it last, and until when."""
    survey, until = SqlSurvey(storage.database), START + timedelta(seconds=10)
    assert survey.leader("sweeper") is None
    storage.upkeep.lead("sweeper", holder="host:1", at=START, until=until)
    assert survey.leader("sweeper") == Leader(holder="host:1", until=until)


def test_what_is_settled_is_not_counted(storage: Storage) -> None:
    """A registered document is no unfinished work."""
    storage.come_to(Meaning.REGISTERED)
    assert SqlSurvey(storage.database).unsettled() == []


def test_unsettled_work_is_counted_from_its_beginning(storage: Storage) -> None:
    """A queued row is as old as its request, one in doubt as old as its doubt."""
    first = storage.accept(new_operation("A-1"))
    storage.clock.sleep(60)
    storage.accept(new_operation("A-2"))
    assert SqlSurvey(storage.database).unsettled() == [
        Unsettled(status=Status.QUEUED, count=2, oldest=first.created_at)
    ]
    began = storage.clock.now()
    storage.begin()
    storage.clock.sleep(LEASE.total_seconds() + 1)
    storage.upkeep.end_expired_leases(at=storage.clock.now(), rows_max=10)
    told = {each.status: each for each in SqlSurvey(storage.database).unsettled()}
    assert told[Status.INDETERMINATE] == Unsettled(status=Status.INDETERMINATE, count=1, oldest=began)


def test_a_due_row_in_an_idle_lane_is_found(storage: Storage) -> None:
    """Since when it is due; and nothing where nothing is due yet."""
    survey = SqlSurvey(storage.database)
    assert survey.oldest_ignored(at=START) is None
    storage.accept()
    assert survey.oldest_ignored(at=START - timedelta(seconds=1)) is None
    assert survey.oldest_ignored(at=START + timedelta(hours=1)) == START


def test_a_row_behind_others_is_not_ignored(storage: Storage) -> None:
    """While somebody works on its lane, waiting is no sign of trouble; once the lease is over it is."""
    storage.accept(new_operation("A-1"))
    storage.accept(new_operation("A-2"))
    storage.claimed()
    survey = SqlSurvey(storage.database)
    assert survey.oldest_ignored(at=START + timedelta(seconds=1)) is None
    assert survey.oldest_ignored(at=START + LEASE) == START


def test_a_row_without_permits_is_not_ignored(storage: Storage) -> None:
    """A lane that the limit stops until a known moment is left out until then."""
    storage.accept()
    until = START + timedelta(seconds=30)
    storage.work.block_lane(LANE, direct=False, until=until)
    survey = SqlSurvey(storage.database)
    assert survey.oldest_ignored(at=until - timedelta(seconds=1)) is None
    assert survey.oldest_ignored(at=until) == START
