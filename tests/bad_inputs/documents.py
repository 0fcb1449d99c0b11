"""Documents that are strict JSON and nevertheless none: GSTINs, numbers, dates, amounts, texts and shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.bad_inputs.cases import PLAIN, Case, document, documents, tokens, with_member, with_text, with_value, written

BUYER: Final = "29AABCA5312L1ZP"
SELLER: Final = "29AAHCT7421P1ZM"
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BUYER_GSTIN: Final = "/BuyerDtls/Gstin"

LOOK_ALIKES: Final[Mapping[str, str]] = {
    "full width": "".join(chr(0xFEE0 + ord(each)) for each in ALPHABET),
    "mathematical bold": "".join(
        chr((0x1D7CE + ord(each) - 48) if each.isdigit() else (0x1D400 + ord(each) - 65)) for each in ALPHABET
    ),
    "mathematical sans-serif": "".join(
        chr((0x1D7E2 + ord(each) - 48) if each.isdigit() else (0x1D5A0 + ord(each) - 65)) for each in ALPHABET
    ),
    "circled": "".join("\u24ea" if each == "0" else "" for each in "0")
    + "".join(chr(0x2460 + number) for number in range(9))
    + "".join(chr(0x24B6 + number) for number in range(26)),
}
"""Alphabets whose characters NFKC or an eye takes for the 36 that a GSTIN is made of."""
DIGITS: Final = {
    "Arabic": 0x660, "Persian": 0x6F0, "Devanagari": 0x966, "Bengali": 0x9E6, "Gurmukhi": 0xA66, "Gujarati": 0xAE6,
    "Odia": 0xB66, "Tamil": 0xBE6, "Telugu": 0xC66, "Kannada": 0xCE6, "Malayalam": 0xD66, "Thai": 0xE50,
}  # fmt: skip
"""What `str.isdigit` and `\\d` take for digits, by the code point of their zero."""
LETTERS: Final = {
    "A": "\u0391\u0410\u13aa", "B": "\u0392\u0412\u13f4", "C": "\u0421\u03f9\u216d", "L": "\u216c\u13de",
    "P": "\u03a1\u0420", "Z": "\u0396\u13c3", "1": "\u0131\u217c", "2": "\u01a7", "9": "\u09ed", "5": "\u01bc",
    "3": "\u0417",
}  # fmt: skip
"""Letters of other scripts that look like those of the buyer's GSTIN."""
INVISIBLE: Final = {
    "zero width space": "\u200b", "zero width joiner": "\u200d", "word joiner": "\u2060", "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad", "right to left": "\u202e", "left to right mark": "\u200e", "isolate": "\u2066",
    "combining dot": "\u0307", "variation selector": "\ufe0f", "tag": "\U000e0041", "Mongolian separator": "\u180e",
}  # fmt: skip


def _confused() -> Iterator[Case]:
    """The buyer's GSTIN, which anybody would read as such, with one character that is another."""
    for name, alike in LOOK_ALIKES.items():
        for index, each in enumerate(BUYER):
            text = BUYER[:index] + alike[ALPHABET.index(each)] + BUYER[index + 1 :]
            yield from documents(f"gstin {name}", BUYER_GSTIN, {"schema-pattern": [text]})
        whole = "".join(alike[ALPHABET.index(each)] for each in BUYER)
        yield from documents(f"gstin {name}", BUYER_GSTIN, {"schema-pattern": [whole]})
    for name, zero in DIGITS.items():
        text = "".join(chr(zero + int(each)) if each.isdigit() else each for each in BUYER)
        yield from documents(f"gstin digits {name}", BUYER_GSTIN, {"schema-pattern": [text]})
    for each, others in LETTERS.items():
        texts = [BUYER.replace(each, other, 1) for other in others]
        yield from documents("gstin of another script", BUYER_GSTIN, {"schema-pattern": texts})
    for sign in INVISIBLE.values():
        texts = [f"{sign}{BUYER}", f"{BUYER}{sign}", f"{BUYER[:7]}{sign}{BUYER[7:]}"]
        yield from documents("gstin invisible", BUYER_GSTIN, {"schema-pattern": texts})


