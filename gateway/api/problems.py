"""Errors as application/problem+json (RFC 9457). The one place where an error gets its HTTP status."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from gateway import errors
from gateway.domain import canonical
from gateway.domain.faults import Fault

log = logging.getLogger(__name__)

STATUSES: Final[Mapping[type[errors.MoharError], int]] = {
    errors.Unavailable: 503,
    errors.Throttled: 429,
    errors.Malformed: 400,
    errors.Invalid: 400,
    errors.Unauthorised: 401,
    errors.Forbidden: 403,
    errors.Absent: 404,
    errors.Clash: 409,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Misconfigured: 503,
}
_TITLES: Final = {
    400: "The request is wrong",
    401: "Who is calling is unknown",
    403: "Not allowed",
    404: "Not found",
    405: "This call does not exist here",
    409: "It contradicts what is registered or under way",
    413: "Too large",
    415: "Unsupported body",
    422: "The portal refused",
    429: "Too many calls just now",
    500: "The gateway failed",
    503: "A part that is needed is away",
}


def problem(
    status: int,
    code: str,
    message: str,
    *,
    help: str,
    request_id: str,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Response:
    """An error answer. `errors` always has at least one entry, so that a client needs one way to read it."""
    entries = faults or [Fault(code, "", message, help, portal_code=(facts or {}).get("portal_code"))]
    content = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": message,
        "code": code,
        "help": help,
        "request_id": request_id,
        "errors": [fault.as_json() for fault in entries],
    } | {name: value for name, value in (facts or {}).items() if value is not None}
    return Response(
        canonical.write(content),
        status_code=status,
        media_type="application/problem+json",
        headers=dict(headers or {}),
    )


def of_error(error: errors.MoharError, *, request_id: str) -> Response:
    """The answer to an error that the gateway raised on purpose."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    headers: dict[str, str] = {}
    facts = dict(error.facts)
    if isinstance(error, errors.Throttled):
        headers["Retry-After"] = str(error.retry_after)
        facts["retry_after"] = error.retry_after
    if isinstance(error, errors.Unauthorised):
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error.message}"'
    faults = error.faults if isinstance(error, errors.Invalid) else ()
    facts.pop("request_id", None)
    return problem(
        status,
        error.code,
        error.message,
        help=error.help,
        request_id=request_id,
        faults=faults,
        headers=headers,
        facts=facts,
    )


def install(app: FastAPI) -> None:
    """Let every error of the application leave as a problem."""

    @app.exception_handler(errors.MoharError)
    async def on_purpose(request: Request, error: errors.MoharError) -> Response:
        return of_error(error, request_id=request.state.request_id)

    @app.exception_handler(HTTPException)
    async def by_the_framework(request: Request, error: HTTPException) -> Response:
        codes = {404: "path-unknown", 405: "method-unknown"}
        return problem(
            error.status_code,
            codes.get(error.status_code, "request-invalid"),
            f"{request.method} {request.url.path}: {error.detail}.",
            help="See /docs for the calls there are.",
            request_id=request.state.request_id,
            headers=error.headers,
        )

    @app.exception_handler(Exception)
    async def by_surprise(request: Request, error: Exception) -> Response:
        log.error("request %s failed", request.state.request_id, exc_info=error)
        return problem(
            500,
            "gateway-failed",
            "The gateway failed; what you sent may or may not have been stored.",
            help="Send the same request again with the same Idempotency-Key: it is never done twice.",
            request_id=request.state.request_id,
        )
