"""The door for JSON: text that has no meaning, or two, or one that nobody can afford."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from typing import Final

from tests.bad_inputs.cases import PLAIN, Case, with_member, written

GOOD: Final = written(PLAIN)
_TEXT: Final = GOOD.decode()


def _value(token: bytes) -> bytes:
    return with_member(b'"x":' + token)


MALFORMED: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "a blank": b" ",
    "half": GOOD[:-1],
    "a brace too many": GOOD + b"}",
    "two documents": GOOD * 2,
    "two documents, a line each": GOOD + b"\n" + GOOD,
    "a comma behind": GOOD + b",",
    "a bracket for a brace": GOOD[:-1] + b"]",
    "a comment before": b"// hello\n" + GOOD,
    "a comment within": _value(b"/* 1 */ 1"),
    "a hash comment": b"# hello\n" + GOOD,
    "single quotes": b"{'a': 1}",
    "no quotes": b"{a: 1}",
    "a comma too many": b'{"a": 1,}',
    "a comma too many in an array": _value(b"[1,]"),
    "a comma too few": b'{"a": 1 "b": 2}',
    "two commas": _value(b"[1,,2]"),
    "no colon": b'{"a" 1}',
    "no value": b'{"a":}',
    "no name": b'{:"a"}',
    "a number as name": b'{1:"a"}',
    "a bare word": b"INV-01",
    "True": _value(b"True"),
    "None": _value(b"None"),
    "undefined": _value(b"undefined"),
    "nan": _value(b"nan"),
    "inf": _value(b"inf"),
    "+Infinity": _value(b"+Infinity"),
    "leading zero": _value(b"01"),
    "minus zero one": _value(b"-01"),
    "a plus sign": _value(b"+1"),
    "no digit before the point": _value(b".5"),
    "no digit behind the point": _value(b"5."),
    "no digit in the exponent": _value(b"1e"),
    "a lonely minus": _value(b"-"),
    "two points": _value(b"1.2.3"),
    "hexadecimal": _value(b"0x10"),
    "digits with an underscore": _value(b"1_000"),
    "digits with a comma": _value(b"1,000"),
    "a fraction": _value(b"1/2"),
    "Arabic digits": _value("\u0661\u0662".encode()),
    "full-width digits": _value("\uff11".encode()),
    "full-width quotes": _value("\uff02a\uff02".encode()),
    "curly quotes": _value("\u201ca\u201d".encode()),
    "a no-break space between": _value("\u00a01".encode()),
    "an ideographic space before": "\u3000".encode() + GOOD,
    "a line separator before": "\u2028".encode() + GOOD,
    "a zero width space before": "\u200b".encode() + GOOD,
    "a mark within the text": GOOD + b"\xef\xbb\xbf",
    "a string without an end": _value(b'"abc'),
    "an unknown escape": _value(b'"\\x41"'),
    "half an escape": _value(b'"\\u12"'),
    "an escape with a sign": _value(b'"\\u+123"'),
    "an escape of nothing": _value(b'"\\'),
    "XML": b"<?xml version='1.0'?><Invoice/>",
    "an external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"Version: '1.1'",
    "a form": b"Version=1.1&DocDtls=x",
    "a multipart body": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
    "a script": b")]}',\n" + GOOD,
    "a callback": b"callback(" + GOOD + b")",
    "SQL": b"'; DROP TABLE operations; --",
    "UTF-16 without a mark": "{}".encode("utf-16-le") + b"\x20\x00",
}

REFUSED: Final[Mapping[str, Mapping[str, bytes]]] = {
    "json-malformed": {name: text for name, text in MALFORMED.items() if name != "UTF-16 without a mark"},
    "json-not-a-number": {
        "NaN": _value(b"NaN"),
        "-NaN": _value(b"[NaN]"),
        "Infinity": _value(b"Infinity"),
        "-Infinity": _value(b"-Infinity"),
        "1e400": _value(b"1e400"),
        "-1e400": _value(b"-1e400"),
        "1e31": _value(b"1e31"),
        "1e-31": _value(b"1e-31"),
        "1E+999": _value(b"1E+999"),
        "1e-999999999": _value(b"1e-999999999"),
        "1e99999999999999999999": _value(b"1e99999999999999999999"),
        "0.000 with an exponent": _value(b"0.0001e-30"),
    },
    "json-number-too-long": {
        "41 digits": _value(b"9" * 41),
        "a minus and 40 digits": _value(b"-" + b"1" * 40),
        "40 digits behind the point": _value(b"0." + b"3" * 40),
        "zeros behind the point": _value(b"1." + b"0" * 40),
        "an exponent of 40 digits": _value(b"1e" + b"1" * 40),
        "ten thousand digits": _value(b"7" * 10_000),
        "a million digits": _value(b"9" * 1_000_000),
    },
    "json-duplicate-key": {
        "a member twice": with_member(b'"Version":"1.1"'),
        "a member twice, escaped": with_member(b'"\\u0056ersion":"1.1"'),
        "a part twice": with_member(b'"DocDtls":{"Typ":"CRN"}'),
        "twice within": _value(b'{"a":1,"a":1}'),
        "twice far within": _value(b'[[{"a":{"b":1,"c":2,"b":3}}]]'),
        "twice with an empty name": _value(b'{"":1,"":2}'),
        "a seller twice": GOOD.replace(b'"SellerDtls":{', b'"SellerDtls":{"Gstin":"27AAACM0002B1ZI",', 1),
    },
    "json-too-deep": {
        "17 arrays": _value(b"[" * 16 + b"]" * 16),
        "17 objects": _value(b'{"a":' * 16 + b"1" + b"}" * 16),
        "arrays and objects": _value(b'[{"a":' * 8 + b"1" + b"}]" * 8),
        "a thousand arrays": _value(b"[" * 1000 + b"]" * 1000),
        "a million deep": b"[" * 1_000_000,
        "half a million objects": b'{"a":' * 500_000,
        "wide and deep": b"[" + b"[[],[]]," * 1000 + b"[" * 40 + b"]" * 40 + b"]",
    },
    "json-not-utf8": {
        "a byte of no character": _value(b'"\xff"'),
        "latin-1": _value('"M\u00fcller"'.encode("latin-1")),
        "Windows-1252": _value('"\u20ac"'.encode("cp1252")),
        "a continuation alone": _value(b'"\x80"'),
        "an overlong slash": _value(b'"\xc0\xaf"'),
        "an overlong NUL": _value(b'"\xc0\x80"'),
        "a surrogate in UTF-8": _value(b'"\xed\xa0\x80"'),
        "a pair of surrogates in UTF-8": _value(b'"\xed\xa0\xbd\xed\xb8\x80"'),
        "beyond Unicode": _value(b'"\xf4\x90\x80\x80"'),
        "five bytes": _value(b'"\xf8\x88\x80\x80\x80"'),
        "half a rupee sign": _value(b'"\xe2\x82"'),
        "Shift_JIS": _value('"\u65e5\u672c"'.encode("shift_jis")),
        "compressed": gzip.compress(GOOD, mtime=0),
        "UTF-32 without a mark": "\u20b9".encode("utf-32-le"),
    },
    "json-bom": {
        "UTF-8 with a mark": b"\xef\xbb\xbf" + GOOD,
        "UTF-16": _TEXT.encode("utf-16"),
        "UTF-16, big end first": b"\xfe\xff" + _TEXT.encode("utf-16-be"),
        "UTF-32": _TEXT.encode("utf-32"),
        "UTF-32, big end first": b"\x00\x00\xfe\xff" + _TEXT.encode("utf-32-be"),
        "a mark alone": b"\xef\xbb\xbf",
    },
    "json-forbidden-character": {
        "UTF-16 without a mark": MALFORMED["UTF-16 without a mark"],
        **{f"U+{code:04X}, escaped": _value(b'"a\\u%04xb"' % code) for code in (0, 1, 7, 8, 9, 10, 13, 27, 31)},
        **{f"U+{code:04X}, raw": _value(b'"a%cb"' % code) for code in (0, 1, 9, 10, 13, 27, 31)},
        **{f"backslash {each}": _value(b'"a\\%sb"' % each.encode()) for each in "bfnrt"},
        "a NUL in a name": with_member(b'"a\\u0000":1'),
        "a NUL between": b'{"a":\x00 1}',
        "a high half": _value(b'"\\ud800"'),
        "a low half": _value(b'"\\udc00"'),
        "halves in the wrong order": _value(b'"\\ude00\\ud83d"'),
        "two high halves": _value(b'"\\ud83d\\ud83d"'),
        "a half in a name": with_member(b'"\\udfff":1'),
        "a half in capitals": _value(b'"\\uDABC"'),
    },
    "json-too-many-values": {
        "a million numbers": b"[" + b"1," * 1_000_000 + b"1]",
        "a million objects": b"[" + b"{}," * 1_000_000 + b"{}]",
        "two hundred thousand members": b"{" + b",".join(b'"%d":0' % n for n in range(200_000)) + b"}",
    },
}


def cases() -> Iterator[Case]:
    """All of them, at the door for invoices; every tenth one at another door too."""
    for code, texts in REFUSED.items():
        for index, (name, text) in enumerate(texts.items()):
            yield Case(group="json", name=f"{code} {name}", status=400, code=code, body=text)
            if index % 10 == 0:
                for path in ("/cdnr", "/validate", "/ewb"):
                    yield Case(group="json", name=f"{path} {code} {name}", status=400, code=code, path=path, body=text)