GSTINS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    BUYER_GSTIN: {
        "schema-pattern": [
            "", " ", BUYER[:14], BUYER + "1", BUYER * 2, BUYER[1:], BUYER[::-1], f"{BUYER[:2]} {BUYER[2:]}",
            f"{BUYER[:2]}-{BUYER[2:]}", f"GSTIN{BUYER}", f"{BUYER};", f"{BUYER},{SELLER}", "N/A", "NA", "NULL", "None",
            "0", "-", "unregistered", "URP ;", "URPP", "AA" + BUYER[2:], "2" + BUYER[2:], BUYER[:-1] + "*", "A" * 15,
            "' OR 1=1 --", "<script>alert(1)</script>", "../../etc/passwd", "${jndi:ldap://x}", "{{7*7}}", "%00",
            BUYER[:14] + "\u00df", "\u0131" * 15, "A" * 10_000,
        ],
    },
    "/SellerDtls/Gstin": {
        "schema-pattern": ["", SELLER[:14], SELLER + "0", "\uff12\uff19" + SELLER[2:]],
        "GSP-PTY-06": ["URP"],
    },
    "/TranDtls/EcmGstin": {"schema-pattern": ["URP", BUYER[:-1], BUYER.replace("A", "\u0410")]},
}  # fmt: skip

NUMBERS: Final[Mapping[str, Sequence[str]]] = {
    "schema-pattern": [
        "", "0", "0401", "/1", "-1", "A" * 17, "A" * 1000, "INV 1", "INV_1", "INV#1", "INV.1", "INV\\1", "INV&1",
        "INV:1", "INV+1", "INV'1", "INV,1", "INV(1)", "INV\u20101", "INV\u22121", "INV\u20441", "INV\uff0f1",
        "\uff29\uff2e\uff36-1", "\u0967\u0968", "\u0661", "\u2460", "INV\u200b1", "\u202eINV1", "INV1\ufeff",
        "stra\u00dfe", "\u0131NV-1", "\u017fale-1", "\u212aM-1", "\u00c4-1", "A\u0308-1", "\u0410-1", "A\u00a0B",
        "\U0001f4a3", "%2e%2e", "' OR ''='", "<b>1</b>",
    ],
}  # fmt: skip

DAYS: Final[Mapping[str, Sequence[str]]] = {
    "schema-pattern": [
        "", "0", "today", "10-11-2026", "10.11.2026", "2026-11-10", "2026/11/10", "11/10/26", "1/11/2026",
        "10/1/2026", "10/11/2026 10:00", "10/11/2026Z", "10/11/2026T00:00:00", "10/11/1999", "10/11/20261",
        "10/Nov/2026", "10 November 2026", "+10/11/2026", "-1/11/2026", "1O/11/2026", "1\u0660/11/2026",
        "\u0967\u0966/11/2026", "\uff11\uff10/11/2026", "10\u204411\u20442026", "10/11/\u09e8026", "10/11/2026\u200b",
        "\u202e10/11/2026", "1731196800", "45971", "2026-W46-2", "2026-314",
    ],
    "GSP-HDR-02": ["10/11/2030", "10/11/9999", "21/11/2026"],
    "GSP-HDR-01": ["00/11/2026", "32/01/2026", "10/00/2026", "10/13/2026", "10/11/0000",
                   "31/02/2026", "30/02/2026", "29/02/2025", "29/02/2026", "31/04/2026", "31/06/2026", "31/09/2026",
                   "31/11/2026"],
}  # fmt: skip

OTHER_DAYS: Final[Mapping[str, Sequence[str]]] = {
    "schema-pattern": ["2026-11-10", "10/11/26", "1\u0966/01/2026", "10/11/2026\u200b"],
    "GSP-HDR-10": ["00/01/2026", "31/02/2026", "29/02/2025"],
}

