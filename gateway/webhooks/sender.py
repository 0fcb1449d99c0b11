"""One delivery, tried once: checked, connected, signed, sent, and its answer judged."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import gateway
from gateway import correlation
from gateway.ports import Answer, Clock, Dispatch, Verdict
from gateway.webhooks import answers, signing
from gateway.webhooks.addresses import AddressGuard
from gateway.webhooks.connections import Connection, Connections, UnconnectedError
from gateway.webhooks.exchange import Exchange, Head, UnansweredError
from gateway.webhooks.resolving import UnresolvedError
from gateway.webhooks.targets import RefusedError

_OWN_HEADERS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "expect", "host", "te", "trailer"}
    | {"traceparent", "transfer-encoding", "upgrade", "user-agent", "x-request-id"}
)
"""These the sender alone sets, or nobody; and everything that begins with `webhook-`."""
_OWN_PREFIX: Final = "webhook-"

CONNECT_SHARE: Final = 1 / 3
"""Of a delivery's time: 5 of 15 seconds."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a receiver is waited for, in seconds."""

    connect_seconds: float = 5
    """To look the name up, to connect, and for TLS, together."""
    seconds: float = 15
    """For everything. What a receiver cannot take in by then it should take in first and work on later."""


class HttpSender:
    """Implements `ports.Sender`. Threads share it."""

    def __init__(
        self, *, clock: Clock, guard: AddressGuard, connections: Connections, patience: Patience | None = None
    ) -> None:
        self._clock = clock
        self._guard = guard
        self._connections = connections
        self._patience = patience or Patience()

    def send(self, dispatch: Dispatch) -> Answer:
        """See `ports.Sender`."""
        started = self._clock.monotonic()
        try:
            return self._sent(dispatch, started)
        except RefusedError as error:
            log.info("a receiver's address is refused", extra={"reason": str(error.reason)})
            return self._unanswered(str(error.reason), started, verdict=Verdict.REFUSED_ADDRESS)
        except UnresolvedError:
            return self._unanswered("name", started)
        except (UnconnectedError, UnansweredError) as error:
            return self._unanswered(error.word, started)
        except Exception as error:  # noqa: BLE001  promised: whatever a stranger's answer does, the lane goes on
            log.warning("an event could not be sent", extra={"error": type(error).__name__})
            return self._unanswered("internal", started)

    def close(self) -> None:
        """Close what is kept open."""
        self._connections.close()

    def _sent(self, dispatch: Dispatch, started: float) -> Answer:
        connect_by, deadline = started + self._patience.connect_seconds, started + self._patience.seconds
        way = self._guard.way(
            dispatch.url, environment=dispatch.environment, seconds=connect_by - self._clock.monotonic()
        )
        kept = self._connections.idle(way)
        if kept is not None:
            try:
                return self._asked(kept, dispatch, started, deadline)
            except UnansweredError as error:
                if not error.untouched:
                    raise
                connect_by = min(self._clock.monotonic() + self._patience.connect_seconds, deadline)
        return self._asked(self._connections.open(way, deadline=connect_by), dispatch, started, deadline)

    def _asked(self, connection: Connection, dispatch: Dispatch, started: float, deadline: float) -> Answer:
        """Send on an open connection, which is kept afterwards if it can carry more."""
        kept = False
        try:
            exchange = Exchange(connection.stream, clock=self._clock, deadline=deadline)
            headers = self._headers(dispatch, connection.target.authority)
            head = exchange.ask(connection.target.path, headers=headers, body=dispatch.body)
            excerpt = exchange.excerpt()
            if exchange.is_whole:
                self._connections.keep(connection)
                kept = True
        finally:
            if not kept:
                connection.close()
        return self._answered(head, answers.without(excerpt, dispatch.headers.values()), started)

    def _headers(self, dispatch: Dispatch, authority: str) -> list[tuple[str, str]]:
        at = self._clock.now()
        signed = signing.headers(message_id=dispatch.message_id, body=dispatch.body, secrets=dispatch.secrets, at=at)
        own = {
            "host": authority,
            "user-agent": f"Mohar/{gateway.__version__}",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "content-length": str(len(dispatch.body)),
        }
        traced = correlation.headers(f"{dispatch.message_id} {at}")
        custom = {name: value for name, value in dispatch.headers.items() if not _is_own(name.lower())}
        return [*(own | signed).items(), *traced.items(), *custom.items()]

    def _answered(self, head: Head, excerpt: bytes, started: float) -> Answer:
        asked_for = head.headers.get("retry-after")
        return Answer(
            verdict=answers.verdict(head.status),
            status=head.status,
            retry_after_seconds=None if asked_for is None else answers.retry_after(asked_for, at=self._clock.now()),
            excerpt=answers.shown(excerpt, encoding=head.headers.get("content-encoding", "")),
            error=None,
            duration_ms=self._duration_ms(started),
        )

    def _unanswered(self, word: str, started: float, *, verdict: Verdict = Verdict.FAILED) -> Answer:
        return Answer(
            verdict=verdict,
            status=None,
            retry_after_seconds=None,
            excerpt="",
            error=word,
            duration_ms=self._duration_ms(started),
        )

    def _duration_ms(self, started: float) -> int:
        return round((self._clock.monotonic() - started) * 1000)


def _is_own(name: str) -> bool:
    return name in _OWN_HEADERS or name.startswith(_OWN_PREFIX)
