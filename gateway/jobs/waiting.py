"""Callers who wait for an operation, without a thread each: one subscription per api process wakes them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final

from redis import RedisError
from redis.asyncio import Redis

log = logging.getLogger(__name__)

RECONNECT_SECONDS: Final = 1.0
"""Pause before the subscription is made anew. Callers look into SQL once a second meanwhile."""


class Waiters:
    """Events by operation id, set when its settlement is announced. Belongs to one event loop."""

    def __init__(self, redis: Redis, *, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._events: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def expecting(self, operation_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set once the operation may be settled. Enter before it is stored, or miss it."""
        event = asyncio.Event()
        self._events[operation_id].add(event)
        try:
            yield event
        finally:
            self._events[operation_id].discard(event)
            if not self._events[operation_id]:
                del self._events[operation_id]

    async def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen_for_ever())

    async def stop(self) -> None:
        """Stop listening and let everybody look for themselves."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._redis.aclose()

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                log.warning("settlements not heard, callers look once a second", extra={"error": type(error).__name__})
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(self._channel)
            async for message in subscription.listen():
                operation_id = message["data"].decode(
                    errors="replace"
                )  # a stranger's message must not end the listening
                for event in self._events.get(operation_id, ()):
                    event.set()
