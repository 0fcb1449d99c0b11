"""What is done to e-way bills, through the engine and over the wire: done once, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

import pytest

from gateway.domain import canonical, strict_json
from gateway.domain.ewaybill import Standing
from gateway.domain.operations import Environment, Kind, Operation, Status
from gateway.domain.outcomes import Meaning
from gateway.irp import bills, codes
from gateway.irp.codes import Disposition
from gateway.irp.permits import Permits
from gateway.irp.portals import IrpPortals
from gateway.irp.talk import Talk
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller, NewOperation
from gateway.sandbox import ewaybills
from gateway.sandbox.eway_visitor import EwayVisitor
from gateway.storage.bills import EFFECTS
from gateway.storage.road import SqlBills
from tests.support import operation
from tests.support_api import ROUTE, SELLER, USER, Stack, document
from tests.support_eway import BUYER, TRANSPORTER, extension, part_a, part_b, trip

TODAY: Final = "20/11/2026"
SERVICES: Final = {
    Kind.EWB_STANDALONE: "ewb_generate",
    Kind.EWB_CANCEL: "ewb_cancel",
    Kind.EWB_VEHICLE: "ewb_vehicle",
    Kind.EWB_TRANSPORTER: "ewb_transporter",
    Kind.EWB_EXTEND: "ewb_extend",
    Kind.EWB_CONSOLIDATE: "ewb_consolidate",
    Kind.EWB_REJECT: "ewb_reject",
    Kind.EWB_CLOSE: "ewb_close",
    Kind.EWB_MOVEMENT: "ewb_multi_begin",
    Kind.EWB_MOVEMENT_ADD: "ewb_multi_add",
    Kind.EWB_MOVEMENT_CHANGE: "ewb_multi_change",
}
"""The kinds that go to the e-way bill system, and what the portal calls them."""
TRACELESS: Final = (Kind.EWB_CLOSE, Kind.EWB_MOVEMENT, Kind.EWB_MOVEMENT_ADD, Kind.EWB_MOVEMENT_CHANGE)
"""Of these nothing that is published can be read back."""
TRACED: Final = [kind for kind in SERVICES if kind not in TRACELESS]


class Road:
    """A stack and what happens on its roads. The engine is asked directly, as the use cases ask it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.bills = SqlBills(stack.wiring.database, stack.wiring.ids)

    def ask(self, kind: Kind, payload: Mapping[str, Any], *, subject: str) -> Operation:
        """Ask for something, and let it be worked off as far as it goes now."""
        new = NewOperation(
            id=self.stack.wiring.ids.new("op_"),
            org_id=self.org(),
            environment=Environment.TEST,
            gstin=SELLER,
            client_id=self.stack.clients["erp"][0],
            kind=kind,
            direct=False,
            subject=subject,
            doc_type=payload.get("docType"),
            doc_no=payload.get("docNo"),
            content_digest=canonical.digest(payload),
            request=b"{}",
            payload=canonical.written(payload),
            request_id="req_1",
            deadline_at=None,
        )
        accepted = self.stack.ports.intake.accept(new, None, at=self.stack.clock.now()).operation
        self.stack.bell.ring(accepted.lane, direct=False)
        return self.now(accepted)

    def now(self, operation: Operation) -> Operation:
        """How an operation stands."""
        found = self.stack.ports.intake.get(operation.id)
        assert found is not None
        return found

    def latest(self, kind: Kind, subject: str) -> Operation:
        """The latest operation of a kind on a subject."""
        found = self.stack.ports.intake.latest_on(
            environment=Environment.TEST, gstin=SELLER, kind=kind, subject=subject, statuses=tuple(Status)
        )
        assert found is not None
        return found

    def org(self) -> str:
        """The organisation of the seller."""
        seller = self.stack.ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
        assert seller is not None
        return seller.org_id

    def make(self, doc_no: str = "KA/26/0001", **members: Any) -> str:
        """A bill that is there; its number."""
        done = self.ask(Kind.EWB_STANDALONE, part_a(docNo=doc_no, docDate=TODAY, **members), subject=doc_no)
        assert done.status is Status.SUCCEEDED, done
        held = self.bills.of_operation(done.id)
        assert held is not None
        return held.number

    def visitor(self, gstin: str = SELLER) -> EwayVisitor:
        """Another program at the same portal, with the gateway's own login where it is the gateway's taxpayer."""
        visitor = EwayVisitor(self.stack.portal, gstin=gstin, client_id=ROUTE.client_id, user=USER)
        visitor.headers["client-secret"] = ROUTE.client_secret
        assert visitor.log_in(password="api-password").codes == []
        return visitor

    def talk(self) -> Talk:
        """One attempt at a bill, with nobody to limit it."""
        routebook = self.stack.ports.routebook
        account = routebook.account(environment=Environment.TEST, gstin=SELLER, route=ROUTE.name)
        assert account is not None
        portals = cast("IrpPortals", self.stack.ports.portals)
        caller = Caller(account=ROUTE.gsp_account, gstin=SELLER, direct=False)
        clock = self.stack.clock
        permits = Permits(MemoryLimiter(clock), clock, lambda: replace(ROUTE, limits={}), caller)
        return Talk(
            operation=operation(kind=Kind.EWB_STANDALONE, status=Status.SUBMITTING),
            payload=canonical.written(part_a(docDate=TODAY)),
            kept_answer=None,
            exchange=portals.exchange(ROUTE, account, permits),
            keys=portals.signing_keys(ROUTE),
            keep_lease=lambda: None,
        )

    def there(self) -> list[dict[str, Any]]:
        """The bills at the portal."""
        return [strict_json.read(line) for line in self.stack.portal.get("/_ewaybills").content.splitlines()]


