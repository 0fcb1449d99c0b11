"""POST /oauth/token: an access token for one GSTIN (RFC 6749, client credentials)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import body, contract, presenting, problems, state
from gateway.errors import Invalid, MoharError, TooLarge, Unauthorised, UnsupportedMedia
from gateway.services import access

router = APIRouter()

FORM_BYTES_MAX: Final = 8192
"""A token request has half a dozen short fields."""
_FIELDS_MAX: Final = 20
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
ERRORS: Final = frozenset(
    {"invalid_client", "invalid_request", "invalid_scope", "invalid_target", "unsupported_grant_type"}
)
"""RFC 6749, section 5.2, and `invalid_target` of RFC 8707 for a GSTIN that is not granted."""


@router.post(
    "/oauth/token",
    summary="Get an access token",
    tags=["oauth"],
    openapi_extra=contract.call(
        {200: "Token", 400: "TokenRequestWrong", 401: "ClientUnknown", 413: "TokenRefused", 415: "TokenRefused"},
        takes="TokenRequest",
    )
    | {"security": [{"client": []}, {}]},
)
async def issue_token(request: Request) -> Response:
    """A JWT of 15 minutes, bound to one GSTIN, for a client that authenticates with HTTP Basic or in the form."""
    here = state.of(request)
    try:
        raw = await body.read(
            request,
            media_type="application/x-www-form-urlencoded",
            bytes_max=FORM_BYTES_MAX,
            seconds_max=here.settings.body_seconds_max,
        )
        form = _form(raw)
        client_id, client_secret = _client(request, form)
        if not client_id.isprintable():  # PostgreSQL refuses to compare with a NUL, and no client has such an id
            client_id = ""
        token, claims = await here.run(
            access.issue_token,
            client_id=client_id,
            client_secret=client_secret,
            gstin=form.get("gstin"),
            scope=form.get("scope"),
            ports=here.ports,
        )
    except (Invalid, Unauthorised, TooLarge, UnsupportedMedia) as error:
        return _refused(error)
    content = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": access.TOKEN_SECONDS,
        "scope": " ".join(sorted(claims.scopes)),
        "gstin": claims.gstin,
    }
    return presenting.respond(content, headers=_NO_STORE)


def _form(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        pairs = []
    form = dict(pairs)
    if len(form) != len(pairs) or not form:
        raise Invalid("invalid_request", "The form cannot be read.", help="Send each field once, URL-encoded.")
    if form.get("grant_type") != "client_credentials":
        raise Invalid(
            "unsupported_grant_type" if form.get("grant_type") else "invalid_request",
            "The grant type must be client_credentials.",
            help="Send grant_type=client_credentials.",
        )
    return form


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Id and secret of the client, from one place (RFC 6749, section 2.3). Raises Invalid."""
    given = request.headers.getlist("authorization")
    if not given:
        return form.get("client_id", ""), form.get("client_secret", "")
    client_id, secret = _basic(given[0])
    if len(given) > 1 or "client_secret" in form or form.get("client_id", client_id) != client_id:
        raise Invalid(
            "invalid_request",
            "The client authenticates in two ways at once.",
            help="Send its id and secret once: with HTTP Basic, or in the form.",
        )
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    """RFC 7617, the two parts URL-encoded. Nothing but empty texts for what cannot be read: no client has those."""
    scheme, _, given = header.partition(" ")
    try:
        text = base64.b64decode(given.strip(), validate=True).decode("utf-8")
    except ValueError:
        return "", ""
    client_id, _, secret = text.partition(":")
    return (unquote_plus(client_id), unquote_plus(secret)) if scheme.lower() == "basic" else ("", "")


def _refused(error: MoharError) -> Response:
    """RFC 6749, section 5.2."""
    code = error.code if error.code in ERRORS else "invalid_request"
    content = {"error": code, "error_description": f"{error.message} {error.help}"}
    challenge = {"WWW-Authenticate": 'Basic realm="mohar"'} if isinstance(error, Unauthorised) else {}
    return presenting.respond(content, status=problems.status_of(error), headers=_NO_STORE | challenge)
