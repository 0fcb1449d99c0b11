"""Signatures of portals: who signed a document or a QR code, and what exactly they signed.

A portal signs with RS256 and writes a compact JWS whose payload is `{"data": "<JSON text>", "iss": "NIC"}`: the
document stands inside as text. The header names the key by `kid`, the SHA-1 thumbprint of the signer's certificate in
capitals, and repeats it as `x5t`. Keys rotate, so they are found by `kid`, among those an operator has installed.
Nothing in a token chooses its key or its algorithm, and no address in it is ever asked.

Certificates are not checked for their dates: what was signed while one was valid stays signed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from gateway.domain.calendar import read_portal_date, read_portal_time
from gateway.irp import portal_json

TOKEN_CHARACTERS_MAX: Final = 8 * 1024 * 1024
"""Of a token. A document of 2 MB, its quotes escaped and all of it in Base64, takes about 4 MB; we take double."""

HEADER_CHARACTERS_MAX: Final = 2048
"""Of a token's header. Portals write 167; a key id of our own may be longer, a certificate chain has no place in it."""

KEY_ID_CHARACTERS_MAX: Final = 128
"""Of a key id. A thumbprint has 40."""

_ALGORITHM: Final = "RS256"
_RS256: Final = RSAAlgorithm(RSAAlgorithm.SHA256)
_PARTS: Final = 3
_FORBIDDEN_MEMBERS: Final = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"})
"""Header members that bring a key along, say where to fetch one, or change how the rest is to be read."""
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_THUMBPRINT: Final = re.compile(r"[0-9A-Fa-f]{40}", re.ASCII)
_KEY_ID: Final = re.compile(r"[!-~]+", re.ASCII)
_AMOUNT: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,6})?", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)


class BadSignature(ValueError):
    """A token is not what a portal signed: malformed, altered, or signed with another key than it names."""


class BadContent(BadSignature):
    """The signature is good, but what was signed is not the kind of document that was expected."""


class UnknownKey(LookupError):
    """A token names a key that is not installed. It may be genuine: keep it until the key is there."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"no signing key with the id {kid} is installed")
        self.kid = kid


class KeyStore(Protocol):
    """Where verification keys are found."""

    def find(self, kid: str) -> RSAPublicKey | None:
        """The key with this id, or None."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a portal signed. `text` is the JSON text under the signature, `data` the same, read with exact numbers."""

    kid: str
    issuer: str
    data: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInvoice:
    """A registered document, as its portal signed it. `ack_at` has full seconds; `document` is all of the content."""

    irn: str
    ack_no: str
    ack_at: datetime
    seller_gstin: str
    doc_type: str
    doc_no: str
    doc_date: date
    buyer_gstin: str
    total: Decimal
    lines: int
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedQr:
    """The content of a QR code. `irn_at` is None in codes of 2020, which did not carry it yet."""

    irn: str
    irn_at: datetime | None
    seller_gstin: str
    buyer_gstin: str
    doc_type: str
    doc_no: str
    doc_date: date
    total: Decimal
    lines: int
    main_hsn: str


def normal_key_id(kid: str) -> str:
    """The form in which key ids are compared: a thumbprint in capitals, any other id as it is."""
    return kid.upper() if _THUMBPRINT.fullmatch(kid) else kid


def verify(token: str, keys: KeyStore) -> Signed:
    """Check a token's signature and read what it covers.

    Raises BadSignature when the token is malformed, uses another algorithm than RS256, or the signature does not fit;
    UnknownKey when all is well formed but the key is not installed.
    """
    signed, (header, payload, signature) = _split(token)
    kid = _key_id(_object(header, what="header"))
    key = keys.find(kid)
    if key is None:
        raise UnknownKey(kid)
    if not _RS256.verify(signed, key, signature):
        message = f"the signature does not fit the key {kid}"
        raise BadSignature(message)
    return _content(_object(payload, what="payload"), kid=kid)


def read_signed_invoice(signed: Signed) -> SignedInvoice:
    """The registered document under a signature. Raises BadContent when something else was signed."""
    data, details = signed.data, _part(signed.data, "DocDtls")
    lines = data.get("ItemList")
    if not isinstance(lines, list):
        raise _bad_content("ItemList")
    return SignedInvoice(
        irn=_text(data, "Irn"),
        ack_no=_digits(data, "AckNo"),
        ack_at=_instant(data, "AckDt"),
        seller_gstin=_text(_part(data, "SellerDtls"), "Gstin"),
        doc_type=_text(details, "Typ").upper(),
        doc_no=_text(details, "No"),
        doc_date=_date(details, "Dt"),
        buyer_gstin=_text(_part(data, "BuyerDtls"), "Gstin"),
        total=_amount(_part(data, "ValDtls"), "TotInvVal"),
        lines=len(lines),
        document=data,
    )


