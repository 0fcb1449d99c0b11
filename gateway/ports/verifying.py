"""What a token that is said to be a portal's proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from gateway.domain.operations import Environment


class Flaw(StrEnum):
    """Why a token proves nothing."""

    NOT_SIGNED_SO = "signature-invalid"
    KEY_UNKNOWN = "signing-key-unknown"
    NO_DOCUMENT = "content-unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The document that a signed invoice or a signed QR code shows. An invoice tells when it was acknowledged."""

    form: str
    irn: str
    seller_gstin: str
    buyer_gstin: str
    doc_type: str
    doc_no: str
    doc_date: date
    total: Decimal
    lines: int
    ack_no: str | None
    ack_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A token, examined. `shown` and `content` only of what a portal did sign; `key_id` as far as it names one."""

    flaw: Flaw | None = None
    told: str | None = None
    key_id: str | None = None
    issuer: str | None = None
    shown: Shown | None = None
    content: Mapping[str, Any] | None = None


class Verifier(Protocol):
    """Examines tokens by the keys that are installed. Asks nobody."""

    def examine(self, token: str, *, environment: Environment) -> Verified:
        """What a token proves, by the keys of the routes of an environment. Never raises for what a token says."""
