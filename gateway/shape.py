"""Whether a document has the form that a schema asks for, and in plain words what is wrong where it has not.

A compiled validator accepts, which is the usual case and has to be cheap. What it does not accept goes to a slower one
that knows every fault by its place and rule. The compiled one is asked again on the way, line by line, so that a
document of a thousand lines with one mistake is explained at the price of one line.

Both read the schema with decimal bounds and documents with Decimal numbers: 99999999999999.99 is a legal amount and no
float holds it. A member that is null is a fault. A member that the form does not know is none, because the portal
ignores it; but where a required member is missing, one beside it that is spelt nearly so is named.
"""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, Final

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from gateway.domain.faults import Fault
from gateway.domain.form_fixes import fix_of, is_blank

INV_01: Final = "inv-01/1.1"
"""The schema of invoices and notes."""

FAULTS_MAX: Final = 100
"""Faults in one answer. Nobody mends more by hand at once, and an answer stays readable. The last counts the rest."""

FAULTS_COUNTED_MAX: Final = 1_000
"""Faults that are looked for at all. A hostile document can hold millions, and each costs a search for its words."""

FOUND_CHARACTERS_MAX: Final = 40
"""Characters of a found value that a message repeats: enough to recognise it, too few to carry a body into a log."""

_PORTAL_CODE: Final = "5002"
"""What the portal answers to whatever is not in the form, unless a schema names another code in `x-portal-code`."""
_OTHERS_COMPARED_MAX: Final = 200
"""Unknown members among which a missing one is looked for. Only hostile objects have more, and each costs time."""
_WIDE: Final = Context(prec=100)  # the usual 28 digits do not hold the quotient of every number that strict JSON takes
_TENTH: Final = Decimal("0.1")
_DIGITS: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_COMPILING: Final = threading.Lock()
_KINDS: Final = {"string": "text in quotes", "number": "a number", "object": "an object", "array": "an array"}


def check(document: Any, schema: str = INV_01) -> list[Fault]:
    """All faults of form in a document, in the order of the form; an empty list when it is right.

    `document` is what `strict_json.read` gave: numbers are int or Decimal. `schema` names a file below `schemas`,
    without its ending; where a file defines several requests, `#` and the request's name follow, as in
    `einvoice/1.03#cancel`. At most `FAULTS_MAX` faults come back; when there are more, the last one says how many.
    """
    shape = _shape(schema)
    if shape.compiled.is_valid(document):
        return []
    errors = list(islice(shape.explain(document), FAULTS_COUNTED_MAX + 1))
    findings = sorted((_Finding.of(error) for error in errors), key=lambda each: shape.rank(each.path))
    findings = list(_without_echoes(findings))
    if len(findings) <= FAULTS_MAX:
        return [shape.fault(each) for each in findings]
    faults = [shape.fault(each) for each in findings[: FAULTS_MAX - 1]]
    return [*faults, _more(shape, len(findings) - len(faults), exact=len(errors) <= FAULTS_COUNTED_MAX)]


@dataclass(frozen=True, slots=True)
class _Finding:
    """One broken rule: where, which keyword of the schema, what the keyword asked for and what was found."""

    path: tuple[str | int, ...]
    keyword: str
    asked: Any
    found: Any

    @classmethod
    def of(cls, error: ValidationError) -> _Finding:
        return cls(
            path=tuple(error.absolute_path),
            keyword=str(error.validator),
            asked=error.validator_value,
            found=error.instance,
        )


