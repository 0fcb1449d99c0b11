"""EWB, first part: by what the goods of an e-way bill are carried, and by whom."""

from __future__ import annotations

from typing import Final

from gateway.domain.identifiers import gstin_check_digit_holds, is_gstin
from gateway.domain.rules.case import NOTES, Case
from gateway.domain.rules.eway_bill import eway_bill_row, without_ewb
from gateway.domain.rules.patches import remove
from gateway.domain.rules.reading import day, text
from gateway.domain.rules.row import Severity

ROAD: Final = "1"
RAIL: Final = "2"
AIR: Final = "3"
SHIP: Final = "4"
_REGULAR: Final = "R"
_OVERSIZED: Final = "O"


def on_a_note(_: Case, case: Case) -> bool:
    """An e-way bill for a credit or debit note."""
    return case.asks_for_ewb and case.doc_type in NOTES and case.names_transport


def without_goods(_: Case, case: Case) -> bool:
    """An e-way bill for services alone."""
    return case.asks_for_ewb and case.doc_type not in NOTES and case.services_only


def nobody_transports(_: Case, case: Case) -> bool:
    """Neither a mode nor a vehicle nor a document nor a transporter."""
    return case.asks_for_ewb and not case.names_transport and not without_goods(case, case)


def mode_is_missing(_: Case, case: Case) -> bool:
    """A vehicle or a transport document without a mode."""
    return "TransMode" not in case.carriage and _has(case, "VehNo", "TransDocNo")


def road_without_vehicle(_: Case, case: Case) -> bool:
    """By road, in no vehicle."""
    return _mode(case) == ROAD and not _has(case, "VehNo")


def road_without_kind(_: Case, case: Case) -> bool:
    """By road, in a vehicle of no kind."""
    return _mode(case) == ROAD and not _has(case, "VehType")


def rail_or_air_without_number(_: Case, case: Case) -> bool:
    """By rail or air, without the number of the transport document."""
    return _mode(case) in (RAIL, AIR) and not _has(case, "TransDocNo")


def rail_or_air_without_date(_: Case, case: Case) -> bool:
    """By rail or air, without the date of the transport document."""
    return _mode(case) in (RAIL, AIR) and not _has(case, "TransDocDt")


def ship_without_either(_: Case, case: Case) -> bool:
    """By ship, with neither vehicle nor transport document."""
    return _mode(case) == SHIP and not _has(case, "VehNo", "TransDocNo")


def ship_as_regular(_: Case, case: Case) -> bool:
    """By ship, in a regular vehicle."""
    return _mode(case) == SHIP and case.carriage.get("VehType") == _REGULAR


def oversized_by_rail_or_air(_: Case, case: Case) -> bool:
    """Over-dimensional cargo by rail or air."""
    return _mode(case) in (RAIL, AIR) and case.carriage.get("VehType") == _OVERSIZED


def transport_is_in_the_future(_: Case, case: Case) -> bool:
    """The transport document is dated after today."""
    on = day(case.carriage.get("TransDocDt"))
    return on is not None and on > case.context.on


def transport_is_before_the_document(_: Case, case: Case) -> bool:
    """The transport document is older than the invoice."""
    on = day(case.carriage.get("TransDocDt"))
    return on is not None and case.doc_date is not None and on < case.doc_date


def transporter_is_mistyped(_: Case, case: Case) -> bool:
    """The transporter's id has a wrong last character, and the route minds."""
    transporter = text(case.carriage.get("TransId"))
    if transporter is None or not case.context.route_enforces_check_digit:
        return False
    return is_gstin(transporter) and not gstin_check_digit_holds(transporter)


def _has(case: Case, *names: str) -> bool:
    return not case.carriage.keys().isdisjoint(names)


def _mode(case: Case) -> str | None:
    return text(case.carriage.get("TransMode"))


