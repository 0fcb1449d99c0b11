"""Keys of a portal that are changed while documents go to it."""

from __future__ import annotations

from gateway.services import access
from tests.support_api import ROUTE, Stack, document


def test_a_key_that_was_installed_a_moment_ago_is_known(stack: Stack) -> None:
    """An answer under an unknown key caused a look for it; the next one, under a key that is there by now, another."""
    stack.strike("signing_unknown")
    assert stack.post(document()).json()["hold_cause"] == "signing_key_unknown"
    stack.sandbox.configure(rotate_signing_key=True)
    key = stack.sandbox.keys.current
    access.add_portal_key(route=ROUTE, purpose="signing", kid=key.kid, pem=key.certificate_pem, ports=stack.ports)
    assert stack.post(document(No="NEXT/1")).status_code == 201
