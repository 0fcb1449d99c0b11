"""POST /validate: what would be said of a document, without sending it."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import body, contract, presenting, state
from gateway.api.dependencies import MayRead, allowed
from gateway.errors import Invalid
from gateway.services import validation
from gateway.services.examination import Examined
from gateway.services.principal import Scope

router = APIRouter()

_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
"""The one form of ISO 8601 that is meant; Python would take weeks and bare digits too."""


@router.post(
    "/validate",
    summary="Check a document without sending it",
    tags=["documents"],
    openapi_extra=contract.call(
        {200: "Validated"},
        scope=Scope.READ,
        takes="AnyDocument",
        parameters=("as_of", "allow"),
        refuses=(413, 415),
    ),
)
async def validate_document(
    request: Request, principal: MayRead, as_of: str | None = None, allow: str = ""
) -> Response:
    """Every fault and warning of an INV-01 document by the rules of a day. Nothing is sent or kept."""
    here = state.of(request)
    on, codes = _day(as_of), allowed(allow)
    raw = await body.read(
        request,
        media_type="application/json",
        bytes_max=here.settings.body_bytes_max,
        seconds_max=here.settings.body_seconds_max,
    )

    def look() -> Examined:
        return validation.validate(body.parse(raw), principal, raw=raw, as_of=on, allow=codes, ports=here.ports)

    return presenting.respond((await here.weigh(raw, look)).as_json())


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        if _ISO_DATE.fullmatch(text):
            return date.fromisoformat(text)
    raise Invalid("date-malformed", "as_of is no date.", help="Write it as yyyy-mm-dd.")
