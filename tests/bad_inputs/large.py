"""Wrong requests of five megabytes: their strict reading alone takes a quarter of a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.api.body import VALUES_MAX
from tests.bad_inputs.cases import PLAIN, Case, written

BODY_BYTES_MAX: Final = 5_000_000
PORTAL_BYTES_MAX: Final = 2 * 1024 * 1024

BODIES: Final[dict[str, tuple[bytes, str]]] = {
    "blanks": (b"{}" + b" " * (BODY_BYTES_MAX - 2), "document-invalid"),
    "one text": (b'{"a":"' + b"x" * (BODY_BYTES_MAX - 8) + b'"}', "document-invalid"),
    "members": (b"{" + b",".join(b'"%06d":0' % number for number in range(VALUES_MAX)) + b"}", "document-invalid"),
    "numbers": (b"[" + b"1," * (BODY_BYTES_MAX // 2 - 2) + b"1" + b"]", "json-too-many-values"),
    "objects": (b"[" + b"{}," * ((BODY_BYTES_MAX - 4) // 3) + b"{}" + b"]", "json-too-many-values"),
    "nesting": (b"[" * BODY_BYTES_MAX, "json-too-deep"),
    "one number": (b"9" * BODY_BYTES_MAX, "json-number-too-long"),
    "backslashes": (b'"' + b"\\" * (BODY_BYTES_MAX - 1), "json-malformed"),
}
"""Up to 5 MB and 150,000 values are judged as a document, whatever they hold; more is refused."""
NEEDED: Final = ("Version", "TranDtls", "DocDtls", "SellerDtls", "BuyerDtls", "ItemList", "ValDtls")


def _above_the_portal_s_limit() -> bytes:
    """Above 2 MB without its blanks, and otherwise right."""
    line: dict[str, Any] = PLAIN["ItemList"][0]
    detail = {"Nm": "A" * 100, "Val": "B" * 100}
    lines = [{**line, "SlNo": str(number + 1), "AttribDtls": [detail] * 9} for number in range(1000)]
    totals = {"AssVal": 2500000, "CgstVal": 225000, "SgstVal": 225000, "TotInvVal": 2950000}
    return written({**PLAIN, "ItemList": lines, "ValDtls": totals})


def cases() -> Iterator[Case]:
    """All of them."""
    heavy = frozenset({("GSP-HDR-05", "")})
    empty = frozenset(("schema-required", f"/{name}") for name in NEEDED)
    for name, (body, code) in BODIES.items():
        faults = (
            empty | (heavy if len(body) > PORTAL_BYTES_MAX else set()) if code == "document-invalid" else frozenset()
        )
        yield Case(group="large", name=name, status=400, code=code, body=body, faults=faults)
    for path in ("/irn", "/cdnr"):
        body = b" " * (BODY_BYTES_MAX + 1)
        yield Case(group="large", name=f"{path} above 5 MB", status=413, code="body-too-large", path=path, body=body)
    body = _above_the_portal_s_limit()
    yield Case(group="large", name="above 2 MB", status=400, code="document-invalid", body=body, faults=heavy)
