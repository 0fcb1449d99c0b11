"""Reconciliation of the ledger with the portals: whose day it is, what is asked in which order, what is a finding.

Every taxpayer has one run for each day of India. It looks again at the documents of the last 48 hours, which is as long
as a portal shows them; at numbers that we hold as not registered; and at the portals' lists of rejected IRNs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.calendar import IST, indian_date
from gateway.domain.events import Announcement, EventType
from gateway.domain.operations import Environment
from gateway.domain.outcomes import Meaning, Outcome, Registration

OPENS_AT: Final = time(1, 30, tzinfo=IST)
"""When the run of a day opens: after midnight's batches, and long before anybody looks at what it has found."""
LOOKS_BACK: Final = timedelta(hours=48)
"""How long a portal shows a document. Each is so looked at twice: while it may still be cancelled, and afterwards."""
REJECTED_DAYS: Final = 2
"""Days of the portals' lists of rejected IRNs that a run reads, before its own: so one lost run loses nothing."""
OPEN_FOR: Final = timedelta(hours=1)
"""An operation that is younger is on its way, and will soon be known by itself."""
NUMBERS_MAX: Final = 200
"""Numbers that a run looks up in any case. Nearly each costs one of the errors that a portal bears: it has no such
document."""
SPARE_PERCENT: Final = 25
"""As long as less of those errors is spent, of the taxpayer's and of the client id's, a run looks up all numbers."""
TRIES_MAX: Final = 3
"""Answers without sense to one question, after which it is left out: the rest of the run must not wait for it."""
TRIES_MORE: Final = 9
"""More of them where the question before was left out too: then it is not the document, a front answers in the portal's
place. An hour each, so that an outage of that kind leaves out a few documents and not all."""
WAIT: Final = timedelta(minutes=5)
"""After silence. An outage is no finding, and the run goes on when it is over."""
DIFFERENCES_MAX: Final = 50
"""Places of a difference that an event names. All of them are in the finding."""
CURSOR_MARK: Final = "|"
"""Between the parts of a cursor."""
_KEY_CHARACTERS: Final = 16


class Phase(StrEnum):
    """What a run is at. They come in this order."""

    DOCUMENTS = "documents"
    NUMBERS = "numbers"
    REJECTED = "rejected"
    DONE = "done"

    @property
    def next(self) -> Phase:
        """The one after it."""
        phases = list(Phase)
        return phases[min(phases.index(self) + 1, len(phases) - 1)]


class FindingKind(StrEnum):
    """What a run can find."""

    CANCELLED_ELSEWHERE = "cancelled_elsewhere"
    """The document is cancelled at the portal, and not by us."""
    DRIFT = "drift"
    """What stands at the portal is not what we hold: other content, nothing, or something under a free number."""
    SUPERSEDED = "superseded"
    """The same document was registered at another portal first, and that one counts."""


ANNOUNCED: Final[Mapping[FindingKind, EventType]] = {
    FindingKind.CANCELLED_ELSEWHERE: EventType.IRN_CANCELLED_ELSEWHERE,
    FindingKind.DRIFT: EventType.IRN_DRIFT,
    FindingKind.SUPERSEDED: EventType.IRN_SUPERSEDED,
}
"""The event of each kind of finding."""


