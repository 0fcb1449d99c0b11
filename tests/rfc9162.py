"""Merkle trees, written from the text of RFC 9162, section 2.1, alone: the judge of `gateway.domain.merkle`.

It imports nothing of Mohar. Names and steps are those of the RFC.
"""

from __future__ import annotations

import hashlib


def sha256(data: bytes) -> bytes:
    """HASH."""
    return hashlib.sha256(data).digest()


def tree_hash(d: list[bytes]) -> bytes:
    """MTH(D[n]), section 2.1.1."""
    n = len(d)
    if n == 0:
        return sha256(b"")
    if n == 1:
        return sha256(b"\x00" + d[0])
    k = 1
    while k * 2 < n:
        k *= 2
    return sha256(b"\x01" + tree_hash(d[:k]) + tree_hash(d[k:]))


def includes(leaf: bytes, *, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether an inclusion proof holds: the steps of section 2.1.3.2, on the hash of the leaf."""
    if index >= size:
        return False
    fn, sn = index, size - 1
    r = leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r)
            if not fn & 1:
                while not (fn & 1 or fn == 0):
                    fn >>= 1
                    sn >>= 1
        else:
            r = sha256(b"\x01" + r + p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root
