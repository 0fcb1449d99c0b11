"""Signatures by the standard: what the independent library makes of ours, and we of its."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.webhooks import signing
from gateway.webhooks.signing import SigningSecrets, UnverifiedError
from tests.support import SeededIds

SECRET = SigningSecrets(SeededIds().random_bytes).new()
OTHER = SigningSecrets(SeededIds(2).random_bytes).new()
BODY = '{"type":"irn.generated","data":{"name":"मोहर"}}'.encode()


def signed(*secrets: str, at: datetime | None = None) -> dict[str, str]:
    """The headers of a message."""
    return signing.headers(message_id="evt_1", body=BODY, secrets=secrets or (SECRET,), at=at or datetime.now(UTC))


def test_a_secret_has_the_standard_s_form() -> None:
    """A prefix that leak scanners know, and 32 random bytes in Base64."""
    assert SECRET.startswith("whsec_")
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"), validate=True)) == 32
    assert SECRET != OTHER


def test_the_standard_s_own_example_comes_out() -> None:
    """The signature that the standard's text and libraries have for a known secret, id, time and body."""
    made = signing.headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        body=b'{"test": 2432232314}',
        secrets=("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
        at=datetime.fromtimestamp(1614265330, UTC),
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_the_independent_library_verifies_ours(zone: timezone) -> None:
    """In whatever zone the present moment is told."""
    Webhook(SECRET).verify(BODY, signed(at=datetime.now(zone)))


def test_each_of_two_secrets_verifies() -> None:
    """While a secret is replaced, both sign."""
    headers = signed(OTHER, SECRET)
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(BODY, headers)
        signing.verify(headers, BODY, secrets=(secret,), at=datetime.now(UTC))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_changed_or_missing_header_fails(name: str) -> None:
    """With the library and with ours."""
    for changed in (signed() | {name: "17"}, {each: text for each, text in signed().items() if each != name}):
        with pytest.raises((WebhookVerificationError, ValueError)):
            Webhook(SECRET).verify(BODY, changed)
        with pytest.raises(UnverifiedError):
            signing.verify(changed, BODY, secrets=(SECRET,), at=datetime.now(UTC))


def test_a_changed_body_fails() -> None:
    """One byte is enough."""
    changed = BODY.replace(b"irn", b"irm")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(changed, signed())
    with pytest.raises(UnverifiedError):
        signing.verify(signed(), changed, secrets=(SECRET,), at=datetime.now(UTC))


@pytest.mark.parametrize(("seconds", "holds"), [(299, True), (-299, True), (301, False), (-301, False)])
def test_a_message_is_good_for_five_minutes(seconds: int, holds: bool) -> None:  # noqa: FBT001  a parameter by name
    """An old one may be a replay, one from the future a wrong clock."""
    at = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    headers = signed(at=at)
    if holds:
        signing.verify(headers, BODY, secrets=(SECRET,), at=at + timedelta(seconds=seconds))
    else:
        with pytest.raises(UnverifiedError):
            signing.verify(headers, BODY, secrets=(SECRET,), at=at + timedelta(seconds=seconds))


@pytest.mark.parametrize("text", ["", "1e9", "-1", "\uff11\uff17", "9" * 5000])
def test_a_time_that_is_none_fails(text: str) -> None:
    """Whatever stands there, reading it does no harm."""
    with pytest.raises(UnverifiedError):
        signing.verify(signed() | {"webhook-timestamp": text}, BODY, secrets=(SECRET,), at=datetime.now(UTC))


def test_a_secret_that_is_none_is_not_shown() -> None:
    """The error does not repeat what somebody took for a secret."""
    with pytest.raises(ValueError, match="Base64") as caught:
        signed("whsec_not in Base64!")
    assert "not in" not in str(caught.value).replace("is not in Base64", "")
