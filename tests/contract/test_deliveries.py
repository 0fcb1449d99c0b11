"""Deliveries: written with their event, sent under a lease, recorded, repeated, and never quietly lost."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest

from gateway.domain.audit import Action
from gateway.domain.deliveries import DeliveryStatus, DisabledCause, EndpointLane, Verdict
from gateway.domain.operations import Environment, Status
from gateway.domain.outcomes import Meaning
from gateway.domain.settlement import Event
from gateway.errors import Clash
from gateway.ports import Selection
from gateway.storage import tables
from gateway.storage.survey import SqlSurvey
from tests import support_events
from tests.contract.delivery_kit import HOOK, SECRET, Receivers, endpoint
from tests.contract.storage_kit import Storage, at_once
from tests.support import GSTIN, OTHER_GSTIN, client, grant, new_operation, record

LANE = EndpointLane(HOOK)
ALL = Selection(rows_max=1000)


@pytest.fixture
def receivers(storage: Storage) -> Receivers:
    """A client without endpoints."""
    return Receivers(storage)


# Written with the event -----------------------------------------------------------------------------------------------


def test_an_event_has_a_delivery_for_each_endpoint_that_wants_it(receivers: Receivers) -> None:
    """By type and by seller; in the transaction of the event, due at once."""
    receivers.add("whk_all")
    receivers.add("whk_this", types=("irn.generated", "irn.rejected"))
    receivers.add("whk_other", types=("irn.rejected",))
    receivers.add("whk_seller", gstins=(OTHER_GSTIN,))
    operation = receivers.happen()
    rows = receivers.rows()
    assert [row["webhook_id"] for row in rows] == ["whk_all", "whk_this"]
    assert {(row["status"], row["due_at"], row["subject"]) for row in rows} == {
        ("pending", receivers.storage.clock.now(), operation.irn)
    }
    assert set(receivers.storage.deliveries.lanes_of(operation)) == {EndpointLane("whk_all"), EndpointLane("whk_this")}


def test_an_outcome_its_event_and_its_deliveries_are_one(receivers: Receivers, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a delivery cannot be written, nothing is."""
    receivers.add()
    receivers.happen()
    storage = receivers.storage
    [first] = receivers.rows()
    storage.accept()
    attempt = storage.begin()
    before, new = storage.everything(), storage.ids.new
    monkeypatch.setattr(storage.ids, "new", lambda prefix: first["id"] if prefix == "dlv_" else new(prefix))
    with pytest.raises(Exception, match=r"(?i)unique"):
        storage.settle(attempt, Meaning.REFUSED)
    assert storage.everything() == before


@pytest.mark.parametrize("of", ["another client", "an ended grant", "a grant without the scope", "another environment"])
def test_nobody_is_sent_what_is_not_its_own(receivers: Receivers, of: str) -> None:
    """Whoever may not speak for the seller now, gets no event of it."""
    storage = receivers.storage
    scopes = ("read",) if of == "a grant without the scope" else ("webhooks",)
    own = grant(OTHER_GSTIN if of == "another client" else GSTIN, *scopes)
    stranger = client(id="cli_2")
    held = [] if of == "an ended grant" else [type(own)(client_id="cli_2", gstin=own.gstin, scopes=own.scopes)]
    storage.directory.add_client(stranger, held, record=record("aud_cli2", action=Action.CLIENT_ADDED))
    environment = Environment.LIVE if of == "another environment" else Environment.TEST
    receivers.add("whk_2", client_id="cli_2", environment=environment)
    receivers.happen()
    assert receivers.rows() == []


def test_nothing_is_sent_to_a_disabled_or_deleted_endpoint(receivers: Receivers) -> None:
    """From the moment on; enabled again, it gets what happens then."""
    storage = receivers.storage
    receivers.add("whk_off")
    receivers.add("whk_gone")
    storage.endpoints.disable("whk_off", record=receivers.record())
    storage.endpoints.remove("whk_gone", record=receivers.record())
    receivers.happen()
    assert receivers.rows() == []
    storage.endpoints.enable("whk_off", record=receivers.record())
    receivers.happen()
    assert [row["webhook_id"] for row in receivers.rows()] == ["whk_off"]


