"""GSTINs, document numbers and IRNs."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import identifiers

_REAL = ("29AAFCC9980M1ZR", "05AAACG2115R1ZN", "27AAPFU0939F1ZV", "24AAACJ3770E2ZV")
_OF_THE_PORTALS_SANDBOX = (
    "01AMBPG7773M002",
    "29AWGPV7107B1Z1",
    "29AABCT1332L000",
    "24AAFCD5862R005",
    "09AAAPG7885R002",
)
_ALPHABET = string.digits + string.ascii_uppercase
bodies = st.tuples(st.text(string.digits, min_size=2, max_size=2), st.text(_ALPHABET, min_size=12, max_size=12)).map(
    "".join
)


@pytest.mark.parametrize("gstin", _REAL)
def test_a_real_gstin_ends_in_its_check_digit(gstin: str) -> None:
    """Published GSTINs fit their own last character."""
    assert identifiers.is_gstin(gstin)
    assert identifiers.gstin_check_digit(gstin[:-1]) == gstin[-1]
    assert identifiers.gstin_check_digit_holds(gstin)


@pytest.mark.parametrize("gstin", _OF_THE_PORTALS_SANDBOX)
def test_the_gstins_of_the_portals_sandbox_do_not(gstin: str) -> None:
    """They have the form and fail the check digit, which is why a route decides whether it is asked for."""
    assert identifiers.is_gstin(gstin)
    assert not identifiers.gstin_check_digit_holds(gstin)


@given(bodies)
def test_exactly_one_last_character_fits(body: str) -> None:
    """Of the thirty-six characters, one is the check digit."""
    assert [last for last in _ALPHABET if identifiers.gstin_check_digit_holds(body + last)] == [
        identifiers.gstin_check_digit(body)
    ]


@given(bodies, st.integers(0, 13), st.sampled_from(_ALPHABET))
def test_one_wrong_character_is_noticed(body: str, at: int, other: str) -> None:
    """A typing error in any one place changes the check digit."""
    typed = body[:at] + other + body[at + 1 :]
    if typed != body:
        assert identifiers.gstin_check_digit(typed) != identifiers.gstin_check_digit(body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "29AAFCC9980M1Z",
        "29AAFCC9980M1ZR1",
        "29aafcc9980m1zr",
        "A9AAFCC9980M1ZR",
        "29AAFCC9980M1ZR\n",
        "\n29AAFCC9980M1ZR",
        " 29AAFCC9980M1ZR",
        "29AAFCC9980M1Z-",
        "\u0968\u096fAAFCC9980M1ZR",
        "\uff12\uff19AAFCC9980M1ZR",
        "29AAFCC9980M1Z\uff32",
        "29AAFCC998\u0660M1ZR",
        "29AAFCC9980M1\u1e9eR",
        "URP",
    ],
)
def test_what_is_no_gstin_is_told_apart(text: str) -> None:
    """Another length, small letters, a line break or digits of another script: no GSTIN, and no check digit either."""
    assert not identifiers.is_gstin(text)
    assert not identifiers.gstin_check_digit_holds(text)


@pytest.mark.parametrize(
    ("gstin", "masked"),
    [("29AAFCC9980M1ZR", "29AAF****M1ZR"), ("URP", "****"), ("29AAFCC9980M1ZRX", "****"), ("", "****")],
)
def test_a_masked_gstin_hides_the_middle(gstin: str, masked: str) -> None:
    """Logs show the state and the end of a GSTIN, and nothing at all of what is none."""
    assert identifiers.masked_gstin(gstin) == masked


@pytest.mark.parametrize("text", ["1", "A", "a", "INV-1", "2026/27/001", "A" * 16, "9-/-/-/", "aZ0"])
def test_a_document_number_is_letters_digits_slash_and_dash(text: str) -> None:
    """Up to sixteen characters, beginning with a letter or with 1 to 9."""
    assert identifiers.is_document_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "01",
        "/1",
        "-1",
        "A" * 17,
        "INV 1",
        "INV_1",
        "INV.1",
        "INV-1\n",
        "INV-1\r",
        "\nINV-1",
        "INV-\u0967",
        "INV-\uff11",
        "\u0131NV-1",
        "STRA\u00dfE",
        "INV\u20131",
    ],
)
def test_what_is_no_document_number_is_told_apart(text: str) -> None:
    """A leading 0, / or -, blanks, line breaks, other scripts and other dashes are refused."""
    assert not identifiers.is_document_number(text)


@pytest.mark.parametrize("text", ["\u0131nv-1", "stra\u00dfe", "\ufb01-1", "\u212a-1", "INV-\u0967"])
def test_letters_that_upper_case_would_confuse_are_refused(text: str) -> None:
    """Dotless i becomes I, sharp s becomes SS: outside ASCII nothing is folded, it is refused."""
    with pytest.raises(ValueError, match="ASCII"):
        identifiers.same_document_number(text)


@given(st.text(string.ascii_letters + string.digits + "/-", min_size=1, max_size=16))
def test_numbers_that_differ_in_letter_case_are_one(text: str) -> None:
    """Upper, lower and mixed case have one form, and folding twice is folding once."""
    same = identifiers.same_document_number(text)
    assert same == identifiers.same_document_number(text.lower()) == identifiers.same_document_number(text.upper())
    assert identifiers.same_document_number(same) == same
    assert len(same) == len(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("0123456789abcdef" * 4, True),
        ("0123456789ABCDEF" * 4, False),
        ("0123456789abcdef" * 4 + "\n", False),
        ("0123456789abcdef" * 3, False),
        ("\u0967" * 64, False),
        ("g" * 64, False),
    ],
)
def test_an_irn_is_64_small_hexadecimal_digits(text: str, holds: bool) -> None:  # noqa: FBT001  an expectation
    """Nothing else has the form of an IRN."""
    assert identifiers.is_irn(text) is holds
