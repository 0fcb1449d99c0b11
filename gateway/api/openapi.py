"""The OpenAPI document: what the endpoints say of themselves, the components they name, and the INV-01 schema.

`schemas/openapi.json` is this document, kept by `mohar docs` and a test; it is what is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.api import problems
from gateway.api.edge import API_VERSION
from gateway.domain import canonical
from gateway.domain.audit import Action
from gateway.domain.events import EventType
from gateway.domain.operations import Kind
from gateway.services.webhooks import SUBSCRIBABLE

OPENAPI_VERSION: Final = "3.1.0"
"""The first whose schemas are JSON Schema proper, as INV-01 is."""
DOCUMENT_SCHEMA: Final = ("inv-01", "1.1.json")
FILE: Final = "openapi.json"
COMPONENTS: Final = ("components.json", "components-road.json", "components-truth.json")
"""What the calls name: most of it, the forms of e-way bills on the road, and what proves and checks the ledger."""

_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_DOCUMENT_AT: Final = "#/components/schemas/Inv01"
_ALWAYS: Final = (
    "API-Version",
    "X-Request-Id",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
_TOLD_BY: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    409: ("Idempotent-Replayed",),
    422: ("Idempotent-Replayed", "Refusal-Replayed"),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_SCHEMAS: Final[Mapping[int, str]] = {429: "ProblemThrottled", 503: "ProblemUnavailable"}
_ABOUT: Final = """\
An ERP sends an invoice in the GSTN's own format (INV-01); Mohar checks it, registers it with an Invoice Registration \
Portal, and gives back the IRN, the signed invoice and the signed QR code.

Every error is `application/problem+json` with a stable `code`, a `help` and all faults in `errors`; \
an authority's refusal is 422 with its code verbatim in `portal_code`, and never a 5xx.\
"""


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application's calls. Numbers that are no integers are Decimals.

    Raises KeyError for an endpoint that does not say what it takes and gives.
    """
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": app.title, "summary": app.summary, "description": _ABOUT, "version": API_VERSION},
        "paths": _paths(routes),
        "components": _components(),
    }


def text(described: Mapping[str, Any]) -> str:
    """The document as text, every number as it was written: a float would move the bounds of INV-01."""
    return _indented(described, "") + "\n"


def _paths(routes: Iterable[APIRoute]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        for method in sorted(route.methods or ()):
            paths.setdefault(route.path, {})[method.lower()] = _operation(route)
    return paths


def _operation(route: APIRoute) -> dict[str, Any]:
    said = route.openapi_extra
    if said is None:
        raise KeyError(f"{route.path} says nothing of what it takes and gives: use `contract.call`")
    in_path = [{"$ref": f"#/components/parameters/{name}"} for name in _PATH_PARAMETER.findall(route.path)]
    return {
        "operationId": route.name,
        "summary": route.summary,
        "description": route.description,
        "tags": list(route.tags),
        **said,
        "parameters": [*in_path, *said["parameters"]],
    }


def _components() -> dict[str, Any]:
    components: dict[str, Any] = {}
    for file in COMPONENTS:
        source = resources.files("gateway.api").joinpath(file).read_text(encoding="utf-8")
        for section, named in json.loads(source, parse_float=Decimal).items():
            components.setdefault(section, {}).update(named)
    responses = components["responses"] | {f"Problem{status}": _problem(status) for status in problems.TITLES}
    always = {name: _header(name) for name in _ALWAYS}
    components["responses"] = {
        name: response | {"headers": response.get("headers", {}) | always} for name, response in responses.items()
    }
    components["schemas"]["Inv01"] = _inv01()
    components["schemas"]["EventType"]["enum"] = [each.value for each in EventType if each in SUBSCRIBABLE]
    components["schemas"]["AuditAction"]["enum"] = [action.value for action in Action]
    components["schemas"]["Kind"] = {"type": "string", "enum": [kind.value for kind in Kind]}
    return components


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": f"{problems.TITLES[status]}.",
        "headers": {name: _header(name) for name in _TOLD_BY.get(status, ())},
        "content": {
            problems.MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{_SCHEMAS.get(status, 'Problem')}"}}
        },
    }


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _inv01() -> dict[str, Any]:
    """The INV-01 schema, its own references made to point to where it now stands."""
    source = resources.files("schemas").joinpath(*DOCUMENT_SCHEMA).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(source.replace('"#/$defs/', f'"{_DOCUMENT_AT}/$defs/'), parse_float=Decimal)
    return {name: value for name, value in schema.items() if name not in ("$schema", "$id")}


def _indented(value: Any, margin: str) -> str:
    """JSON of one member to a line, short values on one line."""
    flat = canonical.write(value)
    if not isinstance(value, dict | list) or len(flat) + len(margin) <= _LINE_CHARACTERS_MAX:
        return flat
    inner = margin + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _indented(each, inner) for each in value) + f"\n{margin}]"
    members = (f"{inner}{json.dumps(name)}: {_indented(each, inner)}" for name, each in value.items())
    return "{\n" + ",\n".join(members) + f"\n{margin}}}"


_LINE_CHARACTERS_MAX: Final = 110
"""So that a change of the contract is a change of a few lines."""
