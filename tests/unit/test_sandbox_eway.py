"""The e-way bill system played by us: logins, envelope, actions, windows and questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.domain import strict_json
from gateway.sandbox import master
from gateway.sandbox.eway_visitor import EwayVisitor
from gateway.sandbox.in_process import transport
from gateway.sandbox.keys import SandboxKeys
from gateway.sandbox.portal import Sandbox
from gateway.sandbox.visitor import Visitor
from tests.support_eway import BUYER, SELLER, TRANSPORTER, extension, part_a, part_b, trip
from tests.support_sandbox import SettableClock

START = datetime(2026, 6, 1, 6, 0, 12, tzinfo=UTC)
"""11:30 in India."""
DOCUMENTS = Path(__file__).parents[1] / "documents"


@dataclass
class _Lab:
    keys: SandboxKeys
    time: SettableClock = field(default_factory=lambda: SettableClock(START))
    journal: Path | None = None

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(clock=self.time, keys=self.keys, seed=4, journal=self.journal)
        self.http = httpx.Client(transport=transport(self.sandbox), base_url="http://portal.test")

    def visitor(self, gstin: str = SELLER) -> EwayVisitor:
        visitor = EwayVisitor(self.http, gstin=gstin)
        assert visitor.log_in().codes == []
        return visitor

    def bills(self) -> list[dict[str, Any]]:
        return [strict_json.read(line) for line in self.http.get("/_ewaybills").content.splitlines()]


@pytest.fixture(scope="module")
def keys() -> SandboxKeys:
    """Generated once: RSA keys take a moment."""
    return SandboxKeys.generate()


@pytest.fixture
def lab(keys: SandboxKeys) -> Iterator[_Lab]:
    """A fresh portal."""
    made = _Lab(keys)
    yield made
    made.http.close()


def test_a_bill_is_made_with_its_validity(lab: _Lab) -> None:
    """840 km are five days, to the last minute of the fifth."""
    heard = lab.visitor().act("GENEWAYBILL", part_a())
    assert heard.codes == []
    assert heard.data["ewayBillDate"] == "01/06/2026 11:30:00 AM"
    assert heard.data["validUpto"] == "06/06/2026 11:59:00 PM"
    assert len(str(heard.data["ewayBillNo"])) == 12


def test_base64_within_the_cipher_is_taken_too(lab: _Lab) -> None:
    """The pages describe it, programs do without: the portal reads both."""
    visitor = lab.visitor()
    first = visitor.act("GENEWAYBILL", part_a(docNo="A1"), in_base64=True)
    assert first.codes == []
    lab.sandbox.configure(envelope="base64")
    assert visitor.ask("ewayapi/GetEwayBill", ewbNo=str(first.data["ewayBillNo"])).data["docNo"] == "A1"


def test_part_a_alone_has_no_validity_until_a_vehicle_is_entered(lab: _Lab) -> None:
    """The first vehicle starts it, later ones leave it as it is."""
    visitor = lab.visitor()
    made = visitor.act("GENEWAYBILL", part_a(vehicleNo=None, transMode=None, transporterId=TRANSPORTER)).data
    assert made["validUpto"] is None
    lab.time.sleep(86_400)
    visitor.log_in()
    first = visitor.act("VEHEWB", part_b(made["ewayBillNo"]))
    assert first.data["validUpto"] == "07/06/2026 11:59:00 PM"
    lab.time.sleep(86_400)
    visitor.log_in()
    second = visitor.act("VEHEWB", part_b(made["ewayBillNo"], vehicleNo="KA09ZZ0001"))
    assert second.data["validUpto"] == first.data["validUpto"]
    told = visitor.ask("ewayapi/GetEwayBill", ewbNo=str(made["ewayBillNo"])).data
    assert [each["vehicleNo"] for each in told["VehiclListDetails"]] == ["KA09ZZ0001", "KA05CD5678"]


def test_over_dimensional_cargo_has_a_day_for_twenty_kilometres(lab: _Lab) -> None:
    """100 km are five days then."""
    heard = lab.visitor().act("GENEWAYBILL", part_a(vehicleType="O", transDistance="100"))
    assert heard.data["validUpto"] == "06/06/2026 11:59:00 PM"


def test_a_document_has_one_bill_until_it_is_cancelled(lab: _Lab) -> None:
    """604 in whatever case the number is written; a cancelled bill makes room."""
    visitor = lab.visitor()
    made = visitor.act("GENEWAYBILL", part_a()).data
    assert visitor.act("GENEWAYBILL", part_a(docNo="ka/26/0001")).codes == ["604"]
    assert visitor.act("CANEWB", {"ewbNo": made["ewayBillNo"], "cancelRsnCode": 2, "cancelRmrk": "x"}).codes == []
    again = visitor.act("GENEWAYBILL", part_a())
    assert again.codes == []
    assert [bill["made"] for bill in lab.bills()] == [1, 1]


@pytest.mark.parametrize(
    ("code", "members"),
    [
        ("201", {"supplyType": "X"}),
        ("202", {"subSupplyType": "13"}),
        ("203", {"subSupplyType": "2"}),
        ("377", {"subSupplyType": "8"}),
        ("204", {"docType": "PDF"}),
        ("206", {"docNo": "a number that is far too long"}),
        ("207", {"docDate": "02/06/2026"}),
        ("207", {"docDate": "01/11/2025"}),
        ("819", {"docDate": "30/06/2017"}),
        ("358", {"userGstin": BUYER}),
        ("359", {"fromGstin": BUYER, "toGstin": SELLER}),
        ("360", {"supplyType": "I"}),
        ("212", {"toGstin": "nobody"}),
        ("210", {"fromPincode": 1}),
        ("214", {"toPincode": None}),
        ("211", {"fromStateCode": 88}),
        ("215", {"toStateCode": None}),
        ("371", {"actFromStateCode": 0}),
        ("372", {"actToStateCode": 98}),
        ("614", {"transactionType": None}),
        ("612", {"transactionType": 5}),
        ("609", {"transactionType": 2, "shipToGSTIN": "nobody"}),
        ("610", {"transactionType": 3, "dispatchFromGSTIN": "nobody"}),
        ("615", {"dispatchFromGSTIN": BUYER}),
        ("616", {"shipToGSTIN": SELLER}),
        ("617", {"transactionType": 3, "dispatchFromGSTIN": SELLER}),
        ("618", {"transactionType": 2, "shipToGSTIN": BUYER}),
        ("643", {"actFromStateCode": 33}),
        ("644", {"actToStateCode": 33}),
        ("640", {"totInvValue": None}),
        ("620", {"totInvValue": 117997}),
        ("627", {"totalValue": -1}),
        ("629", {"igstValue": -1}),
        ("233", {"itemList": []}),
        ("216", {"itemList": [{"hsnCode": 12, "taxableAmount": 1}]}),
        ("234", {"itemList": [{"hsnCode": 9026}]}),
        ("217", {"itemList": [{"hsnCode": 9026, "taxableAmount": 1, "qtyUnit": "N"}]}),
        ("251", {"itemList": [{"hsnCode": 9026, "taxableAmount": 1, "cgstRate": 9}]}),
        ("624", {"itemList": [{"hsnCode": 9026, "taxableAmount": 1, "cgstRate": 9, "sgstRate": 9}]}),
        ("623", {"toStateCode": 29, "actToStateCode": 29}),
        ("221", {"transDistance": "far"}),
        ("702", {"transDistance": "4001"}),
        ("222", {"transporterId": "nobody"}),
        ("220", {"transMode": "7"}),
        ("225", {"vehicleNo": "KA 01"}),
        ("361", {"vehicleType": "X"}),
        ("621", {"transMode": None}),
        ("622", {"transMode": None, "vehicleNo": None, "transDocNo": "1"}),
        ("226", {"vehicleNo": None}),
        ("394", {"vehicleNo": None, "transMode": "2"}),
        ("385", {"vehicleNo": None, "transMode": "2", "transDocNo": "1"}),
        ("224", {"transDocDate": "yesterday"}),
        ("634", {"vehicleType": "O", "transMode": "3", "transDocNo": "1", "transDocDate": "01/06/2026"}),
        ("619", {"vehicleNo": None, "transMode": None}),
        ("362", {"transDocNo": "1", "transDocDate": "31/05/2026"}),
        ("716", {"toGstin": master.EWB_BLOCKED_TAXPAYER.gstin, "toStateCode": 7, "actToStateCode": 7}),
        ("717", {"transporterId": master.EWB_BLOCKED_TAXPAYER.gstin}),
    ],
)
def test_each_rule_has_its_code(lab: _Lab, code: str, members: dict[str, Any]) -> None:
    """What breaks one rule is answered with that rule's code among the first, and nothing is made."""
    heard = lab.visitor().act("GENEWAYBILL", part_a(**members))
    assert code in heard.codes
    assert lab.bills() == []


