"""The sealed log for one caller: records, proofs, and bundles that verify by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.domain import bundle, merkle
from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.domain.seals import own_series
from gateway.errors import Absent, Unavailable
from gateway.ports.evidence import SealedRecord, SealKey, SignedSeal, Wanted
from gateway.services.ports import Ports
from gateway.services.principal import Principal

PAGE_MAX: Final = 200
"""Records of one answer: about 100 kB."""
_SEAL_SECONDS: Final = 5
"""Until a record that was just written is sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a record is in the log: its leaf, the way up to the root, and who signed that."""

    found: SealedRecord
    signed: SignedSeal
    path: Sequence[str]


def series_of(principal: Principal) -> tuple[str, ...]:
    """The series that a caller may see."""
    return own_series(environment=principal.environment, org_id=principal.org_id, gstin=principal.gstin)


def page(wanted: Wanted, *, rows_max: int, ports: Ports) -> tuple[Sequence[SealedRecord], int | None]:
    """Records in the order of their leaves, and the leaf after which the next page begins; None at the end."""
    found = ports.sealed_log.find(wanted, rows_max=rows_max + 1)
    shown = found[:rows_max]
    return shown, shown[-1].leaf.index if len(found) > rows_max else None


def proof(record_id: str, *, series: Sequence[str], ports: Ports) -> Proof:
    """The proof of one record. Raises Absent, also for another's and for one that is not sealed yet."""
    log = ports.sealed_log
    found = log.get(record_id, series=series)
    if found is None:
        raise Absent(
            "record-unknown",
            "There is no such record under a seal.",
            help="Check its id and the token's GSTIN; a new record is sealed within some seconds.",
        )
    signed = log.seal(found.seal_number)
    leaves = [bytes.fromhex(each) for each in log.leaves_of(found.seal_number)]
    path = merkle.path(leaves, found.leaf.index - signed.seal.first_leaf)
    return Proof(found=found, signed=signed, path=[each.hex() for each in path])


def export(wanted: Wanted, *, record: Record, ports: Ports) -> Iterator[str]:
    """A bundle of the seals that have what is wanted, line by line: all records of the series in them.

    `record` tells of the export and is written before its first line. Raises Unavailable when nothing was ever sealed.
    """
    key = next(iter(ports.seals.keys()), None)
    if key is None:
        raise Unavailable(
            "nothing-sealed",
            "No record was sealed yet.",
            help="Come back in some seconds; if this stays, see that `mohar sweeper` runs.",
            retry_after=_SEAL_SECONDS,
        )
    ports.auditor.write(record)
    return _lines(wanted, key=key, made_at=ports.clock.now(), ports=ports)


def export_record(principal: Principal, wanted: Wanted, *, ports: Ports) -> Record:
    """The record of an export."""
    return Record(
        id=ports.ids.new(AUDIT_PREFIX),
        at=ports.clock.now(),
        actor=principal.client_id,
        action=Action.EVIDENCE_EXPORTED,
        subject=principal.gstin,
        environment=principal.environment,
        org_id=principal.org_id,
        gstin=principal.gstin,
        facts={"since": _text(wanted.since), "until": _text(wanted.until)},
    )


def _lines(wanted: Wanted, *, key: SealKey, made_at: datetime, ports: Ports) -> Iterator[str]:
    log, lines = ports.sealed_log, bundle.Lines()
    first, last = log.span(wanted) or (0, 0)
    opening = bundle.opening(made_at=made_at, series=wanted.series, first_seal=first, last_seal=last)
    yield lines.write(opening)
    for key_id, pem in log.keys().items():
        yield lines.write({"type": "key", "key_id": key_id, "pem": pem})
    for found in log.portal_keys(wanted.series[0].partition("/")[0]):
        yield lines.write({"type": "portal_key", **found})
    for signed in log.seals_between(first, last) if first else ():
        for line in _under(signed, wanted.series, ports):
            yield lines.write(line)
    statement = bundle.end_statement(lines=lines.count, sha256=lines.sha256, key_id=key.key_id)
    end = {"lines": lines.count, "sha256": lines.sha256, "key_id": key.key_id}
    yield lines.write({"type": "end", **end, "signature": ports.sealer.sign(statement, key=key)})


def _under(signed: SignedSeal, series: Sequence[str], ports: Ports) -> Iterator[dict[str, Any]]:
    """A seal and what stands under it: nothing at all where none of it is the caller's."""
    log, seal = ports.sealed_log, signed.seal
    yield bundle.seal_line(seal, signed.signature)
    records = {each.leaf.index - seal.first_leaf: each for each in log.records_of(seal.number, series=series)}
    shown = {index: each for index, each in records.items() if each.record is not None}
    if not shown:
        return
    leaves = [bytes.fromhex(each) for each in log.leaves_of(seal.number)]
    parts = {part.start: part for part in merkle.parts(leaves, kept=set(shown))}
    for index in sorted({*parts, *shown}):
        if index in parts:
            yield bundle.hash_line(parts[index], first_leaf=seal.first_leaf)
        else:
            yield from _record(shown[index], ports)


def _record(found: SealedRecord, ports: Ports) -> Iterator[dict[str, Any]]:
    if found.record is None:
        raise LookupError(found.leaf.record_id)
    yield bundle.record_line(found.record, leaf=found.leaf.index, ordinal=found.leaf.ordinal)
    digest = found.record.facts.get(bundle.DOCUMENT_FACT)
    body = ports.sealed_log.body(digest) if isinstance(digest, str) else None
    if body is not None and isinstance(digest, str):
        yield bundle.document_line(digest, body.decode("ascii"))


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
