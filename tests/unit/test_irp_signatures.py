"""Signatures of portals: genuine tokens are read, altered and forged ones are not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.irp import signatures
from gateway.irp.signatures import BadSignature, UnknownKey, verify
from gateway.irp.signing_keys import SigningKeys

_IRN = "a5c12dca80e743321740b001fd70953e8738d109865d28ba4013750f2046f229"
_QR = (
    '{"SellerGstin":"01AMBPG7773M002","BuyerGstin":"36AABCT1332L011","DocNo":"Tax/1","DocTyp":"INV","DocDt":"05/10/2022",'
    f'"TotInvVal":100.00,"ItemCnt":2,"MainHsnCode":"1001","Irn":"{_IRN}","IrnDt":"2022-10-05 23:30:01"}}'
)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class Portal:
    """A portal that signs, with a certificate made for this run."""

    key: rsa.RSAPrivateKey
    certificate: bytes
    thumbprint: bytes

    @property
    def kid(self) -> str:
        """The id under which it signs."""
        return self.thumbprint.hex().upper()

    def header(self, **changes: Any) -> dict[str, Any]:
        """Its usual header with some members changed, or taken out by `...`."""
        header = {"alg": "RS256", "kid": self.kid, "typ": "JWT", "x5t": _b64(self.thumbprint)} | changes
        return {name: value for name, value in header.items() if value is not ...}

    def token(self, data: Any = _QR, *, payload: Any = None, header: dict[str, Any] | bytes | None = None) -> str:
        """A token over `data`, or over a payload and under a header of another make."""
        head = header if isinstance(header, bytes) else json.dumps(header or self.header()).encode()
        body = payload if isinstance(payload, bytes) else json.dumps(payload or {"data": data, "iss": "NIC"}).encode()
        signed = f"{_b64(head)}.{_b64(body)}"
        return f"{signed}.{_b64(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _portal() -> Portal:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signing key of a test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2018, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    thumbprint = hashlib.sha1(certificate.public_bytes(Encoding.DER)).digest()  # noqa: S324  # a name, not a proof
    return Portal(key, certificate.public_bytes(Encoding.PEM), thumbprint)


@pytest.fixture(scope="session")
def portal() -> Portal:
    """The portal whose certificate is installed."""
    return _portal()


@pytest.fixture(scope="session")
def stranger() -> Portal:
    """A portal whose certificate nobody installed."""
    return _portal()


@pytest.fixture(scope="module")
def keys(portal: Portal) -> SigningKeys:
    """The installed keys: the portal's certificate, long past its dates."""
    installed = SigningKeys(monotonic=lambda: 0.0)
    assert installed.add(portal.certificate) == portal.kid
    return installed


def _public_pem(portal: Portal) -> bytes:
    return portal.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# Genuine tokens


def test_a_genuine_token_is_read(portal: Portal, keys: SigningKeys) -> None:
    """Key id, issuer, the very text and exact numbers come out of it, also after the certificate's dates."""
    signed = verify(portal.token(), keys)
    assert (signed.kid, signed.issuer, signed.text) == (portal.kid, "NIC", _QR)
    assert signed.data["TotInvVal"] == Decimal("100.00")
    assert isinstance(signed.data["TotInvVal"], Decimal)


def test_the_header_may_be_shorter_and_in_another_order(portal: Portal, keys: SigningKeys) -> None:
    """Without typ and x5t, with kid in small letters, or with members nobody knows, a token is still genuine."""
    for header in (
        {"kid": portal.kid, "alg": "RS256"},
        portal.header(kid=portal.kid.lower()),
        portal.header(cty="JSON", typ="JOSE"),
        portal.header(x5t=None),
    ):
        assert verify(portal.token(header=header), keys).kid == portal.kid


def test_a_token_without_an_issuer_has_an_empty_one(portal: Portal, keys: SigningKeys) -> None:
    """The issuer is told, not trusted, so its absence is no fault."""
    assert verify(portal.token(payload={"data": _QR}), keys).issuer == ""


