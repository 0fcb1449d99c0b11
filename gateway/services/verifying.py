"""Checking what somebody shows: a signed invoice or the text of a QR code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import Invalid
from gateway.ports import Document
from gateway.ports.verifying import Shown, Verified
from gateway.services.ports import Ports
from gateway.services.principal import Principal

SELLER: Final = "seller"
BUYER: Final = "buyer"
"""What the caller is in a document. Of other people's documents nothing is told but what they say themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a token proves. `role` is the caller's in it, and `held` is what our ledger has of it, if it has a role."""

    verified: Verified
    role: str | None = None
    held: Document | None = None


def verify(asked: Any, principal: Principal, *, ports: Ports) -> Answered:
    """What a token proves, and how its document stands with us. Raises Invalid for a body without one."""
    token = asked.get("token") if isinstance(asked, dict) and set(asked) == {"token"} else None
    if not isinstance(token, str):
        raise Invalid(
            "token-missing",
            "The body has to be an object with the member `token` alone.",
            help='Send {"token": "…"} with the text of the QR code, or the signed invoice.',
        )
    verified = ports.verifier.examine(token.strip(), environment=principal.environment)
    role = None if verified.shown is None else _role(verified.shown, principal)
    if verified.shown is None or role is None:
        return Answered(verified=verified)
    shown = verified.shown
    held = ports.ledger.by_irn(environment=principal.environment, gstin=shown.seller_gstin, irn=shown.irn)
    return Answered(verified=verified, role=role, held=held)


def _role(shown: Shown, principal: Principal) -> str | None:
    if shown.seller_gstin == principal.gstin:
        return SELLER
    return BUYER if shown.buyer_gstin == principal.gstin else None
