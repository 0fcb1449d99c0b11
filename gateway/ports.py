"""What the use cases need from the world, as Protocols. Adapters implement them; `gateway.wiring` chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from gateway.domain.audit import Record
from gateway.domain.operations import Environment, HoldCause, Kind, Lane, Operation
from gateway.domain.outcomes import Outcome, Registration
from gateway.domain.settlement import Event, Settlement
from gateway.domain.token_bucket import Limit


class Clock(Protocol):
    """Time, the only source of it below the processes."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps, for deadlines within a process."""

    def sleep(self, seconds: float) -> None:
        """Wait. A test's clock moves on instead."""


class Ids(Protocol):
    """Randomness, the only source of it below the processes."""

    def new(self, prefix: str) -> str:
        """A fresh id: the prefix and 26 characters that sort by time."""

    def random_bytes(self, size: int) -> bytes:
        """Unpredictable bytes, for keys and tokens."""

    def fraction(self) -> float:
        """A number in [0, 1), for jitter."""


class Vault(Protocol):
    """Seals what must not be readable in a table. The context binds a sealed value to its row."""

    def seal(self, secret: bytes, *, context: str) -> bytes:
        """Encrypt, under the newest master key."""

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt. Raises Misconfigured when the key is missing or the value belongs elsewhere."""


class Secrets(Protocol):
    """Client secrets: made once, shown once, kept as a keyed hash."""

    def new(self) -> str:
        """A fresh secret."""

    def digest(self, secret: str) -> bytes:
        """What is stored of a secret."""

    def matches(self, secret: str, digest: bytes | None) -> bool:
        """Whether it is the secret of that digest; with None the same work is done in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an access token says."""

    client_id: str
    gstin: str
    environment: Environment
    scopes: frozenset[str]
    token_id: str
    expires_at: datetime


class Tokens(Protocol):
    """Access tokens."""

    def issue(self, claims: Claims, *, at: datetime) -> str:
        """A signed token."""

    def check(self, token: str, *, at: datetime) -> Claims:
        """The claims of a token that is valid at that time. Raises Unauthorised."""


# Work -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """What a client asks, validated, before it has a row."""

    id: str
    org_id: str
    environment: Environment
    gstin: str
    client_id: str
    kind: Kind
    direct: bool
    doc_type: str
    doc_no: str
    doc_date: date
    financial_year: str
    number_key: str
    irn: str
    content_digest: str
    request: bytes
    payload: bytes
    request_id: str
    deadline_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A client's own name for a request, good for 24 hours."""

    client_id: str
    key: str
    fingerprint: str
    expires_at: datetime


class Reception(StrEnum):
    """How a request met what is known already."""

    ACCEPTED = "accepted"
    SAME_KEY = "same key"
    SAME_DOCUMENT = "same document"
    KEY_REUSED = "key reused"
    OTHER_DOCUMENT = "other document"


@dataclass(frozen=True, slots=True)
class Received:
    """The operation that a request made, or met."""

    reception: Reception
    operation: Operation


@dataclass(frozen=True, slots=True)
class Claim:
    """A row in hand, until `lease_until`. A write with another token than the row's changes nothing.

    `more` tells that another row of its lane was due at that moment.
    """

    operation: Operation
    token: str
    lease_until: datetime
    more: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a portal, on record before its first byte is sent. `operation` is `submitting`."""

    id: str
    number: int
    worker: str
    operation: Operation
    claim: Claim
    route: str
    payload: bytes
    kept_answer: bytes | None


class LeaseLostError(Exception):
    """The lease ended and somebody else may hold the row: whoever raised this changed nothing and must stop."""


class Intake(Protocol):
    """Operations as clients make and read them. Every method is one transaction."""

    def find_by_key(self, key: IdempotencyKey, *, at: datetime) -> Received | None:
        """What this client's key stands for, if it was used within its life."""

    def find_by_identity(self, new: NewOperation) -> Received | None:
        """The operation that holds this document's number, if one does."""

    def accept(self, new: NewOperation, key: IdempotencyKey | None, *, at: datetime) -> Received:
        """Store an operation with its key, its claim on the number and its evidence, or read back who came first."""

    def get(self, id: str) -> Operation | None:
        """One operation."""

    def attempts_of(self, id: str) -> Sequence[Mapping[str, Any]]:
        """The tries at it, oldest first."""

    def queued_ahead(self, operation: Operation) -> int:
        """How many rows of its lane come before it."""

    def open_direct(self, lane: Lane) -> int:
        """How many direct calls of a lane are admitted and not settled."""


