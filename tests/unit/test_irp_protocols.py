"""What each kind makes of the portal's answers, spoken with a portal whose answers are written down here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.domain.operations import Kind
from gateway.domain.outcomes import Cancellation, EwayBill, Meaning, Outcome
from gateway.irp import endpoints
from gateway.irp.endpoints import Endpoint
from gateway.irp.envelope import Failure, Info, PortalError
from gateway.irp.exchange import Told
from gateway.irp.protocols import PROTOCOLS
from gateway.irp.talk import Answer, Talk
from tests.support import START, operation

IRN = "a5c12dca80e743321740b001fd70953e8738d109865d28ba4013750f2046f229"
BUYER = "27AAACM0002B1ZI"
ASKED = {"Irn": IRN, "SellerDtls": {"Gstin": "29AAHCT7421P1ZM"}, "BuyerDtls": {"Gstin": BUYER}}
LOST = Outcome(meaning=Meaning.UNKNOWN, message="no answer")


class Scripted:
    """A line on which the answers are known beforehand. `asked` is what was asked for, and of whom."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[Endpoint, str]] = []

    def ask(self, endpoint: Endpoint, *, key: str = "", **_: Any) -> Answer:
        """The next answer."""
        self.asked.append((endpoint, key))
        return self._answers.pop(0)


def yes(**members: Any) -> Told:
    """A success."""
    return Told(json.dumps(members).encode(), Info())


def no(*codes: str, message: str = "No.") -> Failure:
    """A refusal."""
    return Failure(tuple(PortalError(code, message) for code in codes))


def talk(kind: Kind, *answers: Answer, **members: Any) -> tuple[Talk, Scripted]:
    """A talk about an operation of that kind on the IRN."""
    line = Scripted(answers)
    twin: Any = line
    nothing: Any = None  # nothing here is signed
    about = operation(kind=kind, subject=IRN, irn=IRN, **members)
    made = Talk(
        operation=about,
        payload=json.dumps(ASKED).encode(),
        keys=nothing,
        kept_answer=None,
        exchange=twin,
        keep_lease=lambda: None,
    )
    return made, line


# The GST register ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.IRN_GENERATE, Kind.IRN_CANCEL, Kind.EWB_GENERATE])
@pytest.mark.parametrize("code", ["3028", "3029"])
def test_an_unknown_party_is_synchronised_and_asked_for_once_more(kind: Kind, code: str) -> None:
    """The GSTIN that the portal names is synchronised; the second answer counts, whatever it is."""
    made, line = talk(kind, no(code, message=f"GSTIN {BUYER} is not valid"), yes(Gstin=BUYER), no(code))
    told = PROTOCOLS[kind].call(made)
    assert (told.meaning, told.lasting) == (Meaning.REFUSED, True)
    assert [each for each in line.asked if each[0] is endpoints.SYNC_GSTIN] == [(endpoints.SYNC_GSTIN, BUYER)]
    assert len(line.asked) == 3
    assert made.learnt == {BUYER: {"Gstin": BUYER}}


@pytest.mark.parametrize(
    "answer", [yes(Gstin="29AAHCT7421P1ZM"), yes(Name="x"), Told(b"[]", Info()), Told(b"{", Info())]
)
def test_what_is_told_of_another_taxpayer_is_not_kept(answer: Told) -> None:
    """A synchronisation counts all the same: the second answer tells whether it helped."""
    made, line = talk(Kind.IRN_GENERATE, no("3028", message=BUYER), answer, no("3028"))
    PROTOCOLS[Kind.IRN_GENERATE].call(made)
    assert (made.learnt, len(line.asked)) == ({}, 3)


def test_a_party_that_cannot_be_synchronised_changes_nothing() -> None:
    """The refusal stands, and the document is not sent again."""
    made, line = talk(Kind.IRN_GENERATE, no("3028"), no("3028"), LOST)
    assert PROTOCOLS[Kind.IRN_GENERATE].call(made).meaning is Meaning.REFUSED
    assert [endpoint for endpoint, _ in line.asked].count(endpoints.GENERATE_IRN) == 1


def test_what_is_lost_after_a_synchronisation_is_in_doubt() -> None:
    """The second send may have reached the portal."""
    made, _ = talk(Kind.IRN_GENERATE, no("3028", message=BUYER), yes(Gstin=BUYER), LOST)
    assert PROTOCOLS[Kind.IRN_GENERATE].call(made).meaning is Meaning.UNKNOWN


# Cancelling ----------------------------------------------------------------------------------------------------------

