"""Portals, the limit they share, and the bell that wakes the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

from gateway.domain.lanes import AnyLane
from gateway.domain.operations import Operation
from gateway.domain.outcomes import EwayBill, Outcome, Registration
from gateway.domain.token_bucket import Limit, Shares
from gateway.ports.bills import HeldBill
from gateway.ports.directory import Route, Seller
from gateway.ports.work import Attempt


@dataclass(frozen=True, slots=True)
class PutOff:
    """An operation waits so long before its next attempt, while others of its lane go on.

    `code` and `message` say why, where that is to be told: they stand for the portal's own.
    """

    wait_seconds: float
    code: str | None = None
    message: str | None = None


class Conversation(Protocol):
    """The calls of one attempt. Nothing raises but LeaseLostError, through `keep_lease`: every end is an Outcome.

    `keep_lease` is called before every wire call after the first, and raises when the lease is gone.
    """

    @property
    def errors_told(self) -> int:
        """Answers so far that were errors, those to logins included."""

    def put_off(self, operation: Operation, *, keep_lease: Callable[[], None]) -> PutOff | None:
        """Whether the attempt had better not begin yet; None: it may. Then the conversation is over."""

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

    def converse(self, operation: Operation, *, route: str, home: str | None = None) -> Conversation | NoPermit:
        """Take a permit for a first call, waiting a little where that is enough.

        `home` is the route to the portal that has what the operation is about; a sister portal is told its name.
        """

    def read(self, operation: Operation, *, payload: bytes, answer: bytes) -> Outcome:
        """What an answer of the portal means that a person has brought, as if a look-up had told it."""


class LimiterAwayError(Exception):
    """Nobody can say whether a call is allowed: so it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """For whom a permit is: whose GSP account, which taxpayer, whether somebody waits, by which promise, for what."""

    account: str
    gstin: str
    direct: bool
    promise: str | None = None
    call: str = ""
    """The class of the call; told by `used`."""


class Use(NamedTuple):
    """Whose calls were counted: a taxpayer's, direct or queued, of one class of calls."""

    gstin: str
    direct: bool
    call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A bucket as it stands: permits in it, and what each class may take of them at once.

    Also its present speed, what is promised, the wait of each class in seconds, and what each class has for sure.
    """

    room: int
    direct_room: int
    queued_room: int
    speed_permille: int
    promised: int
    direct_wait: float
    queued_wait: float
    shares: Shares


def scope_of(levels: Mapping[str, Level]) -> str:
    """Whose bucket keeps a direct call waiting longest: the seller's, or that of the whole GSP account."""
    tightest = max(levels, key=lambda name: levels[name].direct_wait, default="")
    return "account" if tightest.endswith(":account") else "gstin"