@pytest.fixture
def road(stack: Stack) -> Road:
    """A gateway and a portal that nobody has used."""
    return Road(stack)


def _standalone(_road: Road) -> tuple[dict[str, Any], str]:
    return part_a(docNo="A/1", docDate=TODAY), "A/1"


def _cancel(road: Road) -> tuple[dict[str, Any], str]:
    number = road.make()
    return {"ewbNo": int(number), "cancelRsnCode": 2, "cancelRmrk": "wrong"}, number


def _vehicle(road: Road) -> tuple[dict[str, Any], str]:
    number = road.make()
    return part_b(int(number)), number


def _transporter(road: Road) -> tuple[dict[str, Any], str]:
    number = road.make()
    return {"ewbNo": int(number), "transporterId": TRANSPORTER}, number


def _extend(road: Road) -> tuple[dict[str, Any], str]:
    number = road.make()
    held = road.bills.get(environment=Environment.TEST, gstin=SELLER, number=number)
    assert held is not None
    assert held.valid_until is not None
    road.stack.clock.sleep((held.valid_until - timedelta(hours=2) - road.stack.clock.now()).total_seconds())
    return extension(int(number)), number


def _consolidate(road: Road) -> tuple[dict[str, Any], str]:
    numbers = [int(road.make(f"A/{each}")) for each in range(2)]
    return trip(*numbers), canonical.digest(numbers)


def _reject(road: Road) -> tuple[dict[str, Any], str]:
    members = {"fromGstin": BUYER, "toGstin": SELLER, "fromStateCode": 27, "actFromStateCode": 27}
    payload = part_a(docDate=TODAY, **members, toStateCode=29, actToStateCode=29)
    made = EwayVisitor(road.stack.portal, gstin=BUYER)
    made.log_in()
    number = made.act("GENEWAYBILL", payload).data["ewayBillNo"]
    return {"ewbNo": number}, str(number)


def _close(road: Road) -> tuple[dict[str, Any], str]:
    number = road.make()
    return {"ewbNo": int(number), "closureDate": TODAY, "remarks": "arrived"}, number


def _movement(road: Road) -> tuple[dict[str, Any], str]:
    number = road.make()
    payload = {"ewbNo": int(number), "fromPlace": "Hubballi", "fromState": 29, "totalQuantity": 10, "unitCode": "NOS"}
    return payload, number


def _movement_add(road: Road) -> tuple[dict[str, Any], str]:
    begin, number = _movement(road)
    road.ask(Kind.EWB_MOVEMENT, begin, subject=number)
    return {"ewbNo": int(number), "groupNo": "1", "vehicleNo": "KA01AA0001", "quantity": 6}, number


def _movement_change(road: Road) -> tuple[dict[str, Any], str]:
    add, number = _movement_add(road)
    road.ask(Kind.EWB_MOVEMENT_ADD, add, subject=number)
    payload = {"ewbNo": int(number), "groupNo": 1, "oldvehicleNo": "KA01AA0001", "newVehicleNo": "KA01AA0002"}
    return payload, number


