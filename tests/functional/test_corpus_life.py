"""Recorded requests and answers about documents that stand: each is read to the outcome that its index states."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.operations import Kind
from gateway.domain.outcomes import EwayBill, Meaning, Registration
from gateway.errors import Invalid
from gateway.irp import reading
from gateway.irp.envelope import Failure, Info, InfoBlock, PortalError
from gateway.irp.exchange import Told
from gateway.irp.protocols import PROTOCOLS
from gateway.irp.signing_keys import SigningKeys
from gateway.irp.talk import LOOK_UP, Answer, Matter, Talk
from gateway.services import requests
from tests.support import operation

_CORPUS = Path(os.environ.get("MOHAR_TEST_CORPUS", str(Path(__file__).parents[2].parent / "shared" / "corpus")))

pytestmark = pytest.mark.skipif(
    not (_CORPUS / "irn_ops").is_dir(),
    reason="the recorded material is not at hand; set MOHAR_TEST_CORPUS to its folder",
)

NOT_OF_THE_PORTAL = {"mastersindia_gen_ewb_by_irn"}
"""Requests in a provider's own member names, which are no request of the portal."""


def recorded(folder: str, name: str) -> Any:
    """A file of the corpus."""
    return json.loads((_CORPUS / folder / f"{name}.json").read_text(encoding="utf-8"))


def names(folder: str) -> list[str]:
    """The files of a folder; one that is not there has none, and its tests are skipped."""
    return sorted(file.stem for file in (_CORPUS / folder).glob("*.json"))


# Requests -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names("irn_ops"))
def test_a_recorded_cancellation_is_taken(name: str) -> None:
    """As it was sent to another gateway, members and all; the portal gets its own three members."""
    sent = recorded("irn_ops", name)
    for each in sent if isinstance(sent, list) else [sent]:
        irn = each.get("Irn", each.get("irn"))
        payload = requests.cancellation(each, irn=irn)
        assert payload == {"Irn": irn, "CnlRsn": each["CnlRsn"], "CnlRem": each["CnlRem"]}


@pytest.mark.parametrize("name", names("ewb_by_irn"))
def test_a_recorded_request_for_an_eway_bill_is_taken(name: str) -> None:
    """What has the portal's member names is; what has a provider's own is told so."""
    sent = recorded("ewb_by_irn", name)
    if name in NOT_OF_THE_PORTAL:
        with pytest.raises(Invalid):
            requests.ewb_by_irn(sent)
    else:
        assert requests.ewb_by_irn(sent) == sent


# Answers --------------------------------------------------------------------------------------------------------------


class Line:
    """A line on which the answers are known beforehand; the last is given for ever."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)

    def ask(self, *_: Any, **__: Any) -> Answer:
        """The next answer."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture(scope="module")
def keys() -> SigningKeys:
    """The sandbox certificate that belongs to the recorded tokens."""
    installed = SigningKeys(monotonic=lambda: 0.0)
    for file in sorted((_CORPUS / "keys").glob("*.cer")):
        installed.add(file.read_bytes())
    return installed


def inside(answer: Any) -> Any:
    """What the portal itself said, taken out of a provider's wrapper."""
    answer = answer[0] if isinstance(answer, list) else answer
    for name in ("govt_response", "result", "data"):
        if isinstance(answer.get(name), dict):
            return answer[name] | {name: answer[name] for name in ("info",) if name in answer}
    results = answer.get("results")
    return answer if results is None else results.get("message") or results


def failure(answer: Any) -> Failure:
    """A recorded refusal, whichever wrapper it came in."""
    answer = inside(answer)
    if "errorMessage" in answer:
        code, _, sentence = answer["errorMessage"].partition(": ")
        return Failure((PortalError(code, sentence),), Info())
    listed = answer.get("ErrorDetails") or answer["errors"]["errors"]
    errors = [(each.get("ErrorCode", each.get("error_code")), each) for each in listed]
    info = [InfoBlock(each["InfCd"], each["Desc"]) for each in answer.get("InfoDtls", answer.get("info")) or []]
    sentences = [each.get("ErrorMessage", each.get("error_message", "")) for _, each in errors]
    codes = [PortalError(code, sentence) for (code, _), sentence in zip(errors, sentences, strict=True)]
    return Failure(tuple(codes), Info(info))


def talk(kind: Kind, irn: str, *answers: Answer, keys: SigningKeys) -> Talk:
    """A talk about an operation of that kind on an IRN."""
    line: Any = Line(answers)
    about = operation(kind=kind, subject=irn, irn=irn)
    return Talk(about, b"{}", keys, kept_answer=None, exchange=line, keep_lease=lambda: None)