class Limiter(Protocol):
    """The limit that all callers of a GSP account share. Every method raises LimiterAwayError."""

    def take(self, buckets: Mapping[str, Limit], caller: Caller) -> float:
        """One permit of every bucket, to be used now: 0. Or of none, and how many seconds to wait before asking again.

        A promise that the caller has is kept by it, and over.
        """

    def promise(self, buckets: Mapping[str, Limit], caller: Caller, *, patience_seconds: float) -> float:
        """How long the caller will wait for a permit, in seconds, behind all who were promised one before.

        Unless that is more than the patience, it is promised one, for a minute. A promise that it has is renewed.
        """

    def dismiss(self, buckets: Mapping[str, Limit], caller: Caller) -> None:
        """The caller needs what it was promised no more."""

    def wait(self, buckets: Mapping[str, Limit], *, direct: bool) -> float:
        """How long a call of the class would wait now, in seconds; nothing is taken."""

    def drain(self, buckets: Mapping[str, Limit], *, seconds: float, keep_permille: int) -> None:
        """The portal said that it is too much: nothing for so long, and then at so many thousandths of the speed."""

    def levels(self, buckets: Mapping[str, Limit]) -> Mapping[str, Level]:
        """How the buckets stand."""

    def used(self, account: str) -> Mapping[Use, int]:
        """The calls of about the last minute, by who made them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBucket:
    """A bucket of a taxpayer on a route. `scope` is what it limits: `account`, `gstin`, or a class of calls."""

    route: str
    account: str
    scope: str
    name: str
    limit: Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTrial:
    """What the portal said to a login, in its own words, and how long it took."""

    accepted: bool
    code: str | None
    message: str | None
    milliseconds: int


class Enquiries(Protocol):
    """Questions to a portal that change nothing there. Each raises Throttled or Unavailable when it cannot be asked."""

    def read_back(
        self, seller: Seller, *, irn: str | None = None, details: tuple[str, str, date] | None = None
    ) -> Registration | None:
        """A document of the seller by IRN, or by type, number and date; None when the portal has none.

        Raises Absent when it is registered, but too old for the portal to give it back.
        """

    def bill_of(self, seller: Seller, *, irn: str) -> EwayBill | None:
        """The e-way bill of an IRN, as it stands; None when the portal has none."""

    def eway_bill(self, seller: Seller, *, number: str) -> HeldBill | None:
        """An e-way bill as its own system has it, the seller's or one that the seller has to do with; None: none such.

        Whose it is with us, and when it was asked for, is left to the caller.
        """

    def taxpayer(self, seller: Seller, *, gstin: str, sync: bool) -> Mapping[str, Any] | None:
        """What the portal knows of a GSTIN, in its own words; None when it knows none such.

        With `sync` it first brings its copy up to date from the GST register.
        """

    def try_login(self, seller: Seller) -> LoginTrial:
        """Whether the portal takes the seller's login as it is stored, by logging in. Raises Misconfigured for none."""

    def heartbeat(self, route: Route) -> str:
        """The portal's sign of life, in its own words. Raises Throttled when the shared limit has no room for it."""

    def allowance(self, seller: Seller) -> Mapping[str, Limit]:
        """The buckets that what the seller sends counts in, on its preferred route."""

    def buckets(self, seller: Seller) -> Sequence[NamedBucket]:
        """All that any call of the seller counts in, on any of its routes, each once; the preferred route's first."""


class Health(Protocol):
    """Whether a route answers, as its real traffic shows."""

    def failed(self, route: str) -> None:
        """A call got no answer. Never raises."""

    def answered(self, route: str) -> None:
        """A call got one. Never raises."""

    def down_seconds(self, route: str) -> int:
        """0, or how long the route is taken to be down from now, as it was a moment ago. Never raises."""

    def is_open(self, route: str) -> bool:
        """Whether the route's circuit is open: its last calls had no answer. Never raises."""

    def admit(self, route: str) -> float:
        """0 when a call may go out, else how many seconds until one may try. Never raises.

        While the circuit is open, whoever is told 0 is the one that tries.
        """


class Bell(Protocol):
    """Wakes the workers of a lane, and the callers who wait. It may be lost, doubled or late."""

    def ring(self, lane: AnyLane, *, direct: bool) -> None:
        """A lane has due rows. Never raises: whatever it loses, the sweeper finds."""

    def ring_in(self, lane: AnyLane, *, direct: bool, seconds: float) -> None:
        """A lane has due rows in so many seconds; said anew, that counts. Lost with this process. Never raises."""

    def answered(self, lane: AnyLane, *, direct: bool) -> None:
        """A drain begins: the next ring is a new one."""

    def settled(self, operation: Operation) -> None:
        """Tell whoever waits for this operation. Never raises."""

    def mend(self, lanes: Sequence[tuple[AnyLane, bool]]) -> int:
        """Ring anew those of the lanes (with whether direct) whose ring was lost; how many. Never raises."""

    def sweep(self) -> int:
        """Remove what dead workers left behind; how much. Never raises."""