def test_numbers_may_come_as_text_and_names_in_any_case(lab: _Lab) -> None:
    """Recorded requests that the portal accepted have both."""
    payload = {name[0].upper() + name[1:]: value for name, value in part_a(transMode=1, transDistance=840).items()}
    payload |= {"FromStateCode": "29", "TotInvValue": "118000.00"}
    assert lab.visitor().act("GENEWAYBILL", payload).codes == []


def test_a_bill_is_cancelled_within_a_day_by_its_maker(lab: _Lab) -> None:
    """At 24 hours yes, a second later no, by another never, and not twice."""
    maker, other = lab.visitor(), lab.visitor(BUYER)
    numbers = [maker.act("GENEWAYBILL", part_a(docNo=f"A{each}")).data["ewayBillNo"] for each in range(2)]
    asked = [{"ewbNo": number, "cancelRsnCode": 2, "cancelRmrk": "wrong"} for number in numbers]
    assert other.act("CANEWB", asked[0]).codes == ["312"]
    assert maker.act("CANEWB", asked[0] | {"cancelRsnCode": 9}).codes == ["307"]
    lab.time.at = START + timedelta(hours=24)
    maker.log_in()
    assert maker.act("CANEWB", asked[0]).codes == []
    assert maker.act("CANEWB", asked[0]).codes == ["312"]
    lab.time.sleep(1)
    assert maker.act("CANEWB", asked[1]).codes == ["315"]
    assert maker.act("CANEWB", {"ewbNo": 1}).codes == ["301"]


