"""GSTINs, document numbers and the typed ids of our own records."""

from __future__ import annotations

import re
from typing import Final

GSTIN_LENGTH: Final = 15
UNREGISTERED: Final = "URP"
"""What the law writes where a party has no GSTIN (unregistered person)."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_GSTIN: Final = re.compile(r"[0-9]{2}[0-9A-Z]{13}", re.ASCII)
_DOCUMENT_NUMBER: Final = re.compile(r"[a-zA-Z1-9][a-zA-Z0-9/-]{0,15}", re.ASCII)
_IRN: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

OPERATION_PREFIX: Final = "op_"
ATTEMPT_PREFIX: Final = "att_"
AUDIT_PREFIX: Final = "aud_"
CLIENT_PREFIX: Final = "cli_"
ORGANISATION_PREFIX: Final = "org_"
ACCOUNT_PREFIX: Final = "acc_"
API_KEY_PREFIX: Final = "key_"
EVENT_PREFIX: Final = "evt_"
WEBHOOK_PREFIX: Final = "whk_"
WEBHOOK_KEY_PREFIX: Final = "whs_"
DELIVERY_PREFIX: Final = "dlv_"
DELIVERY_ATTEMPT_PREFIX: Final = "dat_"
RECONCILIATION_PREFIX: Final = "rec_"
FINDING_PREFIX: Final = "fnd_"


def is_gstin(text: str) -> bool:
    """Whether `text` has the form of a GSTIN: 2 digits and 13 digits or capitals, ASCII only."""
    return _GSTIN.fullmatch(text) is not None


def gstin_check_digit(first_fourteen: str) -> str:
    """The fifteenth character that belongs to the first fourteen (Luhn mod 36, factors 1 and 2 in turn)."""
    total = 0
    for position, character in enumerate(first_fourteen):
        product = _ALPHABET.index(character) * (1 + position % 2)
        total += product // len(_ALPHABET) + product % len(_ALPHABET)
    return _ALPHABET[-total % len(_ALPHABET)]


def gstin_check_digit_holds(gstin: str) -> bool:
    """Whether a well-formed GSTIN ends in its own check digit. Those of the portal's sandbox do not."""
    return is_gstin(gstin) and gstin_check_digit(gstin[:-1]) == gstin[-1]


def masked_gstin(gstin: str) -> str:
    """A GSTIN for logs: characters 6 to 11 hidden, because 3 to 12 are a PAN, a proprietor's personal data."""
    return f"{gstin[:5]}****{gstin[-4:]}" if len(gstin) == GSTIN_LENGTH else "****"


def is_document_number(text: str) -> bool:
    """Whether `text` can be a document number: 1 to 16 of letters, digits, / and -; no leading 0, / or -."""
    return _DOCUMENT_NUMBER.fullmatch(text) is not None


def same_document_number(text: str) -> str:
    """The form in which two document numbers are compared: upper case.

    GSTN advisory of 04-04-2025, in force from 01-06-2025. Raises ValueError on anything but ASCII: outside it,
    upper-casing makes different letters one.
    """
    if not text.isascii():
        message = "a document number is ASCII"
        raise ValueError(message)
    return text.upper()


def is_irn(text: str) -> bool:
    """Whether `text` has the form of an IRN: 64 lower-case hexadecimal digits."""
    return _IRN.fullmatch(text) is not None
