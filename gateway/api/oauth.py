"""OAuth 2.0: access tokens for one GSTIN each (RFC 6749), taken back (7009), explained (7662), and how (8414)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import body, contract, metering, presenting, problems, state
from gateway.errors import Invalid, MoharError, Throttled, TooLarge, Unauthorised, Unavailable, UnsupportedMedia
from gateway.ports import SIGNATURE_ALGORITHMS, Client
from gateway.services import authentication
from gateway.services.authentication import Proof
from gateway.services.principal import Scope

router = APIRouter()

FORM_BYTES_MAX: Final = 8192
"""A token request has half a dozen short fields, one of them perhaps an assertion of four kilobytes."""
_FIELDS_MAX: Final = 20
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_PUBLIC: Final = {"Cache-Control": "public, max-age=300"}
"""Keys and metadata change rarely; a key that is new is asked for by its id."""
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt")
ERRORS: Final = frozenset(
    {"invalid_client", "invalid_request", "invalid_scope", "invalid_target", "slow_down", "unsupported_grant_type"}
)
"""RFC 6749, section 5.2; `invalid_target` of RFC 8707 for a GSTIN that is not granted; `slow_down` of RFC 8628."""
_TOLD_OF_A_LIMIT: Final = ("limit_owner", "scope", "reset")
_REFUSES: Final = {
    400: "TokenRequestWrong",
    401: "ClientUnknown",
    413: "TokenRefused",
    415: "TokenRefused",
    429: "TooManyFailed",
}
LogIn: TypeAlias = Callable[[], Client]
_AS_CLIENT: Final[dict[str, Any]] = {"security": [{"client": []}, {}]}


@router.post(
    "/oauth/token",
    summary="Get an access token",
    tags=["oauth"],
    openapi_extra=contract.call({200: "Token", **_REFUSES}, takes="TokenRequest") | _AS_CLIENT,
)
async def issue_token(request: Request) -> Response:
    """A JWT of 15 minutes, bound to one GSTIN, for a client that proves itself by its secret or a signed assertion."""

    def issue(log_in: LogIn, form: Mapping[str, str]) -> Mapping[str, Any]:
        _check_grant_type(form)
        token, claims = authentication.issue_token(
            log_in(), gstin=form.get("gstin"), scope=form.get("scope"), ports=state.of(request).ports
        )
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": authentication.TOKEN_SECONDS,
            "scope": " ".join(sorted(claims.scopes)),
            "gstin": claims.gstin,
        }

    return await _answered(request, issue)


@router.post(
    "/oauth/revoke",
    summary="Take an access token back",
    tags=["oauth"],
    openapi_extra=contract.call({200: "Revoked", **_REFUSES}, takes="TokenNamed") | _AS_CLIENT,
)
async def revoke_token(request: Request) -> Response:
    """The token is refused from now on (RFC 7009). One that is unknown, or another client's, is answered alike."""

    def revoke(log_in: LogIn, form: Mapping[str, str]) -> Mapping[str, Any]:
        token = _named_token(form)
        authentication.revoke(log_in(), token, ports=state.of(request).ports)
        return {}

    return await _answered(request, revoke)


@router.post(
    "/oauth/introspect",
    summary="What an access token is good for",
    tags=["oauth"],
    openapi_extra=contract.call({200: "Introspection", **_REFUSES}, takes="TokenNamed") | _AS_CLIENT,
)
async def introspect_token(request: Request) -> Response:
    """Whether a token of the client's own organisation is good right now, and for what (RFC 7662)."""

    def introspect(log_in: LogIn, form: Mapping[str, str]) -> Mapping[str, Any]:
        token = _named_token(form)
        return authentication.introspect(log_in(), token, ports=state.of(request).ports)

    return await _answered(request, introspect, reads=True)


@router.get(
    "/oauth/jwks",
    summary="The keys that access tokens are signed with",
    tags=["oauth"],
    openapi_extra=contract.call({200: "Jwks"}),
)
async def get_jwks(request: Request) -> Response:
    """Public keys as a JWK set (RFC 7517): the present one, and those whose tokens may still be about."""
    here = state.of(request)
    keys = await here.run(here.ports.tokens.published)
    return presenting.respond({"keys": [dict(key) for key in keys]}, headers=_PUBLIC)


