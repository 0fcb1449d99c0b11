"""Every call that comes in: measured, and recorded in the audit log in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from gateway.domain.audit import Action, Record
from gateway.domain.identifiers import AUDIT_PREFIX
from gateway.services.ports import Ports
from gateway.services.principal import Principal

FLUSH_SECONDS: Final = 1.0
"""Calls are written down together: a commit for each would cost more than the reads themselves."""
CALLS_OF_A_RECORD_MAX: Final = 100
"""About 8 kB of facts."""
PENDING_MAX: Final = 20_000
"""Calls that wait while the database is away; what comes on top is counted, not kept one by one."""
NOBODY: Final = "nobody"
"""Who calls without a good token. Such calls are counted by what became of them: a flood must not fill the log."""
_UNRECORDED: Final = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
_ELSEWHERE: Final = "elsewhere"
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_GONE: Final = 499
"""In place of a status, when there was nobody left to answer."""

log = logging.getLogger(__name__)


class Observe(Protocol):
    """Measures a call."""

    def __call__(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One call that was answered."""


@dataclass(slots=True)
class _Pending:
    calls: dict[Principal, list[list[Any]]] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    size: int = 0


class Calls:
    """The calls of one process that are not written down yet."""

    def __init__(self, ports: Ports, observe: Observe | None) -> None:
        self._ports = ports
        self._observe = observe
        self._pending = _Pending()

    def began(self) -> float:
        """When a call began, for `note`."""
        return self._ports.clock.monotonic()

    def note(self, scope: Scope, *, status: int, began: float) -> None:
        """A call that is over."""
        seconds = self._ports.clock.monotonic() - began
        route = getattr(scope.get("route"), "path", _ELSEWHERE)
        method = scope["method"] if route != _ELSEWHERE and scope["method"] in _METHODS else _ELSEWHERE
        status = status or _GONE
        if self._observe is not None:
            self._observe(method=method, route=route, status=status, seconds=seconds)
        if not route.startswith(_UNRECORDED):
            self._keep(scope["state"], f"{method} {route}".strip(), status=status, seconds=seconds)

    def _keep(self, state: dict[str, Any], call: str, *, status: int, seconds: float) -> None:
        principal, code = state.get("principal"), state.get("code")
        pending = self._pending
        if principal is None or pending.size >= PENDING_MAX:
            pending.counted[" ".join((call, str(status), code or "")).strip()] += 1
            return
        pending.size += 1
        entry = [state["request_id"], call, status, code, round(seconds * 1000)]
        pending.calls.setdefault(principal, []).append(entry)

    def records(self) -> list[Record]:
        """What is pending, as records; nothing is pending afterwards."""
        pending, self._pending = self._pending, _Pending()
        found = [
            self._record(principal, {"calls": some})
            for principal, calls in pending.calls.items()
            for some in _portions(calls)
        ]
        if pending.counted:
            found.append(self._record(None, {"counted": dict(pending.counted)}))
        return found

    def _record(self, principal: Principal | None, facts: dict[str, Any]) -> Record:
        return Record(
            id=self._ports.ids.new(AUDIT_PREFIX),
            at=self._ports.clock.now(),
            actor=principal.client_id if principal else NOBODY,
            action=Action.CALLS_RECEIVED,
            subject=principal.client_id if principal else NOBODY,
            environment=principal.environment if principal else None,
            org_id=principal.org_id if principal else None,
            gstin=principal.gstin if principal else None,
            facts=facts,
        )

    @contextlib.asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """While this is open, what is pending is written down every second, and at the end."""
        ending = asyncio.Event()
        task = asyncio.create_task(self._write_until(ending))
        try:
            yield
        finally:
            ending.set()
            await task

    async def _write_until(self, ending: asyncio.Event) -> None:
        unwritten: list[Record] = []
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await ending.wait()
            unwritten += self.records()
            if unwritten and await self._written(unwritten):
                unwritten = []
            if ending.is_set():
                return
            del unwritten[: max(0, len(unwritten) - PENDING_MAX // CALLS_OF_A_RECORD_MAX)]

    async def _written(self, records: list[Record]) -> bool:
        try:
            await anyio.to_thread.run_sync(_writer(self._ports, records))
        except SQLAlchemyError as error:
            log.warning("calls not recorded yet", extra={"error": type(error).__name__})
            return False
        return True


def _writer(ports: Ports, records: list[Record]) -> Callable[[], None]:
    return lambda: ports.auditor.write(*records)


def _portions(calls: list[list[Any]]) -> Iterator[list[list[Any]]]:
    for start in range(0, len(calls), CALLS_OF_A_RECORD_MAX):
        yield calls[start : start + CALLS_OF_A_RECORD_MAX]
