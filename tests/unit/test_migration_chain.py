"""The migrations are one chain: each has a number of its own and stands on the one before."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from gateway.storage import revision

VERSIONS = Path(__file__).parents[2] / "gateway/storage/migrations/versions"
_SAYS = re.compile(r'^(?:down_)?revision: str(?: \| None)? = (?:"(\d+)"|None)', re.MULTILINE)


def test_the_migrations_are_one_chain() -> None:
    """A number that is given twice, or a gap, would keep every process from starting."""
    told = [(path.name[:4], *_SAYS.findall(path.read_text())) for path in sorted(VERSIONS.glob("0*.py"))]
    expected = [f"{number:04}" for number in range(len(told) + 1)]
    assert told == [(own, own, "" if before == "0000" else before) for before, own in pairwise(expected)]


def test_the_code_is_written_for_the_last_of_them() -> None:
    """Without asking the library that runs them, which no serving process loads."""
    assert revision.head() == max(path.name[:4] for path in VERSIONS.glob("0*.py"))
    loaded = "import sys, gateway.cli.processes, gateway.cli.background; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0  # noqa: S603  this very code
