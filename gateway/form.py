"""The form of a document as lenient reading needs it, derived from its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal, get_args

from gateway import shape
from gateway.domain.normalise import Normalised, Place, normalise

Kind = Literal["object", "array", "string", "number"]
_KINDS: Final = frozenset(get_args(Kind))


def read(document: Any, schema: str = shape.INV_01) -> Normalised:
    """A document as the form of that schema understands it. Names of schemas are those of `shape.check`."""
    return normalise(document, form=form_of(schema))


@cache
def form_of(schema: str) -> Place:
    """The form that a schema describes."""
    root = shape.document_of(schema)
    return _place(root, root=root)


def _place(schema: Mapping[str, Any], *, root: Mapping[str, Any]) -> Place:
    rule = shape.resolved(schema, root=root)
    members = {name: _place(inner, root=root) for name, inner in rule.get("properties", {}).items()}
    words = rule.get("enum", ())
    pattern = rule.get("pattern")
    return Place(
        kind=rule["type"] if rule.get("type") in _KINDS else "any",
        members=members,
        folded={name.lower(): name for name in members},
        required=frozenset(rule.get("required", ())),
        entries=_place(rule["items"], root=root) if "items" in rule else None,
        words={word.lower(): word for word in words if isinstance(word, str)},
        spelt=frozenset(word for word in words if isinstance(word, str)),
        pattern=re.compile(pattern.removeprefix("^").removesuffix("$")) if pattern else None,
        characters_max=rule.get("maxLength"),
    )
