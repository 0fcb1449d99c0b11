"""Real documents that passed an independent check pass our form too, or the reason why not is written down here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import shape
from gateway.domain import strict_json

CORPUS = Path(os.environ.get("MOHAR_TEST_CORPUS") or Path(__file__).parents[2].parent / "shared" / "corpus")

PORTAL_MEMBERS = "it is a copy of what a portal gave back, with members that no client sends"
OLD_VERSION = "it is of version 1.01, which the portals take no more"
OLD_VERSION_COPY = "it is of version 1.01, and a copy of what a portal gave back"
OLD_VERSION_MISSPELT = "it is of version 1.01, with a null and misspelt members"

KNOWN: Mapping[str, tuple[str, set[tuple[str, str]]]] = {
    "Mahesh3300_INV_10040723.json": (
        "it is a vendor's own form with renamed members",
        {
            ("schema-null", "EwbDtls"),
            ("schema-null", "RefDtls"),
            ("schema-required", "DispDtls"),
            ("schema-required", "ShipDtls"),
            ("schema-unknown-member", ""),
            ("schema-unknown-member", "DispDtls"),
            ("schema-unknown-member", "ItemList"),
            ("schema-unknown-member", "RefDtls"),
            ("schema-unknown-member", "ShipDtls"),
        },
    ),
    "OmkarGharat_CRN_CRN_2024_001.json": (
        "its amounts are negative, though it is a credit note",
        {("schema-range", "ItemList"), ("schema-range", "ValDtls")},
    ),
    "OmkarGharat_INV_SEZ_2024_001.json": (
        "the buyer's GSTIN has 16 characters",
        {("schema-pattern", "BuyerDtls")},
    ),
    "anil-CT1607_INV_DAOC_007.json": (
        OLD_VERSION_MISSPELT,
        {
            ("schema-enum", ""),
            ("schema-null", "TranDtls"),
            ("schema-unknown-member", "PayDtls"),
            ("schema-unknown-member", "RefDtls"),
        },
    ),
    "anil-CT1607_INV_DAOC_007__2.json": (OLD_VERSION, {("schema-enum", "")}),
    "anil-CT1607_INV_DAOC_007__3.json": (OLD_VERSION, {("schema-enum", "")}),
    "anil-CT1607_INV_DOC_007.json": (
        OLD_VERSION_MISSPELT,
        {
            ("schema-enum", ""),
            ("schema-null", "TranDtls"),
            ("schema-unknown-member", "PayDtls"),
            ("schema-unknown-member", "RefDtls"),
        },
    ),
    "gstzen_with_disp_ship.json": (PORTAL_MEMBERS, {("schema-unknown-member", "ItemList")}),
    "kiransgbd744_INV_DD-20200804-9.json": (
        OLD_VERSION_COPY,
        {("schema-enum", ""), ("schema-unknown-member", ""), ("schema-unknown-member", "ItemList")},
    ),
    "mastergst_swagger_generate.json": (
        "it has a null and members in another case",
        {
            ("schema-null", "TranDtls"),
            ("schema-unknown-member", "EwbDtls"),
            ("schema-unknown-member", "ItemList"),
            ("schema-unknown-member", "PayDtls"),
            ("schema-unknown-member", "RefDtls"),
        },
    ),
    "nehajha123321_INV_SAMPLES_0001.json": (
        PORTAL_MEMBERS,
        {("schema-unknown-member", ""), ("schema-unknown-member", "ItemList")},
    ),
    "nehajha123321_INV_SAMPLES_0003.json": (
        PORTAL_MEMBERS,
        {("schema-unknown-member", ""), ("schema-unknown-member", "ItemList")},
    ),
}


def checked_documents() -> list[str]:
    index = CORPUS / "index.json"
    if not index.is_file():
        return []
    entries = json.loads(index.read_text(encoding="utf-8"))
    files = (each["file"] for each in entries if each.get("verdict") in {"ACCEPT", "CHECKSUM-ONLY"})
    return sorted(each.removeprefix("inv01/") for each in files if each.startswith("inv01/"))


DOCUMENTS = checked_documents()
needs_corpus = pytest.mark.skipif(not DOCUMENTS, reason="the corpus of real documents is not beside the repository")


def read(name: str) -> Any:
    return strict_json.read((CORPUS / "inv01" / name).read_bytes())


@needs_corpus
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_real_document_passes_or_its_reason_is_known(name: str) -> None:
    """A document that an independent check found right has no fault of form, or exactly the kinds written above."""
    _, expected = KNOWN.get(name, ("", set()))
    faults = shape.check(read(name))
    assert {(each.code, each.at.split("/")[1] if each.at.count("/") > 1 else "") for each in faults} == expected


@needs_corpus
def test_no_reason_is_kept_for_a_document_that_is_gone() -> None:
    """Every reason above belongs to a document of the corpus."""
    assert set(KNOWN) <= set(DOCUMENTS)