class Work(Protocol):
    """Operations as workers move them. Every method is one transaction."""

    def claim(
        self, lane: Lane, *, direct: bool, owner: str, at: datetime, lease_until: datetime, leases_max: int
    ) -> Claim | None:
        """Lease the next due row of a lane, unless `leases_max` are leased already or the lane is out of permits."""

    def renew(self, claim: Claim, *, until: datetime) -> Claim:
        """Lengthen a lease. Raises LeaseLostError."""

    def release(self, claim: Claim, *, due_at: datetime) -> None:
        """Give a row back untouched."""

    def block_lane(self, lane: Lane, *, direct: bool, until: datetime) -> None:
        """Note that a lane has no permits for one class of calls until then."""

    def begin_attempt(self, claim: Claim, *, route: str, worker: str, at: datetime) -> Attempt:
        """Write down that a try begins: from here on the row is in doubt if we die. Raises LeaseLostError."""

    def record(self, attempt: Attempt, settlement: Settlement, outcome: Outcome, *, at: datetime) -> Operation:
        """Write down what a try meant, with its evidence and what it changes in the ledger. Raises LeaseLostError."""


class Upkeep(Protocol):
    """Operations as time moves them, or a person. Every method is one transaction, or one per row."""

    def close(self, id: str, event: Event, *, actor: str, at: datetime) -> Operation:
        """Withdraw or expire an operation that never reached the portal."""

    def resume(self, id: str, *, actor: str, at: datetime) -> Operation:
        """Take a parked operation up again."""

    def end_expired_leases(self, *, at: datetime, rows_max: int) -> int:
        """Bring back the rows whose lease is over; how many there were."""

    def close_windows(self, *, at: datetime, rows_max: int) -> int:
        """Expire what waited past its legal deadline."""

    def due_lanes(self, *, at: datetime) -> Sequence[tuple[Lane, bool, int]]:
        """The lanes to ring: lane, whether direct, and how many rows are due."""

    def wake_held(
        self, *, environment: Environment, gstin: str | None, causes: Sequence[HoldCause], at: datetime
    ) -> int:
        """Make held operations due because the cause may be gone; how many."""

    def lead(self, role: str, *, holder: str, at: datetime, until: datetime) -> bool:
        """Whether `holder` has the role, alone, until then: taken if it is free, renewed if it is held already."""

    def reap(self, *, at: datetime) -> int:
        """Remove idempotency keys past their life; how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A row of the ledger: a document as it stands at the portal."""

    environment: Environment
    org_id: str
    gstin: str
    operation_id: str
    doc_date: date
    ours: bool
    status: str
    registration: Registration


class Ledger(Protocol):
    """What is true at the portal, as far as we were told."""

    def by_irn(self, *, environment: Environment, gstin: str, irn: str) -> Document | None:
        """One document of a seller."""

    def by_operation(self, operation_id: str) -> Document | None:
        """The document that an operation ended in."""

    def operation_on(
        self, *, environment: Environment, gstin: str, financial_year: str, doc_type: str, number_key: str
    ) -> Operation | None:
        """The operation that holds a number, registered or still under way."""

    def operation_of_irn(self, *, environment: Environment, gstin: str, irn: str) -> Operation | None:
        """The latest operation whose (predicted) IRN this is."""


