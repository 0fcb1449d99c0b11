"""`mohar up`: all processes as children of one, with an embedded Redis and SQLite, in one terminal."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

import httpx
import typer

from gateway.auth.vault import create_master_key
from gateway.cli import interrupts, test_mode
from gateway.cli.children import PARENT_VARIABLE
from gateway.cli.embedded import EmbeddedRedis
from gateway.cli.output import console
from gateway.errors import Misconfigured
from gateway.sandbox.master import ACTIVE_SELLER
from gateway.settings import Settings
from gateway.storage import migrate
from gateway.wiring import Wiring

START_SECONDS_MAX: Final = 180.0
"""A child that is not ready by then is broken; one that has ended is not waited for."""
STOP_SECONDS_MAX: Final = 40.0
"""A worker finishes a call first, which takes up to 30 s; then it is killed, and loses nothing."""
RESTART_SECONDS: Final = 0.5
"""Pause before a child that died is started again."""
LOOK_SECONDS: Final = 0.1
RUN_FOLDER: Final = "run"
LOG_FOLDER: Final = "logs"


class Stack:
    """The gateway and its sandbox in a data folder. Use it as a context manager."""

    def __init__(
        self, data: Path, *, port: int = 0, sandbox_port: int = 0, extra: Mapping[str, str] | None = None
    ) -> None:
        self.data = data.absolute()
        self.port = port or free_port()
        self.sandbox_port = sandbox_port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        given = {
            "MOHAR_DATA_DIR": str(self.data),
            "MOHAR_PORT": str(self.port),
            "MOHAR_SANDBOX_URL": self.sandbox_url,
            "MOHAR_WEBHOOK_LOOPBACK": os.environ.get("MOHAR_WEBHOOK_LOOPBACK", "true"),  # receivers run here too
        } | dict(extra or {})
        own = {name.removeprefix("MOHAR_").lower(): value for name, value in given.items()}
        self._settings = Settings.model_validate(Settings().model_dump() | own)
        self._environment = (
            os.environ
            | given
            | {
                PARENT_VARIABLE: str(os.getpid()),
                "MALLOC_ARENA_MAX": "2",  # glibc keeps a heap per thread otherwise, and gives little of it back
            }
        )
        self._redis: EmbeddedRedis | None = None
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._wiring: Wiring | None = None

    @property
    def wiring(self) -> Wiring:
        """Ports on the same database and Redis, in this process. There are some once it was entered."""
        if self._wiring is None:
            raise RuntimeError("the stack is not started")
        return self._wiring

    def __enter__(self) -> Self:
        """Start everything; it is ready afterwards."""
        for folder in (self.data, self.data / RUN_FOLDER, self.data / LOG_FOLDER, self.data / "sandbox"):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, the workers first."""
        with interrupts.whole():
            self._stop()

    def _stop(self) -> None:
        ends_at = time.monotonic() + STOP_SECONDS_MAX
        for names in (("worker", "sweeper"), ("api",), ("sandbox",)):  # calls under way need the portal to the last
            children = [self._children[name] for name in names if name in self._children]
            for child in children:
                child.terminate()
            for child in children:
                _end(child, until=ends_at)
        self._children.clear()
        if self._wiring is not None:
            self._wiring.close()
        if self._redis is not None:
            self._redis.stop()
            self._settings.redis_socket_file.unlink(missing_ok=True)

    def credentials(self, file: Path | None, *, gstin: str = ACTIVE_SELLER.gstin) -> dict[str, str]:
        """What a client needs, written to `file` too. A file from an earlier start keeps its client."""
        known = json.loads(file.read_text()) if file is not None and file.exists() else {}
        if not known.get("client_secret"):
            client_id, secret = test_mode.add_seller(gstin, ports=self.wiring.ports).split(":")
            known = {"client_id": client_id, "client_secret": secret, "gstin": gstin}
        known |= {"base_url": self.base_url, "sandbox_url": self.sandbox_url}
        if file is not None:
            _write(file, known)
        return known

    def watch(self) -> None:
        """Start again whatever has died. Call it now and then."""
        if self._redis is not None and not self._redis.running:
            console.print("Redis ended; starting it again")
            self._redis.start()
        for name, child in list(self._children.items()):
            if child.poll() is not None:
                console.print(f"{name} ended with {child.returncode}; starting it again")
                time.sleep(RESTART_SECONDS)
                self._spawn(name)

    def ready(self, name: str) -> bool:
        """Whether a child that was started is at work."""
        if name in ("api", "sandbox"):
            path = f"{self.base_url}/readyz" if name == "api" else f"{self.sandbox_url}/eivital/v1.04/heartbeat/ping"
            try:
                return httpx.get(path, timeout=2, trust_env=False).is_success
            except httpx.HTTPError:
                return False
        file = self.data / RUN_FOLDER / f"{name}.ready"
        return file.exists() and file.read_text() == str(self._children[name].pid)

    def running(self, name: str) -> bool:
        """Whether a child has not ended."""
        return self._children[name].poll() is None

    def pid(self, name: str) -> int:
        """The process id of a child, or of the embedded Redis."""
        if name == "redis" and self._redis is not None:
            return self._redis.pid
        return self._children[name].pid

    def _start(self) -> None:
        if not self._settings.redis_url:
            with interrupts.whole():
                self._redis = EmbeddedRedis()
                self._redis.start()
            self._settings.redis_socket_file.write_text(self._redis.url)
        if self._settings.master_key_file is None:
            create_master_key(self._settings.master_keys)
        self._wiring = Wiring(self._settings)
        migrate.upgrade(self.wiring.database)
        self._spawn("sandbox")
        self._wait("sandbox")
        test_mode.put_route(self.sandbox_url, ports=self.wiring.ports)
        names = ("api", "worker", "sweeper")
        for name in names:
            self._spawn(name)
        for name in names:
            self._wait(name)

    def _spawn(self, name: str) -> None:
        arguments = (
            ["--port", str(self.sandbox_port), "--data", str(self.data / "sandbox")] if name == "sandbox" else []
        )
        with (self.data / LOG_FOLDER / f"{name}.log").open("ab") as log, interrupts.whole():
            self._children[name] = subprocess.Popen(  # noqa: S603  our own interpreter
                [sys.executable, "-m", "gateway.cli", name, *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
                env=self._environment,
            )

    def _wait(self, name: str) -> None:
        ends_at = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < ends_at and self._children[name].poll() is None:
            if self.ready(name):
                return
            time.sleep(LOOK_SECONDS)
        raise Misconfigured(
            "process-not-ready",
            f"The {name} process did not become ready.",
            help=f"See {self.data / LOG_FOLDER / f'{name}.log'}.",
        )


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    port: Annotated[int, typer.Option(help="Port of the api; 0 takes a free one.")] = 8700,
    data: Annotated[Path, typer.Option(help="Folder of everything that is kept.")] = Path("mohar-data"),
    credentials: Annotated[
        Path | None, typer.Option(help="File to write a test client's credentials to, as JSON.")
    ] = None,
    sandbox_port: Annotated[int, typer.Option(help="Port of the sandbox portal; 0 takes a free one.")] = 0,
) -> None:
    """Run everything in this terminal: api, worker, sweeper, sandbox portal, embedded Redis and SQLite."""
    interrupts.install()
    try:
        with Stack(data, port=port, sandbox_port=sandbox_port) as stack:
            known = stack.credentials(credentials)
            console.print(f"[bold]Mohar is up[/] at {stack.base_url} (documentation: {stack.base_url}/docs)")
            console.print(f"sandbox portal at {stack.sandbox_url}, data and logs in {stack.data}")
            console.print(f"test client {known['client_id']} for {known['gstin']}", end="")
            console.print(f", credentials in {credentials}" if credentials else f", secret {known['client_secret']}")
            console.print("Ctrl-C stops it.")
            while True:
                time.sleep(LOOK_SECONDS)
                stack.watch()
    except KeyboardInterrupt:
        console.print("stopped")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(child: subprocess.Popen[bytes], *, until: float) -> None:
    try:
        child.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write a file with a secret in it: whole or not at all, for its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f"{file.suffix}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(file)