SCENES: Final[Mapping[Kind, Callable[[Road], tuple[dict[str, Any], str]]]] = {
    Kind.EWB_STANDALONE: _standalone,
    Kind.EWB_CANCEL: _cancel,
    Kind.EWB_VEHICLE: _vehicle,
    Kind.EWB_TRANSPORTER: _transporter,
    Kind.EWB_EXTEND: _extend,
    Kind.EWB_CONSOLIDATE: _consolidate,
    Kind.EWB_REJECT: _reject,
    Kind.EWB_CLOSE: _close,
    Kind.EWB_MOVEMENT: _movement,
    Kind.EWB_MOVEMENT_ADD: _movement_add,
    Kind.EWB_MOVEMENT_CHANGE: _movement_change,
}


def test_every_kind_of_this_system_has_a_scene() -> None:
    """A kind that is added comes into all the tests here."""
    assert set(SCENES) == set(SERVICES) == {*EFFECTS, Kind.EWB_CANCEL}


@pytest.mark.parametrize("kind", SERVICES)
def test_each_is_done_by_one_call(road: Road, kind: Kind) -> None:
    """Answered, read and written down."""
    payload, subject = SCENES[kind](road)
    done = road.ask(kind, payload, subject=subject)
    assert (done.status, done.attempts) == (Status.SUCCEEDED, 1), done.portal_message
    assert road.stack.calls()[-1] == SERVICES[kind]


@pytest.mark.parametrize("kind", TRACED)
@pytest.mark.parametrize("fault", ["drop_after", "garble", "error_5xx"])
def test_an_answer_that_is_lost_is_found_by_its_trace(road: Road, kind: Kind, fault: str) -> None:
    """Done once at the portal, and known to be done; it is not sent a second time."""
    payload, subject = SCENES[kind](road)
    sent_before = road.stack.calls().count(SERVICES[kind])
    after = {"after": True} if fault == "error_5xx" else {}
    road.stack.strike(fault, operations=[SERVICES[kind]], **after)
    doubtful = road.ask(kind, payload, subject=subject)
    assert doubtful.status is Status.INDETERMINATE
    before = road.there()
    road.stack.later(seconds=5)
    done = road.now(doubtful)
    assert done.status is Status.SUCCEEDED, done.portal_message
    assert road.stack.calls().count(SERVICES[kind]) == sent_before + 1
    assert road.there() == before


@pytest.mark.parametrize("kind", TRACED)
def test_what_never_arrived_is_sent_again(road: Road, kind: Kind) -> None:
    """The look-up finds no trace, so it is sent once more."""
    payload, subject = SCENES[kind](road)
    road.stack.strike("drop_before", operations=[SERVICES[kind]])
    doubtful = road.ask(kind, payload, subject=subject)
    assert doubtful.status is Status.INDETERMINATE
    road.stack.later(seconds=5)
    done = road.now(doubtful)
    assert (done.status, done.attempts) == (Status.SUCCEEDED, 2), done.portal_message
    assert {bill["made"] for bill in road.there()} == {1}


@pytest.mark.parametrize("kind", TRACED)
def test_what_lands_late_is_recognised(road: Road, kind: Kind) -> None:
    """Looked up too soon, sent again, refused because of itself or doubled by nobody: it ends as done, once."""
    payload, subject = SCENES[kind](road)
    road.stack.strike("late", operations=[SERVICES[kind]], ms=4000)
    doubtful = road.ask(kind, payload, subject=subject)
    road.stack.strike("drop_before", operations=["ewb_get", "ewb_get_by_document"])
    road.stack.later(seconds=2)
    road.stack.later(seconds=5)
    road.stack.later(seconds=30)
    done = road.now(doubtful)
    assert done.status is Status.SUCCEEDED, done.portal_message
    assert {bill["made"] for bill in road.there()} == {1}