def test_line_breaks_within_a_signed_text_do_no_harm(portal: Portal, keys: SigningKeys) -> None:
    """An address over two lines cannot be sent back for correction: the text is kept, and read with blanks."""
    signed = verify(portal.token('{"Addr1":"Plot 1\\r\\nBengaluru"}'), keys)
    assert signed.data == {"Addr1": "Plot 1  Bengaluru"}
    assert signed.text == '{"Addr1":"Plot 1\\r\\nBengaluru"}'


def test_a_long_document_is_verified(portal: Portal, keys: SigningKeys) -> None:
    """A document near the portal's 2 MB passes all limits on the way."""
    text = json.dumps({"ItemList": [{"PrdDesc": "x" * 300, "SlNo": str(line)} for line in range(5800)]})
    assert len(text) > 1_900_000
    assert verify(portal.token(text), keys).text == text


# Altered tokens


@pytest.mark.parametrize("part", [0, 1, 2])
def test_an_alteration_of_any_part_is_noticed(portal: Portal, keys: SigningKeys, part: int) -> None:
    """One changed character at the beginning, in the middle or at the end of any part is enough."""
    token = portal.token()
    parts = token.split(".")
    for at in (0, len(parts[part]) // 2, len(parts[part]) - 1):
        for other in "AQgw":
            altered = list(parts)
            altered[part] = parts[part][:at] + other + parts[part][at + 1 :]
            if altered != parts:
                with pytest.raises((BadSignature, UnknownKey)):
                    verify(".".join(altered), keys)


def test_the_content_of_another_token_does_not_fit(portal: Portal, keys: SigningKeys) -> None:
    """A genuine signature under a genuine, but other, content is refused."""
    header, _, signature = portal.token().split(".")
    other = portal.token(_QR.replace("100.00", "900.00")).split(".")[1]
    with pytest.raises(BadSignature, match="does not fit"):
        verify(f"{header}.{other}.{signature}", keys)


def test_another_key_under_the_known_id_is_refused(portal: Portal, stranger: Portal, keys: SigningKeys) -> None:
    """Who names the portal's key and signs with his own is found out."""
    with pytest.raises(BadSignature, match="does not fit"):
        verify(stranger.token(header=portal.header()), keys)


def test_an_unknown_key_is_told_apart_from_a_bad_signature(stranger: Portal, keys: SigningKeys) -> None:
    """The token may be genuine, so the error names the key that is missing."""
    with pytest.raises(UnknownKey) as caught:
        verify(stranger.token(), keys)
    assert caught.value.kid == stranger.kid
    assert not isinstance(caught.value, BadSignature)


# Forged headers


_FORGED: dict[str, dict[str, Any]] = {
    "no algorithm at all": {"alg": ...},
    "none": {"alg": "none"},
    "None": {"alg": "None"},
    "HS256": {"alg": "HS256"},
    "RS384": {"alg": "RS384"},
    "RS512": {"alg": "RS512"},
    "PS256": {"alg": "PS256"},
    "ES256": {"alg": "ES256"},
    "rs256": {"alg": "rs256"},
    "a blank after the algorithm": {"alg": "RS256 "},
    "a list of algorithms": {"alg": ["RS256"]},
    "no key id": {"kid": ...},
    "a null key id": {"kid": None},
    "an empty key id": {"kid": ""},
    "a number for a key id": {"kid": 7},
    "a list of key ids": {"kid": ["a"]},
    "a path for a key id": {"kid": "../../\x01"},
    "a key id with blanks": {"kid": "a b"},
    "a long key id": {"kid": "A" * 129},
    "a key id in other digits": {"kid": "१" * 40},
    "crit": {"crit": ["exp"]},
    "an empty crit": {"crit": []},
    "jku": {"jku": "https://keys.example/set"},
    "x5u": {"x5u": "https://keys.example/cert"},
    "jwk": {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
    "x5c": {"x5c": ["MIIB"]},
    "b64": {"b64": False},
    "zip": {"zip": "DEF"},
    "the thumbprint of another certificate": {"x5t": _b64(b"\x01" * 20)},
    "a thumbprint that is none": {"x5t": "x"},
    "a number for a thumbprint": {"x5t": 7},
    "an empty thumbprint": {"x5t": ""},
    "a thumbprint outside ASCII": {"x5t": "é"},
    "a thumbprint beside a key id of another kind": {"kid": "key-1"},
}


@pytest.mark.parametrize("changes", _FORGED.values(), ids=_FORGED.keys())
def test_a_forged_header_is_refused_though_the_signature_fits(
    portal: Portal, keys: SigningKeys, changes: dict[str, Any]
) -> None:
    """Nothing in a header chooses the algorithm, brings a key along or points to one."""
    assert len(_FORGED) >= 12
    with pytest.raises(BadSignature):
        verify(portal.token(header=portal.header(**changes)), keys)


@pytest.mark.parametrize("header", [b"", b"[]", b"null", b'"RS256"', b"{", b"\xff", b'{"alg":"none","alg":"RS256"}'])
def test_a_header_that_is_no_object_is_refused(portal: Portal, keys: SigningKeys, header: bytes) -> None:
    """A header is one JSON object, and says nothing twice."""
    with pytest.raises(BadSignature):
        verify(portal.token(header=header), keys)


def test_the_public_key_is_no_shared_secret(portal: Portal, keys: SigningKeys) -> None:
    """The old trick of an HMAC keyed with the public key, under either name of the algorithm, does not pass."""
    body = portal.token().split(".")[1]
    for algorithm in ("HS256", "RS256"):
        signed = f"{_b64(json.dumps(portal.header(alg=algorithm)).encode())}.{body}"
        for secret in (_public_pem(portal), portal.certificate):
            forged = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            with pytest.raises(BadSignature):
                verify(f"{signed}.{_b64(forged)}", keys)


# Malformed tokens


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "..",
        lambda _: "...",
        lambda token: token.replace(".", ""),
        lambda token: token.rpartition(".")[0],
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token + ".",
        lambda token: token + ".AAAA",
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.replace(".", "=.", 1),
        lambda token: token.translate(str.maketrans("-_", "+/")) + "+",
        lambda token: token[:50] + "\n" + token[50:],
        lambda token: token[:50] + "é" + token[51:],
        lambda token: token[:50] + "\ud800" + token[51:],
        lambda token: f'{{"payload":"{token}"}}',
        lambda token: "A" * 3000 + token,
        lambda token: token + "A" * signatures.TOKEN_CHARACTERS_MAX,
    ],
    ids=range(21),
)
def test_a_malformed_token_is_refused(portal: Portal, keys: SigningKeys, spoil: Callable[[str], str]) -> None:
    """Three parts of proper Base64url with nothing around them, or nothing."""
    with pytest.raises(BadSignature):
        verify(spoil(portal.token()), keys)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.binary(max_size=40).map(_b64) | st.text(max_size=10), max_size=4))
