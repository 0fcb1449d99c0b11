"""Sending again: by the client's own key, or by the number on the document, never twice to the portal."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.sandbox import master
from tests.support_api import SECOND_SELLER, SELLER, Stack, document, refused, until, written

ASYNC = {"Prefer": "respond-async"}
KEY = {"Idempotency-Key": "3f0c1d52"}


def other_content(**details: Any) -> dict[str, Any]:
    """The same number with another total."""
    sent = document(**details)
    sent["ValDtls"] |= {"OthChrg": 1, "TotInvVal": 2951}
    return sent


def sold_into_a_zone() -> dict[str, Any]:
    """A document that only the portal refuses: it knows that the buyer is in a special economic zone."""
    sent = document()
    sent["BuyerDtls"]["Gstin"] = master.SEZ_UNIT_TAXPAYER.gstin
    return sent


def test_a_key_brings_the_same_answer_again(stack: Stack) -> None:
    """The same key with the same document: the same bytes, marked as a replay, and nothing done at the portal."""
    first = stack.post(document(), headers=KEY)
    before = stack.traces()
    again = stack.post(document(), headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert stack.traces() == before


def test_a_key_follows_its_operation(stack: Stack) -> None:
    """While the work runs, its repetition is 202 with the same operation; once it is settled, 201."""
    stack.idle = True
    first = stack.post(document(), headers=KEY | ASYNC)
    running = stack.post(document(), headers=KEY | ASYNC)
    assert (running.status_code, running.headers["idempotent-replayed"]) == (202, "true")
    assert running.content == first.content
    stack.drain()
    settled = [stack.post(document(), headers=KEY | ASYNC) for _ in range(2)]
    assert [each.status_code for each in settled] == [201, 201]
    assert settled[0].json()["id"] == first.json()["id"]
    assert settled[0].content == settled[1].content


def test_a_key_brings_a_refusal_again(stack: Stack) -> None:
    """A refused document with its key is not asked for again: the same 422, to the byte for the same request id."""
    sent = KEY | {"X-Request-Id": "mine-1"}
    first, again = (stack.post(sold_into_a_zone(), headers=sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.content == first.content
    assert stack.calls().count("generate") == 1


@pytest.mark.parametrize("other", [other_content(), document(No="TGW/26-27/0999"), sold_into_a_zone()])
def test_a_key_for_another_document_is_a_mistake(stack: Stack, other: dict[str, Any]) -> None:
    """One key stands for one document: with another it is 400, and nothing is stored or sent."""
    told = stack.post(document(), headers=KEY).json()
    before = stack.traces()
    problem = refused(stack.post(other, headers=KEY), 400, "idempotency-key-reused")
    assert problem["operation_id"] == told["id"]
    assert stack.traces() == before


def rewritten(sent: dict[str, Any]) -> list[bytes]:
    """The same document in other forms: indented, members in another order, numbers and letters written otherwise."""
    text = written(sent).decode()
    return [
        json.dumps(json.loads(text), indent=4).encode(),
        json.dumps(json.loads(text), sort_keys=True).encode(),
        json.dumps(dict(reversed(json.loads(text).items()))).encode(),
        text.replace("2500.00", "2500").encode(),
        text.replace("2500.00", "2.5e3").encode(),
        text.replace("Bengaluru", "\\u0042engaluru").encode(),
    ]


@pytest.mark.parametrize("form", rewritten(document()))
def test_the_form_of_a_document_does_not_matter(stack: Stack, form: bytes) -> None:
    """Blanks, the order of members and the spelling of a number make no other document."""
    first = stack.post(document(), headers=KEY)
    again = stack.post(form, headers=KEY)
    assert again.content == first.content
    assert stack.calls().count("generate") == 1


@pytest.mark.parametrize("spelling", ['"3f0c1d52"', " 3f0c1d52 ", ' "3f0c1d52"'])
def test_a_key_may_be_quoted(stack: Stack, spelling: str) -> None:
    """A key in the quotes of the IETF draft, or with blanks around it, is the bare one."""
    first = stack.post(document(), headers=KEY)
    assert stack.post(document(), headers={"Idempotency-Key": spelling}).content == first.content


@pytest.mark.parametrize("key", ["k", "~!@#$%^&*()_+{}|:<>?,./;'[]\\=-", "k" * 255])
def test_a_key_is_any_visible_ascii(stack: Stack, key: str) -> None:
    """Keys of 1 to 255 visible characters are taken as they are."""
    first = stack.post(document(), headers={"Idempotency-Key": key})
    again = stack.post(document(), headers={"Idempotency-Key": key})
    assert (first.status_code, again.content) == (201, first.content)


def test_keys_are_the_client_s_own(stack: Stack) -> None:
    """Two clients may use one key for two documents, and neither sees the other's."""
    other = document(No="TGW/26-27/0777")
    assert stack.post(document(), headers=KEY).status_code == 201
    assert stack.post(other, client="queueing", headers=KEY).status_code == 202
    assert stack.post(other, client="queueing", headers=KEY).headers["idempotent-replayed"] == "true"