# Who and whereto ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program with OAuth credentials."""

    id: str
    environment: Environment
    org_id: str
    name: str
    secret_digest: bytes = field(repr=False)
    respond_async: bool
    revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """That a client may speak for a GSTIN."""

    client_id: str
    gstin: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """A taxpayer whom the gateway serves."""

    environment: Environment
    gstin: str
    org_id: str
    route: str
    reporting_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way to a portal. `limits` are per taxpayer (`gstin`) and for the whole GSP account (`account`)."""

    name: str
    environment: Environment
    base_url: str
    gsp_account: str
    client_id: str
    client_secret: str = field(repr=False)
    enforce_check_digit: bool
    pace: str
    limits: Mapping[str, Limit]
    relogin_seconds_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalAccount:
    """A taxpayer's login at a portal."""

    id: str
    environment: Environment
    gstin: str
    route: str
    user_name: str = field(repr=False)
    password: str = field(repr=False)
    refused_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login's yield. `generation` counts the logins of an account, so that one is not thrown away twice."""

    account_id: str
    generation: int
    token: str = field(repr=False)
    session_key: bytes = field(repr=False)
    expires_at: datetime
    renewed_at: datetime


# Calls ----------------------------------------------------------------------------------------------------------------


class Directory(Protocol):
    """Organisations, sellers, clients and what they may."""

    def add_organisation(self, *, id: str, name: str, record: Record) -> None:
        """A new organisation."""

    def organisations(self) -> Sequence[Mapping[str, Any]]:
        """All of them, oldest first."""

    def put_seller(self, seller: Seller, *, record: Record) -> None:
        """A taxpayer, new or changed. Raises Clash when another organisation has it."""

    def seller(self, *, environment: Environment, gstin: str) -> Seller | None:
        """One taxpayer."""

    def sellers(self) -> Sequence[Seller]:
        """All of them."""

    def add_client(self, client: Client, grants: Sequence[Grant], *, record: Record) -> None:
        """A new client, with what it may."""

    def client(self, id: str) -> Client | None:
        """One client, revoked or not."""

    def grants(self, client_id: str) -> Sequence[Grant]:
        """What it may now: withdrawn grants are not in it."""

    def token_keys(self) -> Sequence[tuple[str, bytes, str]]:
        """Keys that sign access tokens, newest first: key id, sealed private key, public key (PEM)."""

    def add_token_key(self, *, kid: str, private_sealed: bytes, public_pem: str, at: datetime) -> None:
        """A new signing key."""


class Routebook(Protocol):
    """Routes, their keys, and the logins of taxpayers. What is secret is sealed before it reaches a table."""

    def put_route(self, route: Route, *, record: Record) -> None:
        """A route, new or changed."""

    def route(self, name: str) -> Route:
        """One route. Raises Misconfigured when there is none of that name."""

    def routes(self) -> Sequence[Route]:
        """All of them."""

    def add_portal_key(self, *, route: str, purpose: str, kid: str, pem: str, record: Record) -> None:
        """A portal's public key: `login` or `signing`."""

    def portal_keys(self, *, route: str, purpose: str) -> Mapping[str, str]:
        """Key id to PEM; the newest comes last."""

    def put_account(self, account: PortalAccount, *, org_id: str, record: Record) -> None:
        """A taxpayer's login, new or replaced; a refusal that stood against the old one is forgotten."""

    def account(self, *, environment: Environment, gstin: str, route: str) -> PortalAccount | None:
        """A taxpayer's login on a route."""

    def refuse_account(self, account_id: str, *, code: str, record: Record) -> None:
        """The portal does not take this login: no further tries until it is changed."""

    def session(self, account_id: str, *, system: str) -> Session | None:
        """The session that all workers share."""

    def lease_session(
        self, account_id: str, *, system: str, generation: int, at: datetime, until: datetime
    ) -> str | None:
        """The right to log in, to one caller at a time, if `generation` is still the latest; a token, or None."""

    def store_session(self, session: Session, *, system: str, token: str, record: Record) -> bool:
        """Put a new session in the place of the old one; false when the right to do so has ended."""

    def release_session(self, account_id: str, *, system: str, token: str) -> None:
        """Give the right to log in back without having done so."""


