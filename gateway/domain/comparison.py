"""What was sent, against what the portal registered: whether it is the same document.

The portal's signed copy is never byte for byte what was sent. It leaves out nulls, adds numbers of its own, writes
amounts with other decimals, and turns text into numbers; none of that is a difference. What is left over is one, and
`Difference` names its place.

`differences` goes through the whole document; `identity_differences` asks only for what makes it this document and no
other: who sold to whom, under which number and date, for how much and in how many lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

ADDED_BY_PORTAL: Final = frozenset({"AckNo", "AckDt", "Irn"})
"""Members at the top that the portal adds."""

ADDED_TO_LINES: Final = frozenset({"ItemNo"})
"""Members of a line that the portal adds."""

NOT_COMPARED: Final = frozenset({"Version", "EwbDtls"})
"""Not part of the document: the version of its form, and the wish for an e-way bill, which the portal may fill in."""

LEFT_OUT_BY_PORTAL: Final = frozenset({"ExpDtls", "AddlDocDtls"})
"""Parts that some portals leave out of the signed copy. Where they do appear, they are compared."""

CODES: Final = frozenset(
    {
        "TaxSch", "SupTyp", "RegRev", "IgstOnIntra", "Typ", "IsServc", "Unit", "OrgCntry", "Port", "RefClm", "ForCur",
        "CntCode", "Gstin", "EcmGstin",
    }
)  # fmt: skip
"""Members whose letters mean the same in capitals: the portal reads them without regard to case."""

STATE_CODES: Final = frozenset({"Stcd", "Pos"})
"""State codes: `1` and `01` are one."""

DOCUMENT_NUMBER_AT: Final = "/DocDtls/No"
"""The document number, in which case does not count since 01-06-2025."""

IDENTITY: Final = (
    "/SellerDtls/Gstin",
    "/DocDtls/Typ",
    DOCUMENT_NUMBER_AT,
    "/DocDtls/Dt",
    "/BuyerDtls/Gstin",
    "/ValDtls/TotInvVal",
)
"""Where it stands which document this is. The number of lines is the seventh."""

_LINES: Final = "ItemList"
_LINE_AT: Final = re.compile(r"/ItemList/[0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place (a JSON Pointer) at which two documents differ. None stands for absent."""

    at: str
    sent: Any
    registered: Any

    @property
    def left_out(self) -> bool:
        """Whether the registered copy is merely silent here, which contradicts nothing.

        Recorded copies of a genuine portal lack optional details of batches, payment and references.
        """
        return self.registered is None

    def as_json(self) -> dict[str, Any]:
        """The form in which it is stored and shown."""
        return {"at": self.at, "sent": self.sent, "registered": self.registered}


def differences(sent: Mapping[str, Any], registered: Mapping[str, Any]) -> list[Difference]:
    """Every place at which the registered document says something else than the sent one; empty when they agree."""
    left_out = {name for name in LEFT_OUT_BY_PORTAL if _says_nothing(registered.get(name))}
    ignored = ADDED_BY_PORTAL | NOT_COMPARED | left_out
    return list(_between(_without(sent, ignored), _without(registered, ignored), at=""))


def identity_differences(sent: Mapping[str, Any], registered: Mapping[str, Any]) -> list[Difference]:
    """The differences in seller, type, number, date, buyer, total and number of lines: empty for the same document."""
    found = [difference for at in IDENTITY for difference in _between(_value(sent, at), _value(registered, at), at=at)]
    lines_sent, lines_registered = _count(sent.get(_LINES)), _count(registered.get(_LINES))
    if lines_sent != lines_registered:
        found.append(Difference(f"/{_LINES}", lines_sent, lines_registered))
    return found


def _between(sent: Any, registered: Any, *, at: str) -> Iterator[Difference]:
    if isinstance(sent, Mapping) and isinstance(registered, Mapping):
        yield from _between_members(sent, registered, at=at)
    elif isinstance(sent, list) and isinstance(registered, list):
        for index in range(max(len(sent), len(registered))):
            yield from _between(_entry(sent, index), _entry(registered, index), at=f"{at}/{index}")
    elif not _same(sent, registered, at=at):
        yield Difference(at, sent, registered)


def _between_members(sent: Mapping[str, Any], registered: Mapping[str, Any], *, at: str) -> Iterator[Difference]:
    ignored = ADDED_TO_LINES if _LINE_AT.fullmatch(at) else frozenset()
    for name in dict.fromkeys([*sent, *registered]):
        if name not in ignored:
            place = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from _between(sent.get(name), registered.get(name), at=place)


def _same(sent: Any, registered: Any, *, at: str) -> bool:
    if _says_nothing(sent) and _says_nothing(registered):
        return True
    if isinstance(sent, str) and isinstance(registered, str):
        return _text_key(sent, at=at) == _text_key(registered, at=at)
    numbers = _number(sent), _number(registered)
    if None in numbers:
        return type(sent) is type(registered) and bool(sent == registered)
    return numbers[0] == numbers[1]


def _says_nothing(value: Any) -> bool:
    """Whether a value says no more than its absence: null, an empty text, zero, or a group of such.

    Zero, because portals that read into typed fields write out 0 for an amount that was never sent (`"ItemNo": 0`).
    """
    if isinstance(value, Mapping):
        return all(_says_nothing(each) for each in value.values())
    if isinstance(value, list):
        return all(_says_nothing(each) for each in value)
    return not (value.strip() if isinstance(value, str) else value)


def _text_key(text: str, *, at: str) -> str:
    """The form in which two texts are compared: trimmed, and without case or leading zeros where they mean nothing."""
    text, name = text.strip(), at.rpartition("/")[2]
    if name in STATE_CODES:
        return text.lstrip("0")
    if (name in CODES or at == DOCUMENT_NUMBER_AT) and text.isascii():
        return text.upper()
    return text


def _number(value: Any) -> Decimal | None:
    """A number, also one that is written as text. Not a truth value, and never by way of a float."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def _without(document: Mapping[str, Any], names: frozenset[str] | set[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def _value(document: Mapping[str, Any], at: str) -> Any:
    value: Any = document
    for name in at.split("/")[1:]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _entry(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _count(lines: Any) -> int:
    return len(lines) if isinstance(lines, list) else 0
