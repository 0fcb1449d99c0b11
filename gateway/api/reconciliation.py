"""GET /reconciliation: the ledger against the portals, day by day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, paging, state
from gateway.api.dependencies import MayRead
from gateway.domain.calendar import write_instant
from gateway.domain.reconciling import DIFFERENCES_MAX
from gateway.services import reconciling
from gateway.services.principal import Scope
from gateway.services.reconciling import Day

router = APIRouter()


@router.get(
    "/reconciliation",
    summary="The ledger against the portals, day by day",
    tags=["documents"],
    openapi_extra=contract.call({200: "Reconciliations"}, scope=Scope.READ, parameters=("limit", "cursor")),
)
async def list_reconciliations(request: Request, principal: MayRead) -> Response:
    """The taxpayer's runs, the latest day first: what each is at, what it has looked at, and what is new in it.

    A run opens by itself at half past one of each day of India. A finding stands with the run that found it first.
    """
    here = state.of(request)
    page = paging.Page.of(request)
    days = await here.run(
        reconciling.days,
        principal.environment,
        principal.org_id,
        principal.gstin,
        before=paging.day_after(page),
        rows_max=page.rows_max + 1,
        ports=here.ports,
    )
    return page.answer("runs", days, shown, mark=lambda each: (each.run.day.isoformat(),))


def shown(each: Day) -> dict[str, Any]:
    """A run as it is read, with its findings."""
    run = each.run
    return {
        "id": run.id,
        "day": run.day.isoformat(),
        "standing": each.standing.value,
        "phase": run.phase.value,
        "opened_at": write_instant(run.opened_at),
        "ended_at": run.ended_at and write_instant(run.ended_at),
        "goes_on_at": run.due_at and write_instant(run.due_at),
        "waiting": run.waiting,
        "checked": run.checked,
        "looked_up": run.looked_up,
        "unread": run.unread,
        "found": run.found,
        "findings": [_finding(found) for found in each.findings],
    }


def _finding(found: Mapping[str, Any]) -> dict[str, Any]:
    doc_date: date | None = found["doc_date"]
    operation = found["operation_id"]
    links = {"document": f"/irn/{found['irn']}"}
    return {
        "kind": found["kind"],
        "irn": found["irn"],
        "doc_type": found["doc_type"],
        "doc_no": found["doc_no"],
        "doc_date": doc_date and doc_date.isoformat(),
        "found_at": write_instant(found["found_at"]),
        "differences": found["differences"][:DIFFERENCES_MAX],
        "links": links if operation is None else links | {"operation": f"/operations/{operation}"},
    }
