"""The description of the API: fresh, sound, and true of what is answered; and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator, ValidationError

from gateway import shape
from gateway.api import oauth, openapi, pages, problems
from gateway.api.app import outline
from gateway.domain import canonical, strict_json
from gateway.domain.operations import Environment, HoldCause, Kind, Status
from gateway.services import access
from gateway.services.principal import Scope
from tests import support_contract
from tests.support_api import Stack, add_seller, document

DESCRIBED = support_contract.described()
SCHEMAS = DESCRIBED["components"]["schemas"]
OPERATIONS = [
    (method.upper(), path, call) for path, calls in DESCRIBED["paths"].items() for method, call in calls.items()
]
STATIC = resources.files("gateway.api").joinpath("static")


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the description."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def test_the_committed_description_is_fresh() -> None:
    """schemas/openapi.json is what the endpoints say now."""
    committed = resources.files("schemas").joinpath(openapi.FILE).read_text(encoding="utf-8")
    assert committed == openapi.text(DESCRIBED), "run `make docs`"


def test_the_description_is_served(stack: Stack) -> None:
    """GET /openapi.json gives that file, to anybody."""
    answer = stack.send("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == openapi.text(DESCRIBED)


def test_every_reference_leads_somewhere() -> None:
    """No `$ref` points at nothing."""
    references = {node["$ref"] for node in nodes(DESCRIBED) if isinstance(node.get("$ref"), str)}
    assert len(references) > 50
    for reference in references:
        assert support_contract.resolved({"$ref": reference})


def test_every_component_is_used() -> None:
    """What is described is said somewhere: no schema, parameter or answer is left over."""
    text = canonical.write(DESCRIBED)
    names = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "parameters", "headers", "requestBodies", "responses")
        for name in DESCRIBED["components"][kind]
    }
    unused = {name for name in names if f'"{name}"' not in text}
    of_no_call = {f"#/components/responses/Problem{status}" for status in (405, 408)}
    assert unused == of_no_call, "no call, and no request to make one"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_json_schema(name: str) -> None:
    """Each schema is sound by the metaschema of JSON Schema 2020-12."""
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize(("method", "path", "call"), OPERATIONS, ids=[call["operationId"] for *_, call in OPERATIONS])
def test_every_call_says_what_it_is(method: str, path: str, call: dict[str, Any]) -> None:
    """A call has words, its path's parameters, an answer that is good, and 500 for our own failures."""
    parameters = [support_contract.resolved(each) for each in call["parameters"]]
    in_path = {each["name"] for each in parameters if each["in"] == "path"}
    assert call["summary"]
    assert call["description"].endswith(".")
    assert in_path == set(re.findall(r"\{(\w+)\}", path))
    assert any(status.startswith("2") for status in call["responses"])
    assert {"400", "431", "500"} <= set(call["responses"])
    assert "requestBody" not in call or method in {"POST", "PUT", "PATCH"}
    assert ("401" in call["responses"]) is (call["security"] != [])


def test_names_of_calls_are_their_own() -> None:
    """Programs that are made from the description need a name for each call."""
    names = [call["operationId"] for *_, call in OPERATIONS]
    assert len(names) == len(set(names))


