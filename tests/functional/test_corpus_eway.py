"""Real requests and answers of the e-way bill system, each read to the outcome that is known of it."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, cast

import pytest

from gateway import form, shape
from gateway.domain import canonical, ewaybill, strict_json
from gateway.domain.operations import Environment, Kind, Status
from gateway.domain.outcomes import BillChange, Cancellation, EwayBill, Meaning, Outcome
from gateway.irp import bill_steps, bills, portal_json
from gateway.irp.envelope import Info, Unreadable
from gateway.irp.ewayapi import EWayApi
from gateway.irp.exchange import Told
from gateway.irp.permits import Permits
from gateway.irp.portals import IrpPortals
from gateway.irp.protocols import PROTOCOLS
from gateway.irp.talk import Talk
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Caller
from gateway.sandbox.eway_visitor import EwayVisitor
from tests.support import operation
from tests.support_api import ROUTE, Blueprint, Stack, add_seller
from tests.support_eway import part_a

CORPUS: Final = Path(os.environ.get("MOHAR_TEST_CORPUS") or Path(__file__).parents[2].parent / "shared" / "corpus")
pytestmark = pytest.mark.skipif(
    not (CORPUS / "index.json").is_file(), reason="the corpus of real documents is not beside the repository"
)

MADE: Final = [
    "odoo_test_edi_json_L77_INV_2019_00001.json",
    "odoo_test_edi_json_L96_INV_2019_00002.json",
    "odoo_test_edi_json_L115_INV_2019_00003.json",
    "odoo_test_edi_json_L133_INV_2019_00002.json",
    "odoo_test_edi_json_L152_INV_2019_00003.json",
    "gstzen_nic_doc_sample_txn4.json",
]
"""Requests that a portal takes. The last one's items do not add up to its totals, which this system does not check."""
NOT_MADE: Final = {
    "odoo_test_ewaybill_sez_L363_False.json": "its document number is false",
    "sherfuddinkhan_Topaz340290.json": "it is a form that nobody has filled in",
}
ANOTHER_FORM: Final = [
    "ewb/cleartax_generating-e-waybill_1.json",
    "ewb/cleartax_generating-e-waybill_2.json",
    "ewb/cleartax_generating-e-waybill_4.json",
    "ewb/cleartax_getting-e-waybill_1.json",
    "ewb/cleartax_getting-e-waybill_3.json",
    "ewb_ops/cleartax_cancel-e-waybill_1.json",
    "ewb_ops/cleartax_multi-vehicle-e-waybill_1.json",
    "ewb_ops/cleartax_updating-e-waybill_1.json",
    "ewb_ops/mastersindia_reject_ewb.json",
]
"""Vendors' own forms, by the index: other members for the same things. They are told what is missing."""
STEPS: Final = {
    "cleartax_cancel_ewb_gitbook_govt_12.json": ("cancel", Kind.EWB_CANCEL),
    "gstzen_cancel.json": ("cancel", Kind.EWB_CANCEL),
    "gstzen_vehewb_part_b.json": ("vehicle", Kind.EWB_VEHICLE),
    "gstzen_update_transporter.json": ("transporter", Kind.EWB_TRANSPORTER),
    "gstzen_consolidated.json": ("consolidated", Kind.EWB_CONSOLIDATE),
    "gstzen_extend.json": ("extend", Kind.EWB_EXTEND),
    "gstzen_multi_init.json": ("multiVehicleStart", Kind.EWB_MOVEMENT),
    "gstzen_multi_add.json": ("multiVehicleAdd", Kind.EWB_MOVEMENT_ADD),
    "gstzen_multi_change.json": ("multiVehicleChange", Kind.EWB_MOVEMENT_CHANGE),
    "gstzen_close.json": ("close", Kind.EWB_CLOSE),
}
"""Requests about bills, with the schema of each and the kind that sends it."""
READ: Final = [
    "kiransgbd744_123447998.json",
    "cleartax_gitbook_govt_13.json",
    "mastersindia_reject_ewb_success.json",
    "mastersindia_reject_ewb_344.json",
    "mastersindia_get_ewb_357.json",
    "cleartax_extending-validity-of-e-waybill_3.json",
    "cleartax_updating-e-waybill_2.json",
]
"""Answers, each with a test of its own below."""


def test_every_file_has_its_test() -> None:
    """Requests, steps and answers: what is in the folders is named here."""
    named = {
        "ewb": {*MADE, *NOT_MADE} | {each[4:] for each in ANOTHER_FORM if each.startswith("ewb/")},
        "ewb_ops": {*STEPS} | {each[8:] for each in ANOTHER_FORM if each.startswith("ewb_ops/")},
        "ewb_responses": {*READ},
    }
    assert {folder: {each.name for each in (CORPUS / folder).iterdir()} for folder in named} == named