def test_the_other_party_may_reject_for_72_hours(lab: _Lab) -> None:
    """Not one's own, not a stranger's, not without a vehicle, not too late."""
    maker, other, stranger = lab.visitor(), lab.visitor(BUYER), lab.visitor(TRANSPORTER)
    number = maker.act("GENEWAYBILL", part_a()).data["ewayBillNo"]
    slip = maker.act("GENEWAYBILL", part_a(docNo="S1", vehicleNo=None, transMode=None, transporterId=TRANSPORTER)).data
    assert maker.act("REJEWB", {"ewbNo": number}).codes == ["341"]
    assert stranger.act("REJEWB", {"ewbNo": number}).codes == ["342"]
    assert other.act("REJEWB", {"ewbNo": slip["ewayBillNo"]}).codes == ["348"]
    lab.time.at = START + timedelta(hours=72, seconds=1)
    other.log_in()
    assert other.act("REJEWB", {"ewbNo": number}).codes == ["346"]
    lab.time.at = START + timedelta(hours=72)
    assert other.act("REJEWB", {"ewbNo": number}).data["ewayBillNo"] == str(number)
    assert other.act("REJEWB", {"ewbNo": number}).codes == ["343"]
    assert other.ask("ewayapi/GetEwayBill", ewbNo=str(number)).data["rejectStatus"] == "Y"


