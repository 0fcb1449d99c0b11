"""The schemas of events as a judge."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource


@cache
def schemas() -> dict[str, Any]:
    """Every schema of `schemas/events`, by its file's name without the ending."""
    folder = resources.files("schemas").joinpath("events")
    files = [each for each in folder.iterdir() if each.name.endswith(".json")]
    return {each.name.removesuffix(".json"): json.loads(each.read_text(encoding="utf-8")) for each in files}


@cache
def validator(name: str) -> Draft202012Validator:
    """The judge of one type of events."""
    known = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas().values()]
    registry: Registry[Any] = Registry().with_resources(known)
    return Draft202012Validator(schemas()[name], registry=registry)


def check(event: dict[str, Any]) -> None:
    """Fail unless an event is what the schema of its type says."""
    validator(event["type"]).validate(event)
