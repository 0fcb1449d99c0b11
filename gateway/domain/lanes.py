"""The families of lanes: what a doorbell may name."""

from __future__ import annotations

from gateway.domain.deliveries import EndpointLane
from gateway.domain.operations import Environment, Lane
from gateway.domain.reconciling import ReconcileLane

AnyLane = Lane | EndpointLane | ReconcileLane

_ENDPOINTS = {"webhook:": True, "webhook-trial:": False}
"""How the lanes of endpoints begin, and whether the endpoint is a prompt one."""

_RECONCILIATIONS = "reconcile:"


def read(text: str) -> AnyLane:
    """A lane from its name. Raises ValueError on anything else."""
    for beginning, prompt in _ENDPOINTS.items():
        if text.startswith(beginning):
            return EndpointLane(text.removeprefix(beginning), prompt=prompt)
    if text.startswith(_RECONCILIATIONS):
        environment, gstin = text.removeprefix(_RECONCILIATIONS).split(":")
        return ReconcileLane(Environment(environment), gstin)
    return Lane.parse(text)
