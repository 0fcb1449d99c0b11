"""/admin: an organisation's taxpayers, programs and keys, for a program that was granted `admin` by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, members, presenting, state
from gateway.api.dependencies import MayAdminister
from gateway.api.members import Member, Text, Truth, Whole, Words
from gateway.domain.calendar import write_instant
from gateway.ports import ApiKey, Client, Grant, PublicKey, Seller
from gateway.services import access, administration
from gateway.services.administration import OVERLAP_DEFAULT, OVERLAP_MAX, Manager
from gateway.services.principal import ALL_SCOPES, Principal, Scope

router = APIRouter(prefix="/admin", tags=["admin"])

GSTINS_MAX: Final = 100
"""Of one client in one request: a group of companies has fewer."""
_SCOPES: Final = Words(words_max=len(Scope), vocabulary=frozenset(Scope), required=False)
_NAME: Final = Text(characters_max=200)
_GSTIN: Final = Text(characters_max=15)
_PART: Final = Text(characters_max=2800, required=False)
"""Of a key: the modulus of an RSA key of 16,384 bits has 2,731 characters."""
_JWK: Final[Mapping[str, Member]] = {
    "kid": Text(characters_max=64),
    "kty": Text(characters_max=3),
    **dict.fromkeys(("crv", "x", "y", "n", "e", "alg", "use"), _PART),
}


def _call(gives: Mapping[int, str], *, takes: str | None = None, refuses: Sequence[int] = (404,)) -> dict[str, Any]:
    body = (413, 415) if takes else ()
    return contract.call(gives, scope=Scope.ADMIN, takes=takes, refuses=(*refuses, *body))


async def _done(request: Request, work: Callable[..., Any], principal: Principal, *arguments: Any, **named: Any) -> Any:
    """A use case of `administration`, in a thread, for the caller's own organisation."""
    here = state.of(request)
    return await here.run(work, Manager.of(principal), *arguments, **named, ports=here.ports)


@router.get("/gstins", summary="The organisation's taxpayers", openapi_extra=_call({200: "AdminGstins"}, refuses=()))
async def list_gstins(request: Request, principal: MayAdminister) -> Response:
    """With the route of each and its limit for reporting, in days."""
    found = await _done(request, administration.sellers, principal)
    return presenting.respond({"gstins": [_gstin(each) for each in found]})


@router.get("/clients", summary="The organisation's clients", openapi_extra=_call({200: "AdminClients"}, refuses=()))
async def list_clients(request: Request, principal: MayAdminister) -> Response:
    """Oldest first, revoked ones too, each with what it may."""
    found = await _done(request, administration.clients, principal, principal.org_id)
    return presenting.respond({"clients": [_client(client, grants) for client, grants in found]})


@router.post(
    "/clients",
    summary="Make a client",
    openapi_extra=_call({201: "AdminClientMade"}, takes="AdminClientNew"),
)
async def add_client(request: Request, principal: MayAdminister) -> Response:
    """Its secret is in the answer, and is never shown again."""
    table: dict[str, Member] = {
        "name": _NAME,
        "gstins": Words(words_max=GSTINS_MAX),
        "scopes": _SCOPES,
        "respond_async": Truth(),
    }
    given = await members.read(request, table)
    here = state.of(request)
    client_id, secret = await here.run(
        access.add_client,
        environment=principal.environment,
        gstins=given["gstins"],
        name=given["name"],
        respond_async=given.get("respond_async", False),
        scopes=_scopes(given.get("scopes")),
        org_id=principal.org_id,
        actor=principal.client_id,
        ports=here.ports,
    )
    return presenting.respond({"client_id": client_id, "client_secret": secret}, status=201)


@router.delete("/clients/{client_id}", summary="Revoke a client", openapi_extra=_call({200: "Done"}))
async def revoke_client(request: Request, principal: MayAdminister, client_id: str) -> Response:
    """Its secrets, keys and tokens stop at once."""
    await _done(request, administration.revoke_client, principal, client_id)
    return presenting.respond({})


@router.post(
    "/clients/{client_id}/secret",
    summary="Give a client another secret",
    openapi_extra=_call({201: "AdminSecretMade"}, takes="AdminSecretNew", refuses=(404, 409)),
)
async def new_secret(request: Request, principal: MayAdminister, client_id: str) -> Response:
    """The one before stays good for the overlap, so that no program is refused while they change over."""
    most = int(OVERLAP_MAX.total_seconds())
    given = await members.read(request, {"overlap_seconds": Whole(least=0, most=most)})
    overlap = timedelta(seconds=given.get("overlap_seconds", OVERLAP_DEFAULT.total_seconds()))
    secret, until = await _done(request, administration.new_secret, principal, client_id, overlap=overlap)
    shown = {"client_id": client_id, "client_secret": secret, "former_secret_until": write_instant(until)}
    return presenting.respond(shown, status=201)


@router.delete(
    "/clients/{client_id}/former-secret",
    summary="End the secret before the present one",
    openapi_extra=_call({200: "Done"}),
)
async def end_former_secret(request: Request, principal: MayAdminister, client_id: str) -> Response:
    """At once. Where there is none, nothing changes."""
    await _done(request, administration.end_former_secret, principal, client_id)
    return presenting.respond({})


@router.put(
    "/clients/{client_id}/grants/{gstin}",
    summary="Let a client speak for a GSTIN",
    openapi_extra=_call({200: "Done"}, takes="AdminGrant"),
)
async def put_grant(request: Request, principal: MayAdminister, client_id: str, gstin: str) -> Response:
    """With these scopes and no others."""
    given = await members.read(request, {"scopes": _SCOPES})
    await _done(request, administration.put_grant, principal, client_id, gstin, _scopes(given.get("scopes")))
    return presenting.respond({})


