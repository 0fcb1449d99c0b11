"""Errors as application/problem+json (RFC 9457). The one place where an error gets its HTTP status."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from gateway import errors
from gateway.domain import canonical
from gateway.domain.faults import Fault

MEDIA_TYPE: Final = "application/problem+json"
STATUSES: Final[Mapping[type[errors.MoharError], int]] = {
    errors.Unavailable: 503,
    errors.Throttled: 429,
    errors.Malformed: 400,
    errors.Invalid: 400,
    errors.Unauthorised: 401,
    errors.Forbidden: 403,
    errors.Absent: 404,
    errors.Clash: 409,
    errors.Lapsed: 422,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Misconfigured: 503,
}
TITLES: Final[Mapping[int, str]] = {
    400: "The request is wrong",
    401: "Who is calling is unknown",
    403: "Not allowed",
    404: "Not found",
    405: "This call does not exist here",
    409: "It contradicts what is registered or under way",
    413: "Too large",
    408: "The request came too slowly",
    414: "The address is too long",
    415: "Unsupported body",
    422: "Refused by the portal, or too late",
    429: "Too many calls just now",
    431: "Too many headers",
    500: "The gateway failed",
    503: "A part that is needed is away",
}
log = logging.getLogger(__name__)

_SHOWN_CHARACTERS_MAX: Final = 100
"""Of a path that a message repeats: enough to recognise it."""
_DATABASE_SECONDS: Final = 2
"""Most of its absences are restarts."""
_MENDING_SECONDS: Final = 60
"""It takes a person at least so long to mend a set-up."""
_METHOD_NOT_ALLOWED: Final = 405
_SEE_DOCS: Final = "See /docs for the calls there are."


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
    retry_after: int | None = None,
) -> Response:
    """An error answer. `errors` always has at least one entry, so that a client needs one way to read it.

    `retry_after`, in seconds, is told in the header and the body; the cause is ours unless `facts` name its owner.
    """
    headers, wait = dict(headers or {}), {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
        wait = {"limit_owner": "gateway", "retry_after": retry_after, "retryAfter": retry_after}
    entries = faults or [Fault(code, "", message, help, portal_code=(facts or {}).get("portal_code"))]
    content = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": message,
        "code": code,
        "help": help,
        "request_id": request_id,
        "errors": [fault.as_json() for fault in entries],
        **wait,
    } | {name: value for name, value in (facts or {}).items() if value is not None}
    return Response(canonical.write(content), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def status_of(error: errors.MoharError) -> int:
    """The HTTP status of an error."""
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


def of_error(error: errors.MoharError, *, request_id: str) -> Response:
    """The answer to an error that the gateway raised on purpose."""
    return problem(
        status_of(error),
        error.code,
        error.message,
        help=error.help,
        request_id=request_id,
        faults=error.faults if isinstance(error, errors.Invalid) else (),
        headers=_challenge(error),
        facts={name: value for name, value in error.facts.items() if name != "request_id"},
        retry_after=_retry_after(error),
    )


def of_surprise(request_id: str) -> Response:
    """The answer to an error that nobody foresaw. What it was stands in the log, under the same id."""
    return problem(
        500,
        "gateway-failed",
        "The gateway failed; what you sent may or may not have been stored.",
        help="Send the same request again with the same Idempotency-Key: it is never done twice.",
        request_id=request_id,
    )


def of_unknown_path(path: str, *, request_id: str) -> Response:
    """The answer to a path that there is not."""
    return problem(404, "path-unknown", f"There is no {_shown(path)} here.", help=_SEE_DOCS, request_id=request_id)


def install(app: FastAPI) -> None:
    """Let the errors of the application and of the framework leave as problems."""

    @app.exception_handler(errors.MoharError)
    async def on_purpose(request: Request, error: errors.MoharError) -> Response:
        request.state.code = error.code
        return of_error(error, request_id=request.state.request_id)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    async def by_the_database(request: Request, error: Exception) -> Response:
        log.error("database does not answer", extra={"error": type(error).__name__})
        return of_error(_database_away(), request_id=request.state.request_id)

    @app.exception_handler(HTTPException)
    async def by_the_framework(request: Request, error: HTTPException) -> Response:
        path, request_id = request.scope["path"], request.state.request_id
        allowed = _methods_at(request) if error.status_code == _METHOD_NOT_ALLOWED else ""
        if not allowed:
            return of_unknown_path(path, request_id=request_id)
        return problem(
            _METHOD_NOT_ALLOWED,
            "method-unknown",
            f"{_shown(path)} does not take {_shown(request.method)}.",
            help=f"It takes {allowed}. {_SEE_DOCS}",
            request_id=request_id,
            headers={"Allow": allowed},
        )


def _database_away() -> errors.Unavailable:
    return errors.Unavailable(
        "database-away",
        "The gateway's database does not answer; what you sent may or may not have been stored.",
        help="Send the same request again, with the same Idempotency-Key: it is never done twice.",
        retry_after=_DATABASE_SECONDS,
    )


def _methods_at(request: Request) -> str:
    """What the path takes, by all of its routes: the framework names those of the first one alone."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    here = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    named = [route for route in here if route.path == request.scope["path"]]  # /ewb/consolidated is no /ewb/{number}
    methods = {method for route in named or here for method in route.methods or ()}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def _retry_after(error: errors.MoharError) -> int | None:
    if isinstance(error, errors.Throttled):
        return error.retry_after
    return _MENDING_SECONDS if isinstance(error, errors.Misconfigured) else None


def _challenge(error: errors.MoharError) -> dict[str, str]:
    """RFC 6750, section 3: what a client without a good token is told in the header."""
    if isinstance(error, errors.Unauthorised) and error.code != "token-missing":
        told = f', error="invalid_token", error_description="{error.message}"'
    elif error.code == "scope-missing":
        told = ', error="insufficient_scope"'
    elif isinstance(error, errors.Unauthorised):
        told = ""
    else:
        return {}
    return {"WWW-Authenticate": f'Bearer realm="mohar"{told}'}


def _shown(text: str) -> str:
    if not text.isprintable():
        return "such thing"
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"
