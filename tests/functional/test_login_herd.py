"""Every session ends at once while many operations wait: one login for each taxpayer, whoever wakes first."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.operations import Environment, Lane
from gateway.services import access, execution
from tests.support_api import Blueprint, Stack, add_seller, document
from workers.gate import Gate

WORKERS = 12
SESSION_HOURS = 7
"""Longer than a token lives."""


def fill(stack: Stack, gstins: list[str], *, each: int, series: str) -> None:
    """Queue so many documents for each seller."""
    for gstin in gstins:
        for number in range(each):
            sent = document(No=f"{series}{number}")
            sent["SellerDtls"]["Gstin"] = gstin
            assert stack.post(sent, client=gstin).status_code == 202


def work_off(stack: Stack, gstins: list[str]) -> None:
    """Many workers at once, several of them on each lane, until nothing is due."""
    lanes = [Lane(Environment.TEST, gstin) for gstin in gstins] * 2

    def drain(lane: Lane) -> int:
        return execution.drain(
            lane,
            direct=False,
            ports=stack.ports,
            policy=stack.wiring.drain_policy,
            gate=Gate(),
            stopping=lambda: False,
        )

    with ThreadPoolExecutor(WORKERS) as pool:
        while any(list(pool.map(drain, lanes))):
            stack.clock.step(seconds=1)


@pytest.mark.parametrize(("sellers", "each"), [(8, 5), pytest.param(50, 40, marks=pytest.mark.soak)])
def test_an_ended_session_is_renewed_once(tmp_path: Path, blueprint: Blueprint, sellers: int, each: int) -> None:
    """Nothing is killed: exactly one login for each taxpayer, and every document gets its IRN."""
    with Stack(tmp_path, blueprint) as stack:
        stack.idle = True
        gstins = [f"29AAAPL{index:04}C1Z5" for index in range(sellers)]
        for gstin in gstins:
            add_seller(gstin, ports=stack.ports)
            stack.clients[gstin] = access.add_client(
                environment=Environment.TEST, gstins=[gstin], name=gstin, respond_async=True, ports=stack.ports
            )
        fill(stack, gstins, each=1, series="A")
        work_off(stack, gstins)
        before = Counter(stack.calls())
        stack.clock.step(seconds=timedelta(hours=SESSION_HOURS).total_seconds())
        fill(stack, gstins, each=each, series="B")
        work_off(stack, gstins)
        after = Counter(stack.calls()) - before
        assert (after["login"], after["generate"]) == (sellers, sellers * each)
