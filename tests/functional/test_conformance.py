"""Real documents are judged as an independent check judged them, or the reason why not is written down."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import pytest

from gateway.cli import conformance
from gateway.cli.conformance import Row

ROOT: Final = Path(__file__).parents[2]
CORPUS: Final = Path(os.environ.get("MOHAR_TEST_CORPUS") or ROOT.parent / "shared" / "corpus")
ROWS: Final = conformance.rows(CORPUS) if (CORPUS / "index.json").is_file() else []
pytestmark = pytest.mark.skipif(not ROWS, reason="the corpus of real documents is not beside the repository")

READ_LENIENTLY: Final = re.compile(r"unknown top-level keys|DocDtls\.Typ='inv'")
"""Reasons of the index that are none here: the portal ignores such members, and reads words in any letter-case."""

PLACES: Final = (
    (r"(seller|buyer) GSTIN|(buyer) '", r"/{party}Dtls/Gstin"),
    (r"(seller|buyer) (Stcd|Pin)", r"/{party}Dtls/{member}"),
    (r"ValDtls\.(\w+)", r"/ValDtls/{member}"),
    (r"(TotInvVal)", r"/ValDtls/{member}"),
    (r"(DocDtls|SellerDtls|BuyerDtls)\.(\w+)", r"/{part}/{member}"),
    (r"item (\d+): goods without (Qty)", r"/ItemList/{line}/Qty"),
    (r"item (\d+): CGST/SGST on an inter-state/IGST supply \(.*, POS ,", r"/BuyerDtls/Pos"),
    (r"item (\d+) IGST", r"/ItemList/{line}/IgstAmt"),
    (r"item (\d+) (\w+)", r"/ItemList/{line}/{member}"),
)
"""At which place the gateway names a reason of the index."""

COUNTED_FROM: Final = {
    "vs sum": re.compile(r"/itemlist/\d+/(assamt|totitemval)"),
    "goods without Qty": re.compile(r"/itemlist/\d+/isservc"),
}
"""Reasons that cannot be seen while what they are counted from is missing itself, which is named then."""


def place_of(reason: str) -> str:
    """The pointer, in small letters, because faults are told by the names that the sender wrote."""
    for pattern, place in PLACES:
        found = re.match(pattern, reason)
        if found:
            words = [group for group in found.groups() if group]
            line = str(int(words[0]) - 1) if words and words[0].isdigit() else ""
            told = place.format(
                party=words[0] if words else "",
                part=words[0] if words else "",
                line=line,
                member=words[-1:] and words[-1],
            )
            return told.lower()
    raise AssertionError(f"no place is known for {reason!r}")


def named(row: Row, reason: str) -> bool:
    """Whether the gateway's answer on the live route names a reason at its place."""
    faults = {fault.at.lower(): fault.code for fault in row.live.errors}
    if place_of(reason) in faults:
        return True
    causes = (pattern for words, pattern in COUNTED_FROM.items() if words in reason)
    return any(pattern.fullmatch(at) and code == "schema-required" for pattern in causes for at, code in faults.items())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_a_real_document_is_judged_as_the_independent_check_did(row: Row) -> None:
    """ACCEPT, CHECKSUM-ONLY, BORDERLINE and REJECT mean what the page says, or the difference has a reason there."""
    assert row.agrees is (row.file not in conformance.DEPARTURES)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.entry["verdict"] == "CHECKSUM-ONLY"], ids=lambda row: row.file
)
def test_a_live_route_names_the_check_digits_that_do_not_fit(row: Row) -> None:
    """What the independent check says of check digits is said on the live route, at the places that it names."""
    for reason in row.entry["checks"]["gstin"]:
        assert named(row, reason), reason


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.entry["verdict"] == "REJECT" and row.file not in conformance.DEPARTURES],
    ids=lambda row: row.file,
)
def test_what_is_rejected_is_rejected_for_the_reasons_given(row: Row) -> None:
    """Every reason that the independent check gives is named at its place, but for what lenient reading takes."""
    checks = row.entry["checks"]
    reasons = [reason for kind in ("gstin", "arith", "schema", "rules") for reason in checks.get(kind, [])]
    reasons = [reason for reason in reasons if not READ_LENIENTLY.match(reason)]
    assert reasons or any(reason.startswith("placeholder: DocDtls.No") for reason in checks["soft"])
    assert [reason for reason in reasons if not named(row, reason)] == []


def test_departures_are_of_this_corpus() -> None:
    """No reason is kept for a document that is gone."""
    assert set(conformance.DEPARTURES) <= {row.file for row in ROWS}


def test_the_page_is_fresh() -> None:
    """`docs/conformance.md` is what `mohar conformance` would write."""
    assert (ROOT / conformance.PAGE).read_text(encoding="utf-8") == conformance.page(ROWS)