# Under way ------------------------------------------------------------------------------------------------------------


def test_an_attempt_is_on_record_before_it_is_sent(receivers: Receivers) -> None:
    """With everything that the wire needs: the body as it is stored, the event's id, the live secret."""
    receivers.add(headers={"X-Tenant": "the-tenant"})
    receivers.happen()
    attempt = receivers.taken()
    [row] = receivers.attempts()
    [event] = receivers.storage.rows(tables.events)
    assert (row["id"], row["number"], row["ended_at"], row["url"]) == (attempt.id, 1, None, endpoint().url)
    sent = attempt.dispatch
    assert (sent.message_id, sent.body.decode()) == (event["id"], event["body"])
    assert (sent.secrets, sent.headers, sent.url) == ((SECRET,), {"X-Tenant": "the-tenant"}, endpoint().url)
    assert "the-tenant" not in repr(attempt)
    assert SECRET not in repr(attempt)


def test_secrets_and_headers_are_sealed(receivers: Receivers) -> None:
    """Neither stands readable in any table."""
    receivers.add(headers={"Authorization": "Bearer of-the-receiver"})
    stored = repr(receivers.storage.everything())
    assert "of-the-receiver" not in stored
    assert SECRET not in stored
    assert SECRET.removeprefix("whsec_") not in stored


def test_success_is_the_end(receivers: Receivers) -> None:
    """Delivered, with the answer on record; nothing is due."""
    receivers.add()
    receivers.happen()
    assert receivers.settle(receivers.taken(), Verdict.DELIVERED)
    [row], [attempt] = receivers.rows(), receivers.attempts()
    assert (row["status"], row["due_at"], row["lease_token"], row["last_status"]) == ("delivered", None, None, 200)
    assert (attempt["status"], attempt["verdict"], attempt["excerpt"]) == (200, "delivered", "said the receiver")
    assert receivers.take() is None


def test_attempts_start_when_the_schedule_says(receivers: Receivers) -> None:
    """Six in all, each after its wait to the moment and not before; then it is dead."""
    receivers.add()
    receivers.happen()
    for wait in (60, 300, 1800, 3600, 21_600):
        receivers.settle(receivers.taken(), Verdict.FAILED)
        receivers.storage.clock.sleep(wait - 0.001)
        assert receivers.take() is None
        receivers.storage.clock.sleep(0.001)
    receivers.settle(receivers.taken(), Verdict.FAILED)
    receivers.storage.clock.step(days=2)
    assert receivers.take() is None
    assert receivers.rows()[0]["status"] == "dead"
    assert [attempt["number"] for attempt in receivers.attempts()] == [1, 2, 3, 4, 5, 6]


def test_every_attempt_has_the_same_message(receivers: Receivers) -> None:
    """Id and bytes never change, so that a receiver can tell a repetition."""
    receivers.add()
    receivers.happen()
    sent = set()
    for _ in range(6):
        attempt = receivers.taken()
        sent.add((attempt.dispatch.message_id, attempt.dispatch.body))
        receivers.settle(attempt, Verdict.FAILED)
        receivers.storage.clock.step(days=1)
    assert len(sent) == 1


def test_as_many_are_under_way_as_are_allowed(receivers: Receivers) -> None:
    """Two to one endpoint, however many workers ask; one while it is failing."""
    receivers.add()
    receivers.hear()
    for _ in range(5):
        receivers.happen()
    taken = [each for each in at_once([receivers.take] * 4) if each is not None]
    assert len(taken) == 2
    assert len({each.delivery.id for each in taken}) == 2
    for each in taken:
        receivers.settle(each, Verdict.FAILED)
    assert receivers.take() is not None
    assert receivers.take() is None