AMOUNTS: Final = ("/ValDtls/TotInvVal", "/ItemList/0/TotAmt", "/ItemList/0/IgstAmt")
AMOUNT: Final[Mapping[str, Sequence[bytes]]] = {
    "json-not-a-number": [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e999999999", b"1e-400"],
    "json-number-too-long": [b"0." + b"1" * 39, b"9" * 41, b"2950." + b"0" * 36],
    "json-malformed": [b"0x10", b"1_000", b"2,950.00", b"+2950", b"02950", b"2950.", b".5", b"1e", b"\xef\xbc\x91"],
    "schema-range": [b"-1", b"-0.01", b"1e30", b"1e20", b"999999999999999999", b"-1e-2"],
    "schema-type": [
        b'""', b'"x"', b'"2,950.00"', b'"1e3"', b'"NaN"', b'"Infinity"', b'"0x10"', b'"1_000"', b'"+2950"',
        '"\u0967"'.encode(), '"\uff11"'.encode(), '"\u0661\u0662"'.encode(), '"\u20b92950"'.encode(),
        '"\u00bd"'.encode(), b'"2950 INR"', b'"1/2"', b'"--1"', b"true", b"false", b"[]", b"[2950]",
        b"{}", b'{"value":2950}',
    ],
}  # fmt: skip

DECIMALS: Final[Mapping[str, Sequence[bytes]]] = {
    "/ValDtls/TotInvVal": [
        b"2950.001",
        b"2949.9999999999995",
        b"2950.00000000000000000000000000000001",
        b"29500001e-4",
    ],
    "/ItemList/0/Qty": [b"1.0001", b"1.00000000000000000000000001", b"1.00000001e0"],
    "/SellerDtls/Pin": [b"560058.5", b"5600581e-1", b"560058.0000000000000000001"],
}
"""One digit more than can be kept, a float's last one among them."""
WRONG_TOTALS: Final = [b"0", b"-0", b"-0.0", b"0e5", b"1", b"0.001", b"1e-30", b"0.1000000000000000055"]
"""What is a number, and not the sum of this document: the rule about it says more than its form would."""

TEXTS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "/SellerDtls/LglNm": {
        "schema-length": ["", "ab", "A" * 101, "\U0001f4a3" * 101],
        "schema-pattern": ['"a"bc', "a\\bc"],
    },
    "/SellerDtls/Em": {
        "schema-pattern": ["a@b@c.in", "no address", "a b@c.example", "\u00e4@c.example", "a@\u00e4.example",
                           "<a@b.example>", "a@b.example,c@d.example"],
        "schema-length": ["a" * 95 + "@b.example"],
    },
    "/SellerDtls/Ph": {"schema-pattern": ["12345", "+918012345678", "1" * 13, "080-1234567", "\u0967" * 8, "call me"]},
    "/SellerDtls/Stcd": {"schema-pattern": ["100", "KA", "\u0968\u096f", "2 9", "-1", "2.9"]},
    "/BuyerDtls/Pos": {"schema-pattern": ["100", "KA", "\uff12\uff19"]},
    "/ItemList/0/HsnCd": {"schema-pattern": ["", "0", "99", "99871", "998719000", "9987.19", "HSN", "\u096f" * 6]},
    "/ItemList/0/SlNo": {"schema-pattern": ["", "-1", "1.5", "1234567", "one", "\u0967"]},
    "/ItemList/0/IsServc": {"schema-enum": ["X", "YES", "1", "\u03a5", ""]},
    "/TranDtls/SupTyp": {"schema-enum": ["", "B2C", "B2B2", "EXP", "\u0392\u0032\u0392", "B2B;SEZWP"]},
    "/DocDtls/Typ": {"schema-enum": ["", "XYZ", "INVOICE", "\u0406NV", "IN\u200bV"]},
    "/Version": {"schema-enum": ["", "1", "1.0", "2.0", "1.1.0", "1,1", "\u0967.\u0967", "v1.1"]},
}  # fmt: skip

