"""Lenient reading: a document as the portal would take it, in exactly the form that the schema writes down.

Portals take more than their form says: members in other letter-case, nulls, numbers as text and text as numbers, words
in other letter-case, blanks around a value. What the form would refuse and a portal reads anyway is read here, and
each change is told. What the form takes as it stands is never touched, and neither is what it does not know, which is
only told, because a portal ignores it. No change gives a value another meaning: a number keeps its value, a text its
characters.

The form comes as a table (`Place`) that is derived from the schema, so that there is no rule here about any one member.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Literal

from gateway.domain.faults import Fault
from gateway.domain.strict_json import NUMBER_CHARACTERS_MAX

WARNINGS_MAX: Final = 100
"""Warnings in one answer. A thousand lines with a null each have one cause; the last warning counts the rest."""

UNKNOWN_MAX: Final = 100
"""Unknown members that are told of. Only hostile documents have more, and each costs time."""

_SHOWN_CHARACTERS_MAX: Final = 40
"""Characters of a value that a warning repeats: enough to recognise it, too few to carry a body into a log."""

_PLAIN_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_NOTHING: Final[tuple[Any, ...]] = (None, 0, "", [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the form says of one place. `folded` has the members' names by their small letters, `words` the words."""

    kind: Literal["object", "array", "string", "number", "any"]
    members: Mapping[str, Place] = field(default_factory=dict)
    folded: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    entries: Place | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    spelt: frozenset[Any] = frozenset()
    pattern: re.Pattern[str] | None = None
    characters_max: int | None = None

    def holds(self, value: Any) -> bool:
        """Whether a value can stay as it is, as far as this reading is concerned."""
        if self.kind == "number":
            return type(value) is int or type(value) is Decimal
        if self.kind != "string":
            return self.kind == "any"
        if type(value) is not str:
            return False
        if self.spelt:
            return value in self.spelt
        return not value or not (value[0].isspace() or value[-1].isspace())

    def takes(self, text: str) -> bool:
        """Whether a text has the form as it stands."""
        if self.spelt:
            return text in self.spelt
        fits = self.characters_max is None or len(text) <= self.characters_max
        return fits and (self.pattern is None or self.pattern.fullmatch(text) is not None)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what was sent and what the form knows. `at` points into the document as it was sent."""

    code: str
    at: str
    before: Any
    after: Any
    fix: tuple[Mapping[str, Any], ...]

    def warning(self) -> Fault:
        """The change in words, with the patch that makes it in the sender's own document."""
        message, help_ = _WORDS[self.code]
        told = {"at": self.at, "before": _shown(self.before), "after": _shown(self.after)}
        return Fault(self.code, self.at, message.format(**told), help_.format(**told), fix=self.fix or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """A document as it is read. `faults` name members that are there twice; `renamed` has pointers, read to sent."""

    document: Any
    changes: Sequence[Change] = ()
    faults: Sequence[Fault] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def warnings(self) -> list[Fault]:
        """The changes in words, at most `WARNINGS_MAX`."""
        told = [change.warning() for change in self.changes[:WARNINGS_MAX]]
        rest = len(self.changes) - len(told)
        return [*told[:-1], _rest(rest + 1)] if rest else told

    def as_sent(self, faults: Iterable[Fault]) -> list[Fault]:
        """Faults of the document as it is read, with pointers and patches for the one that was sent."""
        if not self.renamed:
            return list(faults)
        return [replace(each, at=self._sent(each.at), fix=self._patch(each.fix)) for each in faults]

    def _sent(self, at: str) -> str:
        read = sent = ""
        for step in at.split("/")[1:]:
            read, sent = f"{read}/{step}", f"{sent}/{step}"
            sent = self.renamed.get(read, sent)
        return sent

    def _patch(self, fix: tuple[Mapping[str, Any], ...] | None) -> tuple[Mapping[str, Any], ...] | None:
        pointers = ("path", "from")
        return fix and tuple(
            {name: self._sent(value) if name in pointers else value for name, value in step.items()} for step in fix
        )


def normalise(document: Any, *, form: Place) -> Normalised:
    """Read a document leniently, by its form. It is not altered; parts without a change are shared with the result.

    Never raises on a JSON value. Reading again what was read changes nothing.
    """
    reader = _Reader()
    read = reader.value(document, form, at="", read_at="") if isinstance(document, dict) else document
    return Normalised(document=read, changes=reader.changes, faults=reader.faults, renamed=reader.renamed)


class _Reader:
    """One reading: what it has found so far. Changes of a part stand before those of the whole around it."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.faults: list[Fault] = []
        self.renamed: dict[str, str] = {}
        self._unknown: set[tuple[int, str]] = set()

    def value(self, found: Any, place: Place, *, at: str, read_at: str) -> Any:
        if place.kind == "object" and isinstance(found, dict):
            return self._object(found, place, at=at, read_at=read_at)
        if place.kind == "array" and isinstance(found, list):
            return self._array(found, place, at=at, read_at=read_at)
        read, code = _leaf(found, place)
        if code:
            self._note(code, at, found, read, {"op": "replace", "path": at, "value": read})
        return read

    def _array(self, found: list[Any], place: Place, *, at: str, read_at: str) -> list[Any]:
        entries = place.entries
        if entries is None:
            return found
        steps = enumerate(found)
        read = [self.value(each, entries, at=f"{at}/{n}", read_at=f"{read_at}/{n}") for n, each in steps]
        return read if any(new is not old for new, old in zip(read, found, strict=True)) else found

    def _object(self, found: dict[str, Any], place: Place, *, at: str, read_at: str) -> dict[str, Any]:
        twice = frozenset() if found.keys() <= place.members.keys() else self._other_names(found, place, at=at)
        members = place.members
        replaced: dict[str, tuple[str, Any]] = {}
        for name, value in found.items():
            inner = members.get(name)
            if inner is not None and inner.holds(value):
                continue
            known = name if inner is not None else _known(name, place)
            if known is not None and known not in twice:
                read = self._member(name, value, place, known=known, at=at, read_at=read_at)
                if read is None or read[0] != name or read[1] is not value:
                    replaced[name] = read or _DROPPED
        if not replaced:
            return found
        pairs = (replaced.get(name, (name, value)) for name, value in found.items())
        return {name: value for name, value in pairs if value is not _GONE}

    def _member(
        self, name: str, value: Any, place: Place, *, known: str, at: str, read_at: str
    ) -> tuple[str, Any] | None:
        """A member by its right name with its value as it is read, or nothing when it says nothing."""
        inner, sent, read_at = place.members[known], f"{at}/{name}", f"{read_at}/{known}"
        if name != known:
            self.renamed[read_at] = sent
        if value is None:
            self._note("read-null", sent, value, None, {"op": "remove", "path": sent})
            return None
        if inner.kind == "object" and known not in place.required and _says_nothing(value, inner):
            self._note("read-empty", sent, value, None, {"op": "remove", "path": sent})
            return None
        read = self.value(value, inner, at=sent, read_at=read_at)
        if name != known:
            self._note("read-name", sent, name, known, {"op": "move", "from": sent, "path": f"{at}/{known}"})
        return known, read

    def _other_names(self, found: Mapping[str, Any], place: Place, *, at: str) -> frozenset[str]:
        """Tell of members that the form does not know, and find those that are there twice, but for letter-case."""
        met: dict[str, str] = {}
        twice = set()
        for name in found:
            known = name if name in place.members else _known(name, place)
            if known is None:
                self._tell_unknown(name, place, at=at)
                continue
            if known in met:
                twice.add(known)
                self.faults.append(_fault_twice(f"{at}/{name}", first=met[known], second=name, known=known))
            met.setdefault(known, name)
        return frozenset(twice)

    def _tell_unknown(self, name: str, place: Place, *, at: str) -> None:
        """Once for each name and place of the form: a thousand lines with the same one have one cause."""
        if len(self._unknown) < UNKNOWN_MAX and (id(place), name) not in self._unknown:
            self._unknown.add((id(place), name))
            self.changes.append(Change("member-unknown", f"{at}/{_escaped(name)}", name, None, ()))

    def _note(self, code: str, at: str, before: Any, after: Any, step: Mapping[str, Any]) -> None:
        self.changes.append(Change(code, at, before, after, (step,)))


_GONE: Final = object()
_DROPPED: Final = ("", _GONE)


def _leaf(found: Any, place: Place) -> tuple[Any, str]:
    """A value as it is read, and the code of the change, which is empty when there is none."""
    if place.kind == "number" and isinstance(found, str):
        text = found.strip()
        if len(text) <= NUMBER_CHARACTERS_MAX and _PLAIN_NUMBER.fullmatch(text):
            return (Decimal(text) if "." in text else int(text)), "read-number"
    if place.kind == "string" and isinstance(found, int | Decimal) and not isinstance(found, bool):
        return _plain(found), "read-text"
    if place.kind == "string" and isinstance(found, str) and not place.takes(found):
        return _text(found, place)
    return found, ""


def _text(found: str, place: Place) -> tuple[str, str]:
    stripped = found.strip()
    if not stripped:  # it says nothing, which the form is told of: without its blanks it would say no more
        return found, ""
    word = place.words.get(stripped.lower(), stripped) if stripped.isascii() else stripped
    if word != stripped:
        return word, "read-word"
    return (stripped, "read-blanks") if stripped != found else (found, "")


def _plain(number: int | Decimal) -> str:
    """A number as text: whole ones without a point (many programs write 29.0 for 29), others as they were written."""
    if isinstance(number, int):
        return str(number)
    text = f"{number:f}"
    return text.partition(".")[0] if number == number.to_integral_value() else text


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _known(name: str, place: Place) -> str | None:
    """The member that a name means but for its letter-case."""
    return place.folded.get(name.lower()) if name.isascii() else None


def _says_nothing(value: Any, place: Place) -> bool:
    """Whether an object that needs members has none that the form knows, and nothing but blanks and zeros beside."""
    return bool(place.required) and isinstance(value, dict) and all(_blank(name, value[name], place) for name in value)


def _blank(name: str, value: Any, place: Place) -> bool:
    if value is None:
        return True
    known = name in place.members or _known(name, place) is not None
    return not known and not isinstance(value, bool) and value in _NOTHING


def _fault_twice(at: str, *, first: str, second: str, known: str) -> Fault:
    return Fault(
        "member-twice",
        at,
        f"{second} and {first} are one member, {known}, in different letter-case: which of the two counts is a guess.",
        f"Send it once, as {known}.",
        portal_code="5002",
    )


def _rest(count: int) -> Fault:
    return Fault(
        "read-more",
        "",
        f"{count} further places were read leniently and are not listed.",
        "Mend the places above in the program that writes the documents; most of the others have the same cause.",
    )


def _shown(value: Any) -> str:
    if isinstance(value, dict | list) or value is None:
        return "nothing"
    text = _plain(value) if isinstance(value, int | Decimal) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "member-unknown": ("The form has no member {before}; the portal ignores it.", "Leave it out, or correct its name."),
    "read-name": ("The member {before} was read as {after}.", "Write its name as {after}."),
    "read-null": ("{at} is null, which says nothing, and was left out.", "Leave it out."),
    "read-empty": ("{at} says nothing and was left out.", "Leave it out."),
    "read-number": ('{at} is the text "{before}" and was read as the number {after}.', "Write it without quotes."),
    "read-text": ('{at} is the number {before} and was read as the text "{after}".', "Write it in quotes."),
    "read-word": ('{at} is "{before}" and was read as "{after}".', 'Write it as "{after}".'),
    "read-blanks": ('{at} has blanks around it and was read as "{after}".', "Leave the blanks out."),
}
