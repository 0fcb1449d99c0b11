"""A fault: one broken rule, at one place of a document, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document.

    `code` is ours and never changes its meaning; `at` is a JSON Pointer (RFC 6901) into the document; `message` says
    what is wrong and `help` what to do next, each in one sentence; `portal_code` is what the portal would answer;
    `fix` is a JSON Patch (RFC 6902) that would mend it, where one can be computed.
    """

    code: str
    at: str
    message: str
    help: str
    portal_code: str | None = None
    fix: tuple[Mapping[str, Any], ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """The form in which a client reads it, without the members that are unknown."""
        members = {
            "code": self.code,
            "at": self.at,
            "message": self.message,
            "help": self.help,
            "portal_code": self.portal_code,
            "fix": list(self.fix) if self.fix else None,
        }
        return {name: value for name, value in members.items() if value is not None}
