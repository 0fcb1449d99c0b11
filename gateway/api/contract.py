"""What a call takes and gives, said beside its endpoint, in names of `components.json`.

Bodies are read and answers written by hand, so that no amount passes through a float: the framework cannot know them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.services.principal import Scope

ALWAYS = (400, 414, 431, 500, 503)
"""Problems that every call may end in: an unknown API-Version, a path or headers too long, a failure of our own, a
connection too many or a part that is away."""


def call(
    gives: Mapping[int, str],
    *,
    scope: Scope | None = None,
    takes: str | None = None,
    parameters: Sequence[str] = (),
    refuses: Sequence[int] = (),
) -> dict[str, Any]:
    """An OpenAPI operation but for its name and its words.

    `gives` names a response by status, `takes` a request body, `parameters` what stands in headers and query;
    `refuses` are the statuses of problems. A call with a scope also refuses with 401, 403 and 429.
    """
    problems = sorted({*refuses, *ALWAYS, *((401, 403, 429) if scope else ())})
    named = {status: f"Problem{status}" for status in problems} | dict(gives)
    fragment: dict[str, Any] = {
        "parameters": [_ref("parameters", name) for name in (*parameters, "API-Version", "X-Request-Id")],
        "responses": {str(status): _ref("responses", named[status]) for status in sorted(named)},
        "security": [{"oauth2": [scope.value]}, {"api_key": []}] if scope else [],
    }
    return fragment | ({"requestBody": _ref("requestBodies", takes)} if takes else {})


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