class Conversation(Protocol):
    """The calls of one attempt. Nothing raises but LeaseLostError, through `keep_lease`: every end is an Outcome.

    `keep_lease` is called before every wire call after the first, and raises when the lease is gone.
    """

    def call(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """Send the request, and read and compare what came of it."""

    def look_up(self, attempt: Attempt, *, keep_lease: Callable[[], None]) -> Outcome:
        """Find out whether it is registered. `Meaning.ABSENT` only when the portal says that it has no such thing."""


@dataclass(frozen=True, slots=True)
class NoPermit:
    """The shared limit has no room for a first call before so many seconds."""

    wait_seconds: float


class Portals(Protocol):
    """All portals, by route."""

    def converse(self, operation: Operation, *, route: str) -> Conversation | NoPermit:
        """Take a permit for a first call, waiting a little where that is enough."""


class LimiterAwayError(Exception):
    """Nobody can say whether a call is allowed: so it is not."""


class Limiter(Protocol):
    """The limit that all callers of a GSP account share. Every method raises LimiterAwayError."""

    def take(self, buckets: Mapping[str, Limit], *, patience_seconds: float) -> float | None:
        """One permit of every bucket, to be used after so many seconds; None when that is more than the patience."""

    def wait(self, buckets: Mapping[str, Limit]) -> float:
        """How long a call would wait now, in seconds; nothing is taken."""

    def drain(self, buckets: Mapping[str, Limit], *, seconds: float) -> None:
        """Empty the buckets for so long: the portal said that it is too much."""


class Enquiries(Protocol):
    """Questions to a portal that change nothing there. Each raises Throttled or Unavailable when it cannot be asked."""

    def read_back(
        self, seller: Seller, *, irn: str | None = None, details: tuple[str, str, date] | None = None
    ) -> Registration | None:
        """A document of the seller by IRN, or by type, number and date; None when the portal has none."""

    def taxpayer(self, seller: Seller, *, gstin: str) -> Mapping[str, Any] | None:
        """What the portal knows of a GSTIN, in its own words; None when it knows none such."""

    def heartbeat(self, route: Route) -> str:
        """The portal's sign of life, in its own words."""

    def allowance(self, seller: Seller) -> Mapping[str, Limit]:
        """The buckets that the seller's calls count in."""


class Health(Protocol):
    """Whether a route answers, as its real traffic shows."""

    def failed(self, route: str) -> None:
        """A call got no answer. Never raises."""

    def answered(self, route: str) -> None:
        """A call got one. Never raises."""

    def down_seconds(self, route: str) -> int:
        """0, or how long the route is taken to be down from now. Never raises."""


class Bell(Protocol):
    """Wakes the workers of a lane, and the callers who wait. It may be lost, doubled or late."""

    def ring(self, lane: Lane, *, direct: bool) -> None:
        """A lane has due rows. Never raises: whatever it loses, the sweeper finds."""

    def answered(self, lane: Lane, *, direct: bool) -> None:
        """A drain begins: the next ring is a new one."""

    def settled(self, operation: Operation) -> None:
        """Tell whoever waits for this operation. Never raises."""

    def mend(self, lanes: Sequence[tuple[Lane, bool]]) -> int:
        """Ring anew those of the lanes (with whether direct) whose ring was lost; how many. Never raises."""

    def sweep(self) -> int:
        """Remove what dead workers left behind; how much. Never raises."""


class Auditor(Protocol):
    """Audit records of what is no transition of an operation."""

    def write(self, *records: Record) -> None:
        """Write records in a transaction of their own."""
