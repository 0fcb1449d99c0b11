"""Client secrets: made once, kept as a keyed hash."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.secrets import ClientSecrets
from tests.support import SeededIds

PEPPER = bytes(range(32))


def _secrets(pepper: bytes = PEPPER) -> ClientSecrets:
    return ClientSecrets(pepper, os.urandom)


def test_a_new_secret_has_256_bits() -> None:
    """43 URL-safe characters, which are 32 random bytes and nothing else."""
    secret = ClientSecrets(PEPPER, SeededIds().random_bytes).new()
    assert len(secret) == 43
    assert base64.urlsafe_b64decode(secret + "=") == SeededIds().random_bytes(32)


def test_secrets_are_not_made_twice() -> None:
    """Each client has its own."""
    secrets = _secrets()
    assert len({secrets.new() for _ in range(100)}) == 100


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_secret_matches_its_own_digest_alone(secret: str, other: str) -> None:
    """Whatever is not the secret does not match, in any alphabet."""
    secrets = _secrets()
    assert secrets.matches(secret, secrets.digest(secret))
    assert secrets.matches(other, secrets.digest(secret)) == (other == secret)


def test_the_digest_is_worth_nothing_without_the_pepper() -> None:
    """A stolen table matches no secret under another pepper, and holds none in the clear."""
    secret = _secrets().new()
    digest = _secrets().digest(secret)
    assert secret.encode() not in digest
    assert len(digest) == 32
    assert not _secrets(b"another pepper").matches(secret, digest)


@pytest.mark.parametrize("secret", ["", "x", "\x00" * 32])
def test_an_unknown_client_matches_nothing(secret: str) -> None:
    """With no digest the answer is no, whatever was sent."""
    assert not _secrets().matches(secret, None)


def test_an_empty_digest_matches_nothing() -> None:
    """A digest of nothing, or of zeros, is nobody's."""
    for digest in (b"", bytes(32)):
        assert not _secrets().matches("", digest)
