"""Whatever is wrong with a document, the patches of one answer agree with each other: in any order they mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import jsonpatch
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.domain import canonical, strict_json
from gateway.domain.faults import Fault
from gateway.domain.rules import Context
from gateway.services import examination
from tests.rules.rule_cases import base

CONTEXT: Final = Context(on=date(2026, 11, 20))
SOAK = pytest.param(5000, marks=pytest.mark.soak)
BASES: Final = ("intra", "inter", "zone", "bond", "export", "service", "reverse", "cess", "credit", "debit", "tobacco")

_NUMBERS = st.sampled_from([0, 1, 5, 18, 40, 100, 5000, Decimal("0.005"), Decimal("12.345"), Decimal("99.9")])
_OF_LINES = (
    "IgstAmt",
    "CgstAmt",
    "SgstAmt",
    "AssAmt",
    "TotAmt",
    "TotItemVal",
    "Discount",
    "CesAmt",
    "CesRt",
    "OthChrg",
)
_OF_TOTALS = ("AssVal", "IgstVal", "CgstVal", "SgstVal", "CesVal", "TotInvVal", "Discount", "OthChrg", "RndOffAmt")
_PLACES = st.sampled_from([f"/ItemList/0/{name}" for name in _OF_LINES] + [f"/ValDtls/{name}" for name in _OF_TOTALS])
_CHANGES = st.lists(
    st.tuples(_PLACES, _NUMBERS)
    | st.tuples(st.just("/BuyerDtls/Pos"), st.sampled_from(["27", "29", "96"]))
    | st.tuples(st.just("/TranDtls/SupTyp"), st.sampled_from(["B2B", "SEZWP", "SEZWOP", "EXPWP", "EXPWOP", "DEXP"]))
    | st.tuples(st.just("/DocDtls/Dt"), st.sampled_from(["2026-11-12", "12/11/2026"]))
    | st.tuples(st.just("/BuyerDtls/Ph"), st.sampled_from(["", " ", "98765 43210"])),
    min_size=1,
    max_size=4,
    unique_by=lambda change: change[0],
)


def told(document: Any) -> tuple[Fault, ...]:
    """What keeps a document from being sent, read from text as it would come."""
    return examination.examine(examination.read(document), context=CONTEXT).errors


def patched(document: Any, patches: Iterable[Iterable[Mapping[str, Any]]]) -> Any:
    """The document after all patches, and over the wire."""
    for patch in patches:
        document = jsonpatch.apply_patch(document, list(patch))
    return strict_json.read(canonical.written(document))


@pytest.mark.parametrize("examples", [150, SOAK])
def test_all_patches_of_an_answer_mend_what_they_are_offered_for(examples: int) -> None:
    """From the first to the last or the other way round, nothing is left but what had no patch."""

    @settings(max_examples=examples, deadline=None)
    @given(st.sampled_from(BASES), _CHANGES)
    @example("intra", [("/ItemList/0/TotAmt", 0), ("/ValDtls/Discount", 1)])
    @example("zone", [("/ItemList/0/SgstAmt", Decimal("0.005"))])
    @example("inter", [("/ItemList/0/TotAmt", 1), ("/ItemList/0/IgstAmt", Decimal("0.005"))])
    def agree(name: str, changes: list[tuple[str, Any]]) -> None:
        spoilt = [{"op": "add", "path": at, "value": value} for at, value in changes]
        document = patched(base(name), [spoilt])
        errors = told(document)
        patches = [fault.fix for fault in errors if fault.fix]
        expected = {(fault.code, fault.at) for fault in errors if not fault.fix}
        for order in (patches, patches[::-1]):
            left = {(fault.code, fault.at) for fault in told(patched(document, order))}
            assert left <= expected

    agree()