def _read(file: str) -> Any:
    return strict_json.read((CORPUS / file).read_bytes())


def _leniently(document: Any, schema: str) -> Any:
    return form.read(document, f"ewaybill/1.03#{schema}").document


class Adapter:
    """The adapter, speaking to a portal on the day of a document."""

    def __init__(self, stack: Stack, gstin: str) -> None:
        add_seller(gstin, ports=stack.ports)
        self.stack, self.gstin = stack, gstin

    def send(self, kind: Kind, payload: Any, *, subject: str) -> Outcome:
        """What the portal's answer to a request means."""
        ports = self.stack.ports
        account = ports.routebook.account(environment=Environment.TEST, gstin=self.gstin, route=ROUTE.name)
        assert account is not None
        portals = cast("IrpPortals", ports.portals)
        caller = Caller(account=ROUTE.gsp_account, gstin=self.gstin, direct=False)
        permits = Permits(MemoryLimiter(self.stack.clock), self.stack.clock, lambda: ROUTE, caller)
        exchange = portals.exchange(ROUTE, account, permits)
        return PROTOCOLS[kind].call(_talk(payload, subject=subject, exchange=exchange))


def _talk(payload: Any, *, subject: str, exchange: Any = None, kind: Kind = Kind.EWB_CANCEL) -> Talk:
    return Talk(
        operation=operation(kind=kind, status=Status.SUBMITTING, subject=subject),
        payload=canonical.written(payload),
        kept_answer=None,
        exchange=exchange,
        keys=cast("Any", None),
        keep_lease=lambda: None,
    )


def _on(day: date, blueprint: Blueprint, folder: Path) -> Stack:
    return Stack(folder, blueprint, at=datetime(day.year, day.month, day.day, 6, tzinfo=UTC))


@pytest.mark.parametrize("file", MADE)
def test_a_recorded_request_makes_a_bill(file: str, blueprint: Blueprint, tmp_path: Path) -> None:
    """As it was recorded, on its own day, by its own maker."""
    payload = _read(f"ewb/{file}")
    day = datetime.strptime(payload["docDate"], "%d/%m/%Y").replace(tzinfo=UTC).date()
    with _on(day, blueprint, tmp_path) as stack:
        made = Adapter(stack, payload["fromGstin"]).send(Kind.EWB_STANDALONE, payload, subject="A/1")
    assert made.meaning is Meaning.REGISTERED, made.message
    assert isinstance(made.result, EwayBill)
    assert made.result.valid_until == made.result.computed_until


@pytest.mark.parametrize("file", NOT_MADE)
def test_a_request_that_cannot_be_one_is_refused_before_it_is_sent(file: str) -> None:
    """The form says what is wrong with it."""
    document = _leniently(_read(f"ewb/{file}"), "generate")
    assert shape.check(document, "ewaybill/1.03#generate") != []


@pytest.mark.parametrize("file", ANOTHER_FORM)
def test_a_vendors_own_form_is_told_what_it_lacks(file: str) -> None:
    """It is no request of this system, and every missing member is named."""
    found = _read(file)
    for document in found if isinstance(found, list) else [found]:
        schema = "generate" if file.startswith("ewb/") else "vehicle"
        assert "schema-required" in {fault.code for fault in shape.check(document, f"ewaybill/1.03#{schema}")}


@pytest.mark.parametrize("file", STEPS)
def test_a_recorded_step_has_the_form_and_reaches_the_portal(file: str, blueprint: Blueprint, tmp_path: Path) -> None:
    """Read leniently it is what the schema asks for; the portal has no such bill, and its No is read as one."""
    schema, kind = STEPS[file]
    payload = _leniently(_read(f"ewb_ops/{file}"), schema)
    assert shape.check(payload, f"ewaybill/1.03#{schema}") == []
    with _on(date(2026, 11, 20), blueprint, tmp_path) as stack:
        met = Adapter(stack, "29AAACM0001A1ZO").send(kind, payload, subject=str(payload.get("ewbNo", "sheet")))
    assert (met.meaning, met.code) == (Meaning.REFUSED, "301")


