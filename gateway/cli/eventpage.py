"""docs/events.md: every event that is sent, from the tables and the schemas that the code goes by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final

from gateway.domain.events import ANNOUNCED, ANNOUNCED_BY_ALL, PAYLOAD_BYTES_MAX, RETENTION, EventType

_SHARED: Final = "urn:mohar:event:common#/$defs/"
_INTRODUCTION: Final = f"""\
# Events

Written by `mohar docs` from `gateway/domain/events.py` and `schemas/events/`. What is listed here is sent.

An event is JSON of less than {PAYLOAD_BYTES_MAX // 1000} kB, the same in a webhook's body and in `GET /events`,
where it can be read for {RETENTION.days} days. It names documents and links to them; it never contains them.

"""
_ORDER: Final = """\
Every change of an operation's state has one event at most. Deliveries may come twice and out of order: the id
tells a repetition, and of two events with the same `subject` the one with the higher `sequence` is the later.

"""


def page() -> str:
    """The whole page, in Markdown."""
    shared = _schema("common")["$defs"]
    lines = [
        *_INTRODUCTION.splitlines(),
        *_members(shared["Event"], shared),
        "",
        *_ORDER.splitlines(),
        "| type | told when |",
        "|---|---|",
        *(f"| [`{each}`](#{_anchor(each)}) | {_when(each)} |" for each in EventType),
        "",
    ]
    for each in EventType:
        schema = _schema(each)
        data = schema["properties"]["data"]
        lines += [f"## `{each}`", "", schema["description"], "", *_members(data, shared), ""]
    return "\n".join(lines)


def _schema(name: str) -> dict[str, Any]:
    file = resources.files("schemas").joinpath("events", f"{name}.json")
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def _when(told: EventType) -> str:
    comes = [f"`{kind}` is `{status}`" for (kind, status), each in ANNOUNCED.items() if each is told]
    comes += [f"any operation is `{status}`" for status, each in ANNOUNCED_BY_ALL.items() if each is told]
    return ", ".join(comes) or _schema(told)["description"].split(".")[0].lower()


def _anchor(told: EventType) -> str:
    return told.replace(".", "")


def _members(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[str]:
    yield "| member | what it is |"
    yield "|---|---|"
    for name, member in schema["properties"].items():
        yield f"| `{name}` | {_meaning(member, shared)} |"


def _meaning(member: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    """A member's own description, or its type's, and the names of what is in it."""
    full = {**shared.get(str(member.get("$ref", "")).removeprefix(_SHARED), {}), **member}
    inner = ", ".join(f"`{name}`" for name in full.get("properties", {}))
    known = " or ".join(f"`{value}`" for value in full.get("enum", ()))
    said = full.get("description", known)
    return f"{said} {f'({inner})' if inner else ''}".strip()
