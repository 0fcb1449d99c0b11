"""POST /oauth/token: an access token for one GSTIN (RFC 6749, client credentials)."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import body, presenting, state
from gateway.errors import Invalid, MoharError, Unauthorised
from gateway.services import access

router = APIRouter()

FORM_BYTES_MAX: Final = 8192
"""A token request has half a dozen short fields."""
_FIELDS_MAX: Final = 20
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_ERRORS: Final = frozenset(
    {"invalid_client", "invalid_request", "invalid_scope", "invalid_target", "unsupported_grant_type"}
)


@router.post("/oauth/token", summary="Get an access token", tags=["oauth"])
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
        token, claims = await here.run(
            access.issue_token,
            client_id=client_id,
            client_secret=client_secret,
            gstin=form.get("gstin"),
            scope=form.get("scope"),
            ports=here.ports,
        )
    except (Invalid, Unauthorised) as error:
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


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            client_id, secret = "", ""
        return unquote_plus(client_id), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _refused(error: MoharError) -> Response:
    """RFC 6749, section 5.2."""
    code = error.code if error.code in _ERRORS else "invalid_request"
    content = {"error": code, "error_description": f"{error.message} {error.help}"}
    if isinstance(error, Unauthorised):
        headers = _NO_STORE | {"WWW-Authenticate": 'Basic realm="mohar"'}
        return presenting.respond(content, status=401, headers=headers)
    return presenting.respond(content, status=400, headers=_NO_STORE)
