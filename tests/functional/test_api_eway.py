"""E-way bills over HTTP, each call against the portal: what it does, what it says, and what it refuses first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import select

from gateway.domain import strict_json
from gateway.sandbox import ewaybills
from gateway.sandbox.eway_visitor import EwayVisitor
from gateway.services import sweeping
from gateway.storage.tables import events
from tests.support_api import SELLER, Stack, document, refused
from tests.support_eway import BUYER, TRANSPORTER, extension, part_a, part_b, trip

TODAY: Final = "20/11/2026"
MOVEMENT: Final = {
    "reasonCode": "1",
    "reasonRem": "too much for one",
    "fromPlace": "Hubballi",
    "fromState": 29,
    "toPlace": "Pune",
    "toState": 27,
    "transMode": "1",
    "totalQuantity": 10,
    "unitCode": "NOS",
}


def _made(stack: Stack, doc_no: str = "A/1", **members: Any) -> dict[str, Any]:
    answer = stack.post(part_a(docNo=doc_no, docDate=TODAY, **members), "/ewb")
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = strict_json.read(answer.content)
    return made


def _step(stack: Stack, number: str, name: str, body: Any) -> httpx.Response:
    return stack.post(body, f"/ewb/{number}/{name}")


def _without_number(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "ewbNo"}


def _another_makes_one(stack: Stack) -> str:
    """A bill of the buyer for goods that come to our seller; its number."""
    visitor = EwayVisitor(stack.portal, gstin=BUYER)
    visitor.log_in()
    members = {"fromGstin": BUYER, "toGstin": SELLER, "fromStateCode": 27, "actFromStateCode": 27}
    payload = part_a(docDate=TODAY, **members, toStateCode=29, actToStateCode=29)
    return str(visitor.act("GENEWAYBILL", payload).data["ewayBillNo"])


def _told(stack: Stack) -> list[str]:
    with stack.wiring.database.read() as connection:
        return list(connection.execute(select(events.c.type).order_by(events.c.position)).scalars())


def _until_hours_before_the_end(stack: Stack, made: dict[str, Any], hours: float) -> None:
    ends = datetime.fromisoformat(made["valid_until"])
    stack.clock.sleep((ends - timedelta(hours=hours) - stack.clock.now()).total_seconds())


def test_a_bill_without_an_irn_is_made_and_read(stack: Stack) -> None:
    """201 with its number, its validity, what the law gives, and where it is."""
    made = _made(stack)
    assert made["standing"] == "active"
    assert made["valid_until"] == made["computed_until"] == "2026-11-25T23:59:00+05:30"
    assert made["document"] == {"doc_type": "INV", "doc_no": "A/1", "doc_date": "2026-11-20"}
    read = stack.get(f"/ewb/{made['number']}").json()
    assert (read["number"], read["steps"]) == (made["number"], [])
    assert _told(stack) == ["ewb.generated"]


def test_one_path_serves_both_systems(stack: Stack) -> None:
    """`Irn` decides: with it the bill is the document's, without it nobody's but its own."""
    registered = stack.post(document()).json()
    asked = {"Irn": registered["irn"], "Distance": 840, "TransMode": "1", "VehNo": "KA01AB1234", "VehType": "R"}
    answer = stack.post(asked, "/ewb")
    assert answer.json()["irn"] == registered["irn"]
    assert _made(stack)["irn"] is None
    kinds = [each["kind"] for each in stack.get("/operations").json()["operations"]]
    assert kinds == ["ewb.standalone", "ewb.generate", "irn.generate"]


def test_the_same_again_is_the_same_bill(stack: Stack) -> None:
    """200 with the bill that is there, one call to the portal; whatever the case of the number's letters."""
    made = _made(stack, "ka/1")
    again = stack.post(part_a(docNo="KA/1", docDate=TODAY), "/ewb")
    assert (again.status_code, again.json()["number"]) == (200, made["number"])
    assert stack.calls().count("ewb_generate") == 1


def test_another_content_under_the_number_is_a_conflict(stack: Stack) -> None:
    """409, with what differs."""
    _made(stack)
    answer = stack.post(part_a(docNo="A/1", docDate=TODAY, totInvValue=118001), "/ewb")
    problem = refused(answer, 409, "registered-with-other-content")
    assert [each["at"] for each in problem["differences"]] == ["/totInvValue"]


