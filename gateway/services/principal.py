"""Who is calling: a client, for one GSTIN, with scopes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.operations import Environment
from gateway.errors import Forbidden


class Scope(StrEnum):
    """What a token may be good for."""

    IRN_WRITE = "irn:write"
    CDNR_WRITE = "cdnr:write"
    READ = "read"


ALL_SCOPES = frozenset(Scope)


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