REFUSALS = {
    "bc_native_2150_dupirn": (Kind.IRN_GENERATE, "call", Meaning.UNKNOWN),  # a duplicate that cannot be read back
    "cleartax_gitbook_ct_3": (Kind.IRN_GENERATE, "call", Meaning.UNKNOWN),
    "cleartax_gitbook_govt_3": (Kind.IRN_GENERATE, "call", Meaning.UNKNOWN),
    "cleartax_gitbook_ct_5": (Kind.IRN_CANCEL, "look_up", Meaning.UNKNOWN),
    "cleartax_gitbook_govt_8": (Kind.IRN_CANCEL, "look_up", Meaning.UNKNOWN),
    "cleartax_gitbook_govt_6": (Kind.IRN_CANCEL, "call", Meaning.REFUSED),
    "cleartax_gitbook_govt_11": (Kind.EWB_GENERATE, "call", Meaning.UNKNOWN),
    "mastersindia_ewb_by_irn_2302": (Kind.EWB_GENERATE, "call", Meaning.REFUSED),
    "mastersindia_get_ewb_by_irn_4005": (Kind.EWB_GENERATE, "look_up", Meaning.ABSENT),
    "mastersindia_get_irn_by_doc_2154": (Kind.EWB_GENERATE, "look_up", Meaning.ABSENT),
    "mastersindia_sync_gstin_5001": (Kind.IRN_GENERATE, "call", Meaning.UNKNOWN),
}
SIGNED = (
    "cleartax_gitbook_ct_2",
    "cleartax_gitbook_ct_4",
    "cleartax_gitbook_ct_7",
    "cleartax_gitbook_ct_8",
    "cleartax_gitbook_govt_2",
    "ey_ok",
)
"""Registrations whose signatures the published sandbox certificate verifies."""
OF_OTHER_KEYS = ("1rivet_2025_success", "adaequare_ok")
"""Registrations that are signed by keys which are published nowhere."""
BILLS = ("cleartax_gitbook_govt_10", "mastersindia_ewb_by_irn_success", "mastersindia_get_ewb_by_irn_success")
WITHOUT_SIGNATURE = ("adaequare_err_4013", "mastersindia_get_irn_by_doc_success")
"""Successes whose signed texts the collector left out: no registration can be read from them."""
CANCELLED = ("cleartax_gitbook_govt_5",)
NO_ANSWER_OF_A_PORTAL = ("cleartax_sftp_failure-error", "cleartax_sftp_success", "mastersindia_sync_gstin_success")
"""Files of a provider, and a taxpayer, which is no business of an operation."""


def test_every_recorded_answer_is_named() -> None:
    """None of the collection is passed over."""
    groups = (REFUSALS, SIGNED, OF_OTHER_KEYS, BILLS, WITHOUT_SIGNATURE, CANCELLED, NO_ANSWER_OF_A_PORTAL)
    named = [name for group in groups for name in group]
    assert sorted(named) == names("irp_responses")


@pytest.mark.parametrize("name", REFUSALS)
def test_a_recorded_refusal_means_what_it_should(name: str, keys: SigningKeys) -> None:
    """Definite where the portal cannot have done it, and never "absent" where it may have."""
    kind, step, meaning = REFUSALS[name]
    answer = failure(recorded("irp_responses", name))
    outcome = getattr(PROTOCOLS[kind], step)(talk(kind, "f" * 64, answer, keys=keys))
    assert outcome.meaning is meaning
    if meaning is not Meaning.UNKNOWN:
        assert answer.errors[0].code in (outcome.code or "")


@pytest.mark.parametrize("name", SIGNED)
def test_a_recorded_registration_is_read(name: str, keys: SigningKeys) -> None:
    """Signatures checked; IRN, acknowledgement, standing and e-way bill are those of the answer around them."""
    answer = inside(recorded("irp_responses", name))
    found = reading.registration(Told(json.dumps(answer).encode(), Info()), keys)
    assert isinstance(found, Registration)
    assert (found.irn, found.ack_no) == (answer["Irn"], str(answer["AckNo"]))
    assert found.cancelled == (answer.get("Status") == "CNL")
    number = answer.get("EwbNo")
    assert (found.ewb.number if found.ewb else None) == (str(number) if number else None)


@pytest.mark.parametrize("name", [*OF_OTHER_KEYS, *WITHOUT_SIGNATURE])
def test_a_recorded_success_without_a_signature_to_trust_is_none(name: str, keys: SigningKeys) -> None:
    """An unknown key keeps the answer; no signature leaves it in doubt."""
    answer = inside(recorded("irp_responses", name))
    sent = {
        "SellerDtls": {"Gstin": "29AAHCT7421P1ZM"},
        "DocDtls": {"Typ": "INV", "No": "A/1", "Dt": "10/11/2026"},
    }
    outcome = reading.read(Told(json.dumps(answer).encode(), Info()), sent, keys, found_by=LOOK_UP)
    assert outcome.meaning is (Meaning.UNVERIFIED if name in OF_OTHER_KEYS else Meaning.UNKNOWN)


def test_the_failed_eway_bill_of_a_recorded_registration_is_told() -> None:
    """The IRN was made and its e-way bill was not: EWBERR says why."""
    [block] = recorded("irp_responses", "adaequare_err_4013")["info"]
    [error] = Info([InfoBlock(block["InfCd"], block["Desc"])]).ewb_errors()
    assert error.code == "4013"


@pytest.mark.parametrize("name", BILLS)
def test_a_recorded_eway_bill_is_read(name: str, keys: SigningKeys) -> None:
    """Its number, its time and its validity."""
    answer = inside(recorded("irp_responses", name))
    told = Told(json.dumps(answer).encode(), Info())
    about = operation(kind=Kind.EWB_GENERATE, subject="f" * 64, irn="f" * 64)
    outcome = PROTOCOLS[Kind.EWB_GENERATE].read(Matter(about, b"{}", keys), told, LOOK_UP)
    assert outcome.meaning is Meaning.REGISTERED
    assert isinstance(outcome.result, EwayBill)
    assert outcome.result.number == str(answer["EwbNo"])
    assert outcome.result.made_at is not None
    assert outcome.result.valid_until is not None


@pytest.mark.parametrize("name", [*CANCELLED, "cleartax_gitbook_ct_7"])
def test_a_recorded_cancellation_is_read(name: str, keys: SigningKeys) -> None:
    """That it was, by the answer to the call or by the status of the IRN."""
    answer = inside(recorded("irp_responses", name))
    told = Told(json.dumps(answer).encode(), Info())
    about = operation(kind=Kind.IRN_CANCEL, subject=answer["Irn"], irn=answer["Irn"])
    assert PROTOCOLS[Kind.IRN_CANCEL].read(Matter(about, b"{}", keys), told, LOOK_UP).meaning is Meaning.REGISTERED