@pytest.mark.parametrize("kind", TRACELESS)
def test_what_leaves_no_trace_waits_for_a_person(road: Road, kind: Kind) -> None:
    """It is never sent twice on a guess."""
    payload, subject = SCENES[kind](road)
    sent_before = road.stack.calls().count(SERVICES[kind])
    road.stack.strike("drop_after", operations=[SERVICES[kind]])
    doubtful = road.ask(kind, payload, subject=subject)
    assert doubtful.status is Status.INDETERMINATE
    road.stack.later(seconds=5)
    assert road.now(doubtful).status is Status.PARKED
    assert road.stack.calls().count(SERVICES[kind]) == sent_before + 1


MEANINGS: Final = {
    Disposition.REFUSED: Meaning.REFUSED,
    Disposition.STATE: Meaning.REFUSED,
    Disposition.CREDENTIALS: Meaning.HELD,
    Disposition.ACCOUNT: Meaning.HELD,
    Disposition.QUOTA: Meaning.HELD,
    Disposition.RETRY: Meaning.UNREACHED,
    Disposition.SESSION: Meaning.UNREACHED,
    Disposition.THROTTLED: Meaning.THROTTLED,
    Disposition.AMBIGUOUS: Meaning.UNKNOWN,
    Disposition.ABSENT: Meaning.UNKNOWN,
    Disposition.DUPLICATE: Meaning.UNKNOWN,
}
"""What a code's class makes of a request for a bill, where the look-up after a duplicate finds nothing."""


def test_every_code_of_the_system_means_what_its_class_says(road: Road) -> None:
    """All 251, answered by the portal: refused, held, put off or looked into, and never taken for a yes."""
    known = {row.code: row.disposition for row in codes.table().values() if row.api == "ewb"}
    assert len(known) == 251
    strike = {"kind": "unknown_code", "after": False, "probability": 1, "operations": ["ewb_generate"]}
    met = {}
    for code in (*known, "999"):
        road.stack.sandbox.configure(faults=[strike | {"code": code}])
        road.stack.clock.sleep(3)
        met[code] = bills.make(road.talk()).meaning
    expected = {code: MEANINGS[disposition] for code, disposition in known.items()}
    assert met == expected | {"999": Meaning.UNKNOWN}
    assert road.there() == []


def test_a_bill_is_written_down_with_what_the_law_gives_it(road: Road) -> None:
    """Number, times, document, and the end that we compute: the same as the portal's."""
    number = road.make()
    held = road.bills.get(environment=Environment.TEST, gstin=SELLER, number=number)
    assert held is not None
    assert (held.standing, held.doc_no, held.irn) == (Standing.ACTIVE, "KA/26/0001", None)
    assert held.valid_until is not None
    assert held.computed_until == held.valid_until
    assert [bill["number"] for bill in road.there()] == [int(number)]


