"""A fault of form brings the patch that mends it, where one can be computed, and none where it would be a guess."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from gateway import form, shape
from gateway.domain import form_fixes, strict_json

ROOT = Path(__file__).parents[2]
FULL = strict_json.read((ROOT / "tests" / "documents" / "full.json").read_bytes())


def with_value(at: str, value: Any) -> Any:
    """The full document with one member set."""
    return jsonpatch.apply_patch(copy.deepcopy(FULL), [{"op": "add", "path": at, "value": value}])


def value_at(document: Any, at: str) -> Any:
    """What stands at a pointer; None when nothing does."""
    *around, name = at.split("/")[1:]
    for step in around:
        document = document[int(step) if isinstance(document, list) else step]
    return document.get(name)


@pytest.mark.parametrize(
    ("at", "found", "mended"),
    [
        ("/DocDtls/Dt", "2026-11-01", "01/11/2026"),
        ("/DocDtls/Dt", "2026/11/1", "01/11/2026"),
        ("/DocDtls/Dt", "13-11-2026", "13/11/2026"),
        ("/DocDtls/Dt", "11.11.2026", "11/11/2026"),
        ("/DocDtls/Dt", "5/5/2026", "05/05/2026"),
        ("/ItemList/0/BchDtls/ExpDt", "2031-06-30", "30/06/2031"),
        ("/BuyerDtls/Gstin", "29aahct7421p1zm", "29AAHCT7421P1ZM"),
        ("/ShipDtls/Gstin", "urp", "URP"),
        ("/EwbDtls/VehNo", "KA-02 MM 4471", "KA02MM4471"),
        ("/BuyerDtls/Ph", "+91 98765 43210", "919876543210"),
        ("/ItemList/0/AssAmt", Decimal("10.005"), Decimal("10.01")),
        ("/ItemList/0/Qty", Decimal("1.2344"), Decimal("1.234")),
        ("/ValDtls/RndOffAmt", Decimal("-0.125"), Decimal("-0.13")),
        ("/BuyerDtls/Addr2", "", None),
        ("/BuyerDtls/Ph", "   ", None),
        ("/BuyerDtls/Em", "", None),
        ("/BuyerDtls/Em", " " * 200, None),
        ("/EwbDtls/TransMode", "", None),
    ],
)
def test_a_fix_that_can_be_computed_is_offered(at: str, found: Any, mended: Any) -> None:
    """One fault, at its place, with a patch after which the document has the form."""
    [fault] = shape.check(with_value(at, found))
    assert fault.at == at
    assert fault.fix is not None
    after = jsonpatch.apply_patch(with_value(at, found), list(fault.fix))
    assert value_at(after, at) == mended
    assert shape.check(after) == []


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("/DocDtls/Dt", "05-11-2026"),
        ("/DocDtls/Dt", "2026-02-30"),
        ("/DocDtls/Dt", "2031-01-01"),
        ("/DocDtls/Dt", "01/11/26"),
        ("/DocDtls/No", "INV 12"),
        ("/DocDtls/No", "0012"),
        ("/SellerDtls/LglNm", ""),
        ("/SellerDtls/Gstin", "29AAHCT7421P1Z"),
        ("/BuyerDtls/Addr1", 'a 12" pipe'),
        ("/BuyerDtls/Ph", "022-2345678/9"),
        ("/BuyerDtls/Pin", Decimal("560058.5")),
        ("/ValDtls/RndOffAmt", Decimal("99.991")),
        ("/TranDtls/SupTyp", "B2C"),
    ],
)
def test_a_guess_is_not_offered(at: str, found: Any) -> None:
    """What could mean something else is for the sender to say."""
    faults = shape.check(with_value(at, found))
    assert [fault.at for fault in faults] == [at] * len(faults) != []
    assert all(fault.fix is None for fault in faults)


def test_patches_of_form_and_of_reading_can_be_applied_one_after_the_other() -> None:
    """A member of blanks alone is told once: nothing strips what another patch takes out."""
    sent = with_value("/BuyerDtls/Ph", "  ")
    lenient = form.read(sent)
    assert lenient.warnings == []
    [fault] = lenient.as_sent(shape.check(lenient.document))
    assert fault.fix == ({"op": "remove", "path": "/BuyerDtls/Ph"},)


def test_places_in_a_document_of_other_letter_case_are_those_that_were_sent() -> None:
    """The patch works on the sender's own document."""
    sent = copy.deepcopy(FULL)
    sent["docDtls"] = {**sent.pop("DocDtls"), "Dt": "2026-11-20"}
    lenient = form.read(sent)
    [fault] = lenient.as_sent(shape.check(lenient.document))
    assert fault.fix == ({"op": "replace", "path": "/docDtls/Dt", "value": "20/11/2026"},)


@pytest.mark.parametrize("name", ["inv-01/1.1", "einvoice/1.03", "ewaybill/1.03"])
def test_every_writing_that_a_schema_names_is_known(name: str) -> None:
    """A place with a writing has a pattern, by which what is offered is tried."""
    text = (ROOT / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    named: list[dict[str, Any]] = []
    json.loads(text, object_hook=lambda found: named.append(found) if "x-writing" in found else None)
    assert named
    assert all(each["x-writing"] in form_fixes.WRITINGS and "pattern" in each for each in named)