def test_the_recorded_bill_is_read_with_its_vehicle_and_its_end() -> None:
    """171001696869, made on 28-03-2020 for 15 km: one day, as the law has it."""
    told = portal_json.members(_read("ewb_responses/kiransgbd744_123447998.json"))
    assert told is not None
    made_at, until = bills.time_of(told["ewaybilldate"]), bills.time_of(told["validupto"])
    assert bills.number_of(told) == "171001696869"
    assert told["status"] in bills.STATUSES
    assert made_at is not None
    assert until == ewaybill.valid_until(made_at, distance_km=15, oversized=False)
    payload = {"fromPlace": "Bengaluru", "transDocNo": "1234", "vehicleNo": "", "transMode": "2"}
    asked = _talk(payload, subject="171001696869")
    doubtful = operation(subject="171001696869", status=Status.SUBMITTING, doubtful_since=made_at)
    talk = Talk(
        operation=doubtful,
        payload=asked.payload,
        kept_answer=None,
        exchange=cast("Any", None),
        keys=cast("Any", None),
        keep_lease=lambda: None,
    )
    trace = bill_steps.VEHICLE.trace
    assert trace is not None
    assert trace(talk, told) == BillChange(at=made_at, valid_until=until, vehicle_no="1234")


def test_a_recorded_cancellation_is_read() -> None:
    """16510609282 on 15-07-2020, though there is no blank between date and time."""
    raw = (CORPUS / "ewb_responses/cleartax_gitbook_govt_13.json").read_bytes()
    read = bill_steps.CANCEL.read(_talk({}, subject="16510609282"), Told(raw, Info()), "call")
    assert read.meaning is Meaning.REGISTERED
    assert read.result == Cancellation(at=datetime(2020, 7, 15, 6, 5, tzinfo=UTC))
    another = bill_steps.CANCEL.read(_talk({}, subject="16510609283"), Told(raw, Info()), "call")
    assert another.meaning is Meaning.UNKNOWN


def test_a_recorded_rejection_is_read() -> None:
    """What stood in the provider's wrapper is this system's own answer."""
    inner = _read("ewb_responses/mastersindia_reject_ewb_success.json")["results"]["message"]
    raw = canonical.written(inner)
    read = bill_steps.REJECT.read(_talk({}, subject="371009218816"), Told(raw, Info()), "call")
    assert read.result == BillChange(at=datetime(2023, 9, 15, 9, 54, tzinfo=UTC))


@pytest.mark.parametrize(
    ("file", "meaning"),
    [
        ("mastersindia_reject_ewb_344.json", Meaning.REFUSED),
        ("mastersindia_get_ewb_357.json", Meaning.UNKNOWN),
    ],
)
def test_recorded_codes_mean_what_they_say(file: str, meaning: Meaning, blueprint: Blueprint, tmp_path: Path) -> None:
    """344: no such bill, a No. 357: it could not be fetched, which says nothing."""
    code = _read(f"ewb_responses/{file}")["results"]["nic_code"]
    with _on(date(2026, 11, 20), blueprint, tmp_path) as stack:
        fault = {"kind": "unknown_code", "after": False, "code": code, "times": 1, "operations": ["ewb_reject"]}
        stack.sandbox.configure(faults=[fault])
        adapter = Adapter(stack, "29AAACM0001A1ZO")
        met = adapter.send(Kind.EWB_REJECT, {"ewbNo": 371009218816}, subject="371009218816")
    assert (met.meaning, met.code) == (meaning, code)


@pytest.mark.parametrize(
    "file", ["cleartax_extending-validity-of-e-waybill_3.json", "cleartax_updating-e-waybill_2.json"]
)
def test_a_providers_own_answer_is_not_taken_for_the_portals(file: str) -> None:
    """It is no envelope of this system: what it means would be a guess, so the bill is looked at."""
    assert isinstance(EWayApi().read(200, (CORPUS / "ewb_responses" / file).read_bytes()), Unreadable)


def test_the_recorded_order_of_events_is_possible_here(blueprint: Blueprint, tmp_path: Path) -> None:
    """Made, given to a transporter, its vehicle changed: the forms of the recorded answers are those of this portal."""
    with _on(date(2026, 11, 20), blueprint, tmp_path) as stack:
        visitor = EwayVisitor(stack.portal, gstin="29AAHCT7421P1ZM")
        visitor.log_in()
        made = visitor.act("GENEWAYBILL", part_a(docDate="20/11/2026")).data
        full = visitor.ask("ewayapi/GetEwayBill", ewbNo=str(made["ewayBillNo"])).data
    recorded = _read("ewb_responses/kiransgbd744_123447998.json")
    rest = {"productId", "itemList", "fromAddr2", "toAddr2"}
    assert set(recorded) - set(full) <= rest, json.dumps(sorted(set(recorded) - set(full)))
    assert set(recorded["VehiclListDetails"][0]) <= set(full["VehiclListDetails"][0])