def test_what_was_sent_is_recorded_with_the_taking_of_the_next(receivers: Receivers) -> None:
    """In one transaction: the row that is over makes room for the next, and is settled where there is no next."""
    receivers.add()
    receivers.happen()
    receivers.happen()
    first = receivers.taken()
    second = receivers.take(leases_max=1, after=receivers.sent(first, Verdict.DELIVERED))
    assert second is not None
    assert second.delivery.id != first.delivery.id
    assert receivers.take(after=receivers.sent(second, Verdict.FAILED, status=500)) is None
    assert [row["status"] for row in receivers.rows()] == ["delivered", "pending"]
    assert {row["lease_token"] for row in receivers.rows()} == {None}


def test_endpoints_do_not_wait_for_each_other(receivers: Receivers) -> None:
    """One that has its two requests under way holds up nobody else."""
    receivers.add()
    receivers.add("whk_2")
    receivers.hear(HOOK, "whk_2")
    receivers.happen()
    receivers.happen()
    assert [receivers.take() is not None for _ in range(3)] == [True, True, False]
    assert receivers.take("whk_2") is not None


# One document's events ------------------------------------------------------------------------------------------------


def two_events_of_one_document(receivers: Receivers) -> None:
    """A document is held, and then registered."""
    storage = receivers.storage
    storage.come_to(Meaning.HELD, Meaning.REGISTERED, new=new_operation("A/1"))


def test_events_of_one_document_are_sent_in_their_order(receivers: Receivers) -> None:
    """The second waits while the first is under way; another document's does not."""
    receivers.add()
    receivers.hear()
    two_events_of_one_document(receivers)
    receivers.happen("B/1")
    first, other = receivers.taken(), receivers.taken()
    assert json.loads(first.dispatch.body)["type"] == "operation.held"
    assert json.loads(other.dispatch.body)["data"]["document"]["doc_no"] == "B/1"
    receivers.settle(other, Verdict.DELIVERED)
    assert receivers.take() is None
    receivers.settle(first, Verdict.DELIVERED)
    assert json.loads(receivers.taken().dispatch.body)["type"] == "irn.generated"


def test_a_failing_event_is_overtaken(receivers: Receivers) -> None:
    """What failed is tried again later, and keeps nothing back until then."""
    receivers.add()
    two_events_of_one_document(receivers)
    receivers.settle(receivers.taken(), Verdict.FAILED)
    assert json.loads(receivers.taken().dispatch.body)["sequence"] == 2


def test_a_crash_does_not_change_the_order(receivers: Receivers) -> None:
    """An attempt whose process died was no failure: the first goes first again."""
    receivers.add()
    two_events_of_one_document(receivers)
    receivers.taken()
    receivers.storage.clock.step(minutes=1)
    assert receivers.take() is None
    assert receivers.storage.deliveries.end_expired_leases(at=receivers.storage.clock.now(), rows_max=10) == 1
    assert json.loads(receivers.taken().dispatch.body)["sequence"] == 1


# Leases ---------------------------------------------------------------------------------------------------------------


def test_a_lease_that_ends_brings_the_delivery_back(receivers: Receivers) -> None:
    """At once, with the lost attempt on record; a lease that still runs is left alone."""
    receivers.add()
    receivers.happen()
    lost = receivers.taken()
    storage = receivers.storage
    assert storage.deliveries.end_expired_leases(at=storage.clock.now(), rows_max=10) == 0
    storage.clock.step(seconds=46)
    assert storage.deliveries.end_expired_leases(at=storage.clock.now(), rows_max=10) == 1
    again = receivers.taken()
    assert (again.delivery.id, again.number, again.delivery.losses) == (lost.delivery.id, 2, 1)
    assert again.dispatch.message_id == lost.dispatch.message_id
    assert [(row["error"], row["verdict"]) for row in receivers.attempts()] == [("lost", None), (None, None)]


