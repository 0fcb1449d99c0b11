"""Merkle trees, judged by an implementation that was written from RFC 9162 and shares nothing with ours."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import merkle
from tests import rfc9162

SIZES = (*range(1, 35), 63, 64, 65, 100)
KNOWN_LEAVES = [bytes.fromhex(each) for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
KNOWN_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
)
"""Roots above the first 1 to 7 of these leaves, as implementations of certificate transparency publish them."""


def data(size: int) -> list[bytes]:
    """As many different leaves."""
    return [f"leaf {number}".encode() for number in range(size)]


def hashes(size: int) -> list[bytes]:
    """Their hashes."""
    return [merkle.leaf_hash(each) for each in data(size)]


def test_known_roots() -> None:
    """Trees that others published have the roots that they published."""
    leaves = [merkle.leaf_hash(each) for each in KNOWN_LEAVES]
    assert tuple(merkle.root(leaves[:size]).hex() for size in range(1, 8)) == KNOWN_ROOTS
    assert merkle.root([]) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", SIZES)
def test_roots_are_those_of_the_rfc(size: int) -> None:
    """A tree of any size has the root that section 2.1.1 defines."""
    assert merkle.root(hashes(size)) == rfc9162.tree_hash(data(size))


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_has_a_proof_that_others_accept(size: int) -> None:
    """The path of each leaf leads to the root by section 2.1.3.2, and that of another leaf does not."""
    leaves, root = hashes(size), rfc9162.tree_hash(data(size))
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index)
        assert rfc9162.includes(leaf, index=index, size=size, path=path, root=root)
        assert not rfc9162.includes(leaf, index=index, size=size, path=[*path, leaf], root=root)
        assert not rfc9162.includes(merkle.leaf_hash(b"another"), index=index, size=size, path=path, root=root)
    for (index, leaf), (_, other) in pairwise(enumerate(leaves)):
        assert not rfc9162.includes(other, index=index, size=size, path=merkle.path(leaves, index), root=root)
        assert not rfc9162.includes(leaf, index=index + 1, size=size, path=merkle.path(leaves, index), root=root)


@pytest.mark.parametrize("index", [-1, 5])
def test_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    """An index outside the tree is refused."""
    with pytest.raises(IndexError):
        merkle.path(hashes(5), index)


@given(st.integers(1, 70), st.sets(st.integers(0, 69)))
def test_parts_and_the_leaves_that_are_kept_make_the_root(size: int, wanted: set[int]) -> None:
    """A tree can be shown with some of its leaves only: the rest is hashes, and the root comes out."""
    leaves = hashes(size)
    kept = {index for index in wanted if index < size}
    parts = merkle.parts(leaves, kept=kept)
    given_hashes = {(part.start, part.size): part.hash for part in parts}
    given_hashes |= {(index, 1): leaves[index] for index in kept}

    assert merkle.root_of_parts(size, given_hashes) == merkle.root(leaves)
    assert sum(part.size for part in parts) == size - len(kept)
    covered = sorted(index for part in parts for index in range(part.start, part.start + part.size))
    assert covered == sorted(set(range(size)) - kept)
    for missing in given_hashes:
        with pytest.raises(merkle.Incomplete):
            merkle.root_of_parts(size, {key: value for key, value in given_hashes.items() if key != missing})


def test_few_parts_stand_for_many_leaves() -> None:
    """One leaf of a thousand is shown with ten hashes."""
    assert len(merkle.parts(hashes(1024), kept={17})) == 10


def test_a_node_is_no_leaf() -> None:
    """Two leaves' hashes in a row, taken for a leaf, have another hash than the node above them."""
    left, right = hashes(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
