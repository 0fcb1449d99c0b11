"""Evidence bundles: whatever is changed, dropped, doubled, moved or hidden in them is found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.judge import BundleJudge
from gateway.domain import bundle, seals
from gateway.domain.audit import Action, Record
from gateway.domain.bundle_check import Check, Flaw
from gateway.domain.merkle import Part
from gateway.services import sealing, sweeping
from tests.support import record
from tests.support_api import SELLER, STRANGER, Blueprint, Stack, document

Lines = list[dict[str, Any]]
LAST_WORD = {"bundle-changed", "end-forged"}
"""What the signed last line finds in any change; the other checks have to find theirs without it."""
ONLY_BY_THE_LAST_WORD = {("bundle", "made_at")}
"""Nothing else in a bundle depends on when it was made."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """A bundle with documents, several seals, two keys, and others' records in between."""
    blueprint = Blueprint(tmp_path_factory.mktemp("blueprint"))
    with Stack(tmp_path_factory.mktemp("stack"), blueprint) as stack:
        for number in range(3):
            stack.post(document(No=f"E/{number}"))
            if number == 1:  # a seal with nothing in it for the reader
                sweeping.seal_all(holder="test", ports=stack.ports)
                stack.clock.step(seconds=5)
                sealing.add_key(actor="operator", ports=stack.ports)
                sweeping.seal_all(holder="test", ports=stack.ports)
            strange = record(f"aud_strange_{number}", gstin=STRANGER, org_id="org_strange", environment="test")
            stack.ports.auditor.write(strange)
            sweeping.seal_all(holder="test", ports=stack.ports)
            stack.clock.step(seconds=5)
        stack.post(document(No="NOTHING-TO-SEE"))
        sweeping.seal_all(holder="test", ports=stack.ports)
        answer = stack.get("/audit/export")
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()]


