"""What the simulations share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation import lab as labs


@pytest.fixture(scope="session")
def lab() -> Iterator[labs.Lab]:
    """Keys, and a database that is set up once and copied for every world."""
    with labs.opened() as made:
        yield made


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Lost leases are everyday life here, and would fill the report of a failure."""
    caplog.set_level("ERROR")
