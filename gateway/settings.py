"""Every setting, once: its name, its default, and a sentence. README's table is printed from here."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment, as MOHAR_ and the name in capitals."""

    model_config = SettingsConfigDict(env_prefix="MOHAR_", extra="ignore", frozen=True)

    data_dir: Path = Field(Path("mohar-data"), description="Folder of the embedded database, the keys and the sockets.")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL of the database. Empty: SQLite in the data folder; for more than one machine, "
        "`postgresql+psycopg://…`.",
    )
    redis_url: str = Field(
        "", description="URL of the Redis server. Empty: the embedded one that `mohar up` starts in the data folder."
    )
    redis_prefix: str = Field(
        "mohar:", description="Put before every key in Redis, for servers that several programs use."
    )
    master_key_file: Path | None = Field(
        None,
        description="File of the master keys that seal credentials, oldest first. Empty: `master.key` in `data_dir`.",
    )
    issuer: str = Field(
        "",
        description="Name in access tokens, as issuer and audience, the same on all api machines. Empty: the base URL.",
    )
    host: str = Field("127.0.0.1", description="Address that the api listens on.")
    port: int = Field(8700, ge=0, le=65535, description="Port that the api listens on.")
    api_threads: int = Field(40, ge=1, description="Threads of one api process for work on the database.")
    api_portal_threads: int = Field(
        8, ge=1, description="Threads of one api process for reads that may have to ask a portal."
    )
    api_connections_max: int = Field(
        700,
        ge=1,
        description="Connections of one api process; further ones get 503. Most systems let a process have 1,024 files "
        "open, and the database and Redis need some two hundred.",
    )
    taxpayer_seconds: int = Field(
        21_600,
        ge=0,
        description="How long, in seconds, what a portal told of a taxpayer is given again without a call. Taxpayers "
        "are suspended and cancelled on any day: six hours spare most calls, and nothing is told the day after.",
    )
    client_requests_per_minute: int = Field(
        1000, ge=1, description="Requests a minute of one client, all it may do but read."
    )
    client_reads_per_minute: int = Field(
        3000, ge=1, description="Requests a minute of one client that only read; counted apart."
    )
    client_burst: int = Field(200, ge=1, description="How many of them may come at once.")
    client_in_flight_max: int = Field(
        50, ge=1, description="Requests of one client under way at once, waiting direct calls included."
    )
    body_bytes_max: int = Field(
        5_000_000,
        ge=1,
        description="Largest request body, in bytes. Two and a half times the portal's largest document.",
    )
    body_seconds_max: int = Field(
        10, ge=1, description="Longest time in seconds for a request's head to arrive, and for its body."
    )
    direct_wait_seconds: int = Field(
        10, ge=0, description="How long a direct call waits for the outcome unless it says otherwise."
    )
    direct_wait_seconds_max: int = Field(60, ge=1, description="Longest wait that `Prefer: wait=N` may ask for.")
    direct_patience_seconds: int = Field(
        2, ge=0, description="Longest wait for the shared limit with which a direct call is still let in; else 429."
    )
    worker_direct_threads: int = Field(12, ge=0, description="Threads of one worker process for callers who wait.")
    worker_bulk_threads: int = Field(24, ge=0, description="Threads of one worker process for queued work.")
    worker_webhook_threads: int = Field(
        16, ge=0, description="Threads of one worker process for webhooks whose receivers answer promptly."
    )
    worker_trial_threads: int = Field(
        8, ge=0, description="Threads of one worker process for all other webhooks: new, slow and failing ones."
    )
    lane_direct_calls_max: int = Field(
        8, ge=1, description="Direct calls of one seller under way at once. More would starve other sellers' callers."
    )
    lane_bulk_calls_max: int = Field(
        16,
        ge=1,
        description="Queued calls of one seller under way at once. "
        "Fewer than its calls a second times the seconds of one waste its limit.",
    )
    lane_webhook_calls_max: int = Field(
        2, ge=1, description="Webhooks under way to one endpoint at once; to one that is new, slow or failing, one."
    )
    limit_direct_percent: int = Field(
        50, ge=1, le=100, description="What direct calls have for sure of every shared limit, in per cent."
    )
    limit_queued_percent: int = Field(
        30, ge=1, le=100, description="The same for queued work. What one of them leaves, the other may use."
    )
    drain_seconds: float = Field(
        3.0, gt=0, description="Quantum: a lane is worked off for so long, then the next lane has its turn."
    )
    call_seconds: int = Field(30, ge=1, description="Deadline of one call to a portal, from first to last byte.")
    lease_seconds: int = Field(
        90, ge=3, description="Life of a lease on an operation. It must be above one and a third of `call_seconds`."
    )
    webhook_lease_seconds: int = Field(
        45, ge=1, description="Life of a lease on a delivery: the 15 seconds that a receiver has, and room."
    )
    sweep_seconds: float = Field(1.0, gt=0, description="Pause between two looks of the sweeper.")
    sandbox_url: str = Field(
        "", description="Base URL of the sandbox portal. Set by `mohar up`; the route `sandbox` is made for it."
    )
    webhook_seconds: float = Field(
        15,
        gt=0,
        le=30,
        description="Deadline of one delivery of an event, from the look-up of the name to the answer. A third of it, "
        "at most, is for connecting.",
    )
    webhook_loopback: bool = Field(
        default=False,
        description="Whether webhooks of the test environment may be plain http on this machine. For development: on a "
        "server that several clients share, it lets them reach what else listens there. `mohar up` sets it.",
    )
    webhook_denied_networks: str = Field(
        "",
        description="Networks that webhooks must not reach besides all that are not public, such as your own public "
        "ones: `203.0.113.0/24, 2001:db8::/32`.",
    )
    audit_months: int = Field(
        72, ge=72, description="Months that audit records are kept: by section 36 of the CGST Act at least 72."
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port on which a worker or a sweeper answers GET /metrics, on `host`; 0: none.",
    )
    log_level: str = Field("INFO", description="Least level that is logged: DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(default=True, description="Logs as JSON lines for programs; false: as text for people.")

    @field_validator("webhook_denied_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        _networks(text)
        return text

    @property
    def lane_calls_max(self) -> dict[bool, int]:
        """Calls of one seller under way at once, by whether they are direct."""
        return {True: self.lane_direct_calls_max, False: self.lane_bulk_calls_max}

    @property
    def lease_left_seconds_min(self) -> int:
        """What must be left of a lease before a call: its whole deadline and a third for what comes after."""
        return -(-self.call_seconds * 4 // 3)

    @property
    def database(self) -> str:
        """The URL of the database, embedded or not."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'mohar.db'}"

    @property
    def master_keys(self) -> Path:
        """The file of the master keys."""
        return self.master_key_file or self.data_dir / "master.key"

    @property
    def redis_socket_file(self) -> Path:
        """Where `mohar up` writes the URL of the embedded Redis, for other commands on the same folder."""
        return self.data_dir / "redis.url"

    @property
    def redis(self) -> str:
        """The URL of Redis, embedded or not; empty when there is none."""
        if self.redis_url:
            return self.redis_url
        return self.redis_socket_file.read_text().strip() if self.redis_socket_file.exists() else ""

    @property
    def denied_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """What webhooks must not reach besides."""
        return _networks(self.webhook_denied_networks)

    @property
    def token_issuer(self) -> str:
        """What access tokens name as their issuer."""
        return self.issuer or f"http://{self.host}:{self.port}"


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Raises ValueError when one of them is no network, or has bits behind its prefix."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def table() -> str:
    """README's table of settings, in Markdown."""
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `MOHAR_{name.upper()}` | {_default(field.default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    return "" if value in ("", None) else f"`{value}`"
