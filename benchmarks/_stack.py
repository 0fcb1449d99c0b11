"""What the benchmarks share: a stack of real processes, documents, and numbers of a run."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from gateway.cli import test_mode
from gateway.cli.up import Stack
from gateway.domain.calendar import indian_date, write_portal_date

TEMPLATE = Path(__file__).parent.parent / "tests" / "documents" / "with_ewb.json"

GENEROUS = {
    "client_requests_per_minute": "1000000",
    "client_reads_per_minute": "1000000",
    "client_burst": "100000",
    "client_in_flight_max": "1000",
}
"""Limits of a client that no measurement meets."""


@contextmanager
def stack(**settings: str) -> Iterator[Stack]:
    """All processes, in a folder that is gone afterwards."""
    extra = {f"MOHAR_{name.upper()}": value for name, value in (GENEROUS | settings).items()}
    with tempfile.TemporaryDirectory(prefix="mohar-bench-") as folder, Stack(Path(folder), extra=extra) as running:
        yield running


def control(running: Stack, **members: Any) -> None:
    """Set the sandbox up."""
    httpx.post(f"{running.sandbox_url}/_control", json=members).raise_for_status()


def sellers(running: Stack, count: int) -> list[tuple[str, str]]:
    """Sellers with a client each: GSTIN and access token."""
    return [_seller(running, f"29AAAPL{index:04}C1Z5") for index in range(count)]


def document(gstin: str, number: str) -> bytes:
    """A goods invoice with two lines and an e-way bill part, dated today."""
    content = json.loads(TEMPLATE.read_text())
    content["SellerDtls"]["Gstin"] = gstin
    today = write_portal_date(indian_date(datetime.now(UTC)))
    content["DocDtls"] |= {"No": number, "Dt": today}
    content["EwbDtls"].pop("TransDocDt", None)
    return json.dumps(content).encode()


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def machine() -> str:
    """What this was measured on."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile, such as 0.99."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0)` … `work(count - 1)` side by side."""
    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def say(**numbers: Any) -> None:
    """One finding, as a line of JSON."""
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


def wait_until(reached: Callable[[], bool], *, seconds: float) -> None:
    """Look until it is so."""
    ends_at = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > ends_at:
            raise TimeoutError(f"not reached in {seconds} s")
        time.sleep(0.1)


def _seller(running: Stack, gstin: str) -> tuple[str, str]:
    client_id, secret = test_mode.add_seller(gstin, ports=running.wiring.ports).split(":")
    answer = httpx.post(
        f"{running.base_url}/oauth/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret)
    )
    return gstin, answer.raise_for_status().json()["access_token"]