def test_all_faults_are_told_at_once_and_nothing_is_sent(stack: Stack) -> None:
    """Form first, by place."""
    answer = stack.post(part_a(docNo="A/1", docDate=TODAY, supplyType="X", toPincode=1, itemList=None), "/ewb")
    problem = refused(answer, 400, "request-invalid")
    assert {"/supplyType", "/toPincode"} <= {each["at"] for each in problem["errors"]}
    assert stack.calls() == []


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"fromGstin": BUYER}, 403, "seller-not-yours"),
        ({"supplyType": "I"}, 403, "seller-not-yours"),
        ({"docDate": "31/02/2026"}, 400, "request-invalid"),
        ({"docDate": "01/05/2026"}, 422, "document-too-old"),
    ],
)
def test_what_cannot_be_is_refused_before_a_call(stack: Stack, members: dict[str, Any], status: int, code: str) -> None:
    """Another's goods, a day that is none, a document of more than 180 days."""
    refused(stack.post(part_a(docNo="A/1", **{"docDate": TODAY, **members}), "/ewb"), status, code)
    assert stack.calls() == []


def test_a_portal_that_refuses_is_quoted(stack: Stack) -> None:
    """Its code, our words for it, and what to do."""
    answer = stack.post(part_a(docNo="A/1", docDate=TODAY, transporterId="07AAACM0009J1ZW"), "/ewb")
    problem = refused(answer, 422, "portal-refused")
    assert problem["portal_code"] == "717"
    assert "returns" in problem["detail"]
    assert _told(stack) == ["ewb.failed"]


def test_the_vehicle_is_changed(stack: Stack) -> None:
    """The answer says what is true now, and the bill keeps the step with its operation."""
    made = _made(stack)
    answer = _step(stack, made["number"], "vehicle", _without_number(part_b(0)))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["vehicle_no"], answer.json()["valid_until"]) == ("KA05CD5678", made["valid_until"])
    steps = stack.get(f"/ewb/{made['number']}").json()["steps"]
    assert [(each["step"], each["vehicle_no"]) for each in steps] == [("vehicle", "KA05CD5678")]
    assert stack.get(steps[0]["links"]["operation"]).json()["kind"] == "ewb.vehicle"
    assert _told(stack) == ["ewb.generated", "ewb.changed"]


def test_the_first_vehicle_starts_validity(stack: Stack) -> None:
    """Part A alone has none."""
    made = _made(stack, vehicleNo=None, transMode=None, transporterId=TRANSPORTER)
    assert made["valid_until"] is None
    refused(_step(stack, made["number"], "extend", _without_number(extension(0))), 409, "ewb-without-vehicle")
    entered = _step(stack, made["number"], "vehicle", _without_number(part_b(0))).json()
    assert entered["valid_until"] == "2026-11-25T23:59:00+05:30"


def test_the_transporter_is_changed(stack: Stack) -> None:
    """And known to the bill."""
    number = _made(stack)["number"]
    answer = _step(stack, number, "transporter", {"transporterId": TRANSPORTER})
    assert (answer.status_code, answer.json()["transporter_id"]) == (200, TRANSPORTER)
    assert stack.get(f"/ewb/{number}").json()["transporter_id"] == TRANSPORTER