def test_whoever_lost_its_lease_changes_nothing(receivers: Receivers) -> None:
    """A late success is on record as an attempt; the delivery belongs to who has it now."""
    receivers.add()
    receivers.happen()
    late = receivers.taken()
    receivers.storage.clock.step(seconds=46)
    receivers.storage.deliveries.end_expired_leases(at=receivers.storage.clock.now(), rows_max=10)
    present = receivers.taken()
    assert not receivers.settle(late, Verdict.DELIVERED)
    assert receivers.rows()[0]["lease_token"] == present.token
    assert receivers.settle(present, Verdict.FAILED)
    assert [row["verdict"] for row in receivers.attempts()] == ["delivered", "failed"]


def test_what_kills_its_process_each_time_ends_as_dead(receivers: Receivers) -> None:
    """Three losses count as a failure, and six failures are the end; somebody is told."""
    receivers.add()
    receivers.happen()
    storage = receivers.storage
    for _ in range(18):
        receivers.wait_until_due()
        receivers.taken()
        storage.clock.step(minutes=1)
        storage.deliveries.end_expired_leases(at=storage.clock.now(), rows_max=10)
    assert (receivers.rows()[0]["status"], len(receivers.attempts())) == ("dead", 18)
    assert receivers.types() == ["irn.generated", "webhook.exhausted"]


# Ends -----------------------------------------------------------------------------------------------------------------


def test_a_dead_delivery_is_told(receivers: Receivers) -> None:
    """By an audit record and by an event, to the other endpoints and not to the dead one."""
    receivers.add()
    receivers.add("whk_2", types=("webhook.exhausted",))
    receivers.happen()
    receivers.exhaust()
    storage = receivers.storage
    assert receivers.types() == ["irn.generated", "webhook.exhausted"]
    [told] = [row for row in receivers.rows() if row["webhook_id"] == "whk_2"]
    assert told["status"] == "pending"
    actions = [row["action"] for row in storage.rows(tables.audit)]
    assert actions.count("delivery:exhaust") == 1
    body = json.loads(receivers.taken("whk_2").dispatch.body)
    support_events.check(body)
    assert body["data"]["delivery"]["attempts"] == 6
    assert body["data"]["event"]["type"] == "irn.generated"


def test_dead_endpoints_do_not_tell_each_other_for_ever(receivers: Receivers) -> None:
    """That the news of a dead delivery could not be delivered is no news."""
    receivers.add()
    receivers.add("whk_2")
    receivers.happen()
    storage = receivers.storage
    for _ in range(60):
        for id in (HOOK, "whk_2"):
            attempt = receivers.take(id)
            if attempt is not None:
                receivers.settle(attempt, Verdict.FAILED)
        storage.clock.step(hours=6)
        if not any(row["due_at"] for row in receivers.rows()):
            break
    assert receivers.types().count("webhook.exhausted") == 2
    assert not any(row["due_at"] for row in receivers.rows())


def test_gone_disables_the_endpoint(receivers: Receivers) -> None:
    """410 ends everything that waits for it, says so, and nothing is sent again."""
    receivers.add()
    receivers.happen()
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.GONE)
    found = receivers.storage.endpoints.get(HOOK)
    assert found is not None
    assert found.disabled_cause is DisabledCause.GONE
    assert {row["status"] for row in receivers.rows()} == {"cancelled"}
    assert receivers.types()[-1] == "webhook.disabled"
    assert receivers.take() is None


def test_five_days_of_failures_disable_the_endpoint(receivers: Receivers) -> None:
    """Not before; one success begins the count anew."""
    receivers.add(policy="patient")
    storage = receivers.storage
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.FAILED)
    storage.clock.step(days=4)
    receivers.settle(receivers.taken(), Verdict.DELIVERED)
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.FAILED)
    storage.clock.step(days=4, hours=23)
    receivers.settle(receivers.taken(), Verdict.FAILED)
    assert "webhook.disabled" not in receivers.types()
    storage.clock.step(hours=1)
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.FAILED)
    found = storage.endpoints.get(HOOK)
    assert found is not None
    assert found.disabled_cause is DisabledCause.FAILING
    [event] = [row for row in storage.rows(tables.events) if row["type"] == "webhook.disabled"]
    support_events.check(json.loads(event["body"]) | {"subject": HOOK})
    assert not any(row["due_at"] for row in receivers.rows())