def written(lines: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Lines as the gateway writes them."""
    writer = bundle.Lines()
    return [writer.write(line).encode() for line in lines]


def flaws(lines: Sequence[Mapping[str, Any]]) -> list[Flaw]:
    """What the check finds."""
    return list(Check(BundleJudge()).flaws(written(lines)))


def codes(lines: Sequence[Mapping[str, Any]]) -> set[str]:
    """The codes of what the check finds without the last word."""
    return {flaw.code for flaw in flaws(lines)} - LAST_WORD


def kinds(lines: Lines, kind: str) -> list[int]:
    """Where lines of a kind stand."""
    return [index for index, line in enumerate(lines) if line["type"] == kind]


def test_a_bundle_holds(lines: Lines) -> None:
    """As it was given, a bundle has no flaw, and has every kind of line."""
    check = Check(BundleJudge())
    assert list(check.flaws(written(lines))) == []
    assert {line["type"] for line in lines} == set(bundle.MEMBERS)
    assert check.summary.documents == 4
    assert check.summary.records == len(kinds(lines, "record"))
    assert check.summary.hidden > 5
    assert len(check.summary.key_ids) == 2


def test_a_bundle_has_nothing_of_others(lines: Lines) -> None:
    """Records of other taxpayers stand in it as hashes only."""
    assert STRANGER not in json.dumps(lines)
    assert {line["gstin"] for line in lines if line["type"] == "record"} == {SELLER, None}


def changed(value: Any) -> Iterator[Any]:
    """The value with one byte of it flipped, for each of its parts."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {key: inner for key, inner in value.items() if key != name} | {flipped(name): inner}
            yield from (value | {name: other} for other in changed(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in changed(inner))
    elif isinstance(value, str):
        yield flipped(value)
        yield value + " "
    elif value is None or isinstance(value, bool):
        yield "x"
    else:
        yield value + 1
        yield value ^ 1


def flipped(text: str) -> str:
    """A text with the lowest bit of its middle byte flipped."""
    if not text:
        return "x"
    middle = len(text) // 2
    return text[:middle] + chr(ord(text[middle]) ^ 1) + text[middle + 1 :]


FIELDS = [(kind, name) for kind, names in bundle.MEMBERS.items() for name in sorted(names)]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[".".join(each) for each in FIELDS])
def test_one_flipped_byte_of_each_field_is_found(lines: Lines, kind: str, name: str) -> None:
    """In each kind of line, in the first and the last of them, each member: the check tells, and where."""
    places = kinds(lines, kind)
    for place in {places[0], places[-1]}:
        for value in changed(lines[place][name]):
            touched = [*lines[:place], lines[place] | {name: value}, *lines[place + 1 :]]
            found = flaws(touched)
            assert found, f"{kind}.{name} became {value!r}, and nobody noticed"
            assert any(flaw.code == "bundle-changed" for flaw in found) or kind == "end"
            if kind not in ("end", "portal_key") and (kind, name) not in ONLY_BY_THE_LAST_WORD:
                assert codes(touched), f"{kind}.{name} became {value!r}, and only the last line noticed"


def test_one_flipped_byte_anywhere_is_found(lines: Lines) -> None:
    """200 bytes, chosen anywhere, and each bit of some: the check tells."""
    seed = 20261120
    chance = random.Random(seed)  # noqa: S311  which bytes a test looks at is no secret
    whole = b"".join(written(lines))
    for _ in range(200):
        at, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        touched = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
        found = next(Check(BundleJudge()).flaws(touched.splitlines(keepends=True)), None)
        assert found is not None, f"seed {seed}: bit {bit} of byte {at} was flipped, and nobody noticed"


def without(lines: Lines, index: int) -> Lines:
    """Dropped."""
    return [*lines[:index], *lines[index + 1 :]]


def twice(lines: Lines, index: int) -> Lines:
    """Doubled."""
    return [*lines[: index + 1], *lines[index:]]


def swapped(lines: Lines, index: int) -> Lines:
    """Exchanged with the next of its kind."""
    other = next(at for at in kinds(lines, lines[index]["type"]) if at > index)
    moved = list(lines)
    moved[index], moved[other] = lines[other], lines[index]
    return moved


TOUCHES = [
    *((kind, touch) for kind in ("record", "seal", "hash", "document") for touch in (without, twice, swapped)),
    ("key", without),
    ("key", twice),  # they have no order
]


@pytest.mark.parametrize(("kind", "touch"), TOUCHES)
def test_a_line_that_is_dropped_doubled_or_moved_is_found(
    lines: Lines, kind: str, touch: Callable[[Lines, int], Lines]
) -> None:
    """Every one of them, and not only by the signature at the end."""
    places = kinds(lines, kind)
    for index in places[:-1] if touch is swapped else places:
        assert codes(touch(lines, index)), f"{kind} in line {index + 1}"


def test_a_record_that_is_hidden_leaves_a_gap(lines: Lines) -> None:
    """Nobody can pass a reader's own record off as another's: its number is missing in the series."""
    for index in kinds(lines, "record"):
        line = lines[index]
        leaf = seals.leaf(record_of(line).digest, ordinal=line["ordinal"])
        hidden = bundle.hash_line(Part(0, 1, leaf), first_leaf=line["leaf"])
        rest = lines[index + 1 :]
        if rest[0]["type"] == "document":
            rest = rest[1:]
        found = codes([*lines[:index], hidden, *rest])
        series = series_named(line)
        later = any(each["type"] == "record" and series == series_named(each) for each in rest)
        first = not any(each["type"] == "record" and series == series_named(each) for each in lines[:index])
        assert found == ({"record-missing"} if later and not first else set())


def record_of(line: dict[str, Any]) -> Record:
    """The record that a line tells of."""
    members = {name: line[name] for name in line if name not in ("type", "leaf", "ordinal", "at", "action")}
    return Record(at=datetime.fromisoformat(line["at"]), action=Action(line["action"]), **members)


def series_named(line: dict[str, Any]) -> str:
    """The series of a record's line."""
    return seals.series(environment=line["environment"], org_id=line["org_id"], gstin=line["gstin"])


def test_a_bundle_that_is_cut_off_is_found(lines: Lines) -> None:
    """After any line but the last."""
    for count in range(len(lines)):
        assert "end-missing" in {flaw.code for flaw in flaws(lines[:count])}
    assert "line-after-end" in {flaw.code for flaw in flaws([*lines, lines[-1]])}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"\xff\n",
        b'{"type":"other"}\n',
        b'{"type":"end","type":"end"}\n',
        b'{"type":["end"]}\n',
        b'{"type":"key","key_id":NaN,"pem":"x"}\n',
        b'{"type":"key","key_id":"x","pem":"x"}\n',
        b'{"type":"hash","first_leaf":0,"size":0,"hash":""}\n',
        b'{"type":"hash","first_leaf":0,"size":1e400,"hash":"zz"}\n',
        b"[" * 100_000 + b"\n",
        b'{"type":"seal","number":' + b"9" * 5000 + b"}\n",
    ],
    ids=range(14),
)
def test_nonsense_is_a_flaw_and_no_crash(lines: Lines, line: bytes) -> None:
    """Whatever stands in a line, the check says that it does not belong there."""
    before = written(lines)
    found = list(Check(BundleJudge()).flaws([*before[:3], line, *before[3:]]))
    assert (4, "line-unreadable") in {(flaw.line, flaw.code) for flaw in found}
    assert list(Check(BundleJudge()).flaws([line]))


def test_another_gateways_key_is_no_key(lines: Lines, tmp_path: Path) -> None:
    """Whoever makes a whole log of his own has keys of other ids, which is all that a reader has to compare."""
    blueprint = Blueprint(tmp_path)
    (tmp_path / "s").mkdir()
    with Stack(tmp_path / "s", blueprint) as stack:
        stack.post(document())
        sweeping.seal_all(holder="test", ports=stack.ports)
        forged = [json.loads(line) for line in stack.get("/audit/export").text.splitlines()]
    assert flaws(forged) == []
    ids = {line["key_id"] for line in forged if line["type"] == "key"}
    assert not ids & {line["key_id"] for line in lines if line["type"] == "key"}
