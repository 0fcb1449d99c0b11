"""A stack configures its children, and nobody else."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.cli.up import Stack


def test_a_stack_leaves_the_environment_of_its_process_alone(tmp_path: Path) -> None:
    """Settings of one stack do not reach the next one, nor whatever else runs in the process."""
    before = dict(os.environ)
    with Stack(tmp_path, extra={"MOHAR_CALL_SECONDS": "6", "MOHAR_LEASE_SECONDS": "12"}) as stack:
        assert dict(os.environ) == before
        assert stack.wiring.settings.call_seconds == 6
    assert dict(os.environ) == before
