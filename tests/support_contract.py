"""The OpenAPI document as a judge: whether an answer is one that it tells of."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import httpx
from jsonschema import Draft202012Validator

from gateway.api import openapi
from gateway.api.app import outline
from gateway.domain import strict_json

_UNTOLD: Final = frozenset({404, 405})
"""Of a path or a method that there is not: no operation can tell of those."""
_COME_BACK: Final = frozenset({429, 503})
_JSON: Final = re.compile(r"application/(.+\+)?json", re.ASCII)
_ALWAYS: Final = ("x-request-id", "api-version")


@cache
def described() -> dict[str, Any]:
    """The document, made from the endpoints."""
    return openapi.document(outline())


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    while "$ref" in value:
        found: Any = described()
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


def check(method: str, path: str, answer: httpx.Response) -> None:
    """Fail unless the document tells of this answer: its status, its type, its body and its headers."""
    missing = [name for name in _ALWAYS if name not in answer.headers]
    assert not missing, f"{method} {path} was answered without {missing}"
    operation = _operation("GET" if method == "HEAD" else method, path)
    if operation is None:
        if path != "/docs" and not path.startswith(("/docs/", "/openapi.json")):
            assert answer.status_code in {*_UNTOLD, 400, 414, 431}, f"{method} {path}: {answer.status_code}"
        return
    assert str(answer.status_code) in operation["responses"], f"{method} {path} does not tell of {answer.status_code}"
    response = resolved(operation["responses"][str(answer.status_code)])
    kind = answer.headers["content-type"]
    assert kind in response["content"], f"{method} {path}: {answer.status_code} as {kind}"
    _check_headers(answer, response)
    if method != "HEAD" and _JSON.fullmatch(kind):
        validator(response["content"][kind]["schema"]["$ref"]).validate(strict_json.read(answer.content))


def validator(reference: str) -> Draft202012Validator:
    """A validator of one schema that takes no member which the document does not know."""
    return _validator(reference)


@cache
def _validator(reference: str) -> Draft202012Validator:
    components = {"schemas": _closed(described()["components"]["schemas"])}
    return Draft202012Validator({"$ref": reference, "components": components})


def _check_headers(answer: httpx.Response, response: dict[str, Any]) -> None:
    told = {name.lower() for name in response["headers"]}
    for name in ("location", "retry-after", "idempotent-replayed", "www-authenticate"):
        assert name not in answer.headers or name in told, f"{answer.status_code} does not tell of {name}"
    if "retry-after" in answer.headers or answer.status_code in _COME_BACK:
        assert int(answer.headers["retry-after"]) >= 1


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, calls in described()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template.replace(".", r"\."))
        if re.fullmatch(pattern, path):
            operation: dict[str, Any] | None = calls.get(method.lower())
            return operation
    return None


def _closed(value: Any) -> Any:
    """Schemas whose objects have the members that are listed, and no others."""
    if isinstance(value, list):
        return [_closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _closed(each) for name, each in value.items()}
    return (
        {"additionalProperties": False, **inner} if value.get("type") == "object" and "properties" in value else inner
    )
