"""Secrets and private texts that are planted in a gateway, each unmistakable, and a search for them.

A canary is looked for as it is, in hexadecimal, and in Base64 wherever it may begin within it.
"""

from __future__ import annotations

import base64
import random
import string
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis import Redis
from sqlalchemy import LargeBinary

from gateway.storage.database import Database
from gateway.storage.tables import metadata

EDGE_CHARACTERS: Final = 2
"""Of a Base64 text that depend on what stands beside it."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret: of what kind, where it was planted, and what it is."""

    kind: str
    name: str
    value: bytes

    def forms(self) -> Iterator[bytes]:
        """How it could stand somewhere."""
        yield self.value
        yield self.value.hex().encode()
        for shift in range(3):
            text = base64.b64encode(bytes(shift) + self.value).rstrip(b"=")
            yield text[EDGE_CHARACTERS * bool(shift) + shift : -EDGE_CHARACTERS]


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """A canary where it must not be."""

    place: str
    kind: str
    name: str


@dataclass(slots=True)
class Aviary:
    """All canaries, and the places in which each kind may lawfully stand."""

    lawful: Mapping[str, frozenset[str]]
    canaries: list[Canary] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(20261120))  # noqa: S311  a seed repeats it

    def word(self, kind: str, name: str, *, letters: int = 14) -> str:
        """A new one, of letters alone, so that it fits wherever a name does."""
        return self.keep(kind, name, "".join(self._random.choices(string.ascii_lowercase, k=letters)))

    def digits(self, kind: str, name: str, *, count: int = 12) -> str:
        """A new one, of digits alone."""
        return self.keep(kind, name, "".join(self._random.choices("123456789", k=count)))

    def keep(self, kind: str, name: str, value: str) -> str:
        """One that the gateway has made itself."""
        self.canaries.append(Canary(kind, name, value.encode()))
        return value

    def keep_bytes(self, kind: str, name: str, value: bytes) -> None:
        """The same, of a key."""
        self.canaries.append(Canary(kind, name, value))

    def leaks(self, places: Iterable[tuple[str, bytes]]) -> list[Leak]:
        """Every canary that stands where it must not."""
        sought = [(canary, self.lawful[canary.kind], list(canary.forms())) for canary in self.canaries]
        return sorted(
            {
                Leak(place, canary.kind, canary.name)
                for place, content in places
                for canary, lawful, forms in sought
                if place not in lawful and any(form in content for form in forms)
            }
        )


def columns(database: Database) -> Iterator[tuple[str, bytes]]:
    """Each column of each table, with all that stands in it, sealed or not."""
    with database.read() as connection:
        for table in metadata.sorted_tables:
            rows = connection.exec_driver_sql(f"SELECT * FROM {table.name}").mappings().all()  # noqa: S608  ours
            for column in table.columns:
                values = [row[column.name] for row in rows]
                binary = isinstance(column.type, LargeBinary)
                texts = [bytes(each) if binary else str(each).encode() for each in values if each is not None]
                yield f"{table.name}.{column.name}", b"\n".join(texts)


def everything_in(redis: Redis) -> bytes:
    """Every key of the database, with its value."""
    found: list[Any] = []
    for key in redis.scan_iter():
        kind = redis.type(key)
        found.append(key)
        if kind == b"string":
            found.append(redis.get(key))
        elif kind == b"hash":
            found.extend(_inflated(each) for pair in redis.hgetall(key).items() for each in pair)
        elif kind == b"list":
            found.append(redis.lrange(key, 0, -1))
        elif kind == b"set":
            found.append(redis.smembers(key))
        elif kind == b"zset":
            found.append(redis.zrange(key, 0, -1, withscores=True))
        else:
            raise AssertionError(f"{key!r} is {kind!r}, which is not looked into")
    return b"\n".join(each if isinstance(each, bytes) else repr(each).encode() for each in found)


def _inflated(value: bytes) -> bytes:
    """What a job carries is compressed."""
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
