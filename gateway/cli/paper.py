"""The documents of the demo: the example with today's date, the user's own, and one with mistakes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from gateway import shape
from gateway.domain import canonical, invoice, strict_json
from gateway.domain.calendar import IST, financial_year, indian_date, read_portal_date, write_portal_date
from gateway.domain.faults import Fault
from gateway.domain.identifiers import is_gstin
from gateway.domain.invoice import Invoice
from gateway.services.submission import NOTES


@dataclass(frozen=True, slots=True)
class Paper:
    """A document as bytes, and as far as it can be read."""

    raw: bytes
    content: Any

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return "/cdnr" if str(_member(self.content, "DocDtls", "Typ")).upper() in NOTES else "/irn"

    @property
    def seller(self) -> str | None:
        """The seller's GSTIN, if it has the form of one."""
        found = _member(self.content, "SellerDtls", "Gstin")
        return found if isinstance(found, str) and is_gstin(found) else None

    @property
    def dated(self) -> date | None:
        """The day on it, if it is one."""
        try:
            return read_portal_date(str(_member(self.content, "DocDtls", "Dt")))
        except ValueError:
            return None

    def faults(self) -> list[Fault]:
        """What the form of INV-01 finds wrong with it."""
        return shape.check(self.content)

    def reading(self) -> Invoice | None:
        """What the gateway reads in it, once its form is right."""
        try:
            return invoice.read(self.content)
        except (KeyError, TypeError, ValueError):
            return None

    def with_mistakes(self) -> Paper:
        """The same without the place of supply, and with a code of goods that no list has."""
        spoilt = copy.deepcopy(self.content)
        spoilt["BuyerDtls"].pop("Pos", None)
        spoilt["ItemList"][0]["HsnCd"] = "9"
        return _of(spoilt)


def example(at: datetime) -> Paper:
    """The invoice of `schemas/examples`, dated today and numbered by the time of day."""
    text = resources.files("schemas").joinpath("examples/invoice.json").read_bytes()
    content = strict_json.read(text)
    today = indian_date(at)
    year = financial_year(today)[2:]
    content["DocDtls"] |= {"No": f"CI/{year}/{at.astimezone(IST):%H%M%S}", "Dt": write_portal_date(today)}
    content["EwbDtls"]["TransDocDt"] = write_portal_date(today)
    return _of(content)


def read(file: Path) -> Paper:
    """A user's file. What is no strict JSON is kept as it is: the gateway explains it best."""
    return of_bytes(file.read_bytes())


def of_bytes(raw: bytes) -> Paper:
    """A document as it was sent."""
    try:
        return Paper(raw, strict_json.read(raw))
    except strict_json.JsonFault:
        return Paper(raw, None)


def _of(content: Any) -> Paper:
    return Paper(canonical.written(content), content)


def _member(content: Any, part: str, name: str) -> Any:
    """A member of a part of what may be any JSON."""
    inside = content.get(part) if isinstance(content, dict) else None
    return inside.get(name) if isinstance(inside, dict) else None
