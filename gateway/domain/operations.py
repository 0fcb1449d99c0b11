"""An operation: one thing that a client asked of a portal. The row it is kept in, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final


class Environment(StrEnum):
    """Test reaches the sandbox route only; live never does."""

    TEST = "test"
    LIVE = "live"


class Kind(StrEnum):
    """What is asked. All kinds share one lifecycle and one engine; `domain.kinds` says what is particular to each."""

    IRN_GENERATE = "irn.generate"
    IRN_CANCEL = "irn.cancel"
    EWB_GENERATE = "ewb.generate"
    EWB_CANCEL = "ewb.cancel"
    EWB_STANDALONE = "ewb.standalone"
    EWB_VEHICLE = "ewb.vehicle"
    EWB_TRANSPORTER = "ewb.transporter"
    EWB_EXTEND = "ewb.extend"
    EWB_CONSOLIDATE = "ewb.consolidate"
    EWB_REJECT = "ewb.reject"
    EWB_CLOSE = "ewb.close"
    EWB_MOVEMENT = "ewb.movement"
    EWB_MOVEMENT_ADD = "ewb.movement_add"
    EWB_MOVEMENT_CHANGE = "ewb.movement_change"


class Status(StrEnum):
    """Where an operation stands. ARCHITECTURE.md has the picture, `lifecycle.TRANSITIONS` the law."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    INDETERMINATE = "indeterminate"
    QUARANTINED = "quarantined"
    HELD = "held"
    PARKED = "parked"


TERMINAL: Final = frozenset(
    {Status.SUCCEEDED, Status.REJECTED, Status.CONFLICT, Status.EXPIRED, Status.WITHDRAWN},
)
OPEN: Final = frozenset(Status) - TERMINAL
RELEASES_NUMBER: Final = frozenset({Status.REJECTED, Status.EXPIRED, Status.WITHDRAWN})
"""After these the document's number may be used again."""
CLAIMABLE: Final = frozenset({Status.QUEUED, Status.INDETERMINATE, Status.QUARANTINED, Status.HELD})


class HoldCause(StrEnum):
    """Why an operation waits though nothing is wrong with its document."""

    CREDENTIALS = "credentials"
    ACCOUNT = "account"
    QUOTA = "quota"
    SIGNING_KEY_UNKNOWN = "signing_key_unknown"


@dataclass(frozen=True, slots=True)
class Lane:
    """The queue of one seller, and the unit of fairness between sellers."""

    environment: Environment
    gstin: str

    def __str__(self) -> str:
        return f"irp:{self.environment}:{self.gstin}"

    @classmethod
    def parse(cls, text: str) -> Lane:
        """Read `irp:<environment>:<gstin>`. Raises ValueError on anything else."""
        family, environment, gstin = text.split(":")
        if family != "irp":
            message = f"{family} is no family of lanes"
            raise ValueError(message)
        return cls(Environment(environment), gstin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of `operations`.

    `subject` is what it is done to: an IRN, or the number of an e-way bill; of one kind, one operation on a subject is
    open at a time. The document's own identity and IRN are there where they are known; an `irn` is the predicted one
    until it is confirmed. `waits_for` is the operation without whose success this one makes no sense.

    `doubtful_since` is set by the first attempt that may have reached the portal without an answer, and cleared by a
    terminal outcome alone. `direct` tells whether a caller waits. `lasting_refusal` tells that the portal refused it
    for what it says, so that the same would be refused again.
    """

    id: str
    org_id: str
    environment: Environment
    gstin: str
    client_id: str
    kind: Kind
    status: Status
    version: int
    direct: bool
    subject: str
    doc_type: str | None
    doc_no: str | None
    doc_date: date | None
    irn: str | None
    waits_for: str | None
    content_digest: str
    payload_blob: str
    request_id: str
    trace_id: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    deadline_at: datetime | None
    settled_at: datetime | None
    route: str | None
    attempts: int
    crashes_alone: int
    run_alone: bool
    doubtful_since: datetime | None
    quarantined_since: datetime | None
    quarantine_looks: int
    hold_cause: HoldCause | None
    kept_answer_blob: str | None
    lasting_refusal: bool
    portal_code: str | None
    portal_message: str | None

    @property
    def lane(self) -> Lane:
        """The lane it waits in."""
        return Lane(self.environment, self.gstin)

    @property
    def in_doubt(self) -> bool:
        """Whether an attempt may have reached the portal: then it is looked up before it is sent."""
        return self.doubtful_since is not None

    @property
    def may_send(self) -> bool:
        """Whether it may be sent at all: a quarantined operation never is again."""
        return self.quarantined_since is None
