"""The audit log over HTTP: what a caller sees, what he does not, and proofs that others accept."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.services import sweeping
from tests import rfc9162
from tests.support_api import SECOND_SELLER, SELLER, Stack, document, refused


def sealed(stack: Stack) -> None:
    """Seal all that is committed."""
    sweeping.seal_all(holder="test", ports=stack.ports)


def records(stack: Stack, query: str = "", **request: Any) -> list[dict[str, Any]]:
    """Records of one page."""
    answer = stack.get(f"/audit{query}", **request)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


def test_a_registration_is_told_step_by_step(stack: Stack) -> None:
    """By its id, an operation's life can be read: accepted, tried, registered, with digests and no document."""
    told = stack.post(document()).json()
    sealed(stack)
    found = records(stack, f"?subject={told['id']}")
    assert [each["action"] for each in found] == ["operation:accept", "attempt:begin", "attempt:settle"]
    assert [each["version"] for each in found] == [1, 2, 3]
    signed = hashlib.sha256(told["signed_invoice"].encode()).hexdigest()
    assert found[-1]["facts"]["signed_document"] == signed
    assert "Tungabhadra" not in json.dumps(found)


def test_a_record_shows_once_it_is_sealed(stack: Stack) -> None:
    """Before its seal a record is not there, so that a page never gets a record in its midst."""
    told = stack.post(document()).json()
    assert records(stack, f"?subject={told['id']}") == []
    sealed(stack)
    assert len(records(stack, f"?subject={told['id']}")) == 3


def test_pages_follow_each_other(stack: Stack) -> None:
    """Page by page, every record comes once, in the order of the log, however short the pages are."""
    for number in range(3):
        stack.post(document(No=f"P/{number}"))
    sealed(stack)
    whole = records(stack)
    paged: list[dict[str, Any]] = []
    after = ""
    while True:
        answer = stack.get(f"/audit?limit=2{after}").json()
        paged += answer["records"]
        if answer["next"] is None:
            break
        after = f"&after={answer['next']}"
    assert paged == whole
    assert [each["leaf"] for each in whole] == sorted({each["leaf"] for each in whole})


def test_each_sees_his_own(stack: Stack) -> None:
    """A token shows its GSTIN's records and its organisation's; not those of the same program's other GSTIN."""
    stack.post(document())
    sealed(stack)
    own = records(stack)
    other = stack.send("GET", "/audit", headers=stack.bearer("group", gstin=SECOND_SELLER)).json()["records"]
    strange = records(stack, client="stranger")
    assert {each["gstin"] for each in own} == {SELLER, None}
    assert {each["gstin"] for each in other} == {SECOND_SELLER, None}
    assert SELLER not in json.dumps(strange)
    assert not {each["id"] for each in own} & {each["id"] for each in strange}
    [organisation] = {each["org_id"] for each in own}
    assert organisation not in {each["org_id"] for each in strange}


def test_filters(stack: Stack) -> None:
    """By action and by time, with a zone."""
    stack.post(document())
    stack.clock.step(hours=2)
    stack.post(document(No="LATER/1"))
    sealed(stack)
    assert {each["action"] for each in records(stack, "?action=attempt:begin")} == {"attempt:begin"}
    later = stack.clock.now().isoformat().replace("+", "%2B")
    assert {each["action"] for each in records(stack, f"?since={later}")} == {
        "operation:accept",
        "attempt:begin",
        "attempt:settle",
    }
    before = records(stack, f"?until={later}")
    assert len(before) + len(records(stack, f"?since={later}")) == len(records(stack))


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "after=-1",
        "after=1e3",
        "after=٣",
        "action=nothing:done",
        "since=yesterday",
        "since=2026-11-01",
        "since=2026-11-01T00:00:00",
        "since=2026-13-01T00:00:00Z",
        "until=2026-11-01T25:00:00Z",
        "subject=",
        "subject=a%00b",
        f"subject={'x' * 81}",
    ],
)
def test_bad_parameters(stack: Stack, query: str) -> None:
    """A parameter that means nothing is refused, not passed over."""
    refused(stack.get(f"/audit?{query}"), 400, "parameter-invalid")


def test_the_scope_is_asked_for(stack: Stack) -> None:
    """A token without `audit` reads no log."""
    bearer = stack.bearer(scope="read")
    for path in ("/audit", "/audit/export", "/audit/aud_00000000000000000000000000/proof"):
        refused(stack.send("GET", path, headers=bearer), 403, "scope-missing")
        refused(stack.send("GET", path), 401, "token-missing")


def test_a_proof_holds_by_the_rfc_alone(stack: Stack) -> None:
    """From a record's members to a signed root, with nothing of ours: digest, leaf, path and signature."""
    for number in range(5):
        stack.post(document(No=f"R/{number}"))
    sealed(stack)
    bundle = [json.loads(line) for line in stack.get("/audit/export").text.splitlines()]
    keys = {line["key_id"]: line["pem"] for line in bundle if line["type"] == "key"}
    for each in records(stack):
        proof = stack.get(f"/audit/{each['id']}/proof").json()
        record, seal = proof["record"], proof["seal"]
        names = ("id", "at", "actor", "action", "subject", "environment", "org_id", "gstin", "version", "facts")
        text = json.dumps([record[name] for name in names], sort_keys=True, separators=(",", ":"))
        data = hashlib.sha256(text.encode()).digest() + record["ordinal"].to_bytes(8, "big")
        leaf = hashlib.sha256(b"\x00" + data).digest()
        path, root = [bytes.fromhex(step) for step in proof["path"]], bytes.fromhex(seal["root"])

        assert (record, leaf.hex()) == (each, proof["leaf_hash"])
        assert rfc9162.includes(leaf, index=proof["index"], size=seal["size"], path=path, root=root)
        assert {**seal, **json.loads(seal["statement"])} == seal
        public = load_pem_public_key(keys[seal["key_id"]].encode())
        public.verify(bytes.fromhex(seal["signature"]), seal["statement"].encode())  # type: ignore[union-attr, call-arg]  # Ed25519; it raises when it is not good


def test_no_proof_of_anothers_record(stack: Stack) -> None:
    """Another's record, one that there is not, and one that is not sealed are alike: 404."""
    told = stack.post(document()).json()
    with stack.wiring.database.read() as connection:
        [unsealed] = connection.exec_driver_sql(
            f"SELECT id FROM audit WHERE subject = '{told['id']}' AND version = 1"  # noqa: S608  an id of ours
        ).scalars()
    refused(stack.get(f"/audit/{unsealed}/proof"), 404, "record-unknown")
    sealed(stack)
    assert stack.get(f"/audit/{unsealed}/proof").status_code == 200
    refused(stack.get(f"/audit/{unsealed}/proof", client="stranger"), 404, "record-unknown")
    for id in ("aud_00000000000000000000000000", "x"):
        refused(stack.get(f"/audit/{id}/proof"), 404, "record-unknown")


def test_an_export_is_recorded(stack: Stack) -> None:
    """Whoever takes evidence away leaves a record of it."""
    stack.post(document())
    sealed(stack)
    assert stack.get("/audit/export").status_code == 200
    sealed(stack)
    [told] = records(stack, "?action=evidence:export")
    assert (told["actor"], told["gstin"]) == (stack.clients["erp"][0], SELLER)


def test_without_any_seal_there_is_no_bundle(stack: Stack) -> None:
    """A gateway whose sweeper never ran says so, and leaves nothing behind."""
    refused(stack.get("/audit/export"), 503, "nothing-sealed")