def test_validity_is_extended_around_its_end(lab: _Lab) -> None:
    """Neither before the window of eight hours nor after it; the new end counts from the day of extension."""
    visitor = lab.visitor()
    number = visitor.act("GENEWAYBILL", part_a()).data["ewayBillNo"]
    ends = datetime(2026, 6, 6, 18, 29, tzinfo=UTC)
    for moment, codes in ((ends - timedelta(hours=8, seconds=1), ["382"]), (ends + timedelta(hours=8), [])):
        lab.time.at = moment
        visitor.log_in()
        assert visitor.act("EXTENDVALIDITY", extension(number)).codes == codes
    told = visitor.ask("ewayapi/GetEwayBill", ewbNo=str(number)).data
    assert (told["validUpto"], told["extendedTimes"]) == ("09/06/2026 11:59:00 PM", 1)
    assert visitor.act("EXTENDVALIDITY", extension(number)).codes == ["382"]


@pytest.mark.parametrize(
    ("code", "members"),
    [
        ("389", {"remainingDistance": 0}),
        ("390", {"remainingDistance": 900}),
        ("305", {"fromPlace": ""}),
        ("306", {"fromState": 88}),
        ("307", {"extnRsnCode": 3}),
        ("711", {"consignmentStatus": "X"}),
        ("712", {"transitType": "R"}),
        ("713", {"addressLine1": "here"}),
        ("226", {"vehicleNo": ""}),
    ],
)
def test_an_extension_has_its_own_rules(lab: _Lab, code: str, members: dict[str, Any]) -> None:
    """Each with its code."""
    visitor = lab.visitor()
    number = visitor.act("GENEWAYBILL", part_a()).data["ewayBillNo"]
    lab.time.at = datetime(2026, 6, 6, 18, 29, tzinfo=UTC)
    visitor.log_in()
    assert visitor.act("EXTENDVALIDITY", extension(number, **members)).codes == [code]


def test_a_transporter_is_replaced_until_it_enters_a_vehicle(lab: _Lab) -> None:
    """Afterwards only the transporter may pass the bill on."""
    maker, carrier = lab.visitor(), lab.visitor(TRANSPORTER)
    number = maker.act("GENEWAYBILL", part_a()).data["ewayBillNo"]
    assert carrier.act("VEHEWB", part_b(number)).codes == ["636"]
    assert maker.act("UPDATETRANSPORTER", {"ewbNo": number, "transporterId": "x"}).codes == ["222"]
    assert maker.act("UPDATETRANSPORTER", {"ewbNo": number, "transporterId": TRANSPORTER}).codes == []
    assert carrier.act("VEHEWB", part_b(number)).codes == []
    assert maker.act("UPDATETRANSPORTER", {"ewbNo": number, "transporterId": BUYER}).codes == ["338"]


def test_bills_travel_together_on_a_trip_sheet(lab: _Lab) -> None:
    """Each of them has the vehicle then, and says with which sheet."""
    visitor = lab.visitor()
    numbers = [visitor.act("GENEWAYBILL", part_a(docNo=f"A{each}")).data["ewayBillNo"] for each in range(2)]
    made = visitor.act("GENCEWB", trip(*numbers)).data
    sheet = visitor.ask("ewayapi/GetTripSheet", tripSheetNo=str(made["cEwbNo"])).data
    assert [each["ewbNo"] for each in sheet["tripSheetEwbBills"]] == numbers
    told = visitor.ask("ewayapi/GetEwayBill", ewbNo=str(numbers[1])).data
    assert told["VehiclListDetails"][0]["tripshtNo"] == made["cEwbNo"]
    visitor.act("CANEWB", {"ewbNo": numbers[0], "cancelRsnCode": 2, "cancelRmrk": "x"})
    assert visitor.act("GENCEWB", trip(*numbers)).codes == ["391"]
    assert visitor.act("GENCEWB", trip()).codes == ["396"]
    assert visitor.ask("ewayapi/GetTripSheet", tripSheetNo="1").codes == ["387"]