@dataclass(frozen=True, slots=True)
class ReconcileLane:
    """The run of one taxpayer, as a doorbell names it."""

    environment: Environment
    gstin: str

    def __str__(self) -> str:
        return f"reconcile:{self.environment}:{self.gstin}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a run has found. `operation_id` names the operation whose number it is about, if one is.

    Of `differences`, `sent` is what we hold; at the empty pointer it is the whole document.
    """

    kind: FindingKind
    irn: str
    doc_type: str | None = None
    doc_no: str | None = None
    doc_date: date | None = None
    operation_id: str | None = None
    differences: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """Under which it is found a single time: another difference of the same document is another finding."""
        named = f"{self.kind}:{self.irn}"
        if not self.differences:
            return named
        return f"{named}:{canonical.digest([dict(each) for each in self.differences])[:_KEY_CHARACTERS]}"


def day_of(at: datetime) -> date:
    """The day whose run is the latest that has opened."""
    return indian_date(at - timedelta(hours=OPENS_AT.hour, minutes=OPENS_AT.minute))


def until(day: date, *, at: datetime) -> datetime:
    """Up to which instant a run that is asked for at `at` looks at documents: the end of its day, or now."""
    end = datetime.combine(day + timedelta(days=1), time(tzinfo=IST)).astimezone(UTC)
    return min(end, at)


def document_cursor(held: Registration) -> str:
    """Where a run stands after a document: documents come in the order in which the portal acknowledged them."""
    return f"{held.ack_at.isoformat()}{CURSOR_MARK}{held.irn}"


def finding_of(
    kind: FindingKind,
    document: Registration,
    differences: tuple[Mapping[str, Any], ...] = (),
    *,
    operation_id: str | None = None,
) -> Finding:
    """A finding about a document."""
    return Finding(
        kind=kind,
        irn=document.irn,
        doc_type=document.doc_type,
        doc_no=document.doc_no,
        doc_date=document.doc_date,
        operation_id=operation_id,
        differences=differences,
    )


def of_document(held: Registration, outcome: Outcome) -> tuple[Finding, ...]:
    """What a second look at a document of the ledger has found; nothing where it did not tell how it stands."""
    if outcome.meaning is Meaning.ABSENT:
        gone = {"at": "", "sent": held.irn, "registered": None}
        return (finding_of(FindingKind.DRIFT, held, (gone,)),)
    there = outcome.result
    if not isinstance(there, Registration):
        return ()
    found = []
    if there.cancelled and not held.cancelled:
        found.append(finding_of(FindingKind.CANCELLED_ELSEWHERE, held))
    if there.rejected:
        found.append(finding_of(FindingKind.SUPERSEDED, held))
    differences = there.differences
    if held.cancelled and not there.cancelled and not there.rejected:
        differences = (*differences, {"at": "/Status", "sent": "CNL", "registered": "ACT"})
    if differences:
        found.append(finding_of(FindingKind.DRIFT, held, differences))
    return tuple(found)


def of_number(outcome: Outcome, *, operation_id: str, in_doubt: bool) -> tuple[Finding, ...]:
    """What a look at a number has found that we hold as not registered.

    The very document of an operation in doubt is what its own look-up will find.
    """
    there = outcome.result
    if not isinstance(there, Registration) or (in_doubt and outcome.meaning is Meaning.REGISTERED):
        return ()
    differences = there.differences or ({"at": "", "sent": None, "registered": there.irn},)
    return (finding_of(FindingKind.DRIFT, there, differences, operation_id=operation_id),)


def announcement(finding: Finding, *, environment: Environment, org_id: str, gstin: str, run_id: str) -> Announcement:
    """What receivers are told of a finding, once for each."""
    on = finding.doc_date
    data: dict[str, Any] = {
        "document": {
            "irn": finding.irn,
            "doc_type": finding.doc_type,
            "doc_no": finding.doc_no,
            "doc_date": on and on.isoformat(),
            "seller_gstin": gstin,
        },
        "links": {"document": f"/irn/{finding.irn}", "reconciliation": "/reconciliation"},
        "run": run_id,
    }
    if finding.kind is FindingKind.DRIFT:
        places = [str(each.get("at", "")) for each in finding.differences]
        data |= {
            "operation": finding.operation_id,
            "absent": any(each.get("at") == "" and each.get("registered") is None for each in finding.differences),
            "differs_at": places[:DIFFERENCES_MAX],
        }
    told = ANNOUNCED[finding.kind]
    return Announcement(
        type=told,
        environment=environment,
        org_id=org_id,
        gstin=gstin,
        subject=finding.irn,
        data=data,
        once=f"irn.{finding.key}",
    )
