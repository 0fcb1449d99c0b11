"""How many documents a second one api process accepts and one worker process registers, and the memory they take.

The portal is the sandbox at 250 ms. First 10,000 documents of 20 sellers are accepted (`respond-async`) while the
worker stands still, then the worker registers them. Bars: 150 accepted, 60 registered a second on two cores; at most
150 MB each after 10,000 documents.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time

import _stack
import httpx

DOCUMENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
SELLERS = 20
CONNECTIONS = 16
LATENCY_MS = 250
ACCEPTED_MIN, REGISTERED_MIN, MEMORY_MB_MAX = 150, 60, 150
SECONDS_MAX = 600


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    with _stack.stack() as running:
        sellers = _stack.sellers(running, SELLERS)
        _stack.control(running, latency_ms=LATENCY_MS)
        os.kill(running.pid("worker"), signal.SIGSTOP)
        started = time.monotonic()
        _stack.in_threads(CONNECTIONS, lambda index: _accept(running, sellers, index))
        accepted = DOCUMENTS / (time.monotonic() - started)
        _stack.say(
            benchmark="accepted per second", value=round(accepted, 1), bar=ACCEPTED_MIN, machine=_stack.machine()
        )
        os.kill(running.pid("worker"), signal.SIGCONT)
        started = time.monotonic()
        _stack.wait_until(lambda: _registered(running) >= DOCUMENTS, seconds=SECONDS_MAX)
        registered = DOCUMENTS / (time.monotonic() - started)
        _stack.say(benchmark="registered per second", value=round(registered, 1), bar=REGISTERED_MIN)
        memory = {name: round(_stack.memory_mb(running.pid(name))) for name in ("api", "worker", "sweeper", "sandbox")}
        _stack.say(benchmark="memory in MB", after_documents=DOCUMENTS, bar=MEMORY_MB_MAX, **memory)
    ours = max(memory[name] for name in ("api", "worker", "sweeper"))
    return 0 if accepted >= ACCEPTED_MIN and registered >= REGISTERED_MIN and ours <= MEMORY_MB_MAX else 1


def _accept(running: _stack.Stack, sellers: list[tuple[str, str]], index: int) -> None:
    with httpx.Client(base_url=running.base_url, timeout=60) as client:
        for number in itertools.islice(itertools.count(index, CONNECTIONS), -(-(DOCUMENTS - index) // CONNECTIONS)):
            gstin, token = sellers[number % len(sellers)]
            headers = {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "Prefer": "respond-async",
                "Idempotency-Key": f"document-{number}",
            }
            answer = client.post("/irn", content=_stack.document(gstin, f"N-{number}"), headers=headers)
            if answer.status_code != 202:
                raise RuntimeError(answer.text)


def _registered(running: _stack.Stack) -> int:
    with running.wiring.database.read() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM documents").scalar_one()


if __name__ == "__main__":
    sys.exit(main())
