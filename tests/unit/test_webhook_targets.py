"""URLs of receivers taken apart: what passes is a full name, and nothing that any reader could take for an address."""

from __future__ import annotations

import re
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.webhooks import targets
from gateway.webhooks.targets import RefusedError, Target

NUMBERS = st.one_of(
    st.integers(0, 2**33).map(str),
    st.integers(0, 2**33).map(hex),
    st.integers(0, 2**33).map(lambda number: f"0{number:o}"),
)
ADDRESSES = st.lists(NUMBERS, min_size=1, max_size=5).map(".".join)
DIGITS = "0123456789abcdefx.-。．｡①②⑦⓪１２７٠१"  # noqa: RUF001  what is taken for digits and dots
NAMES = st.text(st.sampled_from(DIGITS + "xnp--loh.com:[]%@\\/ \t"), min_size=1, max_size=24)


@given(st.one_of(ADDRESSES, NAMES))
@example("0x7f000001.")
@example("127.0.0.1")
@example("[::ffff:127.0.0.1]")
def test_no_address_passes_for_a_name(host: str) -> None:
    """Whatever the system's resolver reads as an address is refused, and what passes it does not read as one."""
    try:
        target = targets.read(f"https://{host}/", loopback=True)
    except RefusedError:
        return
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", target.host)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(target.host, None, flags=socket.AI_NUMERICHOST)


@given(st.text(max_size=60))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    """Nothing else happens, and what is read has an honest path."""
    for url in (text, f"https://{text}", f"https://hooks.example.com/{text}", f"https://hooks.example.com:{text}/"):
        try:
            target = targets.read(url, loopback=False)
        except RefusedError:
            continue
        assert target.secure
        assert re.fullmatch(r"/[!-~]*", target.path)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", "/"),
        ("https://hooks.example.com:443/a", "hooks.example.com", "/a"),
        ("https://Hooks.Example.com:8443/a?b#", None, None),
        ("https://hooks.example.com:8443/a?b=c&d", "hooks.example.com:8443", "/a?b=c&d"),
        ("https://hooks.example.com?b=c", "hooks.example.com", "/?b=c"),
    ],
)
def test_a_url_is_taken_apart(url: str, authority: str | None, path: str | None) -> None:
    """Host header and path are what a browser would send."""
    if authority is None:
        with pytest.raises(RefusedError):
            targets.read(url, loopback=False)
    else:
        target = targets.read(url, loopback=False)
        assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_loopback_is_read_where_it_is_allowed(host: str) -> None:
    """On any port, in plain http."""
    read = targets.read(f"http://{host}:8800/x", loopback=True)
    assert read == Target(secure=False, host=host, port=8800, path="/x", is_loopback=True)
    assert read.authority == f"{host}:8800"
    assert targets.read(f"http://{host}/", loopback=True).port == 80
    for port in ("0", "65536"):
        with pytest.raises(RefusedError):
            targets.read(f"http://{host}:{port}/", loopback=True)
