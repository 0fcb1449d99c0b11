"""What tests share: a clock that only a test moves, randomness that repeats, and things with everything filled in."""

from __future__ import annotations

import hashlib
import random
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from gateway.domain import irn
from gateway.domain.audit import Action, Record
from gateway.domain.calendar import financial_year
from gateway.domain.identifiers import AUDIT_PREFIX, OPERATION_PREFIX, same_document_number
from gateway.domain.operations import Environment, Kind, Lane, Operation, Status
from gateway.domain.outcomes import Meaning, Outcome, Registration
from gateway.domain.token_bucket import Limit
from gateway.ports import Client, Grant, IdempotencyKey, NewOperation, PortalAccount, Route, Seller, Session
from gateway.system import sortable_id

START: Final = datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
"""Noon in India, on a day on which nothing special happens."""
ORG: Final = "org_1"
CLIENT: Final = "cli_1"
GSTIN: Final = "29AAHCT7421P1ZM"
OTHER_GSTIN: Final = "29AABCA5312L1ZP"
LANE: Final = Lane(Environment.TEST, GSTIN)
ROUTE: Final = "sandbox"


class FakeClock:
    """Implements `ports.Clock`. It stands still until somebody sleeps or a test moves it."""

    def __init__(self, at: datetime = START) -> None:
        self._at = at
        self._seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The present instant of the test."""
        return self._at

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        with self._lock:
            self._at += timedelta(seconds=seconds)
            self._seconds += seconds

    def step(self, **parts: float) -> datetime:
        """Let a `timedelta(**parts)` pass, and return the time that it is then."""
        self.sleep(timedelta(**parts).total_seconds())
        return self._at


class SeededIds:
    """Implements `ports.Ids`: the same seed gives the same ids, bytes and fractions. Threads may share it."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311  has to repeat, guards nothing
        self._count = 0
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """An id of the real form; later ones sort behind earlier ones."""
        with self._lock:
            self._count += 1
            return prefix + sortable_id(self._count, self._random.getrandbits(80))

    def random_bytes(self, size: int) -> bytes:
        """Bytes that differ from call to call."""
        with self._lock:
            return self._random.randbytes(size)

    def fraction(self) -> float:
        """A number in [0, 1)."""
        with self._lock:
            return self._random.random()


def new_operation(doc_no: str = "A/1", **members: Any) -> NewOperation:
    """An invoice to be registered. What depends on number, date, seller and content is worked out from them."""
    gstin: str = members.get("gstin", GSTIN)
    doc_type: str = members.get("doc_type", "INV")
    doc_date: date = members.get("doc_date", date(2026, 11, 10))
    payload: bytes = members.get("payload", b'{"No":"%s"}' % doc_no.encode())
    filled: dict[str, Any] = {
        "id": f"{OPERATION_PREFIX}{hashlib.sha256(repr((doc_no, sorted(members.items()))).encode()).hexdigest()[:26]}",
        "org_id": ORG,
        "environment": Environment.TEST,
        "gstin": gstin,
        "client_id": CLIENT,
        "kind": Kind.IRN_GENERATE,
        "direct": False,
        "subject": irn.predict(seller_gstin=gstin, doc_type=doc_type, doc_no=doc_no, doc_date=doc_date),
        "doc_type": doc_type,
        "doc_no": doc_no,
        "doc_date": doc_date,
        "financial_year": financial_year(doc_date),
        "number_key": same_document_number(doc_no),
        "irn": irn.predict(seller_gstin=gstin, doc_type=doc_type, doc_no=doc_no, doc_date=doc_date),
        "content_digest": hashlib.sha256(payload).hexdigest(),
        "request": payload + b"\n",
        "payload": payload,
        "request_id": "req_1",
        "deadline_at": None,
    }
    return NewOperation(**filled | members)


def idempotency_key(key: str = "k1", **members: Any) -> IdempotencyKey:
    """A client's key for a request, good for 24 hours from START."""
    filled: dict[str, Any] = {
        "client_id": CLIENT,
        "key": key,
        "fingerprint": "f" * 64,
        "expires_at": START + timedelta(hours=24),
    }
    return IdempotencyKey(**filled | members)


