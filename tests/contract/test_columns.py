"""What others write must fit: a column that is too narrow is an attempt that can never be recorded."""

from __future__ import annotations

import pytest

from gateway.domain.outcomes import Meaning
from gateway.irp.envelope import CODE_CHARACTERS_MAX, MESSAGE_CHARACTERS_MAX
from tests.contract.storage_kit import Storage

FAULTS = 40
"""Errors in one answer of a portal. A document with many lines has a refusal for each kind of mistake."""


@pytest.mark.parametrize("meaning", [Meaning.REFUSED, Meaning.UNKNOWN, Meaning.HELD])
def test_an_answer_with_many_codes_is_recorded(storage: Storage, meaning: Meaning) -> None:
    """All the codes of an answer, each as long as we take it, stand with the operation and with its attempt."""
    codes = ",".join(f"{number:0{CODE_CHARACTERS_MAX}}" for number in range(FAULTS))
    storage.accept()
    settled = storage.settle(storage.begin(), meaning, code=codes)
    assert settled.portal_code == codes
    assert storage.intake.attempts_of(settled.id)[0]["portal_code"] == codes


@pytest.mark.parametrize("character", ["x", "ü", "₹", "𑀓", "'"])
def test_an_answer_with_long_sentences_is_recorded(storage: Storage, character: str) -> None:
    """Whatever the script that they are written in."""
    message = "; ".join([character * MESSAGE_CHARACTERS_MAX] * FAULTS)
    storage.accept()
    settled = storage.settle(storage.begin(), Meaning.REFUSED, message=message)
    assert settled.portal_message == message
    assert storage.intake.attempts_of(settled.id)[0]["message"] == message


def test_a_code_of_a_refused_login_is_recorded(storage: Storage) -> None:
    """Our own words for why there is no login are longer than the portal's codes."""
    storage.accept()
    settled = storage.settle(storage.begin(), Meaning.HELD, code="sealed-value-foreign-or-worse")
    assert settled.portal_code == "sealed-value-foreign-or-worse"
