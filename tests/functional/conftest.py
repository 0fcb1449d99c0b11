"""The gateway in one process, for every test that speaks HTTP with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support_api import Blueprint, Stack


@pytest.fixture(scope="session")
def blueprint(tmp_path_factory: pytest.TempPathFactory) -> Blueprint:
    """What all stacks are copied from."""
    return Blueprint(tmp_path_factory.mktemp("blueprint"))


@pytest.fixture
def stack(tmp_path: Path, blueprint: Blueprint) -> Iterator[Stack]:
    """A gateway and a portal that nobody has used."""
    with Stack(tmp_path, blueprint) as made:
        yield made
