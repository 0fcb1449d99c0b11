"""The envelope around a portal's answer: every form that is read, and everything that must not be guessed at."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.irp import envelope
from gateway.irp.envelope import Failure, Info, InfoBlock, PortalError, Success, Unreadable, read

_CASES = json.loads((Path(__file__).parents[1] / "vectors" / "irp_answers.json").read_text())["cases"]
_IRN = "a5c12dca80e743321740b001fd70953e8738d109865d28ba4013750f2046f229"
_GOOD_ERRORS = [{"ErrorCode": "2150", "ErrorMessage": "Duplicate IRN"}]


def _body(**members: Any) -> bytes:
    return json.dumps(members).encode()


def _failure(details: Any) -> bytes:
    return _body(Status=0, Data=None, ErrorDetails=details, InfoDtls=None)


def _deep(levels: int) -> bytes:
    return b'{"Status":1,"Data":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_every_known_form_is_read(case: dict[str, Any]) -> None:
    """Each recorded or documented form of an answer gives what it says."""
    answer = read(case["http"], case["body"].encode())
    if case["is"] == "failure":
        assert isinstance(answer, Failure)
        assert [error.code for error in answer.errors] == case["codes"]
        assert _duplicate(answer.info) == case["duplicate"]
        return
    assert isinstance(answer, Success)
    assert answer.data == case["data"]
    assert [error.code for error in answer.info.ewb_errors()] == case.get("ewb_codes", [])
    assert list(answer.info.texts("EWBPPD")) == case.get("distance", [])


def _duplicate(info: Info) -> dict[str, Any] | None:
    found = info.duplicate()
    if found is None:
        return None
    at = found.ack_at.isoformat() if found.ack_at else None
    return {"irn": found.irn, "ack_no": found.ack_no, "ack_at": at, "irp": found.irp}


_HOSTILE: dict[str, tuple[int, bytes]] = {
    "nothing": (200, b""),
    "blanks": (200, b"  \r\n\t "),
    "only a byte order mark": (200, b"\xef\xbb\xbf"),
    "a page with 200": (200, b"<html><body>Service Unavailable</body></html>"),
    "a page with a doctype": (200, b"\n<!DOCTYPE html><html></html>"),
    "XML": (200, b"<?xml version='1.0'?><Error/>"),
    "the time-out of the front": (200, b'{"message": "Endpoint request timed out"}'),
    "the time-out as text": (200, b"Endpoint request timed out"),
    "the time-out with 504": (504, b'{"message": "Endpoint request timed out"}'),
    "504 with a good answer": (504, _failure(_GOOD_ERRORS)),
    "500 with a good answer": (500, _body(Status=1, Data="QUJD")),
    "502 with a page": (502, b"<html>Bad Gateway</html>"),
    "503 with nothing": (503, b""),
    "520 of a front": (520, b"error code: 520"),
    "599": (599, b"{}"),
    "a redirect": (302, b""),
    "a redirect with a good answer": (307, _body(Status=1, Data="QUJD")),
    "a continue": (100, _body(Status=1, Data="QUJD")),
    "no HTTP status at all": (0, _body(Status=1, Data="QUJD")),
    "a negative HTTP status": (-1, b""),
    "404 with a page": (404, b"<html>Not Found</html>"),
    "403 with text": (403, b"Forbidden"),
    "429 with text": (429, b"Too many requests"),
    "a success with 400": (400, _body(Status=1, Data="QUJD")),
    "half an answer": (200, _failure(_GOOD_ERRORS)[:-20]),
    "an answer cut in a string": (200, b'{"Status":1,"Data":"QUJ'),
    "two answers": (200, _body(Status=1, Data="QUJD") * 2),
    "an answer and a page": (200, _body(Status=1, Data="QUJD") + b"<html>"),
    "not UTF-8": (200, b'{"Status":1,"Data":"\xff\xfe"}'),
    "UTF-16": (200, '{"Status":1}'.encode("utf-16")),
    "NUL bytes": (200, b"\x00" * 64),
    "a raw control character": (200, b'{"Status":1,"Data":"a\x01b"}'),
    "half a surrogate pair": (200, b'{"Status":1,"Data":"\\ud800"}'),
    "gzip": (200, b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
    "NaN": (200, b'{"Status":NaN}'),
    "infinity": (200, b'{"Status":1,"Data":null,"x":Infinity}'),
    "a huge exponent": (200, b'{"Status":1e999999999}'),
    "a number of a thousand digits": (200, b'{"Status":' + b"1" * 1000 + b"}"),
    "a member twice": (200, b'{"Status":0,"Status":1,"Data":"QUJD"}'),
    "a member twice, by letter case": (200, b'{"Status":0,"status":1,"Data":"QUJD"}'),
    "nested 17 deep": (200, _deep(17)),
    "nested 100,000 deep": (200, _deep(100_000)),
    "nested and cut": (200, b"[" * 100_000),
    "50 MB": (200, b'{"Status":1,"Data":"' + b"A" * 50_000_000 + b'"}'),
    "a list": (200, b'[{"Status":1}]'),
    "an empty list": (200, b"[]"),
    "an empty object": (200, b"{}"),
    "null": (200, b"null"),
    "true": (200, b"true"),
    "a number": (200, b"1"),
    "a text": (200, b'"1"'),
    "no Status": (200, _body(Data="QUJD")),
    "Status null": (200, _body(Status=None, Data="QUJD")),
    "Status true": (200, _body(Status=True, Data="QUJD")),
    "Status false": (200, _body(Status=False, ErrorDetails=_GOOD_ERRORS)),
    "Status 2": (200, _body(Status=2, Data="QUJD")),
    "Status -1": (200, _body(Status=-1, Data="QUJD")),
    "Status 1.0": (200, b'{"Status":1.0,"Data":"QUJD"}'),
    "Status 01": (200, _body(Status="01", Data="QUJD")),
    "Status ACT": (200, _body(Status="ACT", Data="QUJD")),
    "Status empty": (200, _body(Status="", Data="QUJD")),
    "Status in other digits": (200, _body(Status="१", Data="QUJD")),
    "Status a list": (200, _body(Status=[1], Data="QUJD")),
    "Status an object": (200, _body(Status={"Status": 1}, Data="QUJD")),
    "a failure without errors": (200, _failure(None)),
    "a failure with an empty list": (200, _failure([])),
    "a failure with an empty text": (200, _failure("")),
    "a failure with an empty object": (200, _failure({})),
    "a failure with text": (200, _failure("Invalid Token")),
    "a failure with Base64 of text": (200, _failure(base64.b64encode(b"Invalid Token").decode())),
    "a failure with Base64 of bytes": (200, _failure(base64.b64encode(b"\xff\x00\xfe").decode())),
    "a failure with cut JSON text": (200, _failure('[{"ErrorCode":"2150"')),
    "a failure with Base64 of cut JSON": (200, _failure(base64.b64encode(b'[{"ErrorCode":"21').decode())),
    "a failure with a number": (200, _failure(2150)),
    "a failure with zero": (200, _failure(0)),
    "a failure with true": (200, _failure(True)),  # noqa: FBT003  # JSON's own value
    "an error without a code": (200, _failure([{"ErrorMessage": "x"}])),
    "an error with an empty code": (200, _failure([{"ErrorCode": "", "ErrorMessage": "x"}])),
    "an error with a blank code": (200, _failure([{"ErrorCode": "  "}])),
    "an error with a null code": (200, _failure([{"ErrorCode": None}])),
    "an error with a code of true": (200, _failure([{"ErrorCode": True}])),
    "an error with a code of lists": (200, _failure([{"ErrorCode": ["2150"]}])),
    "an error with a long code": (200, _failure([{"ErrorCode": "2" * 21}])),
    "an error with a sentence for a code": (200, _failure([{"ErrorCode": "not a code"}])),
    "an error with codes in a row": (200, _failure([{"ErrorCode": "2150,2189"}])),
    "an error with a code in other digits": (200, _failure([{"ErrorCode": "२१५०"}])),
    "an error with the code twice": (200, b'{"Status":0,"ErrorDetails":[{"ErrorCode":"1","ErrorCode":"2"}]}'),
    "an error with the code twice, by letter case": (200, _failure([{"ErrorCode": "2150", "errorcode": "2189"}])),
    "errors that are texts": (200, _failure(["2150"])),
    "errors that are lists": (200, _failure([[{"ErrorCode": "2150"}]])),
    "a good error and an unclear one": (200, _failure([*_GOOD_ERRORS, None])),
    "a success with errors": (200, _body(Status=1, Data="QUJD", ErrorDetails=_GOOD_ERRORS)),
    "a success with unclear errors": (200, _body(Status=1, Data="QUJD", ErrorDetails="NA")),
    "data that is a list": (200, _body(Status=1, Data=["QUJD"])),
    "data that is a list in text": (200, _body(Status=1, Data='["QUJD"]')),
    "data that is a number": (200, _body(Status=1, Data=7)),
    "data that is true": (200, _body(Status=1, Data=True)),
    "data that is a fraction": (200, b'{"Status":1,"Data":1.5}'),
}


@pytest.mark.parametrize("shape", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_what_cannot_be_read_without_a_guess_is_unreadable(shape: tuple[int, bytes]) -> None:
    """No broken, foreign or contradictory answer raises, and none passes for a verdict."""
    answer = read(*shape)
    assert isinstance(answer, Unreadable)
    assert 0 < len(answer.reason) < 100


def test_there_are_enough_hostile_shapes() -> None:
    """The list above only ever grows."""
    assert len(_HOSTILE) >= 80


def test_reasons_tell_a_time_out_from_a_page() -> None:
    """What an operator reads says which kind of nonsense came, without repeating it."""
    assert read(200, _HOSTILE["the time-out of the front"][1]).reason == "the portal's front timed out"  # type: ignore[union-attr]  # known to be Unreadable
    assert "page" in read(200, b"<html>secret</html>").reason  # type: ignore[union-attr]  # known to be Unreadable
    assert "secret" not in repr(read(200, b"<html>secret</html>"))


def test_the_limit_of_an_answer_bites_at_its_byte() -> None:
    """An answer of exactly the limit is read, one byte more is not."""
    frame = len(_body(Status=1, Data=""))
    largest = b'{"Status": 1, "Data": "' + b"A" * (envelope.ANSWER_BYTES_MAX - frame) + b'"}'
    assert len(largest) == envelope.ANSWER_BYTES_MAX
    assert isinstance(read(200, largest), Success)
    assert isinstance(read(200, largest + b" "), Unreadable)


def test_secrets_of_an_answer_are_not_shown() -> None:
    """The text form of an answer, as logs would have it, does not hold the data."""
    assert "tok3n" not in repr(read(200, _body(Status=1, Data={"AuthToken": "tok3n"})))


def test_a_long_message_is_cut_and_a_message_keeps_its_words() -> None:
    """Messages are trimmed, line breaks become blanks, and thousands of characters do not reach a row."""
    answer = read(200, _failure([{"ErrorCode": "5002", "ErrorMessage": " one\ntwo "}]))
    assert answer == Failure((PortalError("5002", "one two"),))
    answer = read(200, _failure([{"ErrorCode": "5002", "ErrorMessage": "x" * 9000}]))
    assert isinstance(answer, Failure)
    assert len(answer.errors[0].message) == envelope.MESSAGE_CHARACTERS_MAX


def test_info_keeps_order_and_text() -> None:
    """Blocks stay in their order, and what has no code is kept rather than dropped."""
    answer = read(200, _body(Status=1, Data=None, InfoDtls=[{"InfCd": " ewbppd ", "Desc": "12KM"}, "note"]))
    assert isinstance(answer, Success)
    assert answer.info == Info([InfoBlock("EWBPPD", "12KM"), InfoBlock("", "note")])
    assert answer.info.texts("") == ("note",)
    assert answer.info.duplicate() is None


_NAMES = st.sampled_from(["InfCd", "Desc", "ErrorCode", "ErrorMessage", "Irn", "AckDt"])
_WORDS = st.sampled_from(["DUPIRN", "EWBERR", "2150", _IRN])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = st.fixed_dictionaries({"Data": _JSON, "ErrorDetails": _JSON, "InfoDtls": _JSON})


@settings(max_examples=300, deadline=None)
@given(members=_MEMBERS | _MEMBERS.map(lambda each: {name: json.dumps(value) for name, value in each.items()}))
def test_nothing_of_any_shape_raises(members: dict[str, Any]) -> None:
    """Whatever stands in the members, the reading ends in one of the three answers, and so do its parts."""
    for status, http in ((0, 200), (1, 200), ("0", 400), (None, 200)):
        answer = read(http, _body(Status=status, **members))
        assert isinstance(answer, Success | Failure | Unreadable)
        if isinstance(answer, Success | Failure):
            answer.info.duplicate()
            answer.info.ewb_errors()


@settings(max_examples=200, deadline=None)
@given(status=st.integers(), body=st.binary(max_size=64))
def test_no_bytes_raise(status: int, body: bytes) -> None:
    """Random bytes under a random status are unreadable, never an exception."""
    assert isinstance(read(status, body), Unreadable)
