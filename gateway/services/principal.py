"""Who is calling: a client, for one GSTIN, with scopes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.operations import Environment
from gateway.errors import Forbidden


class Scope(StrEnum):
    """What a token may be good for."""

    IRN_WRITE = "irn:write"
    IRN_CANCEL = "irn:cancel"
    CDNR_WRITE = "cdnr:write"
    EWB_WRITE = "ewb:write"
    READ = "read"
    WEBHOOKS = "webhooks"
    AUDIT = "audit"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope) - {Scope.ADMIN}
"""What a program gets unless less is asked for. To manage its organisation's clients and logins is granted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller whose token was checked and whose grant is live."""

    client_id: str
    org_id: str
    environment: Environment
    gstin: str
    scopes: frozenset[str]
    respond_async: bool

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless the token has the scope."""
        if scope not in self.scopes:
            raise Forbidden(
                "scope-missing",
                f"The access token does not have the scope {scope}.",
                help="Ask for it at POST /oauth/token, and have the client granted it.",
            )