CANCELLING = [
    ([yes(Irn=IRN, CancelDate="2026-11-20 12:00:00")], Meaning.REGISTERED),
    ([yes(irn=IRN.upper(), canceldate="2026-11-20 12:00:00")], Meaning.REGISTERED),
    ([yes(Irn="f" * 64, CancelDate="2026-11-20 12:00:00")], Meaning.UNKNOWN),
    ([no("9999"), yes(Irn=IRN, Status="CNL")], Meaning.REGISTERED),
    ([no("9999"), yes(Irn=IRN, Status="ACT")], Meaning.UNKNOWN),
    ([no("9999"), yes(Irn=IRN, Status="REJ")], Meaning.REFUSED),
    ([no("9999"), LOST], Meaning.UNKNOWN),
    ([no("2270")], Meaning.TOO_LATE),
    ([no("2230")], Meaning.REFUSED),
    ([no("4002")], Meaning.REFUSED),
    ([no("7777")], Meaning.UNKNOWN),
    ([LOST], Meaning.UNKNOWN),
]


@pytest.mark.parametrize(("answers", "meaning"), CANCELLING)
def test_a_cancellation_is_what_the_portal_says(answers: list[Answer], meaning: Meaning) -> None:
    """Each answer to the call, with the look-up that it may need."""
    made, _ = talk(Kind.IRN_CANCEL, *answers)
    assert PROTOCOLS[Kind.IRN_CANCEL].call(made).meaning is meaning


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (yes(Irn=IRN, Status="CNL"), Meaning.REGISTERED),
        (yes(Irn=IRN, Status="ACT"), Meaning.ABSENT),
        (yes(Irn="f" * 64, Status="CNL"), Meaning.UNKNOWN),
        (yes(Irn=IRN), Meaning.UNKNOWN),
        (no("2283"), Meaning.UNREADABLE),
        (no("2148"), Meaning.UNKNOWN),  # an IRN that nobody has is not one that is not cancelled
        (LOST, Meaning.UNKNOWN),
    ],
)
def test_a_cancellation_is_looked_up_by_the_status(answer: Answer, meaning: Meaning) -> None:
    """Absent is said of an active IRN alone."""
    made, _ = talk(Kind.IRN_CANCEL, answer)
    found = PROTOCOLS[Kind.IRN_CANCEL].look_up(made)
    assert found.meaning is meaning
    assert (found.result == Cancellation()) == (meaning is Meaning.REGISTERED)


# E-way bills by IRN --------------------------------------------------------------------------------------------------

MADE = {"EwbNo": 401008880911, "EwbDt": "2026-11-20 12:00:00", "EwbValidTill": "2026-11-22 23:59:00"}


@pytest.mark.parametrize(
    ("answers", "meaning"),
    [
        ([yes(**MADE, Remarks="")], Meaning.REGISTERED),
        ([yes(EwbNo=None)], Meaning.UNKNOWN),
        ([no("4002"), yes(**MADE, Status="ACT")], Meaning.REGISTERED),
        ([no("4002"), no("4005")], Meaning.UNKNOWN),
        ([no("2302")], Meaning.REFUSED),
        ([no("4001")], Meaning.UNKNOWN),
        ([no("4011", "4012")], Meaning.REFUSED),
        ([LOST], Meaning.UNKNOWN),
    ],
)
def test_an_eway_bill_is_what_the_portal_says(answers: list[Answer], meaning: Meaning) -> None:
    """Each answer to the call; a bill that is there already is looked up."""
    made, _ = talk(Kind.EWB_GENERATE, *answers)
    told = PROTOCOLS[Kind.EWB_GENERATE].call(made)
    assert told.meaning is meaning
    assert (isinstance(told.result, EwayBill) and told.result.number == "401008880911") == (
        meaning is Meaning.REGISTERED
    )


@pytest.mark.parametrize(
    ("answer", "since_hours", "meaning"),
    [
        (yes(**MADE, Status="ACT"), 1, Meaning.REGISTERED),
        (yes(**MADE, Status="CNL"), 1, Meaning.REGISTERED),  # made after we asked, and cancelled since: it was ours
        (yes(**MADE, Status="CNL"), -1, Meaning.ABSENT),  # an old one, which makes room
        (no("4005"), 1, Meaning.ABSENT),
        (no("4004"), 1, Meaning.UNKNOWN),
    ],
)
def test_an_eway_bill_is_looked_up_by_its_irn(answer: Answer, since_hours: int, meaning: Meaning) -> None:
    """A cancelled bill counts as none, unless it is younger than our asking."""
    doubtful_since = START.replace(hour=START.hour - since_hours)
    made, _ = talk(Kind.EWB_GENERATE, answer, doubtful_since=doubtful_since)
    assert PROTOCOLS[Kind.EWB_GENERATE].look_up(made).meaning is meaning