@router.delete(
    "/clients/{client_id}/grants/{gstin}", summary="Take a GSTIN from a client", openapi_extra=_call({200: "Done"})
)
async def withdraw_grant(request: Request, principal: MayAdminister, client_id: str, gstin: str) -> Response:
    """Its tokens for the GSTIN stop at once."""
    await _done(request, administration.withdraw_grant, principal, client_id, gstin)
    return presenting.respond({})


@router.get(
    "/clients/{client_id}/public-keys", summary="A client's own keys", openapi_extra=_call({200: "AdminPublicKeys"})
)
async def list_public_keys(request: Request, principal: MayAdminister, client_id: str) -> Response:
    """The live ones: what its assertions may be signed with."""
    found = await _done(request, administration.public_keys, principal, client_id)
    return presenting.respond({"public_keys": [_public_key(each) for each in found]})


@router.post(
    "/clients/{client_id}/public-keys",
    summary="Add a client's own key",
    openapi_extra=_call({201: "AdminPublicKey"}, takes="AdminPublicKeyNew", refuses=(404, 409)),
)
async def add_public_key(request: Request, principal: MayAdminister, client_id: str) -> Response:
    """For `private_key_jwt`: a JWK (RFC 7517) with its `kid`: Ed25519, EC P-256 or RSA of at least 2048 bits."""
    jwk = await members.read(request, _JWK)
    algorithm = await _done(request, administration.add_jwk, principal, client_id, jwk)
    return presenting.respond({"kid": jwk["kid"], "algorithm": algorithm}, status=201)


@router.delete(
    "/clients/{client_id}/public-keys/{kid}", summary="Revoke a client's own key", openapi_extra=_call({200: "Done"})
)
async def revoke_public_key(request: Request, principal: MayAdminister, client_id: str, kid: str) -> Response:
    """At once; its id is not used again."""
    await _done(request, administration.revoke_public_key, principal, client_id, kid=kid)
    return presenting.respond({})


@router.get("/keys", summary="The organisation's API keys", openapi_extra=_call({200: "AdminApiKeys"}, refuses=()))
async def list_api_keys(request: Request, principal: MayAdminister) -> Response:
    """Oldest first, revoked ones too; what a key is known by, never the key."""
    found = await _done(request, administration.api_keys, principal)
    return presenting.respond({"keys": [_api_key(each) for each in found]})


@router.post(
    "/keys",
    summary="Make an API key",
    openapi_extra=_call({201: "AdminApiKeyMade"}, takes="AdminApiKeyNew", refuses=(404, 409)),
)
async def add_api_key(request: Request, principal: MayAdminister) -> Response:
    """For a client and one of its GSTINs. The key is in the answer, and is never shown again."""
    table: dict[str, Member] = {
        "client_id": Text(characters_max=40),
        "gstin": _GSTIN,
        "name": _NAME,
        "read_only": Truth(),
        "scopes": _SCOPES,
    }
    given = await members.read(request, table)
    key, text = await _done(
        request,
        administration.add_api_key,
        principal,
        given["client_id"],
        gstin=given["gstin"],
        name=given["name"],
        read_only=given.get("read_only", False),
        scopes=frozenset(given["scopes"]) if "scopes" in given else None,
    )
    return presenting.respond(_api_key(key) | {"key": text}, status=201)


@router.post(
    "/keys/{key_id}/rotate",
    summary="Make the key that replaces another",
    openapi_extra=_call({201: "AdminApiKeyMade"}, refuses=(404, 409)),
)
async def rotate_api_key(request: Request, principal: MayAdminister, key_id: str) -> Response:
    """Both are good until the older one is revoked."""
    key, text = await _done(request, administration.rotate_api_key, principal, key_id)
    return presenting.respond(_api_key(key) | {"key": text}, status=201)


@router.delete("/keys/{key_id}", summary="Revoke an API key", openapi_extra=_call({200: "Done"}))
async def revoke_api_key(request: Request, principal: MayAdminister, key_id: str) -> Response:
    """At once."""
    await _done(request, administration.revoke_api_key, principal, key_id)
    return presenting.respond({})


def _scopes(words: Sequence[str] | None) -> frozenset[Scope]:
    return ALL_SCOPES if words is None else frozenset(Scope(word) for word in words)


def _gstin(seller: Seller) -> dict[str, Any]:
    return {"gstin": seller.gstin, "route": seller.route, "reporting_days": seller.reporting_days}


def _client(client: Client, grants: Sequence[Grant]) -> dict[str, Any]:
    until = client.former_secret_until
    return {
        "client_id": client.id,
        "name": client.name,
        "revoked": client.revoked,
        "respond_async": client.respond_async,
        "former_secret_until": write_instant(until) if until is not None else None,
        "grants": [{"gstin": grant.gstin, "scopes": sorted(grant.scopes)} for grant in grants],
    }


def _public_key(key: PublicKey) -> dict[str, Any]:
    return {"kid": key.kid, "algorithm": key.algorithm}


def _api_key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "client_id": key.client_id,
        "gstin": key.gstin,
        "name": key.name,
        "hint": key.hint,
        "read_only": key.read_only,
        "scopes": sorted(key.scopes),
        "created_at": write_instant(key.created_at),
        "last_used_at": write_instant(key.last_used_at) if key.last_used_at is not None else None,
        "revoked": key.revoked_at is not None,
    }