@dataclass(frozen=True, slots=True)
class _Shape:
    """One schema, compiled. `rules` has what it asks for at every place, a place being the names on the way to it."""

    compiled: jsonschema_rs.Draft202012Validator
    explain: Callable[[Any], Iterator[ValidationError]]
    rules: Mapping[tuple[str, ...], Mapping[str, Any]]
    ranks: Mapping[tuple[str, ...], int]
    portal_code: str

    def rank(self, path: tuple[str | int, ...]) -> list[int]:
        """What paths are sorted by: members as the form lists them, lines by their index."""
        return [
            part if isinstance(part, int) else self.ranks[_names(path[:end])] for end, part in enumerate(path, start=1)
        ]

    def fault(self, finding: _Finding) -> Fault:
        """The finding in words."""
        rule, parent = self.rules[_names(finding.path)], self.rules[_names(finding.path[:-1])]
        place = _Place(finding.path, rule=rule, parent=parent)
        code, message, help_ = _TELLERS[finding.keyword](place, finding.asked, finding.found)
        pointer = "".join(f"/{part}" for part in finding.path)
        fix = fix_of(pointer, keyword=finding.keyword, rule=rule, required=place.required, found=finding.found)
        return Fault(code=code, at=pointer, message=message, help=help_, portal_code=self.portal_code, fix=fix)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a fault is, with the rule of that place and of the object around it."""

    path: tuple[str | int, ...]
    rule: Mapping[str, Any]
    parent: Mapping[str, Any]

    def __str__(self) -> str:
        title = self.rule.get("title")
        return f"{_dotted(self.path)} ({title})" if title and self.path else _dotted(self.path)

    @property
    def name(self) -> str:
        return str(self.path[-1])

    @property
    def required(self) -> bool:
        return not self.path or self.path[-1] in self.parent.get("required", ())


def _shape(schema: str) -> _Shape:
    with _COMPILING:
        return _compiled_shape(schema)


def document_of(schema: str) -> dict[str, Any]:
    """The JSON Schema of that name, complete in itself, with exact decimals."""
    file, _, request = schema.partition("#")
    text = resources.files("schemas").joinpath(f"{file}.json").read_text(encoding="utf-8")
    root: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return {**root, "$ref": f"#/$defs/{request}"} if request else root


@cache
def _compiled_shape(schema: str) -> _Shape:
    root = document_of(schema)
    rules = dict(_rules(root, root=root))
    return _Shape(
        compiled=_compiled(root),
        explain=_explainer(root, rules=rules.values()),
        rules=rules,
        ranks={place: rank for rank, place in enumerate(rules)},
        portal_code=root.get("x-portal-code", _PORTAL_CODE),
    )


def _compiled(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_exact(schema))


def _exact(rule: Any) -> Any:
    """The same rule for the compiled validator, which takes 560058.0000000000000000001 for a multiple of 1.

    It asks a float for its fraction where the divisor is whole, and calculates exactly where it is not.
    """
    if isinstance(rule, list):
        return [_exact(each) for each in rule]
    if not isinstance(rule, dict):
        return rule
    more = {"allOf": [{"multipleOf": _TENTH}]} if rule.get("multipleOf") == 1 else {}
    return {name: _exact(value) for name, value in rule.items()} | more


def _rules(
    schema: Mapping[str, Any], *, root: Mapping[str, Any], at: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every place of a schema with its rule, references resolved. The entries of an array share the array's place."""
    rule = resolved(schema, root=root)
    if "items" in rule:
        rule = {**resolved(rule["items"], root=root), **rule}
    yield at, rule
    for name, inner in rule.get("properties", {}).items():
        yield from _rules(inner, root=root, at=(*at, name))