def test_validity_is_extended_in_its_window_only(stack: Stack) -> None:
    """Too early says from when, too late until when it was; between the two it moves the end."""
    made = _made(stack)
    body = _without_number(extension(0))
    early = refused(_step(stack, made["number"], "extend", body), 409, "ewb-too-early")
    assert (early["portal_code"], early["possible_from"]) == ("382", "2026-11-25T15:59:00+05:30")
    _until_hours_before_the_end(stack, made, 1)
    answer = _step(stack, made["number"], "extend", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["valid_until"] == answer.json()["computed_until"] == "2026-11-27T23:59:00+05:30"
    _until_hours_before_the_end(stack, answer.json(), -9)
    refused(_step(stack, made["number"], "extend", body), 422, "ewb-window-closed")
    refused(_step(stack, made["number"], "vehicle", _without_number(part_b(0))), 422, "ewb-validity-over")


def test_bills_travel_together(stack: Stack) -> None:
    """201 with the number of the trip sheet, and each bill names it."""
    numbers = [int(_made(stack, f"A/{each}")["number"]) for each in range(3)]
    answer = stack.post(trip(*numbers), "/ewb/consolidated")
    assert answer.status_code == 201, answer.text
    assert answer.json()["ewbs"] == [str(number) for number in numbers]
    sheet = answer.json()["trip_sheet"]
    assert {stack.get(f"/ewb/{number}").json()["trip_sheet"] for number in numbers} == {sheet}


def test_another_partys_bill_is_rejected(stack: Stack) -> None:
    """Without a body: the path says it all. One's own is the portal's to refuse."""
    number = _another_makes_one(stack)
    answer = stack.send("POST", f"/ewb/{number}/reject", headers=stack.headers())
    assert (answer.status_code, answer.json()["standing"]) == (200, "rejected")
    own = _made(stack)["number"]
    assert refused(_step(stack, own, "reject", {}), 422, "portal-refused")["portal_code"] == "341"


def test_a_bill_is_closed_and_stays_so_here(stack: Stack) -> None:
    """The portal goes on calling it active; asking it again does not open it."""
    number = _made(stack)["number"]
    assert _step(stack, number, "close", {"closureDate": TODAY, "remarks": "arrived"}).json()["standing"] == "closed"
    assert stack.get(f"/ewb/{number}?refresh=true").json()["standing"] == "closed"
    refused(_step(stack, number, "vehicle", _without_number(part_b(0))), 409, "ewb-not-active")


def test_goods_go_on_by_several_vehicles(stack: Stack) -> None:
    """A movement is begun, loaded and changed."""
    number = _made(stack)["number"]
    group = _step(stack, number, "movement", MOVEMENT)
    assert (group.status_code, group.json()["group"]) == (200, "1")
    loaded = {"groupNo": "1", "vehicleNo": "KA01AA0001", "transDocNo": "", "transDocDate": "", "quantity": 6}
    assert _step(stack, number, "movement/vehicles", loaded).status_code == 200
    other = {
        "groupNo": 1,
        "oldvehicleNo": "KA01AA0001",
        "newVehicleNo": "KA01AA0002",
        "oldTranNo": "",
        "newTranNo": "",
        "fromPlace": "Hubballi",
        "fromState": 29,
        "reasonCode": "1",
        "reasonRem": "broke down",
    }
    changed = _step(stack, number, "movement/change", other)
    assert (changed.status_code, changed.json()["vehicle_no"]) == (200, "KA01AA0002")


def test_a_bill_is_cancelled_where_it_was_made(stack: Stack) -> None:
    """By the same call as one of an IRN; afterwards the document may have another."""
    made = _made(stack)
    answer = _step(stack, made["number"], "cancel", {"reason": "order_cancelled", "remarks": "not sent"})
    assert answer.status_code == 200, answer.text
    assert stack.get(f"/ewb/{made['number']}").json()["standing"] == "cancelled"
    assert _made(stack)["number"] != made["number"]


def test_a_bill_made_elsewhere_is_read_and_changed(stack: Stack) -> None:
    """The portal is asked for what the ledger does not have, and the bill is kept."""
    visitor = EwayVisitor(stack.portal, gstin=SELLER, client_id="gateway", user="api-user")
    visitor.headers["client-secret"] = "the-secret-of-the-route"
    assert visitor.log_in(password="api-password").codes == []
    number = visitor.act("GENEWAYBILL", part_a(docDate=TODAY)).data["ewayBillNo"]
    assert _step(stack, str(number), "vehicle", _without_number(part_b(0))).status_code == 200
    assert stack.get(f"/ewb/{number}").json()["vehicle_no"] == "KA05CD5678"
    assert [each["number"] for each in stack.get("/ewb").json()["ewbs"]] == [str(number)]


def test_what_changed_elsewhere_is_seen_on_request(stack: Stack) -> None:
    """A cancellation at the portal's page."""
    number = _made(stack)["number"]
    visitor = EwayVisitor(stack.portal, gstin=SELLER, client_id="gateway", user="api-user")
    visitor.headers["client-secret"] = "the-secret-of-the-route"
    visitor.log_in(password="api-password")
    visitor.act("CANEWB", {"ewbNo": int(number), "cancelRsnCode": 2, "cancelRmrk": "x"})
    assert stack.get(f"/ewb/{number}").json()["standing"] == "active"
    assert stack.get(f"/ewb/{number}?refresh=true").json()["standing"] == "cancelled"
    assert stack.get("/ewb?standing=cancelled").json()["ewbs"][0]["number"] == number


def test_bills_are_listed_by_page(stack: Stack) -> None:
    """The latest number first, each once, and another's never."""
    numbers = [_made(stack, f"A/{each}")["number"] for each in range(5)]
    first = stack.get("/ewb?limit=3").json()
    second = stack.get(f"/ewb?limit=3&cursor={first['next']}").json()
    assert [each["number"] for each in (*first["ewbs"], *second["ewbs"])] == numbers[::-1]
    assert second["next"] is None
    assert stack.get("/ewb", client="stranger").json()["ewbs"] == []
    refused(stack.get("/ewb?standing=lost"), 400, "status-unknown")
    refused(stack.get("/ewb?cursor=WyJ4Il0"), 400, "cursor-invalid")


def test_another_bill_in_the_body_than_in_the_path_is_a_fault(stack: Stack) -> None:
    """Nobody changes a bill by mistake."""
    number = _made(stack)["number"]
    problem = refused(_step(stack, number, "vehicle", part_b(180000009999)), 400, "request-invalid")
    assert "ewb-number-differs" in {each["code"] for each in problem["errors"]}


def test_a_number_that_is_none_is_not_asked_for(stack: Stack) -> None:
    """404 without a call; an unknown one with one."""
    refused(stack.get("/ewb/abc"), 404, "ewb-unknown")
    assert stack.calls() == []
    refused(stack.get("/ewb/180000009999"), 404, "ewb-unknown")


def test_an_answer_that_is_lost_is_awaited(stack: Stack) -> None:
    """202 with where to look, and then the bill: one at the portal."""
    stack.strike("drop_after", operations=["ewb_generate"])
    answer = stack.post(part_a(docNo="A/1", docDate=TODAY), "/ewb")
    assert (answer.status_code, answer.json()["status"]) == (202, "indeterminate")
    stack.later(seconds=5)
    assert stack.get(answer.headers["location"]).json()["status"] == "succeeded"
    again = stack.post(part_a(docNo="A/1", docDate=TODAY), "/ewb")
    assert again.status_code == 200
    assert [line for line in stack.portal.get("/_ewaybills").content.splitlines() if b'"made":1' in line] != []
    assert stack.calls().count("ewb_generate") == 1


def test_a_key_stands_for_a_step(stack: Stack) -> None:
    """The same key is the same answer; another body under it is refused."""
    number = _made(stack)["number"]
    key = {"Idempotency-Key": "k-1"}
    first = stack.post(_without_number(part_b(0)), f"/ewb/{number}/vehicle", headers=key)
    again = stack.post(_without_number(part_b(0)), f"/ewb/{number}/vehicle", headers=key)
    assert first.json()["id"] == again.json()["id"]
    assert stack.calls().count("ewb_vehicle") == 1
    other = stack.post(_without_number(part_b(0, vehicleNo="KA09ZZ0001")), f"/ewb/{number}/vehicle", headers=key)
    refused(other, 400, "idempotency-key-reused")


def test_a_window_that_closes_while_it_waits_ends_as_expired(stack: Stack) -> None:
    """The portal is away until the validity is over: nothing is sent then, and the way out is told."""
    made = _made(stack)
    _until_hours_before_the_end(stack, made, 1)
    stack.idle = True
    answer = stack.post(
        _without_number(part_b(0)), f"/ewb/{made['number']}/vehicle", headers={"Prefer": "respond-async"}
    )
    assert answer.status_code == 202
    stack.later(hours=2)
    told = stack.get(answer.headers["location"]).json()
    assert told["status"] == "expired"
    assert _told(stack)[-1] == "ewb.change_failed"
    assert "ewb_vehicle" not in stack.calls()


def test_the_sweeper_tells_of_bills_that_end(stack: Stack) -> None:
    """Once, eight hours before."""
    made = _made(stack)
    _until_hours_before_the_end(stack, made, 8)
    for _ in range(2):
        sweeping.sweep(holder="test", count=sweeping.TELL_EVERY, ports=stack.ports)
    assert _told(stack).count("ewb.expiring") == 1


def test_the_portals_validity_counts_and_ours_stands_beside_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal that reckons otherwise is believed, and the difference is shown."""
    monkeypatch.setattr(ewaybills, "KM_PER_DAY", 100)
    made = _made(stack)
    assert (made["valid_until"], made["computed_until"]) == ("2026-11-29T23:59:00+05:30", "2026-11-25T23:59:00+05:30")
