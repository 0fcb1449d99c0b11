"""The link to the portal is cut at each sixteenth byte of a request and of its answer: both ledgers agree afterwards.

The real client speaks through a proxy with the sandbox on a port. The proxy ends the connection after so many bytes; a
look-up, over a link that is whole, then finds out what became of it.
"""

from __future__ import annotations

import random
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.sandbox import asgi
from gateway.services import access
from tests.functional.test_api_life import ASYNC, REASON, TRUCK
from tests.support_api import ROUTE, Blueprint, Stack, document
from tests.support_eway import part_a
from tests.support_ledgers import check_agreement, page

EVERY: Final = 16
"""Bytes between two cuts."""
SAMPLE: Final = 3
"""Cuts of each operation in the ordinary suite."""
SEED: Final = 20_261_127
CHUNK: Final = 65_536
SIDES: Final = ("request", "answer")
LOOKS_MAX: Final = 5
Step = tuple[str, dict[str, Any]]
"""A path, and what is posted there."""


class Cutter:
    """A proxy to one port. It counts what goes each way from `begin` on, and ends the connection where it is told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._cut: tuple[str, int] | None = None
        self.passed = Counter[str]()
        self.cuts = 0
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def begin(self, side: str = "", *, after: int = 0) -> None:
        """Count from here; end the connection once, when so many bytes of a side have passed."""
        with self._lock:
            self.passed.clear()
            self._cut = (side, after) if side else None

    def close(self) -> None:
        """Take no more connections, and wait until those that are there have been closed."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[..., None], *given: Any) -> None:
        self._threads.append(threading.Thread(target=work, args=given))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._start(self._carry, client)

    def _carry(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._port))
        with client, server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, ("request", server))
            ready.register(server, selectors.EVENT_READ, ("answer", client))
            while all(self._pass_on(key.fileobj, *key.data) for key, _ in ready.select()):
                pass

    def _pass_on(self, source: Any, side: str, other: socket.socket) -> bool:
        """Carry what has come to the other end, as far as the link lets it; whether the link still stands."""
        try:
            read = source.recv(CHUNK)
            let_through, stands = self._count(side, read)
            other.sendall(let_through)
        except OSError:  # one of the two has gone
            return False
        return stands and bool(read)

    def _count(self, side: str, read: bytes) -> tuple[bytes, bool]:
        with self._lock:
            before = self.passed[side]
            self.passed[side] += len(read)
            if self._cut is None or self._cut[0] != side or self.passed[side] < self._cut[1]:
                return read, True
            after, self._cut = self._cut[1], None
            self.cuts += 1
            return read[: after - before], False


def _generate(_: Stack, number: str) -> Step:
    return "/irn", document("with_ewb", No=f"G/{number}")


def _cancel(stack: Stack, number: str) -> Step:
    irn = stack.post(document(No=f"C/{number}")).json()["irn"]
    return f"/irn/{irn}/cancel", REASON


def _bill_by_irn(stack: Stack, number: str) -> Step:
    sent = document("with_ewb", No=f"B/{number}")
    del sent["EwbDtls"]
    return "/ewb", {"Irn": stack.post(sent).json()["irn"], **TRUCK}


def _bill(_: Stack, number: str) -> Step:
    return "/ewb", part_a(docNo=f"S/{number}", docDate="20/11/2026")


STEPS: Final[dict[str, Callable[[Stack, str], Step]]] = {
    "generate": _generate,
    "cancel": _cancel,
    "bill_by_irn": _bill_by_irn,
    "ewb_generate": _bill,
}
"""By the portal's names of the calls: what is asked for, once what it needs is there."""


@contextmanager
def linked(folder: Path, blueprint: Blueprint) -> Iterator[tuple[Stack, Cutter]]:
    """A gateway whose portal is behind a link that can be cut."""
    with Stack(folder, blueprint, on_sockets=True) as stack, socket.create_server(("127.0.0.1", 0)) as listener:
        server = asgi.server(stack.sandbox)
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        serving.start()
        cutter = Cutter(listener.getsockname()[1])
        access.put_route(replace(ROUTE, base_url=f"http://127.0.0.1:{cutter.port}"), ports=stack.ports)
        try:
            yield stack, cutter
        finally:
            stack.wiring._wire.close()
            cutter.close()
            server.should_exit = True
            serving.join()


def places(stack: Stack, cutter: Cutter, service: str) -> list[tuple[str, int]]:
    """Where the link is cut in the call of a service, whose session exists: found with one that is not disturbed."""
    for number in ("first", "whole"):  # the first one logs in
        path, body = STEPS[service](stack, number)
        cutter.begin()
        assert stack.post(body, path).status_code in (200, 201)
    return [(side, after) for side in SIDES for after in range(0, cutter.passed[side] + 1, EVERY)]


def cut(stack: Stack, cutter: Cutter, service: str, side: str, after: int) -> None:
    """Ask for it over a link that is cut there; then let it be found out what became of it."""
    path, body = STEPS[service](stack, f"{side[:3]}{after}")
    cuts = cutter.cuts
    cutter.begin(side, after=after)
    answer = stack.post(body, path, headers=ASYNC)
    assert cutter.cuts == cuts + 1, (service, side, after)
    cutter.begin()
    for _ in range(LOOKS_MAX):
        if stack.get(answer.headers["location"]).json()["status"] == "succeeded":
            return
        stack.later(seconds=5)
        stack.drain()
    raise AssertionError((service, side, after, stack.get(answer.headers["location"]).json()))


@pytest.mark.parametrize(
    ("services", "sample"),
    [
        pytest.param(tuple(STEPS), SAMPLE, id="sample"),
        *(pytest.param((each,), None, marks=pytest.mark.soak, id=each) for each in STEPS),
    ],
)
def test_a_cut_link_neither_loses_nor_doubles(
    tmp_path: Path, blueprint: Blueprint, services: tuple[str, ...], sample: int | None
) -> None:
    """Wherever a request or its answer breaks off, it is done once, and both sides say the same in the end."""
    chance, swept = random.Random(SEED), Counter[str]()  # noqa: S311  has to repeat
    with linked(tmp_path, blueprint) as (stack, cutter):
        for service in services:
            all_places = places(stack, cutter, service)
            for side, after in all_places if sample is None else chance.sample(all_places, sample):
                cut(stack, cutter, service, side, after)
                swept[f"{service} {side}"] += 1
        check_agreement(stack)
        calls = [each for each in page(stack, "calls") if each["operation"] in STEPS]
    print(f"{cutter.cuts} cuts: {dict(swept)}, calls: {len(calls)}")  # noqa: T201  what a soak found
    assert cutter.cuts == swept.total()
    assert all(each["code"] == "ok" for each in calls), "something was sent that stood at the portal"