def test_an_endpoint_that_has_too_much_is_left_alone_for_a_while(receivers: Receivers) -> None:
    """429: nothing else is sent meanwhile either, and its lane is not rung."""
    receivers.add()
    receivers.happen()
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.SLOW_DOWN)
    storage = receivers.storage
    assert receivers.take() is None
    assert storage.deliveries.due_lanes(at=storage.clock.now()) == []
    storage.clock.step(seconds=60)
    assert storage.deliveries.due_lanes(at=storage.clock.now()) == [LANE]
    assert receivers.take() is not None


def test_lanes_with_something_due_are_found(receivers: Receivers) -> None:
    """Whatever is due and in nobody's hands; nothing of a lane that has it all in hand."""
    receivers.add()
    receivers.happen()
    storage = receivers.storage
    assert storage.deliveries.due_lanes(at=storage.clock.now()) == [LANE]
    attempt = receivers.taken()
    assert storage.deliveries.due_lanes(at=storage.clock.now()) == []
    receivers.settle(attempt, Verdict.FAILED)
    assert storage.deliveries.due_lanes(at=storage.clock.now()) == []
    assert storage.deliveries.due_lanes(at=storage.clock.now() + timedelta(minutes=1)) == [LANE]


# What the owner does --------------------------------------------------------------------------------------------------


def test_another_url_gets_nothing_of_what_was_meant_for_the_old_one(receivers: Receivers) -> None:
    """Waiting and under way are cancelled, with a record; what comes later goes to the new one."""
    made = receivers.add()
    receivers.happen()
    receivers.happen()
    under_way = receivers.taken()
    moved = endpoint(url="https://new.example/hooks", created_at=made.created_at)
    assert receivers.storage.endpoints.change(moved, record=receivers.record()) == 2
    assert not receivers.settle(under_way, Verdict.DELIVERED)
    assert [row["status"] for row in receivers.rows()] == ["cancelled", "cancelled"]
    assert receivers.take() is None
    receivers.happen()
    assert receivers.taken().dispatch.url == "https://new.example/hooks"


def test_a_change_of_another_kind_keeps_what_waits(receivers: Receivers) -> None:
    """A name, a filter or a policy is no reason to lose anything."""
    receivers.add()
    receivers.happen()
    changed = endpoint(name="new", types=("irn.rejected",), policy="patient")
    assert receivers.storage.endpoints.change(changed, record=receivers.record()) == 0
    attempt = receivers.taken()
    assert attempt.policy == "patient"


def test_deleting_leaves_no_secret(receivers: Receivers) -> None:
    """What waits is cancelled; secrets and headers are gone, what was sent stays on record."""
    receivers.add(headers={"Authorization": "x"})
    receivers.happen()
    storage = receivers.storage
    assert storage.endpoints.remove(HOOK, record=receivers.record(Action.WEBHOOK_DELETED)) == 1
    assert storage.endpoints.get(HOOK) is None
    assert storage.rows(tables.webhook_secrets) == []
    assert storage.rows(tables.webhooks)[0]["headers_sealed"] is None
    assert receivers.rows()[0]["status"] == "cancelled"
    assert receivers.take() is None


def test_both_secrets_sign_for_a_day(receivers: Receivers) -> None:
    """The newest first; after 24 hours the old one is gone."""
    receivers.add()
    storage = receivers.storage
    storage.clock.step(seconds=1)
    old_until = storage.clock.now() + timedelta(hours=24)
    storage.endpoints.rotate(HOOK, secret="whsec_bmV3", old_until=old_until, record=receivers.record())
    receivers.happen()
    assert receivers.taken().dispatch.secrets == ("whsec_bmV3", SECRET)
    storage.clock.step(hours=24)
    assert storage.endpoints.secrets(HOOK, at=storage.clock.now()) == ("whsec_bmV3",)