RULES: Final = (
    eway_bill_row(
        "01",
        "EwbDtls",
        "No e-way bill is made for a credit or debit note.",
        "Leave EwbDtls out.",
        on_a_note,
        portal_code="4010",
        source="NIC, errors 2252 and 4010",
        fix=without_ewb,
    ),
    eway_bill_row(
        "02",
        "EwbDtls",
        "No e-way bill is made for services alone.",
        "Leave EwbDtls out.",
        without_goods,
        portal_code="4009",
        severity=Severity.WARNING,
        source="NIC, errors 2251 and 4009; recorded requests for services carry a bare distance and are registered",
        fix=without_ewb,
    ),
    eway_bill_row(
        "03",
        "EwbDtls/TransId",
        "Nobody is named who transports the goods, so no e-way bill is made.",
        "Add the transporter's id, or mode and vehicle; or leave EwbDtls out and ask for the e-way bill by IRN later.",
        nobody_transports,
        portal_code="4019",
        severity=Severity.WARNING,
        source="NIC, errors 4019 and 4027; recorded requests carry a bare distance and are registered, with EWBERR",
        fix=without_ewb,
    ),
    eway_bill_row(
        "04",
        "EwbDtls/TransMode",
        "The mode of transport is missing, though a vehicle or transport document is given.",
        "Add it: 1 road, 2 rail, 3 air, 4 ship.",
        mode_is_missing,
        portal_code="4028",
    ),
    eway_bill_row(
        "05",
        "EwbDtls/VehNo",
        "Transport by road needs the vehicle's number.",
        "Add it, or leave the mode out and name the transporter: then it is added later.",
        road_without_vehicle,
        portal_code="4011",
        source="NIC, errors 2253 and 4011",
    ),
    eway_bill_row(
        "06",
        "EwbDtls/VehType",
        "Transport by road needs the kind of vehicle.",
        "Add it: R regular, O over-dimensional cargo.",
        road_without_kind,
        portal_code="4022",
        source="NIC, errors 2253 and 4022",
    ),
    eway_bill_row(
        "07",
        "EwbDtls/TransDocNo",
        "Transport by rail or air needs the number of the transport document.",
        "Add the number of the railway receipt or airway bill.",
        rail_or_air_without_number,
        portal_code="4012",
        source="NIC, errors 2254 and 4012",
    ),
    eway_bill_row(
        "08",
        "EwbDtls/TransDocDt",
        "Transport by rail or air needs the date of the transport document.",
        "Add the date of the railway receipt or airway bill.",
        rail_or_air_without_date,
        portal_code="4023",
        source="NIC, errors 2254 and 4023",
    ),
    eway_bill_row(
        "09",
        "EwbDtls/TransDocNo",
        "Transport by ship needs the vehicle's number or that of the transport document.",
        "Add the number of the bill of lading, or of the vehicle.",
        ship_without_either,
        portal_code="4040",
    ),
    eway_bill_row(
        "10",
        "EwbDtls/VehType",
        "Transport by ship has no regular vehicle.",
        "Write O, or leave the member out.",
        ship_as_regular,
        portal_code="4039",
        fix=lambda _, __: remove("/EwbDtls/VehType"),
    ),
    eway_bill_row(
        "11",
        "EwbDtls/VehType",
        "Over-dimensional cargo goes by road or ship only.",
        "Write R, or correct the mode.",
        oversized_by_rail_or_air,
        portal_code="4024",
        fix=lambda _, __: ({"op": "replace", "path": "/EwbDtls/VehType", "value": _REGULAR},),
    ),
    eway_bill_row(
        "16",
        "EwbDtls/TransDocDt",
        "The transport document is dated after today.",
        "Correct the date.",
        transport_is_in_the_future,
        portal_code="4016",
    ),
    eway_bill_row(
        "17",
        "EwbDtls/TransDocDt",
        "The transport document is older than the invoice.",
        "Check both dates; the portal may refuse the e-way bill.",
        transport_is_before_the_document,
        portal_code=None,
        severity=Severity.WARNING,
        source="NIC, error 4021; the portal's own sample is so dated",
    ),
    eway_bill_row(
        "18",
        "EwbDtls/TransId",
        "The last character of the transporter's id does not fit the others, as in a typing error.",
        "Check it with the transporter; it is sent as it is, because some enrolment numbers were given like that.",
        transporter_is_mistyped,
        portal_code="4018",
        severity=Severity.WARNING,
        source="NIC, error 4018; 29AAFCA7488L1Z0 is known to ERPs as a valid id with such a character",
    ),
)
