"""Small JSON bodies: their members by a table, every fault at once, and none that the table does not know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request

from gateway.api import body, state
from gateway.domain.faults import Fault
from gateway.errors import Invalid

BODY_BYTES_MAX: Final = 65_536
"""Of a body that configures something: a public key of the longest kind has four thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A member that is a text of 1 to so many printable characters."""

    characters_max: int
    required: bool = True

    def flaw(self, value: Any) -> str | None:
        """What is wrong with a value."""
        if isinstance(value, str) and 0 < len(value) <= self.characters_max and value.isprintable():
            return None
        return f"must be a text of 1 to {self.characters_max} printable characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A member that is a whole number within bounds."""

    least: int
    most: int
    required: bool = False

    def flaw(self, value: Any) -> str | None:
        """What is wrong with a value."""
        if isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most:
            return None
        return f"must be a whole number from {self.least} to {self.most}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A member that is true or false."""

    required: bool = False

    def flaw(self, value: Any) -> str | None:
        """What is wrong with a value."""
        return None if isinstance(value, bool) else "must be true or false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A member that is a list of 1 to so many different words of a vocabulary; of any words where there is none."""

    words_max: int
    vocabulary: frozenset[str] = frozenset()
    required: bool = True

    def flaw(self, value: Any) -> str | None:
        """What is wrong with a value."""
        words = value if isinstance(value, list) and all(isinstance(word, str) for word in value) else []
        known = not self.vocabulary or set(words) <= self.vocabulary
        if 0 < len(words) <= self.words_max and len(set(words)) == len(words) and known:
            return None
        choice = f" of {', '.join(sorted(self.vocabulary))}" if self.vocabulary else ""
        return f"must be a list of 1 to {self.words_max} different texts{choice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A member that is a word of a vocabulary."""

    vocabulary: frozenset[str]
    required: bool = False

    def flaw(self, value: Any) -> str | None:
        """What is wrong with a value."""
        if isinstance(value, str) and value in self.vocabulary:
            return None
        return f"must be one of {', '.join(sorted(self.vocabulary))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A member that is an object of HTTP header fields, of which none is the sender's own to set."""

    fields_max: int
    required: bool = False

    def flaw(self, value: Any) -> str | None:
        """What is wrong with a value."""
        if not isinstance(value, dict) or len(value) > self.fields_max:
            return f"must be an object of up to {self.fields_max} header fields"
        names = [name.lower() for name in value]
        if len(set(names)) < len(names) or not all(_FIELD_NAME.fullmatch(name) for name in names):
            return f"must have different names of up to {_FIELD_CHARACTERS_MAX} letters, digits and hyphens"
        if any(name in _FIELDS_TAKEN or name.startswith("webhook-") for name in names):
            return f"must not have webhook-* nor any of {', '.join(sorted(_FIELDS_TAKEN))}: the gateway sets these"
        if not all(isinstance(text, str) and _FIELD_VALUE.fullmatch(text) for text in value.values()):
            return "must have values of 1 to 1000 visible ASCII characters"
        return None


_FIELD_CHARACTERS_MAX: Final = 64
_FIELD_NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_FIELD_VALUE: Final = re.compile(r"[!-~]([ -~]{0,998}[!-~])?", re.ASCII)
"""No control character: a line break would begin another field."""
_FIELDS_TAKEN: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "expect", "host", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)

Member = Text | Whole | Truth | Word | Words | Fields


async def read(request: Request, members: Mapping[str, Member]) -> dict[str, Any]:
    """The body's members, each as the table wants it. Raises Invalid with every fault, or what `body` raises."""
    here = state.of(request)
    raw = await body.read(
        request,
        media_type="application/json",
        bytes_max=BODY_BYTES_MAX,
        seconds_max=here.settings.body_seconds_max,
    )
    given = body.parse(raw)
    faults = [*_faults(given, members)]
    if faults:
        raise Invalid(
            "body-invalid",
            f"The body has {len(faults)} fault{'s' if len(faults) > 1 else ''}; nothing was changed.",
            help="Correct every place that `errors` names.",
            faults=faults,
        )
    found: dict[str, Any] = given
    return found


def _faults(given: Any, members: Mapping[str, Member]) -> list[Fault]:
    if not isinstance(given, dict):
        return [Fault("body-no-object", "", "The body is no JSON object.", "Send an object with the members named.")]
    faults = [
        Fault("member-unknown", f"/{_escaped(name)}", "There is no such member.", f"There are {', '.join(members)}.")
        for name in given
        if name not in members
    ]
    for name, member in members.items():
        flaw = member.flaw(given[name]) if name in given else "is missing" if member.required else None
        if flaw is not None:
            faults.append(Fault("member-invalid", f"/{name}", f"{name} {flaw}.", "Correct it."))
    return faults


def _escaped(name: str) -> str:
    """A member's name within a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
