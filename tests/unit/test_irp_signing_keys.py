"""The installed verification keys: what is taken in, and when new ones are looked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from gateway.errors import Misconfigured, Unavailable
from gateway.irp.signing_keys import KeyFile, SigningKeys


@dataclass(frozen=True)
class Signer:
    """A signer's certificate and bare public key, made for this run, and the id it goes by."""

    certificate: bytes
    public_key: bytes
    kid: str


def _signer() -> Signer:
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
    return Signer(
        certificate=certificate.public_bytes(Encoding.PEM),
        public_key=key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        kid=hashlib.sha1(certificate.public_bytes(Encoding.DER)).hexdigest().upper(),  # noqa: S324  # a name, not a proof
    )


@pytest.fixture(scope="session")
def signer() -> Signer:
    """A signer whose certificate is installed."""
    return _signer()


@pytest.fixture(scope="session")
def other() -> Signer:
    """Another one."""
    return _signer()


@dataclass
class Cupboard:
    """Where keys are kept: what lies in it, how often it was looked into, and the time."""

    files: list[KeyFile]
    looks: int = 0
    now: float = 1000.0

    def look(self) -> list[KeyFile]:
        """Open it."""
        self.looks += 1
        return list(self.files)

    def keys(self) -> SigningKeys:
        """Keys that are looked for in it, at most every 30 seconds."""
        return SigningKeys(monotonic=lambda: self.now, reload=self.look, reload_seconds=30)


def _empty() -> SigningKeys:
    return SigningKeys(monotonic=lambda: 0.0)


def test_a_certificate_goes_by_its_thumbprint(signer: Signer) -> None:
    """The id is the SHA-1 of the DER form in capitals, also after the certificate's dates; case does not matter."""
    keys = _empty()
    assert keys.add(signer.certificate) == signer.kid
    assert keys.find(signer.kid) is not None
    assert keys.find(signer.kid.lower()) is not None
    assert keys.find("0" * 40) is None


def test_a_file_with_windows_line_ends_is_read(signer: Signer) -> None:
    """Portals publish their certificates so."""
    assert _empty().add(signer.certificate.replace(b"\n", b"\r\n")) == signer.kid


def test_a_public_key_needs_its_id_told(signer: Signer) -> None:
    """A bare public key has no id of its own; under a given one it is found, with its letters as given."""
    keys = _empty()
    with pytest.raises(Misconfigured, match="own id"):
        keys.add(signer.public_key)
    assert keys.add(signer.public_key, kid="key-1") == "key-1"
    assert keys.find("key-1") is not None
    assert keys.find("KEY-1") is None


def test_the_same_key_may_be_added_twice_and_another_not_in_its_place(signer: Signer, other: Signer) -> None:
    """One id is one key: a second file cannot push the first one out."""
    keys = _empty()
    keys.add(signer.certificate)
    assert keys.add(signer.public_key, kid=signer.kid.lower()) == signer.kid
    with pytest.raises(Misconfigured, match="another key"):
        keys.add(other.certificate, kid=signer.kid)
    assert len(keys) == 1
    assert signer.kid in repr(keys)


def test_an_unusable_key_is_refused() -> None:
    """Garbage, an elliptic curve and a short key verify nothing."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505  # the point
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pems = [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in (short, curve)]
    for pem in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", *pems):
        with pytest.raises(Misconfigured):
            _empty().add(pem, kid="k")


def test_an_unknown_id_causes_one_look_in_a_while(signer: Signer, other: Signer) -> None:
    """A key that was put there meanwhile is found, but a flood of invented ids causes no flood of looks."""
    cupboard = Cupboard([KeyFile(signer.certificate)])
    keys = cupboard.keys()
    assert keys.find(signer.kid) is not None
    cupboard.files.append(KeyFile(other.certificate))
    assert [keys.find(other.kid) for _ in range(100)] == [None] * 100
    assert cupboard.looks == 1
    cupboard.now += 30
    assert keys.find(other.kid) is not None
    assert keys.find(signer.kid) is not None
    assert cupboard.looks == 2


def test_a_known_id_causes_no_look(signer: Signer) -> None:
    """The usual case costs nothing."""
    cupboard = Cupboard([])
    keys = cupboard.keys()
    keys.add(signer.certificate)
    assert keys.find(signer.kid) is not None
    assert cupboard.looks == 0


def test_one_unusable_file_does_not_hide_the_others(signer: Signer) -> None:
    """The good keys are taken in, and what was wrong can be read until a look goes well."""
    cupboard = Cupboard([KeyFile(b"rubbish"), KeyFile(signer.certificate)])
    keys = cupboard.keys()
    assert keys.find(signer.kid) is not None
    assert keys.reload_fault is not None
    cupboard.files = [KeyFile(signer.certificate)]
    cupboard.now += 31
    assert keys.find("unknown") is None
    assert keys.reload_fault is None


@pytest.mark.parametrize("error", [OSError("no such folder"), Unavailable("x", "x", help="x", retry_after=1)])
def test_a_failing_look_is_remembered_and_harms_nobody(signer: Signer, error: Exception) -> None:
    """If the place of keys is away, a key is unknown, which holds the work and loses nothing."""

    def look() -> list[KeyFile]:
        raise error

    keys = SigningKeys(monotonic=lambda: 0.0, reload=look)
    assert keys.find(signer.kid) is None
    assert type(error).__name__ in str(keys.reload_fault)


def test_the_first_look_does_not_wait_for_a_young_clock(signer: Signer) -> None:
    """A monotonic clock may start at zero."""
    keys = SigningKeys(monotonic=lambda: 0.0, reload=lambda: [KeyFile(signer.certificate)])
    assert keys.find(signer.kid) is not None
