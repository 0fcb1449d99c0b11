"""Checking an evidence bundle, line by line: what was changed, dropped, doubled, moved or forged is told.

Nothing is believed but what follows from the signatures. Memory is that of one seal, however long a bundle is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from gateway.domain import bundle, merkle, seals
from gateway.domain.audit import Action, Record
from gateway.domain.seals import Seal

_SIGNATURE_BYTES: Final = 64
"""Of Ed25519."""
_RECORD: Final = ("id", "actor", "subject", "environment", "org_id", "gstin", "version", "facts")


class Judge(Protocol):
    """Signatures, which the domain cannot check itself. A key that cannot be read is a ValueError."""

    def key_id(self, pem: str) -> str:
        """The id that a public key for seals has by its content."""

    def seal_holds(self, pem: str, statement: bytes, signature: str) -> bool:
        """Whether a signature over a statement is good."""

    def document_flaw(self, body: str, keys: Mapping[str, str]) -> str | None:
        """What is wrong with a signed document under these portal keys (PEM by kid); None when it is good."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is wrong with a bundle. `line` counts from 1; 0 is the bundle as a whole."""

    line: int
    code: str
    message: str


@dataclass(slots=True)
class Summary:
    """What a bundle has."""

    records: int = 0
    seals: int = 0
    documents: int = 0
    hidden: int = 0
    key_ids: list[str] = field(default_factory=list)