SHAPES: Final[Mapping[str, tuple[bytes, frozenset[tuple[str, str]]]]] = {
    "null": (b"null", frozenset({("schema-null", "")})),
    "an array": (b"[]", frozenset({("schema-type", "")})),
    "a document in an array": (b"[" + written(PLAIN) + b"]", frozenset({("schema-type", "")})),
    "a number": (b"1", frozenset({("schema-type", "")})),
    "a text": (b'"INV"', frozenset({("schema-type", "")})),
    "true": (b"true", frozenset({("schema-type", "")})),
    "a member twice in other letters": (
        with_member(b'"version":"1.1"'),
        frozenset({("member-twice", "/Version")}),
    ),
    "a part twice in other letters": (
        with_value("/BuyerDtls/POS", b'"29"'),
        frozenset({("member-twice", "/BuyerDtls/POS")}),
    ),
    "lines as an object": (with_value("/ItemList", b"{}"), frozenset({("schema-type", "/ItemList")})),
    "a line as text": (with_value("/ItemList", b'["1"]'), frozenset({("schema-type", "/ItemList/0")})),
    "a seller as text": (with_value("/SellerDtls", b'"29"'), frozenset({("schema-type", "/SellerDtls")})),
    "a seller in an array": (with_value("/SellerDtls", b"[{}]"), frozenset({("schema-type", "/SellerDtls")})),
}


def _missing() -> Iterator[Case]:
    """Each member that the form asks for, left out."""
    needed: Mapping[str, Sequence[str]] = {
        "": ["Version", "TranDtls", "DocDtls", "SellerDtls", "BuyerDtls", "ItemList"],
        "TranDtls": ["TaxSch", "SupTyp"],
        "DocDtls": ["Typ", "No", "Dt"],
        "SellerDtls": ["Gstin", "LglNm", "Addr1", "Loc", "Pin", "Stcd"],
        "BuyerDtls": ["Gstin", "LglNm", "Pos", "Addr1", "Loc", "Stcd"],
        "ValDtls": ["AssVal", "TotInvVal"],
    }
    for part, names in needed.items():
        for name in names:
            body: dict[str, Any] = {**PLAIN, part: dict(PLAIN[part])} if part else dict(PLAIN)
            del (body[part] if part else body)[name]
            at = f"/{part}/{name}" if part else f"/{name}"
            yield document("missing", at, written(body), faults={("schema-required", at)})


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _confused()
    for at, table in GSTINS.items():
        yield from documents("gstin", at, table)
    yield from documents("number", "/DocDtls/No", NUMBERS)
    yield from documents("date", "/DocDtls/Dt", DAYS)
    yield from documents("date", "/ExpDtls/ShipBDt", OTHER_DAYS)
    for at in AMOUNTS:
        yield from tokens("amount", at, AMOUNT)
    for at, given in DECIMALS.items():
        yield from tokens("decimals", at, {"schema-decimals": given})
    yield from tokens("total", "/ValDtls/TotInvVal", {"GSP-TOT-09": WRONG_TOTALS})
    for at, table in TEXTS.items():
        yield from documents("text", at, table)
    yield from _missing()
    for name, (body, faults) in SHAPES.items():
        yield document("shape", name, body, faults=faults)
    yield document(
        "date", "as a number", with_value("/DocDtls/Dt", b"10112026"), faults={("schema-pattern", "/DocDtls/Dt")}
    )
    yield from _others()


def _others() -> Iterator[Case]:
    for seller in ("27AAACM0002B1ZI", "29AAACM0001A1ZH", BUYER):
        text = with_text("/SellerDtls/Gstin", seller)
        yield Case(group="seller", name=seller, status=403, code="seller-not-yours", body=text)
