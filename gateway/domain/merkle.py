"""Merkle trees with the hashes of RFC 9162, section 2.1: one root fixes any number of leaves and their order.

A leaf is hashed behind 0x00 and a node behind 0x01, so that no node can be passed off as a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

HASH_BYTES: Final = 32
"""Of SHA-256."""
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


class Incomplete(LookupError):
    """Parts of a tree do not cover it: a leaf is in none of them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A subtree that is represented by its hash: the leaves from `start` on, `size` of them."""

    start: int
    size: int
    hash: bytes


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node above two others."""
    return hashlib.sha256(_NODE + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root above these leaf hashes."""
    return _levels(leaves)[-1][0] if leaves else hashlib.sha256().digest()


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The inclusion proof of the leaf at `index`: the neighbours on its way up. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    found = []
    for level in _levels(leaves)[:-1]:
        neighbour = index ^ 1
        if neighbour < len(level):  # the last of an odd level rises by itself
            found.append(level[neighbour])
        index //= 2
    return found


def parts(leaves: Sequence[bytes], *, kept: AbstractSet[int]) -> list[Part]:
    """The fewest subtrees that, with the leaves at the indexes `kept`, make up the whole tree."""
    return list(_parts(leaves, kept, 0, len(leaves)))


def root_of_parts(size: int, given: Mapping[tuple[int, int], bytes]) -> bytes:
    """The root of a tree of `size` leaves, from hashes by start and size of what they stand for. Raises Incomplete."""
    return _hash_of(given, 0, size)


def _parts(leaves: Sequence[bytes], kept: AbstractSet[int], start: int, size: int) -> Iterator[Part]:
    if not any(start <= index < start + size for index in kept):
        yield Part(start, size, root(leaves[start : start + size]))
    elif size > 1:
        left = _left(size)
        inside = {index for index in kept if start <= index < start + size}
        yield from _parts(leaves, inside, start, left)
        yield from _parts(leaves, inside, start + left, size - left)


def _hash_of(given: Mapping[tuple[int, int], bytes], start: int, size: int) -> bytes:
    known = given.get((start, size))
    if known is not None:
        return known
    if size <= 1:
        raise Incomplete(f"no hash covers leaf {start}")
    left = _left(size)
    return node_hash(_hash_of(given, start, left), _hash_of(given, start + left, size - left))


def _left(size: int) -> int:
    """Leaves on the left of a tree: the largest power of two below its size."""
    return 1 << (size - 1).bit_length() - 1


def _levels(leaves: Sequence[bytes]) -> list[Sequence[bytes]]:
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        levels.append([*pairs, below[-1]] if len(below) % 2 else pairs)
    return levels