def test_goods_go_on_by_several_vehicles(lab: _Lab) -> None:
    """A movement is begun, loaded and changed, and closes Part B."""
    visitor = lab.visitor()
    number = visitor.act("GENEWAYBILL", part_a()).data["ewayBillNo"]
    begin = {"ewbNo": number, "fromPlace": "Hubballi", "fromState": 29, "totalQuantity": 10, "unitCode": "NOS"}
    assert visitor.act("MULTIVEHMOVINT", begin | {"totalQuantity": 0}).codes == ["402"]
    assert visitor.act("MULTIVEHMOVINT", begin | {"unitCode": "KGS"}).codes == ["399"]
    assert visitor.act("MULTIVEHMOVINT", begin).data["groupNo"] == 1
    add = {"ewbNo": number, "groupNo": "1", "vehicleNo": "KA01AA0001", "quantity": 6}
    assert visitor.act("MULTIVEHADD", add).codes == []
    assert visitor.act("MULTIVEHADD", add).codes == ["400"]
    assert visitor.act("MULTIVEHADD", add | {"groupNo": 2}).codes == ["411"]
    change = {"ewbNo": number, "groupNo": 1, "oldvehicleNo": "KA01AA0001", "newVehicleNo": "KA01AA0002"}
    assert visitor.act("MULTIVEHUPD", change).codes == []
    assert visitor.act("MULTIVEHUPD", change).codes == ["405"]
    assert visitor.act("VEHEWB", part_b(number)).codes == ["412"]
    assert visitor.act("GENCEWB", trip(number)).codes == ["648"]


def test_closing_shows_nowhere(lab: _Lab) -> None:
    """The status stays active, as announced; a second time is refused."""
    visitor = lab.visitor()
    number = visitor.act("GENEWAYBILL", part_a()).data["ewayBillNo"]
    closing = {"ewbNo": number, "closureDate": "03/06/2026", "remarks": "arrived"}
    assert visitor.act("CLSEWB", closing).codes == []
    assert visitor.ask("ewayapi/GetEwayBill", ewbNo=str(number)).data["status"] == "ACT"
    assert visitor.act("CLOSEEWB", closing).codes == ["280"]


def test_questions_are_answered_to_those_concerned(lab: _Lab) -> None:
    """By number for the parties, by document for the maker, by day, and nothing to strangers."""
    maker, stranger = lab.visitor(), lab.visitor(TRANSPORTER)
    number = maker.act("GENEWAYBILL", part_a()).data["ewayBillNo"]
    assert lab.visitor(BUYER).ask("ewayapi/GetEwayBill", ewbNo=str(number)).data["ewbNo"] == number
    assert stranger.ask("ewayapi/GetEwayBill", ewbNo=str(number)).codes == ["301"]
    found = maker.ask("ewayapi/GetEwayBillGeneratedByConsigner", docType="INV", docNo="ka/26/0001")
    assert found.data["ewayBillNo"] == number
    assert maker.ask("ewayapi/GetEwayBillGeneratedByConsigner", docType="INV", docNo="none").codes == ["418"]
    assert [each["ewbNo"] for each in maker.ask("ewayapi/GetEwayBillsByDate", date="01/06/2026").data] == [number]
    assert maker.ask("ewayapi/GetEwayBillsByDate", date="02/06/2026").codes == ["418"]
    assert maker.ask("ewayapi/GetEwayBillsByDate", date="today").codes == ["601"]
    assert maker.ask("Master/GetGSTINDetails", gstin=BUYER).data["gstin"] == BUYER
    assert maker.ask("Master/GetGSTINDetails", gstin="x").codes == ["326"]


def test_logins_and_tokens_are_this_systems_own(lab: _Lab) -> None:
    """Each way to be turned away has its code, and a token of the e-invoice system is none here."""
    visitor = EwayVisitor(lab.http, gstin=SELLER)
    assert visitor.ask("ewayapi/GetEwayBill", ewbNo="1").codes == ["238"]
    assert visitor.log_in(action="LOGIN").codes == ["239"]
    assert visitor.log_in().codes == []
    assert visitor.log_in(password="another").codes == ["102"]
    assert EwayVisitor(lab.http, gstin=SELLER, client_id="x").log_in().codes == ["111"]
    assert EwayVisitor(lab.http, gstin="nobody").log_in().codes == ["108"]
    assert visitor.act("NOSUCH", {}).codes == ["239"]
    assert visitor.send({"action": "CANEWB"}).codes == ["115"]
    assert visitor.send({"action": "CANEWB", "data": "AAAA"}).codes == ["109"]
    lab.time.sleep(3600)
    assert visitor.ask("ewayapi/GetEwayBill", ewbNo="1").codes == ["238"]


