"""What wrong requests cost: each of those in tests/bad_inputs, in a whole gateway in one process.

A stranger's nonsense must not keep the gateway busy. Bars: 100 ms each, and 2 s for a body of five megabytes. Each is
sent three times and the least counts, in processor time of the process, so that a busy machine is not measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

import _stack

from tests.bad_inputs import credentials, documents, json_door, large, requests
from tests.bad_inputs.cases import Case, Credentials, credentials_of
from tests.support_api import Blueprint, Stack

ROUNDS = 3
MS_MAX, LARGE_MS_MAX = 100, 2000
SLOWEST = 5


def main() -> int:
    """Measure, print, and say whether the bars hold (0) or not (1)."""
    cases = [*chain(json_door.cases(), documents.cases(), requests.cases(), credentials.cases())]
    with tempfile.TemporaryDirectory(prefix="mohar-bench-") as folder:
        places = [Path(folder) / name for name in ("blueprint", "stack")]
        for place in places:
            place.mkdir()
        with Stack(places[1], Blueprint(places[0])) as stack:
            known = credentials_of(stack)
            took = {case.id: _least_ms(stack, case, known) for case in cases}
            of_large = {case.id: _least_ms(stack, case, known) for case in large.cases()}
    slowest, slowest_large = (sorted(each, key=lambda id: -each[id]) for each in (took, of_large))
    _stack.say(
        benchmark="bad_inputs",
        machine=_stack.machine(),
        cases=len(took),
        p50_ms=round(_stack.quantile(list(took.values()), 0.5), 2),
        p99_ms=round(_stack.quantile(list(took.values()), 0.99), 1),
        slowest_ms={id: round(took[id], 1) for id in slowest[:SLOWEST]},
        large_ms={id: round(of_large[id]) for id in slowest_large},
        bars_ms={"each": MS_MAX, "five megabytes": LARGE_MS_MAX},
    )
    return 0 if max(took.values()) <= MS_MAX and max(of_large.values()) <= LARGE_MS_MAX else 1


def _least_ms(stack: Stack, case: Case, known: Credentials) -> float:
    took = []
    for _ in range(ROUNDS):
        sent = case.sent(known)
        method, path = sent.pop("method"), sent.pop("path")
        began = time.process_time()
        stack.run(stack.http.request(method, path, **sent))
        took.append((time.process_time() - began) * 1000)
    return min(took)


if __name__ == "__main__":
    sys.exit(main())
