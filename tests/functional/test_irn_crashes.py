"""A process dies at each place where an operation on an IRN touches the world: both ledgers agree all the same.

`test_eway_crashes` has the kinds of the e-way bill system. Here are the others, and the chains: a cancellation that
waits for a registration in doubt, and a reversal, in which the IRN waits for its bill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.domain.operations import Kind, Status
from gateway.storage.tables import operations
from tests.functional.test_api_life import REASON, TRUCK, bill_of, goods, registered
from tests.functional.test_eway_kinds import SERVICES
from tests.support_api import Blueprint, Stack, document
from tests.support_crashes import POINTS, Died, Reaper
from tests.support_ledgers import check_agreement, page, rows

POINTS_X_KINDS_MIN: Final = 60
"""What is promised; there are 98, and the boundaries of the chains besides."""
LOOKS_MAX: Final = 40
"""Half minutes in which everything has to be settled after a death."""
SIDES: Final = ("before", "after")
Ask = Callable[[str, Any], Any]
"""Posts something to a path, as often as it takes, and gives the answer."""


@dataclass(frozen=True)
class Story:
    """What is asked once everything is there, and the calls that are done in the end, each once."""

    name: str
    prepare: Callable[[Stack], Callable[[Ask], Any]]
    done: tuple[str, ...]
    kinds: tuple[Kind, ...]
    fault: str | None = None


def _generate(_: Stack) -> Callable[[Ask], Any]:
    return lambda ask: ask("/irn", document("with_ewb"))


def _cancel(stack: Stack) -> Callable[[Ask], Any]:
    irn = registered(stack)
    return lambda ask: ask(f"/irn/{irn}/cancel", REASON)


def _bill(stack: Stack) -> Callable[[Ask], Any]:
    irn = goods(stack)
    return lambda ask: ask("/ewb", {"Irn": irn, **TRUCK})


def _cancel_at_once(_: Stack) -> Callable[[Ask], Any]:
    def asked(ask: Ask) -> None:
        irn = ask("/irn", document())["irn"]
        ask(f"/irn/{irn}/cancel", REASON)

    return asked


def _reversal(stack: Stack) -> Callable[[Ask], Any]:
    irn = goods(stack)
    bill_of(stack, irn)
    return lambda ask: ask(f"/irn/{irn}/reverse", {})


STORIES: Final = (
    Story("generate", _generate, ("generate",), (Kind.IRN_GENERATE,)),
    Story("cancel", _cancel, ("cancel",), (Kind.IRN_CANCEL,)),
    Story("bill by IRN", _bill, ("bill_by_irn",), (Kind.EWB_GENERATE,)),
    Story(
        "cancel waits for a registration in doubt",
        _cancel_at_once,
        ("generate", "cancel"),
        (Kind.IRN_GENERATE, Kind.IRN_CANCEL),
        fault="drop_after",
    ),
    Story("reversal", _reversal, ("ewb_cancel", "cancel"), (Kind.EWB_CANCEL, Kind.IRN_CANCEL)),
)


def _boundaries(story: Story) -> list[str]:
    """By name: each of POINTS for the last kind and its own call, its acceptance, and the record that woke it."""
    kind, service = story.kinds[-1], story.done[-1]
    named = [f"{service if point.startswith('wire') else kind}/{point}" for point in POINTS]
    before = [f"{kind}/record:{side}" for kind in story.kinds[:-1] for side in SIDES]
    return [*named, *(f"{kind}/accept:{side}" for side in SIDES), *before]


CASES: Final = [pytest.param(story, at, id=f"{story.name}: {at}") for story in STORIES for at in _boundaries(story)]


def test_every_kind_is_swept() -> None:
    """The points of all kinds, here and in `test_eway_crashes`, are as many as is promised, and no kind is left out."""
    kinds = {kind for story in STORIES for kind in story.kinds} | SERVICES.keys()
    assert kinds == set(Kind)
    assert len(POINTS) * len(kinds) >= POINTS_X_KINDS_MIN
    assert len(POINTS) * len(kinds) == 98


@pytest.mark.parametrize(("story", "at"), CASES)
def test_an_operation_outlives_its_process(
    stack: Stack, story: Story, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it dies at is done once at the portal, and both ledgers say the same."""
    reaper = _live(stack, story, monkeypatch, at)
    assert reaper.died_at == at, reaper.passed
    _check(stack, story)


@pytest.mark.soak
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_chain_outlives_a_death_at_any_moment(tmp_path: Path, blueprint: Blueprint, story: Story) -> None:
    """However far a story has come, and whatever it is doing: logins and look-ups too."""
    moments = _played(tmp_path / "undisturbed", blueprint, story, turn=None).passed
    for turn, moment in enumerate(moments):
        assert _played(tmp_path / str(turn), blueprint, story, turn=turn).died_at == moment
    print(f"{story.name}: died at each of {len(moments)} moments")  # noqa: T201  what a soak found


def _played(folder: Path, blueprint: Blueprint, story: Story, *, turn: int | None) -> Reaper:
    folder.mkdir()
    with Stack(folder, blueprint) as stack, pytest.MonkeyPatch.context() as patch:
        reaper = _live(stack, story, patch, turn=turn)
        _check(stack, story)
        return reaper


def _live(stack: Stack, story: Story, patch: pytest.MonkeyPatch, *at: str, turn: int | None = None) -> Reaper:
    """Let a story happen, with a death in it, and all that follows."""
    asked = story.prepare(stack)
    if story.fault is not None:
        stack.strike(story.fault)
    reaper = Reaper(stack, patch, *at, turn=turn)
    stack.idle = True
    asked(lambda path, body: _asked(stack, path, body))
    stack.idle = False
    _outlived(stack, stack.drain)
    for _ in range(LOOKS_MAX):
        _outlived(stack, lambda: stack.later(seconds=30))
        _outlived(stack, stack.drain)
        if all(row["settled_at"] for row in rows(stack, operations)):
            break
    return reaper


def _asked(stack: Stack, path: str, body: Any) -> Any:
    """What a client is told, who asks again with the same key while there is no answer."""
    headers = {"Prefer": "respond-async", "Idempotency-Key": f"one-{path[-20:].strip('/')}"}
    for _ in range(2):
        try:
            answer = stack.post(body, path, headers=headers)
        except Died:
            stack.bell.rung.clear()
        else:
            assert answer.status_code == 202, answer.text
            return answer.json()
    raise AssertionError("it died twice")


def _outlived(stack: Stack, work: Callable[[], Any]) -> None:
    try:
        work()
    except Died:
        stack.bell.rung.clear()


def _check(stack: Stack, story: Story) -> None:
    ends = {row["status"] for row in rows(stack, operations)}
    assert ends == {Status.SUCCEEDED.value}, rows(stack, operations)
    check_agreement(stack)
    sent = Counter(each["operation"] for each in page(stack, "calls") if each["operation"] in story.done)
    assert sent == dict.fromkeys(story.done, 1), "something was sent that stands at the portal"