def test_a_key_stands_for_its_path_and_its_gstin(stack: Stack) -> None:
    """The same key at another path, or for another GSTIN of the client, is another request."""
    token = {"Authorization": f"Bearer {stack.token('group', gstin=SELLER)}"}
    assert stack.post(document(), client="erp", headers=KEY | token).status_code == 201
    refused(stack.post(document(), "/cdnr", client="erp", headers=KEY | token), 400, "idempotency-key-reused")
    other = {"Authorization": f"Bearer {stack.token('group', gstin=SECOND_SELLER)}"}
    refused(stack.post(document(), client="erp", headers=KEY | other), 400, "idempotency-key-reused")


def test_after_a_day_the_number_still_finds_the_document(stack: Stack) -> None:
    """The key is forgotten after 24 hours, the number on the document never."""
    first = stack.post(document(), headers=KEY)
    stack.clock.step(hours=24)
    before = stack.traces()
    found = stack.post(document(), headers=KEY)
    assert (found.status_code, found.json()) == (200, first.json())
    assert "idempotent-replayed" not in found.headers
    assert stack.traces().calls == before.calls
    assert stack.post(document(), headers=KEY).headers["idempotent-replayed"] == "true"


def test_a_key_that_has_ended_is_free(stack: Stack) -> None:
    """After 24 hours a key may stand for another document."""
    assert stack.post(document(), headers=KEY).status_code == 201
    stack.clock.step(hours=24)
    assert stack.post(document(No="TGW/26-27/0999"), headers=KEY).status_code == 201


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "another"}])
def test_the_same_document_is_one_registration(stack: Stack, headers: dict[str, str]) -> None:
    """The same content under another key, or none, is answered with the registration there is: 200."""
    first = stack.post(document(), headers=KEY)
    before = stack.traces()
    found = stack.post(document(), headers=headers)
    assert (found.status_code, found.content) == (200, first.content)
    assert (stack.traces().rows["operations"], stack.traces().calls) == (before.rows["operations"], before.calls)


def test_the_same_document_under_way_is_one_operation(stack: Stack) -> None:
    """While it is under way, the same content is answered with its operation."""
    stack.idle = True
    first = stack.post(document(), headers=ASYNC)
    found = stack.post(document(), headers=KEY | ASYNC)
    assert (found.status_code, found.json()["id"]) == (202, first.json()["id"])
    assert "idempotent-replayed" not in found.headers


def test_letters_of_a_number_have_no_case(stack: Stack) -> None:
    """A number in small letters is the number in capitals, with the same IRN: the same document is found."""
    first = stack.post(document(No="TGW/26-27/0401"))
    found = stack.post(document(No="tgw/26-27/0401"), headers=KEY)
    assert (found.status_code, found.content) == (200, first.content)
    refused(stack.post(other_content(No="tgw/26-27/0401")), 409, "document-number-taken")


@pytest.mark.parametrize("settled", [True, False])
def test_a_taken_number_is_refused_before_the_portal(stack: Stack, *, settled: bool) -> None:
    """Other content under a number that is registered or under way is 409, and no portal call is spent on it."""
    stack.idle = not settled
    told = stack.post(document(), headers=ASYNC).json()
    before = stack.traces()
    problem = refused(stack.post(other_content(), headers=KEY), 409, "document-number-taken")
    assert (problem["operation_id"], problem["irn"]) == (told["id"], told["irn"])
    assert ("registered" in problem["detail"]) is settled
    assert stack.traces() == before


def test_a_number_is_taken_for_a_year_and_a_type(stack: Stack) -> None:
    """The same number in another financial year, or on another type of document, is another document."""
    assert stack.post(document()).status_code == 201
    assert stack.post(document(Dt="31/03/2026")).status_code == 201
    assert stack.post(document(Typ="CRN"), "/cdnr").status_code == 201
    assert stack.calls().count("generate") == 3


def test_many_at_once_are_one(stack: Stack) -> None:
    """Ten requests with one key at the same moment: one call at the portal, one answer for all."""
    stack.idle = True
    headers = stack.headers("erp", KEY)

    async def all_at_once() -> list[httpx.Response]:
        calls = [
            asyncio.create_task(stack.asend("POST", "/irn", content=written(document()), headers=headers))
            for _ in range(10)
        ]
        await until(lambda: len(stack.listening.expected) >= 10 and bool(stack.bell.rung))
        await asyncio.to_thread(stack.drain)
        return await asyncio.gather(*calls)

    answers = stack.run(all_at_once())
    assert {each.status_code for each in answers} == {201}
    assert len({each.content for each in answers}) == 1
    assert [each for each in answers if "idempotent-replayed" not in each.headers][1:] == []
    assert stack.calls().count("generate") == 1