class Check:
    """One pass over a bundle. Iterate over `flaws`, then look at `summary`."""

    def __init__(self, judge: Judge) -> None:
        self.summary = Summary()
        self._judge = judge
        self._number = 0
        self._lines = bundle.Lines()
        self._sum = hashlib.sha256()
        self._opening: Mapping[str, Any] | None = None
        self._keys: dict[str, str] = {}
        self._portal_keys: dict[str, str] = {}
        self._ordinals: dict[str, int] = {}
        self._seal: Seal | None = None
        self._hashes: dict[tuple[int, int], bytes] = {}
        self._next_leaf: int | None = None
        self._awaited: list[str] = []  # documents that the last record names
        self._ended = False

    def flaws(self, lines: Iterable[bytes]) -> Iterator[Flaw]:
        """All that is wrong, in the order of the lines."""
        for raw in lines:
            self._number += 1
            if self._ended:
                yield self._flaw("line-after-end", "There is something after the end of the bundle.")
                return
            try:
                line = _read(raw)
                self._refuse_out_of_place(line)
                yield from self._take(line)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                yield self._flaw("line-unreadable", f"The line is not one of a bundle: {error}.")
            self._sum.update(raw)
        if not self._ended:
            yield Flaw(0, "end-missing", "The bundle is cut off: its last line is not there.")

    def _take(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        kind = line["type"]
        if kind != "document":
            yield from self._missing_documents()
        if kind in ("seal", "end"):
            yield from self._close_seal()
        yield from getattr(self, f"_take_{kind}")(line)

    def _refuse_out_of_place(self, line: Mapping[str, Any]) -> None:
        kind = line["type"]
        if (kind == "bundle") is not (self._number == 1):
            raise ValueError("the opening line is the first, and the first only")
        if kind in ("key", "portal_key") and self._seal is not None:
            raise ValueError("keys come before the seals")
        if kind in ("record", "hash", "document") and self._seal is None:
            raise ValueError("it stands under no seal")

    def _take_bundle(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        if line["format"] != bundle.FORMAT:
            yield self._flaw("format-unknown", f"This program reads bundles of format {bundle.FORMAT}.")
        self._opening = line
        self._ordinals = {}

    def _take_key(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        if self._judge.key_id(line["pem"]) != line["key_id"] or line["key_id"] in self._keys:
            yield self._flaw("key-changed", f"The key {line['key_id']} is not the one of that id, or is there twice.")
            return
        self._keys[line["key_id"]] = line["pem"]
        self.summary.key_ids.append(line["key_id"])

    def _take_portal_key(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        self._portal_keys[line["kid"]] = line["pem"]
        yield from ()

    def _take_seal(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        before, self._seal = self._seal, _seal(line)
        self.summary.seals += 1
        self._hashes, self._next_leaf = {}, self._seal.first_leaf
        if not self._signed(line["key_id"], self._seal.statement, line["signature"]):
            yield self._flaw("seal-forged", f"The signature of seal {self._seal.number} is not good under its key.")
        if before is None:
            if self._opening is None or self._opening["first_seal"] != self._seal.number:
                yield self._flaw("seal-missing", "The first seal is not the one that the bundle begins with.")
            if self._seal.number == 1 and (self._seal.previous, self._seal.first_leaf) != (seals.NOTHING_BEFORE, 0):
                yield self._flaw("chain-broken", "The first seal of all names one before it.")
        elif (self._seal.number, self._seal.previous, self._seal.first_leaf) != (
            before.number + 1,
            before.digest,
            before.first_leaf + before.size,
        ):
            yield self._flaw("chain-broken", f"Seal {self._seal.number} does not follow seal {before.number}.")

    def _take_record(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        self.summary.records += 1
        record = _record(line)
        series, ordinal = seals.series_of(record), line["ordinal"]
        if self._opening is None or series not in self._opening["series"]:
            yield self._flaw("record-foreign", "The record belongs to nobody whom the bundle is about.")
        expected = self._ordinals.get(series, ordinal - 1) + 1
        if ordinal != expected:
            what = "missing" if ordinal > expected else "doubled"
            message = f"Number {expected} of its series was expected, and this is number {ordinal}."
            yield self._flaw(f"record-{what}", message)
        self._ordinals[series] = max(ordinal, self._ordinals.get(series, 0))
        yield from self._cover(line["leaf"], 1, seals.leaf(record.digest, ordinal=ordinal))
        named = record.facts.get(bundle.DOCUMENT_FACT)
        self._awaited = [named] if isinstance(named, str) else []

    def _take_hash(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        self.summary.hidden += line["size"]
        yield from self._cover(
            line["first_leaf"], line["size"], bytes.fromhex(_hexadecimal(line["hash"], size=merkle.HASH_BYTES))
        )

    def _take_document(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        digest = hashlib.sha256(line["body"].encode()).hexdigest()
        if digest != line["sha256"] or digest not in self._awaited:
            yield self._flaw("document-changed", "The document is not the one that the record before it names.")
            return
        self._awaited.remove(digest)
        self.summary.documents += 1
        flaw = self._judge.document_flaw(line["body"], self._portal_keys)
        if flaw is not None:
            yield self._flaw("document-forged", f"The signature of the document does not hold: {flaw}.")

    def _take_end(self, line: Mapping[str, Any]) -> Iterator[Flaw]:
        self._ended = True
        statement = bundle.end_statement(lines=line["lines"], sha256=line["sha256"], key_id=line["key_id"])
        if not self._signed(line["key_id"], statement, line["signature"]):
            yield self._flaw("end-forged", "The signature of the last line is not good under its key.")
        if (line["lines"], line["sha256"]) != (self._number - 1, self._sum.hexdigest()):
            yield self._flaw("bundle-changed", "The lines are not those that the last line was signed for.")
        opening = self._opening or {}
        if opening.get("last_seal", 0) != (self._seal.number if self._seal is not None else 0):
            yield self._flaw("seal-missing", "The last seal is not the one that the bundle ends with.")

    def _cover(self, first: int, size: int, hashed: bytes) -> Iterator[Flaw]:
        """Take a hash for leaves under the present seal, which have to come in order."""
        if self._seal is None or size < 1:
            raise ValueError("it covers no leaf")
        if first != self._next_leaf:
            yield self._flaw("leaf-out-of-order", f"Leaf {self._next_leaf} was expected, and this is leaf {first}.")
        self._next_leaf = first + size
        self._hashes[first - self._seal.first_leaf, size] = hashed

    def _close_seal(self) -> Iterator[Flaw]:
        """The root above what stood under the seal. A seal with nothing under it is there for the chain alone."""
        if self._seal is None or not self._hashes:
            return
        try:
            root = merkle.root_of_parts(self._seal.size, self._hashes).hex()
        except merkle.Incomplete as error:
            yield self._flaw("leaf-missing", f"Under seal {self._seal.number} something is missing: {error}.")
            return
        finally:
            self._hashes = {}
        if root != self._seal.root:
            yield self._flaw("root-differs", f"What stands under seal {self._seal.number} is not what was sealed.")

    def _missing_documents(self) -> Iterator[Flaw]:
        for digest in self._awaited:
            yield self._flaw("document-missing", f"The document {digest}, which a record names, is not there.")
        self._awaited = []

    def _signed(self, key_id: str, statement: bytes, signature: str) -> bool:
        pem, given = self._keys.get(key_id), _hexadecimal(signature, size=_SIGNATURE_BYTES)
        return pem is not None and self._judge.seal_holds(pem, statement, given)

    def _flaw(self, code: str, message: str) -> Flaw:
        return Flaw(self._number, code, message)


def _hexadecimal(text: str, *, size: int) -> str:
    """The text, if it is so many bytes in lower-case hexadecimal. Raises ValueError: others would do as well."""
    if bytes.fromhex(text).hex() != text or len(text) != 2 * size:
        raise ValueError(f"{text} is not {size} bytes in lower-case hexadecimal")
    return text


def _read(raw: bytes) -> Mapping[str, Any]:
    line = json.loads(raw.decode("ascii"), object_pairs_hook=_once, parse_constant=_no_constant)
    wanted = bundle.MEMBERS[line["type"]] | {"type"}
    if set(line) != wanted:
        raise ValueError(f"its members are not those of a {line['type']}")
    if bundle.text_of(line).encode() != raw:
        raise ValueError("it is not in the one form that a line may have")
    found: Mapping[str, Any] = line
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a member is there twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _seal(line: Mapping[str, Any]) -> Seal:
    return Seal(
        number=line["number"],
        first_leaf=line["first_leaf"],
        size=line["size"],
        root=line["root"],
        previous=line["previous"],
        at=_at(line["at"]),
        key_id=line["key_id"],
    )


def _record(line: Mapping[str, Any]) -> Record:
    members = {name: line[name] for name in _RECORD}
    return Record(at=_at(line["at"]), action=Action(line["action"]), **members)


def _at(text: str) -> datetime:
    """An instant in the one form that is signed. Raises ValueError on any other."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or seals.instant(at) != text:
        raise ValueError(f"{text} is no time in the form that is signed")
    return at
