"""Sealing: what was committed since the last seal goes under a new one, which names that and is signed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.domain import merkle, seals
from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.domain.seals import NOTHING_BEFORE, Seal
from gateway.ports.evidence import Leaf, SealKey, SignedSeal, Unsealed
from gateway.services.ports import Ports

RECORDS_MAX: Final = 5000
"""Of one seal. A proof needs the batch's hashes at hand, and 5,000 of them are 160 kB."""


def seal(*, actor: str, ports: Ports) -> int:
    """Put the oldest records that are in no seal under one. How many; 0 too when another process was quicker."""
    waiting = ports.seals.unsealed(rows_max=RECORDS_MAX)
    if not waiting:
        return 0
    known = ports.seals.keys()
    key = known[0] if known else add_key(actor=actor, ports=ports)
    last = ports.seals.last()
    leaves = _leaves(waiting, last=last, ports=ports)
    sealed = _seal(leaves, last=last, key=key, at=ports.clock.now())
    signed = SignedSeal(seal=sealed, signature=ports.sealer.sign(sealed.statement, key=key))
    stored = ports.seals.store(signed, leaves, positions=[each.position for each in waiting])
    return len(leaves) if stored else 0


def add_key(*, actor: str, ports: Ports) -> SealKey:
    """A new key, which signs from now on. The older ones stay, for what they signed."""
    key = ports.sealer.new_key()
    record = Record(
        id=ports.ids.new(AUDIT_PREFIX),
        at=ports.clock.now(),
        actor=actor,
        action=Action.SEAL_KEY_ADDED,
        subject=key.key_id,
    )
    ports.seals.add_key(key, record=record)
    return key


def _leaves(waiting: Sequence[Unsealed], *, last: Seal | None, ports: Ports) -> list[Leaf]:
    first = 0 if last is None else last.first_leaf + last.size
    counts = dict(ports.seals.counts(sorted({each.series for each in waiting})))
    leaves = []
    for index, each in enumerate(waiting, start=first):
        ordinal = counts[each.series] = counts.get(each.series, 0) + 1
        hashed = seals.leaf(each.digest, ordinal=ordinal).hex()
        leaves.append(Leaf(index=index, record_id=each.id, series=each.series, ordinal=ordinal, hash=hashed))
    return leaves


def _seal(leaves: Sequence[Leaf], *, last: Seal | None, key: SealKey, at: datetime) -> Seal:
    return Seal(
        number=1 if last is None else last.number + 1,
        first_leaf=leaves[0].index,
        size=len(leaves),
        root=merkle.root([bytes.fromhex(leaf.hash) for leaf in leaves]).hex(),
        previous=NOTHING_BEFORE if last is None else last.digest,
        at=at if last is None else max(at, last.at),  # the clock of another machine may be behind
        key_id=key.key_id,
    )
