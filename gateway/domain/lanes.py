"""The families of lanes: what a doorbell may name."""

from __future__ import annotations

from gateway.domain.deliveries import EndpointLane
from gateway.domain.operations import Lane

AnyLane = Lane | EndpointLane

_ENDPOINTS = {"webhook:": True, "webhook-trial:": False}
"""How the lanes of endpoints begin, and whether the endpoint is a prompt one."""


def read(text: str) -> AnyLane:
    """A lane from its name. Raises ValueError on anything else."""
    for beginning, prompt in _ENDPOINTS.items():
        if text.startswith(beginning):
            return EndpointLane(text.removeprefix(beginning), prompt=prompt)
    return Lane.parse(text)
