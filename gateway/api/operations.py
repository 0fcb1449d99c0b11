"""Operations: how they stand, lists of them, and what a person does with those that do not end by themselves."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import asking, contract, paging, presenting, results, state
from gateway.api.dependencies import MayRead
from gateway.domain.identifiers import OPERATION_PREFIX
from gateway.domain.operations import Operation, Status
from gateway.services import enquiry, interventions, limits, listing
from gateway.services.ports import Ports
from gateway.services.principal import Scope

router = APIRouter()

_ID: Final = re.compile(OPERATION_PREFIX + "[0-9a-z]{26}", re.ASCII)
"""Nothing else is looked for: PostgreSQL refuses to compare with some texts, such as one with a NUL."""
_STEPS_MAX: Final = 5
"""Of what an operation waits for, and that in turn. A reversal has two."""


@router.get(
    "/operations",
    summary="List operations",
    tags=["operations"],
    openapi_extra=contract.call(
        {200: "Operations"}, scope=Scope.READ, parameters=("status", "kind", "limit", "cursor")
    ),
)
async def list_operations(request: Request, principal: MayRead) -> Response:
    """The seller's operations, newest first, by `status` and `kind`, a page at a time."""
    here, asked = state.of(request), request.query_params
    page = paging.Page.of(request)
    wanted = listing.operations_wanted(principal, status=asked.get("status"), kind=asked.get("kind"))
    after = paging.operation_after(page, _ID.fullmatch)
    rows = await here.run(here.ports.lists.operations, wanted, after=after, rows_max=page.rows_max + 1)
    return page.answer("operations", rows, presenting.operation, mark=lambda row: (row.id,))


@router.get(
    "/operations/{id}",
    summary="How an operation stands",
    tags=["operations"],
    openapi_extra=contract.call({200: "Operation"}, scope=Scope.READ, refuses=(404,)),
)
async def get_operation(request: Request, principal: MayRead, id: str) -> Response:
    """Status, tries and place in the queue of an operation, its steps, and its result once it has succeeded."""
    here = state.of(request)

    def show() -> dict[str, object]:
        found = enquiry.operation(_known(id), principal, ports=here.ports)
        return _shown(found, here.ports)

    return presenting.respond(await here.run(show))


@router.post(
    "/operations/{id}/withdraw",
    summary="Take back what was not sent yet",
    tags=["operations"],
    openapi_extra=contract.call({200: "Operation"}, scope=Scope.READ, refuses=(404, 409)),
)
async def withdraw_operation(request: Request, principal: MayRead, id: str) -> Response:
    """End an operation that has not reached the portal. The token needs what it takes to ask for such an operation."""
    here = state.of(request)
    done = await here.run(interventions.withdraw, _known(id), principal, ports=here.ports)
    return presenting.respond(await here.run(_shown, done, here.ports))


@router.post(
    "/operations/{id}/resume",
    summary="Take a parked operation up again",
    tags=["operations"],
    openapi_extra=contract.call({202: "UnderWay"}, scope=Scope.READ, refuses=(404, 409)),
)
async def resume_operation(request: Request, principal: MayRead, id: str) -> Response:
    """Take a parked operation up again, always by a look-up. The token needs what it takes to ask for such a one."""
    here = state.of(request)
    resumed = await here.run(interventions.resume, _known(id), principal, ports=here.ports)
    return await here.run(partial(asking.under_way, resumed, ports=here.ports))


@router.post(
    "/operations/{id}/verdict",
    summary="Settle a parked operation by what a person found",
    tags=["operations"],
    openapi_extra=contract.call({200: "Operation"}, scope=Scope.READ, takes="Verdict", refuses=(404, 409, 413, 415)),
)
async def judge_operation(request: Request, principal: MayRead, id: str) -> Response:
    """Say how a parked operation in doubt stands at the portal, as its own pages show.

    That it stands needs the portal's answer, which is read and verified like any other. That it does not is taken at
    the person's word, 48 hours after the doubt began, when the portal cannot be asked any more. Both are on record.
    """
    here = state.of(request)
    asked = await asking.read(request, principal, path="/operations/verdict")
    judge = partial(interventions.judge, _known(id), asked.document, principal, ports=here.ports)
    return presenting.respond(await here.run(_shown, await here.run(judge), here.ports))


def _shown(found: Operation, ports: Ports) -> dict[str, object]:
    place = limits.place_of(found, ports=ports)
    shown = presenting.operation(found, place=place, attempts=ports.intake.attempts_of(found.id))
    steps = _steps(found, ports)
    if len(steps) > 1:
        shown["steps"] = [presenting.step(each) for each in steps]
    if found.status is Status.SUCCEEDED:
        shown["result"] = results.of(found, ports=ports).content
    held = ports.ledger.by_operation(found.id) if found.status is Status.CONFLICT else None
    if held is not None:
        shown["differences"] = list(held.registration.differences)
    return shown


def _steps(found: Operation, ports: Ports) -> list[Operation]:
    """The operation and what it has waited for, in the order in which they are done."""
    steps = [found]
    while steps[0].waits_for is not None and len(steps) < _STEPS_MAX:
        before = ports.intake.get(steps[0].waits_for)
        if before is None:
            break
        steps.insert(0, before)
    return steps


def _known(id: str) -> str:
    return id if _ID.fullmatch(id) else ""
