"""The table of threats names tests that exist, and what tests of the tree can show is shown here."""

from __future__ import annotations

import ast
import re

from tests.repository import ROOT, none_of, sources

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
SECRET_NAME = re.compile(r"(^|_)(secret|secrets|password|token|signature|mac|hmac|sig)$|secret_digest|key_hash")
LEASE = "lease_token"
"""Tells claims apart within SQL; nobody outside ever sends one."""


def test_every_threat_names_a_test_that_exists() -> None:
    """Whoever takes a test away finds out which threat it answered."""
    page = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| risk", "| threat"))]
    offenders = [row for row in rows if not NAMED.search(row)]
    for path, name in NAMED.findall(page):
        text = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
        if not text or (name and f"def {name}(" not in text):
            offenders.append(f"{path}::{name}")
    assert len(rows) >= 20
    none_of(offenders, "These name no test:")


def test_secrets_are_compared_in_constant_time() -> None:
    """No `==` on what is called a secret, a password, a token or a signature: `hmac.compare_digest` does that."""
    offenders = [
        source.at(node, ast.unparse(node))
        for source in sources("gateway", "workers")
        if not source.path.startswith("gateway/sandbox/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, (ast.Eq, ast.NotEq)) for operator in node.ops)
        and any(is_secret(side) for side in (node.left, *node.comparators))
        and LEASE not in ast.unparse(node)
    ]
    none_of(offenders, "Compare these with hmac.compare_digest:")


def is_secret(side: ast.expr) -> bool:
    """Whether a side of a comparison is called like a secret."""
    name = side.attr if isinstance(side, ast.Attribute) else side.id if isinstance(side, ast.Name) else ""
    return SECRET_NAME.search(name) is not None