def operation(**members: Any) -> Operation:
    """A row as a value: queued at START and never tried, unless `members` say otherwise."""
    new = new_operation()
    row = Operation(
        id=new.id,
        org_id=new.org_id,
        environment=new.environment,
        gstin=new.gstin,
        client_id=new.client_id,
        kind=new.kind,
        status=Status.QUEUED,
        version=1,
        direct=new.direct,
        subject=new.subject,
        waits_for=None,
        doc_type=new.doc_type,
        doc_no=new.doc_no,
        doc_date=new.doc_date,
        irn=new.irn,
        content_digest=new.content_digest,
        payload_blob=new.content_digest,
        request_id=new.request_id,
        trace_id=new.trace_id,
        created_at=START,
        updated_at=START,
        due_at=START,
        deadline_at=None,
        settled_at=None,
        route=None,
        attempts=0,
        crashes_alone=0,
        run_alone=False,
        doubtful_since=None,
        quarantined_since=None,
        quarantine_looks=0,
        hold_cause=None,
        kept_answer_blob=None,
        lasting_refusal=False,
        portal_code=None,
        portal_message=None,
    )
    return replace(row, **members)


def registration(new: NewOperation, **members: Any) -> Registration:
    """What the portal gives back for a document: its acknowledgement and the two signed texts."""
    filled: dict[str, Any] = {
        "irn": new.irn,
        "ack_no": "112610000000017",
        "ack_at": START,
        "signed_invoice": f"header.{new.content_digest}.signature",
        "signed_qr": "header.qr.signature",
        "key_id": "key-1",
        "seller_gstin": new.gstin,
        "buyer_gstin": OTHER_GSTIN,
        "doc_type": new.doc_type,
        "doc_no": new.doc_no,
        "doc_date": new.doc_date,
        "total": Decimal("2950.00"),
    }
    return Registration(**filled | members)


def record(id: str = f"{AUDIT_PREFIX}1", **members: Any) -> Record:
    """An audit record of an operator's doing."""
    filled: dict[str, Any] = {"at": START, "actor": "operator", "action": Action.ROUTE_CHANGED, "subject": ROUTE}
    return Record(id=id, **filled | members)


def route(**members: Any) -> Route:
    """A way to the sandbox."""
    filled: dict[str, Any] = {
        "name": ROUTE,
        "environment": Environment.TEST,
        "base_url": "http://portal",
        "gsp_account": "gsp-1",
        "client_id": "client-of-the-portal",
        "client_secret": "the-secret-of-the-route",
        "enforce_check_digit": False,
        "pace": "brisk",
        "limits": {"gstin": Limit(calls=60, seconds=60, burst=4), "account": Limit(calls=600, seconds=60, burst=40)},
        "relogin_seconds_min": 60,
    }
    return Route(**filled | members)


def account(**members: Any) -> PortalAccount:
    """A taxpayer's login on the route above."""
    filled: dict[str, Any] = {
        "id": "acc_1",
        "environment": Environment.TEST,
        "gstin": GSTIN,
        "route": ROUTE,
        "user_name": "the-user-of-the-taxpayer",
        "password": "the-password-of-the-taxpayer",
        "refused_code": None,
    }
    return PortalAccount(**filled | members)


def seller(**members: Any) -> Seller:
    """A taxpayer who is served."""
    filled: dict[str, Any] = {
        "environment": Environment.TEST,
        "gstin": GSTIN,
        "org_id": ORG,
        "route": ROUTE,
        "reporting_days": None,
    }
    return Seller(**filled | members)


def client(**members: Any) -> Client:
    """A program with credentials."""
    filled: dict[str, Any] = {
        "id": CLIENT,
        "environment": Environment.TEST,
        "org_id": ORG,
        "name": "billing",
        "secret_digest": b"\x07" * 32,
        "respond_async": False,
        "revoked": False,
    }
    return Client(**filled | members)


def grant(gstin: str = GSTIN, *scopes: str) -> Grant:
    """That the client above may speak for a GSTIN."""
    return Grant(client_id=CLIENT, gstin=gstin, scopes=frozenset(scopes or ("irn:write", "irn:read")))


def outcome(meaning: Meaning, **members: Any) -> Outcome:
    """What a call told; a registration and a conflict come with a document."""
    if meaning in (Meaning.REGISTERED, Meaning.CONFLICT):
        members = {"result": registration(new_operation())} | members
    return Outcome(meaning=meaning, **members)


def session(**members: Any) -> Session:
    """The first login's yield on the account above, good for six hours from START."""
    filled: dict[str, Any] = {
        "account_id": "acc_1",
        "generation": 1,
        "token": "the-token-of-the-session",
        "session_key": b"the-session-key-of-32-bytes-long",
        "expires_at": START + timedelta(hours=6),
        "renewed_at": START,
    }
    return Session(**filled | members)