def test_another_validity_than_the_laws_is_recorded_and_the_portals_counts(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A portal that reckons with 100 km a day is believed, and the difference is there to be seen."""
    monkeypatch.setattr(ewaybills, "KM_PER_DAY", 100)
    held = road.bills.get(environment=Environment.TEST, gstin=SELLER, number=road.make())
    assert held is not None
    assert held.valid_until is not None
    assert held.computed_until is not None
    assert held.valid_until - held.computed_until == timedelta(days=4)


def test_the_same_document_made_elsewhere_is_adopted(road: Road) -> None:
    """604: what stands there is ours in every field that counts."""
    number = road.visitor().act("GENEWAYBILL", part_a(docDate=TODAY)).data["ewayBillNo"]
    done = road.ask(Kind.EWB_STANDALONE, part_a(docDate=TODAY), subject="A/1")
    held = road.bills.of_operation(done.id)
    assert done.status is Status.SUCCEEDED
    assert held is not None
    assert held.number == str(number)


def test_another_document_of_the_same_number_is_a_conflict(road: Road) -> None:
    """With what differs, field by field."""
    road.visitor().act("GENEWAYBILL", part_a(docDate=TODAY, totInvValue=118001))
    done = road.ask(Kind.EWB_STANDALONE, part_a(docDate=TODAY), subject="A/1")
    held = road.bills.of_operation(done.id)
    assert done.status is Status.CONFLICT
    assert held is not None
    assert [each["at"] for each in held.differences] == ["/totInvValue"]


def test_steps_are_kept_in_their_order_with_their_operations(road: Road) -> None:
    """Vehicle, transporter and trip sheet of a bill, each with the operation whose answers are the evidence."""
    number = road.make()
    asked = [
        (Kind.EWB_VEHICLE, part_b(int(number)), number),
        (Kind.EWB_TRANSPORTER, {"ewbNo": int(number), "transporterId": TRANSPORTER}, number),
        (Kind.EWB_CONSOLIDATE, trip(int(number)), "sheet"),
    ]
    done = [road.ask(kind, payload, subject=subject) for kind, payload, subject in asked]
    steps = road.bills.steps(environment=Environment.TEST, number=number)
    assert [step["step"] for step in steps] == ["vehicle", "transporter", "consolidate"]
    assert [step["operation_id"] for step in steps] == [each.id for each in done]
    held = road.bills.get(environment=Environment.TEST, gstin=SELLER, number=number)
    assert held is not None
    assert (held.vehicle_no, held.transporter_id) == ("KA05CD5678", TRANSPORTER)
    assert held.trip_sheet == str(road.there()[0]["trip_sheets"][0])


def test_an_extension_moves_the_end_of_both_ledgers(road: Road) -> None:
    """The portal's new end, and the law's for the way that is left."""
    payload, number = _extend(road)
    assert road.ask(Kind.EWB_EXTEND, payload, subject=number).status is Status.SUCCEEDED
    held = road.bills.get(environment=Environment.TEST, gstin=SELLER, number=number)
    assert held is not None
    assert held.valid_until is not None
    assert datetime.fromisoformat(road.there()[0]["valid_until"]) == held.valid_until
    assert held.computed_until == held.valid_until


@pytest.mark.parametrize(
    ("kind", "standing"), [(Kind.EWB_CANCEL, Standing.CANCELLED), (Kind.EWB_CLOSE, Standing.CLOSED)]
)
def test_an_end_is_an_end_in_the_ledger_too(road: Road, kind: Kind, standing: Standing) -> None:
    """And the next step is refused by the portal as a matter of state."""
    payload, number = SCENES[kind](road)
    road.ask(kind, payload, subject=number)
    held = road.bills.get(environment=Environment.TEST, gstin=SELLER, number=number)
    assert held is not None
    assert held.standing is standing


def test_a_login_that_this_system_refuses_holds_no_invoice(road: Road) -> None:
    """An API user who is not enrolled for e-way bills can still register documents."""
    stranger = EwayVisitor(road.stack.portal, gstin=SELLER, client_id=ROUTE.client_id, user=USER)
    stranger.headers["client-secret"] = ROUTE.client_secret
    stranger.log_in(password="another one")
    held = road.ask(Kind.EWB_STANDALONE, part_a(docDate=TODAY), subject="A/1")
    assert (held.status, held.portal_code) == (Status.HELD, "102")
    again = road.ask(Kind.EWB_STANDALONE, part_a(docNo="A/2", docDate=TODAY), subject="A/2")
    assert again.status is Status.HELD
    assert road.stack.calls().count("ewb_login") == 2  # the stranger's and one of ours: more would lock the user
    assert road.stack.post(document()).status_code == 201


def test_fifty_bills_need_one_login(road: Road) -> None:
    """The session is shared, and found again after the portal has forgotten it: one more login, nothing lost."""
    for each in range(50):
        road.make(f"B/{each}")
    assert road.stack.calls().count("ewb_login") == 1
    road.stack.strike("expire_session", operations=["ewb_generate"])
    road.stack.clock.sleep(3)
    road.make("B/50")
    assert road.stack.calls().count("ewb_login") == 2
    assert {bill["made"] for bill in road.there()} == {1}


def test_the_end_of_a_bill_is_told_once_and_again_after_an_extension(road: Road) -> None:
    """Eight hours before: no sooner, and for each end."""
    payload, number = _extend(road)
    told = [road.bills.tell_of_ends(at=road.stack.clock.now(), rows_max=10) for _ in range(2)]
    assert told == [1, 0]
    road.ask(Kind.EWB_EXTEND, payload, subject=number)
    assert road.bills.tell_of_ends(at=road.stack.clock.now(), rows_max=10) == 0
    held = road.bills.get(environment=Environment.TEST, gstin=SELLER, number=number)
    assert held is not None
    assert held.valid_until is not None
    assert road.bills.tell_of_ends(at=held.valid_until - timedelta(hours=8, seconds=1), rows_max=10) == 0
    assert road.bills.tell_of_ends(at=held.valid_until - timedelta(hours=8), rows_max=10) == 1