def read_signed_qr(signed: Signed) -> SignedQr:
    """The content of a QR code under a signature. Raises BadContent when something else was signed."""
    data = signed.data
    return SignedQr(
        irn=_text(data, "Irn"),
        irn_at=_instant(data, "IrnDt") if data.get("IrnDt") is not None else None,
        seller_gstin=_text(data, "SellerGstin"),
        buyer_gstin=_text(data, "BuyerGstin"),
        doc_type=_text(data, "DocTyp").upper(),
        doc_no=_text(data, "DocNo"),
        doc_date=_date(data, "DocDt"),
        total=_amount(data, "TotInvVal"),
        lines=int(_digits(data, "ItemCnt")),
        main_hsn=_text(data, "MainHsnCode"),
    )


def _split(token: str) -> tuple[bytes, tuple[bytes, bytes, bytes]]:
    """The bytes that are signed, and the three decoded parts."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        message = f"a token of {len(token)} characters, more than {TOKEN_CHARACTERS_MAX}"
        raise BadSignature(message)
    parts = token.split(".", _PARTS)
    if len(parts) != _PARTS or len(parts[0]) > HEADER_CHARACTERS_MAX:
        message = "a token has three parts, separated by dots, and a short header"
        raise BadSignature(message)
    header, payload, signature = (_decoded(part) for part in parts)
    return f"{parts[0]}.{parts[1]}".encode(), (header, payload, signature)


def _decoded(part: str) -> bytes:
    """One part's bytes. Only the one right way to write them passes, so nobody can alter a token and keep it valid."""
    if _BASE64URL.fullmatch(part):
        try:
            raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except binascii.Error:
            raw = b""
        if raw and _encoded(raw) == part:
            return raw
    message = "a part of the token is not proper Base64url"
    raise BadSignature(message)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _object(raw: bytes, *, what: str) -> dict[str, Any]:
    try:
        value = portal_json.read(raw)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    message = f"the token's {what} is no JSON object"
    raise BadSignature(message)


def _key_id(header: Mapping[str, Any]) -> str:
    if header.get("alg") != _ALGORITHM:
        message = f"the token's algorithm is not {_ALGORITHM}"
        raise BadSignature(message)
    if not _FORBIDDEN_MEMBERS.isdisjoint(header):
        message = "the token's header has members that no portal writes"
        raise BadSignature(message)
    kid = header.get("kid")
    if not isinstance(kid, str) or len(kid) > KEY_ID_CHARACTERS_MAX or not _KEY_ID.fullmatch(kid):
        message = "the token names no key"
        raise BadSignature(message)
    _refuse_contradiction(normal_key_id(kid), header.get("x5t"))
    return normal_key_id(kid)


def _refuse_contradiction(kid: str, x5t: Any) -> None:
    """`x5t` is the thumbprint again, in Base64url. Where it is there, it has to say the same as the key id."""
    if x5t is None or x5t == kid:
        return
    expected = _encoded(bytes.fromhex(kid)) if _THUMBPRINT.fullmatch(kid) else None
    if expected is None or not isinstance(x5t, str) or not hmac.compare_digest(expected.encode(), x5t.encode()):
        message = "the token's kid and x5t name different keys"
        raise BadSignature(message)


def _content(payload: Mapping[str, Any], *, kid: str) -> Signed:
    text, issuer = payload.get("data"), payload.get("iss", "")
    if not isinstance(text, str) or not isinstance(issuer, str):
        message = "the signed payload is not a text under `data` and an issuer under `iss`"
        raise BadContent(message)
    try:
        data = portal_json.read(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        message = "the signed text is no JSON object"
        raise BadContent(message)
    return Signed(kid, issuer, data, text)


def _bad_content(name: str) -> BadContent:
    return BadContent(f"the signed document has no usable {name}")


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = data.get(name)
    if not isinstance(part, dict):
        raise _bad_content(name)
    return part


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _bad_content(name)
    return value.strip()


def _digits(data: Mapping[str, Any], name: str) -> str:
    """A whole number as text, whether it was written as text or as a number."""
    text = str(data.get(name)).strip()
    if not _DIGITS.fullmatch(text):
        raise _bad_content(name)
    return text


def _amount(data: Mapping[str, Any], name: str) -> Decimal:
    value = data.get(name)
    text = f"{value:f}" if isinstance(value, Decimal) else str(value).strip()
    if not _AMOUNT.fullmatch(text):
        raise _bad_content(name)
    return Decimal(text)


def _date(data: Mapping[str, Any], name: str) -> date:
    try:
        return read_portal_date(_text(data, name))
    except ValueError:
        raise _bad_content(name) from None


def _instant(data: Mapping[str, Any], name: str) -> datetime:
    try:
        return read_portal_time(_text(data, name))
    except (ValueError, OverflowError):  # OverflowError: a year before 1 once it is taken to UTC
        raise _bad_content(name) from None
