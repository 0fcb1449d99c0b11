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

NULLS = "it has members that are null"

KNOWN: Mapping[str, tuple[str, set[tuple[str, str]]]] = {
    "Mahesh3300_INV_10040723.json": (
        "it is a vendor's own form: nulls, and required members under other names",
        {
            ("schema-null", "EwbDtls"),
            ("schema-null", "RefDtls"),
            ("schema-required", "DispDtls"),
            ("schema-required", "ShipDtls"),
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
    "anil-CT1607_INV_DAOC_007.json": (NULLS, {("schema-null", "TranDtls")}),
    "anil-CT1607_INV_DOC_007.json": (NULLS, {("schema-null", "TranDtls")}),
    "mastergst_swagger_generate.json": (NULLS, {("schema-null", "TranDtls")}),
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
