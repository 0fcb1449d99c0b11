"""GET /events: the feed, for programs that cannot be called."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, queries, state
from gateway.api.dependencies import MayRead
from gateway.domain.events import EventType
from gateway.services import webhooks
from gateway.services.principal import Scope

router = APIRouter()

PAGE_DEFAULT: Final = 100
"""Events in an answer when nothing is said."""
_TYPE: Final = re.compile("|".join(re.escape(each) for each in EventType), re.ASCII)
_GSTIN: Final = re.compile(r"[0-9]{2}[0-9A-Z]{13}", re.ASCII)
_GSTINS_MAX: Final = 100


@router.get(
    "/events",
    summary="Events in their order",
    tags=["webhooks"],
    openapi_extra=contract.call(
        {200: "Events"}, scope=Scope.READ, parameters=("events_after", "events_types", "events_gstin", "events_limit")
    ),
)
async def list_events(request: Request, principal: MayRead) -> Response:
    """What happened in the last 90 days, oldest first, the same bodies that webhooks are sent.

    Keep `next` and ask again after it: no event ever appears before one that was read. `more` tells whether there is
    anything to read at once.
    """
    after = queries.number(request, "after", most=queries.POSITION_MAX) or 0
    types = queries.words(request, "types", form=_TYPE, words_max=len(EventType))
    gstins = queries.words(request, "gstin", form=_GSTIN, words_max=_GSTINS_MAX)
    limit = queries.number(request, "limit", least=1, most=webhooks.EVENTS_MAX) or PAGE_DEFAULT
    here = state.of(request)
    found = await here.run(
        webhooks.read_feed,
        principal,
        gstins=gstins,
        types=types,
        after=after,
        rows_max=limit,
        ports=here.ports,
    )
    following = found[-1][0] if found else after
    bodies = ",".join(body for _, body in found)
    more = "true" if len(found) == limit else "false"
    content = f'{{"events":[{bodies}],"next":"{following}","more":{more}}}'  # the bodies are JSON as it was stored
    return Response(content, media_type="application/json")
