"""The families of lanes: what a doorbell may name."""

from __future__ import annotations

from gateway.domain.deliveries import EndpointLane
from gateway.domain.operations import Lane

AnyLane = Lane | EndpointLane

_ENDPOINTS = "webhook:"


def read(text: str) -> AnyLane:
    """A lane from its name. Raises ValueError on anything else."""
    if text.startswith(_ENDPOINTS):
        return EndpointLane(text.removeprefix(_ENDPOINTS))
    return Lane.parse(text)