def test_a_client_has_only_so_many(receivers: Receivers) -> None:
    """Also when they are added at the same moment; deleted ones do not count."""
    storage = receivers.storage

    def add(number: int) -> bool:
        made = endpoint(f"whk_{number}")
        try:
            storage.endpoints.add(made, secret=SECRET, endpoints_max=2, record=record(f"aud_{number}"))
        except Clash:
            return False
        return True

    assert sorted(at_once([partial(add, number) for number in range(4)])) == [False, False, True, True]
    [first, _] = storage.endpoints.of_client("cli_1")
    storage.endpoints.remove(first.id, record=receivers.record())
    assert add(9)


# Replay ---------------------------------------------------------------------------------------------------------------


def test_the_dead_rise_when_they_are_called(receivers: Receivers) -> None:
    """All of them, and only them, with their schedule from its beginning; attempts go on being counted."""
    receivers.add()
    receivers.happen()
    receivers.exhaust()
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.DELIVERED)
    dead = Selection(statuses=(DeliveryStatus.DEAD,), rows_max=100)
    assert receivers.storage.endpoints.replay(HOOK, dead, record=receivers.record()) == 1
    attempt = receivers.taken()
    assert (attempt.number, attempt.delivery.failures) == (7, 0)
    receivers.settle(attempt, Verdict.DELIVERED)
    assert {row["status"] for row in receivers.rows()} == {"delivered"}


def test_one_is_sent_again(receivers: Receivers) -> None:
    """A single delivery, though it had arrived; one that is being sent is left alone."""
    receivers.add()
    receivers.happen()
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.DELIVERED)
    first, second = receivers.rows()
    endpoints = receivers.storage.endpoints
    chosen = partial(Selection, rows_max=1)
    assert endpoints.replay(HOOK, chosen(delivery_id=first["id"]), record=receivers.record()) == 1
    assert endpoints.replay(HOOK, chosen(delivery_id=second["id"]), record=receivers.record()) == 0
    assert endpoints.replay(HOOK, chosen(delivery_id="dlv_none"), record=receivers.record()) == 0


def test_a_time_is_sent_again_with_what_was_missed(receivers: Receivers) -> None:
    """What happened while the endpoint was disabled, and what was sent then; nothing outside of the time."""
    receivers.add(types=("irn.generated",))
    storage = receivers.storage
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.DELIVERED)
    storage.clock.step(hours=1)
    since = storage.clock.now()
    storage.endpoints.disable(HOOK, record=receivers.record())
    receivers.happen()
    receivers.happen(meaning=Meaning.REFUSED)
    storage.endpoints.enable(HOOK, record=receivers.record())
    receivers.happen()
    storage.clock.step(hours=1)
    until = storage.clock.now()
    receivers.happen()
    for _ in range(2):
        receivers.settle(receivers.taken(), Verdict.DELIVERED)
    chosen = Selection(since=since, until=until, rows_max=100)
    assert storage.endpoints.replay(HOOK, chosen, record=receivers.record()) == 2
    assert len(receivers.rows()) == 4


def test_a_replay_is_bounded(receivers: Receivers) -> None:
    """No more than asked for, old ones first."""
    receivers.add()
    storage = receivers.storage
    storage.endpoints.disable(HOOK, record=receivers.record())
    for _ in range(3):
        receivers.happen()
    storage.endpoints.enable(HOOK, record=receivers.record())
    assert storage.endpoints.replay(HOOK, Selection(rows_max=2), record=receivers.record()) == 2
    assert [row["position"] for row in receivers.rows()] == [1, 2]


# Sight and tidiness ---------------------------------------------------------------------------------------------------


def test_an_owner_sees_what_was_sent(receivers: Receivers) -> None:
    """Newest first, a page at a time, by status, with every attempt."""
    receivers.add()
    for _ in range(3):
        receivers.happen()
    receivers.settle(receivers.taken(), Verdict.FAILED)
    see = receivers.storage.endpoints.deliveries
    everything = see(HOOK, status=None, before=None, rows_max=10)
    assert [row["position"] for row in everything] == [3, 2, 1]
    assert [len(row["history"]) for row in everything] == [0, 0, 1]
    assert everything[2]["history"][0]["excerpt"] == "said the receiver"
    assert [row["position"] for row in see(HOOK, status=None, before=3, rows_max=1)] == [2]
    assert see(HOOK, status=DeliveryStatus.DEAD, before=None, rows_max=10) == []
    assert see("whk_other", status=None, before=None, rows_max=10) == []