def resolved(schema: Mapping[str, Any], *, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A rule with what it refers to; its own words win."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return {**root["$defs"][name], **schema} if name else schema


def _explainer(
    root: Mapping[str, Any], *, rules: Iterable[Mapping[str, Any]]
) -> Callable[[Any], Iterator[ValidationError]]:
    """A validator that yields one error for each fault, at the very member, and passes over entries that are right."""
    entries = {
        rule["items"]["$ref"]: _compiled({**rule["items"], "$defs": root["$defs"]}) for rule in rules if "items" in rule
    }

    def items(validator: Any, asked: Any, found: Any, rule: Any) -> Iterator[ValidationError]:
        if isinstance(found, list):
            for index, entry in enumerate(found[: rule.get("maxItems")]):
                if not entries[asked["$ref"]].is_valid(entry):
                    yield from validator.descend(entry, asked, path=index)

    keywords = {
        "items": items,
        "required": _missing_members,
        "pattern": _wrong_pattern,
        "multipleOf": _too_many_decimals,
    }
    explaining = extend(Draft202012Validator, validators=keywords)  # type: ignore[no-untyped-call]  # has no stub
    explainer: Validator = explaining(root)
    return explainer.iter_errors


def _missing_members(_validator: Any, asked: Any, found: Any, _rule: Any) -> Iterator[ValidationError]:
    if isinstance(found, dict):
        yield from (ValidationError("", path=[name]) for name in asked if name not in found)


def _wrong_pattern(_validator: Any, asked: Any, found: Any, _rule: Any) -> Iterator[ValidationError]:
    # In Python `$` also stands before a last line feed; in JSON Schema, and in the compiled validator, it does not.
    if isinstance(found, str) and re.search(asked.removesuffix("$") + r"\Z", found) is None:
        yield ValidationError("")


def _too_many_decimals(validator: Any, asked: Any, found: Any, _rule: Any) -> Iterator[ValidationError]:
    if validator.is_type(found, "number") and _WIDE.remainder(Decimal(found), Decimal(asked)) != 0:
        yield ValidationError("")


def _decimals(number: int | Decimal) -> int:
    _, _, fraction = _plain(number).partition(".")
    return len(fraction.rstrip("0"))


def _plain(number: int | Decimal) -> str:
    # The format of an int with `f` would pass through a float.
    return str(number) if isinstance(number, int) else f"{number:f}"


def _without_echoes(findings: Iterable[_Finding]) -> Iterator[_Finding]:
    """Leave out what only follows: a null is no member of a list of words either, nor are blanks in any form."""
    findings = list(findings)
    said = {each.path: each for each in reversed(findings) if each.keyword == "type" or is_blank(each.found)}
    return (each for each in findings if said.get(each.path, each) is each)


def _more(shape: _Shape, count: int, *, exact: bool) -> Fault:
    return Fault(
        code="schema-more",
        at="",
        message=f"{'' if exact else 'At least '}{count} further faults are not listed.",
        help="Mend the faults above first; many of the others may have the same cause.",
        portal_code=shape.portal_code,
    )


def _tell_missing(place: _Place, _asked: Any, found: Any) -> tuple[str, str, str]:
    around = _dotted(place.path[:-1]) if len(place.path) > 1 else "the document"
    misspelt = _nearest(place.name, found, known=place.parent["properties"])
    if misspelt is not None:
        return "schema-required", f"{place} is missing.", f"There is {misspelt}: did you mean {place.name}?"
    return "schema-required", f"{place} is missing.", f"Add the member {place.name}: {around} cannot be without it."


def _tell_type(place: _Place, asked: Any, found: Any) -> tuple[str, str, str]:
    if found is None:
        way_out = "Give it a value; it cannot be left out." if place.required else "Leave it out instead."
        return "schema-null", f"{place} is null, which says nothing.", way_out
    message = f"{place} is {_told(found)}, where {_KINDS[asked]} belongs."
    if asked == "string" and _is_number(found):
        return "schema-type", message, "Put the value in double quotes."
    if asked == "number" and isinstance(found, str) and _DIGITS.fullmatch(found):
        return "schema-type", message, "Write the number without quotes."
    return "schema-type", message, f"Send {_KINDS[asked]}."


def _tell_enum(place: _Place, asked: Any, found: Any) -> tuple[str, str, str]:
    allowed = " or ".join(_told(each) for each in asked)
    message = f"{place} is {_told(found)}; allowed is {allowed}."
    if isinstance(found, str) and found.upper() in asked:
        return "schema-enum", message, f"Write it in capitals: {_told(found.upper())}."
    return "schema-enum", message, "Send a value from this list, written exactly so."


def _tell_pattern(place: _Place, _asked: Any, found: Any) -> tuple[str, str, str]:
    return (
        "schema-pattern",
        f"{place} is {_told(found)}, which is not in its form.",
        f"Write {place.rule['description']}.",
    )


def _tell_length(place: _Place, asked: Any, found: Any) -> tuple[str, str, str]:
    least, most = place.rule["minLength"], place.rule["maxLength"]
    message = f"{place} has {len(found)} characters; {least} to {most} are allowed."
    if len(found) > asked:
        return "schema-length", message, f"Shorten it by {len(found) - most}."
    way_out = "" if place.required else ", or leave the member out"
    return "schema-length", message, f"Write at least {least}{way_out}."


def _tell_range(place: _Place, asked: Any, found: Any) -> tuple[str, str, str]:
    message = f"{place} is {_told(found)}; {place.rule['minimum']} to {place.rule['maximum']} is allowed."
    if found < 0 and asked == 0:
        return "schema-range", message, "Send it without a sign: the document type says which way it counts."
    return "schema-range", message, "Send a number within these bounds."


def _tell_decimals(place: _Place, asked: Any, found: Any) -> tuple[str, str, str]:
    places = _decimals(asked)
    message = f"{place} is {_told(found)}, with {_decimals(found)} decimals; {places or 'none'} can be kept."
    return "schema-decimals", message, f"Round it to {places} decimals." if places else "Send a whole number."


def _tell_items(place: _Place, _asked: Any, found: Any) -> tuple[str, str, str]:
    least, most = place.rule.get("minItems", 0), place.rule["maxItems"]
    message = f"{place} has {len(found)} entries; {least} to {most} are allowed."
    return "schema-items", message, "Split the document." if len(found) > most else f"Send at least {least}."


_TELLERS: Final[Mapping[str, Callable[[_Place, Any, Any], tuple[str, str, str]]]] = {
    "required": _tell_missing,
    "type": _tell_type,
    "enum": _tell_enum,
    "pattern": _tell_pattern,
    "minLength": _tell_length,
    "maxLength": _tell_length,
    "minimum": _tell_range,
    "maximum": _tell_range,
    "multipleOf": _tell_decimals,
    "minItems": _tell_items,
    "maxItems": _tell_items,
}


def _nearest(name: str, found: Iterable[str], *, known: Iterable[str]) -> str | None:
    """The unknown member of an object that was probably meant to be the missing one of that name."""
    # addr2 is Addr2 in other letters, so it is not offered for a missing Addr1, close as it is.
    taken = {each.casefold() for each in known if each != name}
    others = (each for each in found if len(each) <= FOUND_CHARACTERS_MAX and each.casefold() not in taken)
    unknown = {each.casefold(): each for each in islice(others, _OTHERS_COMPARED_MAX)}
    alike = difflib.get_close_matches(name.casefold(), unknown, n=1, cutoff=0.8)
    return unknown[alike[0]] if alike else None


def _names(path: Iterable[str | int]) -> tuple[str, ...]:
    return tuple(part for part in path if isinstance(part, str))


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "The document"


def _told(value: Any) -> str:
    """A found value as a message repeats it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return f'"{_shortened(value)}"'
    return _shortened(_plain(value)) if _is_number(value) else json.dumps(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _shortened(text: str) -> str:
    return text if len(text) <= FOUND_CHARACTERS_MAX else text[:FOUND_CHARACTERS_MAX] + "…"
