"""Over a thousand fixed wrong requests: an exact status, a stable code, no row, no call at the portal, nothing said.

They are data, in `tests/bad_inputs`; `benchmarks/bad_inputs.py` measures what each of them costs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import Final

import httpx
import pytest

from gateway.domain import strict_json
from tests.bad_inputs import credentials, documents, json_door, large, requests
from tests.bad_inputs.cases import Case, Credentials, credentials_of
from tests.support_api import Blueprint, Stack, refused
from tests.support_watch import Watch

CASES: Final = [*chain(json_door.cases(), documents.cases(), requests.cases(), credentials.cases(), large.cases())]
COUNT_MIN: Final = 1200
INNARDS: Final = re.compile(r'Traceback|File "|line \d+, in|sqlalchemy|psycopg|SELECT ', re.IGNORECASE)


class Door:
    """One gateway for all of them, and a watch over it: no case may change it."""

    def __init__(self, stack: Stack, watch: Watch, known: Credentials) -> None:
        self._stack = stack
        self._watch = watch
        self._known = known

    def answer(self, case: Case) -> httpx.Response:
        """What comes of a case, which leaves nothing behind."""
        sent = case.sent(self._known)
        method, path = sent.pop("method"), sent.pop("path")
        answer, changed, calls = self._watch.asked(lambda: self._stack.send(method, path, **sent))
        assert (changed, calls) == (frozenset(), frozenset())
        return answer


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint) -> Iterator[Door]:
    """Made once."""
    folder = tmp_path_factory.mktemp("bad-inputs")
    with Stack(folder, blueprint) as stack:
        known = credentials_of(stack)
        with closing(Watch(stack, folder / "mohar.db")) as watch:
            yield Door(stack, watch, known)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_wrong_request_is_told_so_and_leaves_nothing(door: Door, case: Case) -> None:
    """Its status and code are exact, and so are the places of a document that are named; it says nothing of ours."""
    answer = door.answer(case)
    if case.oauth:
        assert (answer.status_code, strict_json.read(answer.content)["error"]) == (case.status, case.code)
    else:
        problem = refused(answer, case.status, case.code)
        if case.code == "document-invalid":
            assert {(fault["code"], fault["at"]) for fault in problem["errors"]} == case.faults
    assert INNARDS.search(answer.text) is None


def test_each_case_stands_once() -> None:
    """There are as many as are promised, each with a name of its own, and no two send the same."""
    names = Counter(case.id for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= COUNT_MIN