def test_events_are_read_on_from_a_position(receivers: Receivers) -> None:
    """In their order, by seller and type, and none that is too old."""
    storage = receivers.storage
    receivers.happen()
    receivers.happen(meaning=Meaning.REFUSED)
    storage.clock.step(days=91)
    receivers.happen()
    org = storage.rows(tables.organisations)[0]["id"]
    read = partial(
        storage.feed.read,
        environment=Environment.TEST,
        org_id=org,
        gstins=[GSTIN],
        types=[],
        after=0,
        since=storage.clock.now() - timedelta(days=120),
        rows_max=10,
    )
    assert [position for position, _ in read()] == [1, 2, 3]
    assert [position for position, _ in read(after=1)] == [2, 3]
    assert [position for position, _ in read(rows_max=1)] == [1]
    assert [position for position, _ in read(types=["irn.rejected"])] == [2]
    assert [position for position, _ in read(since=storage.clock.now() - timedelta(days=90))] == [3]
    assert read(gstins=[OTHER_GSTIN]) == []
    assert read(environment=Environment.LIVE) == []
    assert read(org_id="org_2") == []


def test_what_is_past_its_time_is_removed_with_its_deliveries(receivers: Receivers) -> None:
    """After 90 days, and not before."""
    receivers.add()
    receivers.happen()
    receivers.settle(receivers.taken(), Verdict.FAILED)
    storage = receivers.storage
    storage.clock.step(days=89)
    receivers.happen()
    assert storage.deliveries.tidy(at=storage.clock.now(), rows_max=100) == 0
    storage.clock.step(days=2)
    assert storage.deliveries.tidy(at=storage.clock.now(), rows_max=100) == 1
    assert [row["position"] for row in receivers.rows()] == [2]
    assert receivers.attempts() == []


def test_what_waits_for_an_endpoint_that_ended_meanwhile_is_cancelled(receivers: Receivers) -> None:
    """An event may be written at the moment in which its endpoint is disabled."""
    receivers.add()
    receivers.happen()
    storage = receivers.storage
    ended = tables.webhooks.update().values(disabled_cause="owner")
    storage.database.write(lambda connection: connection.execute(ended))
    assert receivers.take() is None
    assert storage.deliveries.tidy(at=storage.clock.now(), rows_max=100) == 1
    assert receivers.rows()[0]["status"] == "cancelled"


def test_a_withdrawal_reaches_the_endpoints_too(receivers: Receivers) -> None:
    """What people and time do has its deliveries like everything else."""
    receivers.add()
    storage = receivers.storage
    operation = storage.accept()
    closed = storage.upkeep.close(operation.id, Event.WITHDRAWN, actor="cli_1", at=storage.clock.now())
    assert closed.status is Status.WITHDRAWN
    assert storage.deliveries.lanes_of(closed) == [LANE]


def test_an_operator_finds_the_endpoints_in_trouble(receivers: Receivers) -> None:
    """Failing, with dead deliveries, or disabled for it; not those that are well, or off by their owner's wish."""
    storage = receivers.storage
    survey = SqlSurvey(storage.database)
    receivers.add()
    receivers.add("whk_off", types=("irn.rejected",))
    storage.endpoints.disable("whk_off", record=receivers.record())
    receivers.happen()
    assert survey.troubled_endpoints() == []
    receivers.exhaust()
    [found] = survey.troubled_endpoints()
    assert (found.id, found.dead, found.disabled_cause, found.failing_since is None) == (HOOK, 1, None, False)
    storage.endpoints.remove(HOOK, record=receivers.record())
    assert survey.troubled_endpoints() == []
