"""What stands in the gateway and what stands at its portal, side by side."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Table, select

from gateway.domain import strict_json
from gateway.storage.tables import documents, eway_bills
from tests.support_api import Stack

STANDS: Final = {"ACT": "active", "CNL": "cancelled"}
"""How something stands, in the portal's words and in ours."""


def check_agreement(stack: Stack) -> None:
    """Each document and each e-way bill stands the same on both sides; neither side has one that the other lacks."""
    ours = {row["irn"]: (row["status"], row["ewb_no"]) for row in rows(stack, documents)}
    registered = page(stack, "ledger")
    assert ours == {each["irn"]: (STANDS[each["status"]], _text(each["ewb_no"])) for each in registered}
    assert all(each["registrations"] == 1 for each in registered)
    bills = {row["number"]: row["status"] for row in rows(stack, eway_bills)}
    assert bills == {str(each["number"]): STANDS[each["status"]] for each in page(stack, "ewaybills")}


def rows(stack: Stack, table: Table) -> list[dict[str, Any]]:
    """All rows of a table."""
    with stack.wiring.database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def page(stack: Stack, name: str) -> list[dict[str, Any]]:
    """A page of the sandbox, line by line."""
    return [strict_json.read(line) for line in stack.portal.get(f"/_{name}").content.splitlines()]


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