@router.get(
    "/.well-known/oauth-authorization-server",
    summary="What this authorization server can do",
    tags=["oauth"],
    openapi_extra=contract.call({200: "AuthorizationServer"}),
)
async def get_metadata(request: Request) -> Response:
    """Endpoints, grants, scopes and methods (RFC 8414)."""
    issuer = state.of(request).settings.token_issuer
    known = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": [scope.value for scope in Scope],
        "service_documentation": f"{issuer}/docs",
    }
    for endpoint in ("token", "revocation", "introspection"):
        known[f"{endpoint}_endpoint_auth_methods_supported"] = list(METHODS)
        known[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = list(SIGNATURE_ALGORITHMS)
    return presenting.respond(known, headers=_PUBLIC)


async def _answered(
    request: Request, work: Callable[[LogIn, Mapping[str, str]], Mapping[str, Any]], *, reads: bool = False
) -> Response:
    """Read the form and the client's proof, do the work in a thread, and refuse as RFC 6749 wants it.

    The work logs the client in, and the call counts in its limit from then on.
    """
    here = state.of(request)
    try:
        raw = await body.read(
            request,
            media_type="application/x-www-form-urlencoded",
            bytes_max=FORM_BYTES_MAX,
            seconds_max=here.settings.body_seconds_max,
        )
        form = _form(raw)
        proof = _proof(request, form)

        def log_in() -> Client:
            known = authentication.client(proof, ports=here.ports)
            of = metering.limit_of(here.settings, reads=reads)
            metering.enter(request.scope["state"], known.id, of, ports=here.ports)
            return known

        return presenting.respond(await here.run(work, log_in, form), headers=_NO_STORE)
    except Unavailable:
        raise  # a problem as elsewhere: it is not about the client
    except (Invalid, Unauthorised, TooLarge, UnsupportedMedia, Throttled) as error:
        return _refused(error)


def _form(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        pairs = []
    form = dict(pairs)
    if len(form) != len(pairs) or not form:
        raise Invalid("invalid_request", "The form cannot be read.", help="Send each field once, URL-encoded.")
    return form


def _check_grant_type(form: Mapping[str, str]) -> None:
    if form.get("grant_type") != "client_credentials":
        raise Invalid(
            "unsupported_grant_type" if form.get("grant_type") else "invalid_request",
            "The grant type must be client_credentials.",
            help="Send grant_type=client_credentials.",
        )


def _named_token(form: Mapping[str, str]) -> str:
    if not form.get("token"):
        raise Invalid("invalid_request", "No token is named.", help="Send it in the form field `token`.")
    return form["token"]


def _proof(request: Request, form: Mapping[str, str]) -> Proof:
    """How the client proves itself, from one place (RFC 6749, section 2.3; RFC 7521, section 4.2). Raises Invalid."""
    given = request.headers.getlist("authorization")
    client_id, secret = _basic(given[0]) if given else (form.get("client_id", ""), form.get("client_secret", ""))
    ways = len(given) + ("client_secret" in form) + ("client_assertion" in form)
    if ways > 1 or form.get("client_id", client_id) != client_id:
        raise Invalid(
            "invalid_request",
            "The client authenticates in two ways at once.",
            help="Send its id and secret once, with HTTP Basic or in the form; or an assertion alone.",
        )
    if not client_id.isprintable():  # PostgreSQL refuses to compare with a NUL, and no client has such an id
        client_id = ""
    if ("client_assertion" in form) != (form.get("client_assertion_type") == ASSERTION_TYPE):
        raise Invalid(
            "invalid_request",
            "An assertion and its type belong together.",
            help=f"Send client_assertion with client_assertion_type={ASSERTION_TYPE}.",
        )
    source = request.client.host if request.client is not None else ""
    return Proof(client_id=client_id, secret=secret, assertion=form.get("client_assertion"), source=source)


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
    code = error.code if error.code in ERRORS else "slow_down" if isinstance(error, Throttled) else "invalid_request"
    content: dict[str, Any] = {"error": code, "error_description": f"{error.message} {error.help}"}
    headers = dict(_NO_STORE)
    if isinstance(error, Unauthorised):
        headers["WWW-Authenticate"] = 'Basic realm="mohar"'
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(error.retry_after)
        content |= {"retryAfter": error.retry_after, **{name: error.facts[name] for name in _TOLD_OF_A_LIMIT}}
    return presenting.respond(content, status=problems.status_of(error), headers=headers)