def test_a_bill_made_with_an_irn_is_changed_here(lab: _Lab) -> None:
    """The same number in both systems: cancelled here, it no longer keeps the IRN from being cancelled."""
    document = strict_json.read((DOCUMENTS / "with_ewb.json").read_bytes())
    document["DocDtls"]["Dt"] = document["EwbDtls"]["TransDocDt"] = "01/06/2026"
    invoices = Visitor(lab.http, gstin=SELLER)
    invoices.log_in()
    registered = invoices.generate(document).data
    visitor = lab.visitor()
    told = visitor.ask("ewayapi/GetEwayBill", ewbNo=str(registered["EwbNo"])).data
    assert told["docNo"] == document["DocDtls"]["No"]
    assert invoices.cancel(registered["Irn"]).codes == ["2230"]
    cancelled = visitor.act("CANEWB", {"ewbNo": registered["EwbNo"], "cancelRsnCode": 3, "cancelRmrk": "wrong"})
    assert cancelled.codes == []
    assert invoices.cancel(registered["Irn"]).codes == []


def test_a_restarted_portal_knows_its_bills(keys: SandboxKeys, tmp_path: Path) -> None:
    """Whatever was changed last counts, and no number is given twice."""
    journal = tmp_path / "journal"
    first = _Lab(keys, journal=journal)
    visitor = first.visitor()
    numbers = [visitor.act("GENEWAYBILL", part_a(docNo=f"A{each}")).data["ewayBillNo"] for each in range(2)]
    visitor.act("VEHEWB", part_b(numbers[0]))
    visitor.act("GENCEWB", trip(*numbers))
    before = first.bills()
    second = _Lab(keys, journal=journal)
    assert second.bills() == before
    again = second.visitor()
    assert again.act("GENEWAYBILL", part_a(docNo="A3")).data["ewayBillNo"] > max(numbers)
    second.http.delete("/_ledger")
    assert _Lab(keys, journal=journal).bills() == []


def test_faults_strike_this_system_too(lab: _Lab) -> None:
    """A fault names an action; throttles and unknown codes come in this system's own form."""
    visitor = lab.visitor()
    fault = {"times": 1, "operations": ["ewb_generate"]}
    lab.sandbox.configure(faults=[{"kind": "throttle", "retry_after_seconds": 7, **fault}])
    heard = visitor.act("GENEWAYBILL", part_a())
    assert (heard.status, heard.codes) == (429, ["118"])
    lab.sandbox.configure(faults=[{"kind": "unknown_code", "after": False, "code": "999", **fault}])
    assert visitor.act("GENEWAYBILL", part_a()).codes == ["999"]
    lab.sandbox.configure(faults=[{"kind": "expire_session", **fault}])
    assert visitor.act("GENEWAYBILL", part_a()).codes == ["238"]
    assert lab.bills() == []


def test_a_late_request_is_served_when_it_lands(lab: _Lab) -> None:
    """With the session that it had when it was sent."""
    visitor = lab.visitor()
    lab.sandbox.configure(faults=[{"kind": "late", "ms": 60_000, "times": 1, "operations": ["ewb_generate"]}])
    with pytest.raises(httpx.TransportError):
        visitor.act("GENEWAYBILL", part_a())
    assert lab.bills() == []
    lab.time.sleep(61)
    assert [bill["doc_no"] for bill in lab.bills()] == ["KA/26/0001"]


def test_garbled_answers_do_not_make_sense(lab: _Lab) -> None:
    """The cipher text of this system's envelope is damaged like that of the other."""
    visitor = lab.visitor()
    lab.sandbox.configure(faults=[{"kind": "garble", "times": 1, "operations": ["ewb_generate"]}])
    with pytest.raises((ValueError, json.JSONDecodeError)):
        visitor.act("GENEWAYBILL", part_a())
    assert len(lab.bills()) == 1
