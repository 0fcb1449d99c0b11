"""GET /audit: the sealed log of the caller's taxpayer and organisation, proofs from it, and bundles of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from gateway.api import contract, presenting, state
from gateway.api.dependencies import MayAudit
from gateway.domain import bundle
from gateway.domain.audit import Action
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.errors import Invalid
from gateway.ports.evidence import SealedRecord, Wanted
from gateway.services import evidence
from gateway.services.evidence import Proof
from gateway.services.principal import Principal, Scope

router = APIRouter()

BUNDLE_TYPE: Final = "application/x-ndjson"
_LINES_AT_ONCE: Final = 200
"""Of a bundle: each portion costs a change of threads."""
_ID: Final = re.compile(AUDIT_PREFIX + "[0-9a-z]{26}", re.ASCII)
_SUBJECT: Final = re.compile(r"[!-~]{1,80}", re.ASCII)
_LEAF: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_LIMIT: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
_TIMES: Final = ("audit_since", "audit_until")


@router.get(
    "/audit",
    summary="The audit log",
    tags=["audit"],
    openapi_extra=contract.call(
        {200: "AuditPage"},
        scope=Scope.AUDIT,
        parameters=("audit_after", "audit_limit", *_TIMES, "audit_action", "audit_subject"),
    ),
)
async def list_records(request: Request, principal: MayAudit) -> Response:
    """Sealed records of the token's GSTIN, and of its organisation as such, in the order of the log.

    A record appears once it is sealed, some seconds after it was written; from then on nothing is put in before it, so
    that whoever goes on after the last leaf that he saw misses none.
    """
    here, wanted = state.of(request), _wanted(request, principal)
    limit = _read(request, "limit", _LIMIT, "a number from 1 to 200")
    rows_max = evidence.PAGE_MAX if limit is None else int(limit)
    if not 1 <= rows_max <= evidence.PAGE_MAX:
        raise _wrong("limit", "a number from 1 to 200")
    shown, after = await here.run(evidence.page, wanted, rows_max=rows_max, ports=here.ports)
    content = {"records": [_record(each) for each in shown], "next": None if after is None else str(after)}
    return presenting.respond(content)


@router.get(
    "/audit/export",
    summary="An evidence bundle",
    tags=["audit"],
    openapi_extra=contract.call({200: "AuditBundle"}, scope=Scope.AUDIT, parameters=_TIMES),
)
async def export(request: Request, principal: MayAudit) -> Response:
    """Records, seals, keys and signed documents, one JSON object a line, for `mohar audit verify`.

    The bundle has whole seals: all of the caller's records in those that have one of the time that is asked for, and
    hashes in the places of others' records.
    """
    here, wanted = state.of(request), _wanted(request, principal)
    record = evidence.export_record(principal, wanted, ports=here.ports)
    lines = await here.run(evidence.export, wanted, record=record, ports=here.ports)
    name = f"mohar-audit-{principal.gstin}.jsonl"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_portions(lines), media_type=BUNDLE_TYPE, headers=disposition)


@router.get(
    "/audit/{record_id}/proof",
    summary="The proof of a record",
    tags=["audit"],
    openapi_extra=contract.call({200: "AuditProof"}, scope=Scope.AUDIT, refuses=(404,)),
)
async def prove(request: Request, principal: MayAudit, record_id: str) -> Response:
    """A record with its leaf, the path from there to the root (RFC 9162, 2.1.3), and the seal that signs the root."""
    here = state.of(request)
    known = record_id if _ID.fullmatch(record_id) else ""
    series = evidence.series_of(principal)
    found = await here.run(evidence.proof, known, series=series, ports=here.ports)
    return presenting.respond(proof_json(found))


def proof_json(proof: Proof) -> dict[str, Any]:
    """A proof as it is shown: everything that a check needs but the key, which `key_id` names."""
    seal, leaf = proof.signed.seal, proof.found.leaf
    return {
        "record": _record(proof.found),
        "leaf": leaf.index,
        "leaf_hash": leaf.hash,
        "index": leaf.index - seal.first_leaf,
        "path": list(proof.path),
        "seal": {
            **{name: value for name, value in bundle.seal_line(seal, proof.signed.signature).items() if name != "type"},
            "statement": seal.statement.decode(),
        },
    }


def _record(found: SealedRecord) -> dict[str, Any]:
    place = {"leaf": found.leaf.index, "ordinal": found.leaf.ordinal, "seal": found.seal_number}
    if found.record is None:
        return {"id": found.leaf.record_id, **place, "reaped": True}
    return bundle.record_members(found.record) | place


def _wanted(request: Request, principal: Principal) -> Wanted:
    after = _read(request, "after", _LEAF, "the `next` of an earlier answer")
    action = request.query_params.get("action")
    if action is not None and action not in set(Action):
        raise _wrong("action", "one of the actions of schemas/openapi.json")
    return Wanted(
        series=evidence.series_of(principal),
        after=-1 if after is None else int(after),
        since=_time(request, "since"),
        until=_time(request, "until"),
        action=action,
        subject=_read(request, "subject", _SUBJECT, "an id"),
    )


def _time(request: Request, name: str) -> datetime | None:
    form = "a time with its zone, such as 2026-11-01T00:00:00+05:30"
    given = _read(request, name, _TIME, form)
    try:
        return None if given is None else datetime.fromisoformat(given)
    except ValueError:
        raise _wrong(name, form) from None


def _read(request: Request, name: str, form: re.Pattern[str], what: str) -> str | None:
    given = request.query_params.getlist(name)
    if len(given) > 1 or (given and form.fullmatch(given[0]) is None):
        raise _wrong(name, what)
    return given[0] if given else None


def _wrong(name: str, what: str) -> Invalid:
    return Invalid("parameter-invalid", f"The parameter {name} is not {what}.", help=f"Send {what}, once.")


def _portions(lines: Iterator[str]) -> Iterator[str]:
    while portion := list(islice(lines, _LINES_AT_ONCE)):
        yield "".join(portion)
