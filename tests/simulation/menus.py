"""What goes wrong at the portal: a menu of faults for one seed.

Each seed leaves some kinds out and weighs the others anew, so that over many seeds rare combinations come up too;
together they always strike the share of calls that is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gateway.sandbox.faults import Kind

HOUR_MS = 3_600_000
LATEST_LANDING_HOURS = 20
"""A request dies within a day on its way: the quarantine's last look is built on it."""
Variant = tuple[Kind, dict[str, Any]]

ANY_CALL: Sequence[Variant] = (
    (Kind.REFUSE, {}),
    (Kind.DROP_BEFORE, {}),
    (Kind.DROP_BEFORE, {"style": "timeout"}),
    (Kind.DROP_AFTER, {}),
    (Kind.DROP_AFTER, {"style": "timeout"}),
    (Kind.DELAY, {"ms": 2_000}),
    (Kind.DELAY, {"ms": 45_000}),
    (Kind.CUT, {}),
    (Kind.GARBLE, {}),
    (Kind.ERROR_5XX, {}),
    (Kind.HTML, {}),
    (Kind.THROTTLE, {"retry_after_seconds": 3}),
    (Kind.THROTTLE, {"retry_after_seconds": 90}),
    (Kind.UNKNOWN_CODE, {}),
)
WITH_SESSION: Sequence[Variant] = (
    (Kind.EXPIRE_SESSION, {}),
    (Kind.WRONG_DOCUMENT, {"fabricate": True}),
    (Kind.WRONG_DOCUMENT, {"fabricate": False}),
    (Kind.LATE, {}),
)
REGISTERING: Sequence[Variant] = (
    (Kind.LATE, {"ms": 20_000}),
    (Kind.LATE, {"ms": 2 * HOUR_MS}),
    (Kind.LATE, {"ms": LATEST_LANDING_HOURS * HOUR_MS}),
    (Kind.EWB_FAIL, {}),
    (Kind.SIGNING_UNKNOWN, {}),
)
CHANGING: Sequence[Variant] = (
    (Kind.EXPIRE_SESSION, {}),
    (Kind.LATE, {}),
    (Kind.LATE, {"ms": 2 * HOUR_MS}),
    (Kind.LATE, {"ms": LATEST_LANDING_HOURS * HOUR_MS}),
)
SERVICES: dict[str, Sequence[Variant]] = {
    "login": ANY_CALL,
    "get_by_document": (*ANY_CALL, *WITH_SESSION),
    "get_irn": (*ANY_CALL, *WITH_SESSION),
    "generate": (*ANY_CALL, *WITH_SESSION, *REGISTERING),
    "rejected_irns": ANY_CALL,
}
AFTERWARDS: dict[str, Sequence[Variant]] = {
    "cancel": (*ANY_CALL, *CHANGING),
    "bill_by_irn": (*ANY_CALL, *CHANGING),
    "get_bill_by_irn": ANY_CALL,
}
"""Besides, where something is asked for an IRN afterwards."""
_LEFT_OUT = 0.4
_WEIGHTS = {Kind.LATE: 3, Kind.SIGNING_UNKNOWN: 3}


def menu(rng: random.Random, *, rate: float, kinds: frozenset[Kind], afterwards: bool) -> list[dict[str, Any]]:
    """The faults for `Sandbox.configure`, of these kinds alone, striking `rate` of the calls of every service."""
    services = {**SERVICES, **AFTERWARDS} if afterwards else SERVICES
    return [entry for service in services for entry in _of(service, services[service], rng, rate, kinds)]


def without(faults: list[dict[str, Any]], kind: Kind) -> list[dict[str, Any]]:
    """The menu with lost answers in the place of one kind, so that as many calls are struck as before."""
    instead = Kind.DROP_AFTER.value
    return [fault | {"kind": instead} if fault["kind"] == kind.value else fault for fault in faults]


def _of(
    service: str, variants: Sequence[Variant], rng: random.Random, rate: float, kinds: frozenset[Kind]
) -> list[dict[str, Any]]:
    possible = [variant for variant in variants if variant[0] in kinds]
    chosen = [variant for variant in possible if rng.random() > _LEFT_OUT] or possible
    weights = [rng.random() * _WEIGHTS.get(kind, 1) for kind, _ in chosen]
    entries, left = [], 1.0
    for (kind, members), weight in zip(chosen, weights, strict=True):
        share = rate * weight / sum(weights)  # of all calls; the first entry that hits wins, so of those left over:
        probability = Decimal(f"{share / left:.6f}")
        entries.append({"kind": kind.value, "probability": probability, "operations": [service], **members})
        left -= share
    return entries