def test_no_text_raises_anything_else(keys: SigningKeys, parts: list[str]) -> None:
    """Whatever stands between the dots, the answer is BadSignature, or UnknownKey for a well-formed header."""
    with pytest.raises((BadSignature, UnknownKey)):
        verify(".".join(parts), keys)


def test_a_signature_cannot_be_written_in_two_ways(portal: Portal, keys: SigningKeys) -> None:
    """The spare bits of the last character are zero; the sixteen spellings of one signature are not all accepted."""
    token = portal.token()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for letter in letters:
        try:
            verify(token[:-1] + letter, keys)
            accepted.append(letter)
        except BadSignature:
            continue
    assert accepted == [token[-1]]


@pytest.mark.parametrize(
    "payload",
    [
        b"[]", b"null", b"x", b'{"data":"{}","data":"{}"}', b'{"iss":"NIC"}', b'{"data":null}', b'{"data":{}}',
        b'{"data":"x"}', b'{"data":"[]"}', b'{"data":"{\\"a\\":NaN}"}', b'{"data":"{}","iss":7}',
        b'{"data":"{}","iss":null}',
    ],
)  # fmt: skip
def test_a_payload_of_another_form_is_refused(portal: Portal, keys: SigningKeys, payload: bytes) -> None:
    """A genuine signature over something that no portal writes is not taken for a document."""
    with pytest.raises(BadSignature):
        verify(portal.token(payload=payload), keys)