def test_an_endpoint_that_says_nothing_is_found() -> None:
    """An endpoint without its contract cannot be forgotten: the description is not made."""
    app = FastAPI()

    @app.get("/silent")
    async def silent() -> None:
        """Nothing."""

    with pytest.raises(KeyError, match=r"contract\.call"):
        openapi.document(app)


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Every example, with its schema."""
    for kind in ("responses", "requestBodies"):
        for name, component in DESCRIBED["components"][kind].items():
            for media in component["content"].values():
                if "example" in media:
                    yield name, media["schema"], media["example"]
    for name, parameter in DESCRIBED["components"]["parameters"].items():
        if "example" in parameter:
            yield name, parameter["schema"], parameter["example"]


EXAMPLES = list(examples())


@pytest.mark.parametrize(("schema", "example"), [each[1:] for each in EXAMPLES], ids=[each[0] for each in EXAMPLES])
def test_every_example_is_right(schema: Any, example: Any) -> None:
    """What is shown as an example has the form that is asked for beside it."""
    if "$ref" in schema:
        support_contract.validator(schema["$ref"]).validate(example)
    else:
        Draft202012Validator(schema).validate(example)


def test_the_example_document_is_registered(stack: Stack) -> None:
    """The first thing that a reader copies works: its GSTINs are those of the sandbox."""
    example = DESCRIBED["components"]["requestBodies"]["Document"]["content"]["application/json"]["example"]
    seller = example["SellerDtls"]["Gstin"]
    add_seller(seller, ports=stack.ports)
    stack.clients["reader"] = access.add_client(
        environment=Environment.TEST, gstins=[seller], name="reader", respond_async=False, ports=stack.ports
    )
    assert stack.post(example, client="reader").status_code == 201


def test_the_document_s_schema_is_the_one_that_is_checked() -> None:
    """The INV-01 in the description judges as the gateway does, to the last decimal."""
    judge = jsonschema_rs.Draft202012Validator({"$ref": "#/components/schemas/Inv01", **DESCRIBED})
    good = document("full")
    good["ValDtls"]["TotInvVal"] = strict_json.read(b"99999999999999.99")
    assert (judge.is_valid(good), shape.check(good)) == (True, [])
    good["ValDtls"]["TotInvVal"] = strict_json.read(b"100000000000000.00")
    assert not judge.is_valid(good)
    assert shape.check(good)
    assert "99999999999999.99" in openapi.text(DESCRIBED)


def test_lists_of_words_are_complete() -> None:
    """Scopes, statuses, kinds, causes and errors are those of the code."""
    flow = DESCRIBED["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    operation = SCHEMAS["Operation"]["properties"]
    assert set(flow["scopes"]) == set(Scope)
    assert SCHEMAS["Status"]["enum"] == [status.value for status in Status]
    assert SCHEMAS["Kind"]["enum"] == [kind.value for kind in Kind]
    assert operation["hold_cause"]["enum"] == [cause.value for cause in HoldCause]
    assert set(SCHEMAS["TokenError"]["properties"]["error"]["enum"]) == oauth.ERRORS
    assert set(problems.STATUSES.values()) <= set(problems.TITLES)


def answer(status: int, content: bytes, **headers: str) -> httpx.Response:
    """An answer that nobody gave."""
    always = {"content-type": "application/json", "x-request-id": "req_1", "api-version": "2026-11-01"}
    return httpx.Response(
        status, content=content, headers=always | {k.replace("_", "-"): v for k, v in headers.items()}
    )


@pytest.mark.parametrize(
    "false",
    [
        answer(204, b"{}"),
        answer(200, b'{"status":"well"}'),
        answer(200, b'{"status":"alive","more":1}'),
        answer(200, b'{"status":"alive"}', content_type="text/html"),
        answer(200, b'{"status":"alive"}', location="/elsewhere"),
        httpx.Response(200, content=b'{"status":"alive"}', headers={"content-type": "application/json"}),
    ],
)
def test_the_judge_of_all_answers_has_teeth(false: httpx.Response) -> None:
    """Every answer in these tests is held to the description; what it does not tell of is found."""
    with pytest.raises((AssertionError, ValidationError)):
        support_contract.check("GET", "/healthz", false)
    support_contract.check("GET", "/healthz", answer(200, b'{"status":"alive"}'))


def test_the_page_loads_nothing_from_elsewhere(stack: Stack) -> None:
    """/docs is our own: its policy allows nothing else, and it asks for nothing else."""
    page = stack.send("GET", "/docs")
    policy = page.headers["content-security-policy"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
    assert "unsafe" not in policy
    for name in ("docs.html", "docs.css", "docs.js"):
        assert not re.search(r"(https?:)?//[a-z]|@import|url\(", STATIC.joinpath(name).read_text(encoding="utf-8"))
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src)", page.text)
    wanted = set(re.findall(r'(?:href|src)="([^"#]+)"', page.text))
    assert wanted == {"docs/mark.svg", "docs/docs.css", "docs/docs.js", "openapi.json"}
    for path in wanted:
        assert stack.send("GET", f"/{path}").status_code == 200


def test_the_page_takes_nothing_for_markup() -> None:
    """The script puts texts in as text: no word of the description can run."""
    script = STATIC.joinpath("docs.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


def test_the_parts_have_their_types(stack: Stack) -> None:
    """A browser that is told not to guess is told the type."""
    types = {name: stack.send("GET", f"/docs/{name}").headers["content-type"] for name in pages.TYPES}
    assert types == {
        "docs.css": "text/css; charset=utf-8",
        "docs.js": "text/javascript; charset=utf-8",
        "mark.svg": "image/svg+xml",
    }


def test_the_outline_needs_nothing() -> None:
    """The description can be made without a database, keys or settings."""
    assert openapi.document(outline()) == DESCRIBED
