"""Logs: one JSON object a line for programs, text for people; of events and fields that are listed here, and no others.

What reaches a log is chosen, not filtered afterwards: an event is one of EVENTS, its fields are FIELDS, whatever else
somebody hands over is left out. GSTINs are masked wherever they stand, and of an error its kind and its place are told
and never its words, which could hold what it failed over.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any, Final

import structlog

from gateway import correlation
from gateway.domain.identifiers import masked_gstin
from gateway.settings import Settings

EVENTS: Final[dict[str, str]] = {
    "a receiver's address is refused": "An event's address leads inside, or became one that does: nothing was sent.",
    "an event could not be sent": "Something failed on our side over sending an event; it is tried again.",
    "attempt failed": "Something failed on our side after an attempt began: its outcome is unknown and is looked up.",
    "calls not recorded yet": "The audit records of calls wait in memory, because the database is away.",
    "clock differs from the database's, no work is taken": "Set this machine's clock: leases compare instants.",
    "clock not compared": "The database could not be asked for its time.",
    "database does not answer": "A request was answered 503.",
    "delivery is no longer ours, its receiver may get it again": "Another worker took it over after its lease.",
    "doorbell lost, the sweeper will find the work": "Redis is away: work starts up to a second later.",
    "doorbell not reset": "Redis is away; a lane is rung by the sweeper.",
    "clients counted apart": "Redis is away: each process counts the requests of clients for itself.",
    "health not noted": "Redis is away: whether a portal is well is not known in other processes.",
    "lanes not rung": "Redis is away; the next sweep tries again.",
    "lease lost, another worker goes on": "This process was too slow, or stood still: another has the operation.",
    "lease of a reconciliation lost, another worker goes on": "This process was too slow, or stood still.",
    "leftovers not swept": "Redis is away; the next sweep tries again.",
    "no doorbell": "A worker's thread has no Redis to listen to, and tries again.",
    "outcome not recorded yet": "The database is away; what the portal said is kept and tried again for ten seconds.",
    "portal's clock is apart, what has a window waits": "Let this machine follow NTP, or have the portal's `Date` set.",
    "process ready": "A process is at work.",
    "question of a reconciliation failed": "Something failed on our side: asked again, and after three tries left out.",
    "request failed": "A surprise, answered 500.",
    "settlement not announced, callers look once a second": "Redis is away.",
    "settlements not heard, callers look once a second": "Redis is away.",
    "an invariant is broken, see `mohar invariants`": "The newest rows break one, which `invariant` names.",
    "sweep failed, the next one tries again": "A sweep ended early.",
    "swept": "What a sweep found.",
    "the master key file was changed and cannot be read: the keys from before are used": "Mend the file.",
}
"""Every event of our own, and what it means. A test holds all calls of loggers to it."""
FIELDS: Final = (
    "attempt",
    "delivery",
    "error",
    "expired",
    "invariant",
    "leases",
    "operation",
    "reason",
    "role",
    "run",
    "rung",
    "seconds",
)
"""Every field that an event may have. None of them is a secret, a document or a name."""
FOREIGN: Final = "a library spoke"
"""In place of what libraries write: their words could hold anything."""
VERBATIM: Final = ("uvicorn",)
"""Libraries whose words are kept: about sockets and protocols, never about what is in them."""
_GSTIN: Final = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][0-9A-Z]{3}", re.ASCII)
_FRAMES_MAX: Final = 30
"""Of an error's place: enough for our own layers and a library's."""


def configure(settings: Settings) -> None:
    """Send this process' logs to standard error in the form that the settings name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(as_json=settings.log_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("httpx", "httpcore", "rq.worker", "rq.job", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def table() -> str:
    """The events, in Markdown."""
    lines = ["| event | what it means |", "|---|---|"]
    lines += [f"| {event} | {meaning} |" for event, meaning in sorted(EVENTS.items())]
    return "\n".join(lines) + "\n"


def formatter(*, as_json: bool) -> logging.Formatter:
    """What makes a line of a log."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=list(PROCESSORS),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def masked(text: str) -> str:
    """The text with every GSTIN in it masked."""
    return _GSTIN.sub(lambda found: masked_gstin(found[0]), text)


def _close_vocabulary(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What is no event of ours is told of by its logger and its level alone."""
    if event["event"] not in EVENTS and not event["logger"].startswith(VERBATIM):
        event["event"] = FOREIGN
    return event


def _name_request(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event.update(correlation.fields())
    return event


def _place_error(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An error's kind, its causes' kinds, and the lines that it came through."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else None
    if error is None:
        return event
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    event["error"] = " < ".join(type(each).__name__ for each in _causes(error))
    event["at"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _causes(error: BaseException) -> list[BaseException]:
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None and cause not in found:
        found.append(cause)
    return found


def _mask(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: masked(value) if isinstance(value, str) else value for name, value in event.items()}


PROCESSORS: Final[tuple[structlog.typing.Processor, ...]] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(allow=FIELDS),
    _close_vocabulary,
    _name_request,
    _place_error,
    _mask,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
"""What every line passes, in this order."""
