"""The composition root: settings in, ports out. Nobody else constructs an adapter."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import httpx
from redis import Redis, RedisError
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy.exc import SQLAlchemyError

from gateway.auth.assertions import ClientAssertions
from gateway.auth.bodies import BodyCipher
from gateway.auth.seal_keys import VaultSealer
from gateway.auth.secrets import ClientSecrets
from gateway.auth.tokens import stored_tokens
from gateway.auth.vault import MasterKeyFile, MasterKeyVault, read_master_keys, read_pepper
from gateway.domain.token_bucket import Shares
from gateway.errors import Misconfigured
from gateway.irp.enquiries import IrpEnquiries
from gateway.irp.portals import IrpPortals
from gateway.irp.rechecks import IrpRechecks
from gateway.irp.session import Sessions
from gateway.irp.verification import TokenVerifier
from gateway.irp.wire import Wire
from gateway.jobs.bell import RqBell, settled_channel
from gateway.jobs.waiting import Waiters
from gateway.limits.clients import MemoryClientLimits, RedisClientLimits
from gateway.limits.connection import PERMIT_SECONDS_MAX, connect
from gateway.limits.health import RedisHealth
from gateway.limits.redis import RedisLimiter
from gateway.metrics import MeteredDeliveries, MeteredLimiter, MeteredWork, Metrics
from gateway.ports import (
    Addresses,
    Archive,
    Bell,
    ClientLimits,
    Clock,
    Deliveries,
    Health,
    Ids,
    Limiter,
    Sealed,
    Sender,
    Survey,
    Vault,
    Work,
)
from gateway.ports.verifying import Verifier
from gateway.services.delivering import DeliveryPolicy
from gateway.services.execution import DrainPolicy
from gateway.services.ports import Ports
from gateway.settings import Settings
from gateway.storage import blobs, revision
from gateway.storage.archive import SqlArchive
from gateway.storage.audit import SqlAuditor
from gateway.storage.database import Database
from gateway.storage.deliveries import SqlDeliveries
from gateway.storage.directory import SqlDirectory
from gateway.storage.endpoints import SqlEndpoints
from gateway.storage.error_budget import SqlErrorBudget
from gateway.storage.feed import SqlFeed
from gateway.storage.gauges import SqlGauges
from gateway.storage.intake import SqlIntake
from gateway.storage.invariants import SqlInvariants
from gateway.storage.keyring import SqlKeyring
from gateway.storage.ledger import SqlLedger
from gateway.storage.lists import SqlLists
from gateway.storage.notices import SqlNotices
from gateway.storage.queues import SqlQueues
from gateway.storage.reconciling import SqlReconciliations
from gateway.storage.road import SqlBills
from gateway.storage.routebook import SqlRoutebook
from gateway.storage.sealed import SqlSealed
from gateway.storage.sealed_log import SqlSealedLog
from gateway.storage.seals import SqlSeals
from gateway.storage.survey import SqlSurvey
from gateway.storage.taxpayers import SqlTaxpayers
from gateway.storage.upkeep import SqlUpkeep
from gateway.storage.work import SqlWork
from gateway.system import SystemClock, SystemIds, skew_seconds
from gateway.webhooks.addresses import AddressGuard
from gateway.webhooks.connections import Connections
from gateway.webhooks.resolving import Resolver
from gateway.webhooks.sender import CONNECT_SHARE, HttpSender, Patience
from gateway.webhooks.signing import SigningSecrets

log = logging.getLogger(__name__)

GAUGES_SECONDS = 10.0
"""Between two looks at the tables for the sake of measures: however many ask, the database is asked once."""
SKEW_SECONDS_MAX = 3.0
"""Between this machine's clock and the database's: well below what a lease has to spare."""
SKEW_LOOK_SECONDS = 60.0
"""Between two looks at it."""
_PEPPER_CONTEXT = b"mohar client secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The parts of the world that a test may replace."""

    clock: Clock
    ids: Ids
    limiter: Limiter
    health: Health
    bell: Bell
    transport: httpx.BaseTransport | None = None
    sender: Sender | None = None
    addresses: Addresses | None = None


class Wiring:
    """The adapters of one process. Made after a fork, never before. Without `needs_redis`, none set up is one away."""

    def __init__(self, settings: Settings, outside: Outside | None = None, *, needs_redis: bool = True) -> None:
        self.settings, self._needs_redis = settings, needs_redis
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self._outside = outside
        self._measuring = threading.Lock()
        self._measured_at: float | None = None

    @cached_property
    def clock(self) -> Clock:
        """The process' clock."""
        return self._outside.clock if self._outside else SystemClock()

    @cached_property
    def ids(self) -> Ids:
        """The process' randomness."""
        return self._outside.ids if self._outside else SystemIds()

    @cached_property
    def database(self) -> Database:
        """The database."""
        return Database(self.settings.database)

    @cached_property
    def survey(self) -> Survey:
        """An operator's questions. Needs the database alone: neither keys nor Redis."""
        return SqlSurvey(self.database)

    @cached_property
    def archive(self) -> Archive:
        """What was sent, to be looked at again."""
        return SqlArchive(self.database)

    @cached_property
    def redis(self) -> Redis:
        """Redis, for what may be lost: answers quickly or not at all. Raises Misconfigured when there is none."""
        return connect(self._redis_url())

    @cached_property
    def permit_redis(self) -> Redis:
        """The same for the limit, without which nothing is sent: it is waited for a little longer."""
        return connect(self._redis_url(), seconds=PERMIT_SECONDS_MAX)

    @cached_property
    def sealed(self) -> Sealed:
        """All that is sealed under a master key."""
        return SqlSealed(self.database, self.ports.vault)

    @cached_property
    def _wire(self) -> Wire:
        transport = self._outside.transport if self._outside else None
        return Wire(self.clock, call_seconds=self.settings.call_seconds, transport=transport)

    @cached_property
    def addresses(self) -> AddressGuard:
        """Where events may go."""
        settings = self.settings
        return AddressGuard(Resolver(), loopback=settings.webhook_loopback, denied=settings.denied_networks)

    @cached_property
    def sender(self) -> HttpSender:
        """The wire to receivers of events."""
        seconds = self.settings.webhook_seconds
        patience = Patience(connect_seconds=seconds * CONNECT_SHARE, seconds=seconds)
        return HttpSender(
            clock=self.clock, guard=self.addresses, connections=Connections(self.clock), patience=patience
        )

    @cached_property
    def webhook_secrets(self) -> SigningSecrets:
        """Secrets that sign events."""
        return SigningSecrets(self.ids.random_bytes)

    @cached_property
    def verifier(self) -> Verifier:
        """Examines tokens. Needs the database alone, and the master key: no Redis."""
        routebook = SqlRoutebook(self.database, self._vault(), self.ids, self.clock.monotonic)
        return TokenVerifier(routebook=routebook, monotonic=self.clock.monotonic)

    def patient_redis(self) -> Redis:
        """A connection of its own for an RQ worker, which waits on it for jobs."""
        return Redis.from_url(self._redis_url())

    @cached_property
    def rq_bell(self) -> RqBell:
        """The doorbell, with what only the sweeper needs of it."""
        return RqBell(self.redis, prefix=self.settings.redis_prefix, clock=self.clock, ids=self.ids)

    @cached_property
    def ports(self) -> Ports:
        """All ports, bound."""
        vault = self._vault()
        self._seal_bodies(vault)
        directory = SqlDirectory(self.database, self.clock.monotonic)
        routebook = SqlRoutebook(self.database, vault, self.ids, self.clock.monotonic)
        outside = self._outside
        limiter = outside.limiter if outside else self._metered_limiter()
        wire = self._wire
        budget = SqlErrorBudget(self.database, self.ids, self.clock.monotonic)
        sessions = Sessions(routebook=routebook, wire=wire, clock=self.clock, ids=self.ids, worker=self.worker)
        portals = IrpPortals(routebook=routebook, sessions=sessions, wire=wire, limiter=limiter, clock=self.clock)
        return Ports(
            clock=self.clock,
            ids=self.ids,
            vault=vault,
            secrets=ClientSecrets(self._pepper(), self.ids.random_bytes),
            tokens=stored_tokens(directory, vault, issuer=self.settings.token_issuer, ids=self.ids, clock=self.clock),
            assertions=ClientAssertions(issuer=self.settings.token_issuer),
            intake=SqlIntake(self.database, self.ids),
            work=self._metered_work(),
            upkeep=SqlUpkeep(self.database, self.ids),
            ledger=SqlLedger(self.database),
            bills=SqlBills(self.database, self.ids),
            taxpayers=SqlTaxpayers(self.database),
            lists=SqlLists(self.database),
            directory=directory,
            keyring=SqlKeyring(self.database),
            routebook=routebook,
            auditor=SqlAuditor(self.database),
            seals=SqlSeals(self.database),
            sealer=VaultSealer(vault),
            sealed_log=SqlSealedLog(self.database),
            portals=portals,
            enquiries=IrpEnquiries(routebook=routebook, portals=portals, wire=wire, clock=self.clock, budget=budget),
            rechecks=IrpRechecks(routebook=routebook, portals=portals),
            reconciliations=SqlReconciliations(self.database, self.ids),
            verifier=self.verifier,
            limiter=limiter,
            budget=budget,
            clients=self._client_limits(),
            queues=SqlQueues(self.database, self.clock, leases_max=self.settings.lane_calls_max),
            health=outside.health if outside else RedisHealth(self.redis, self.clock, self.settings.redis_prefix),
            bell=outside.bell if outside else self.rq_bell,
            deliveries=self._metered_deliveries(vault),
            endpoints=SqlEndpoints(self.database, vault, self.ids),
            feed=SqlFeed(self.database),
            notices=SqlNotices(self.database, self.ids),
            invariants=SqlInvariants(self.database),
            addresses=(outside and outside.addresses) or self.addresses,
            sender=(outside and outside.sender) or self.sender,
            webhook_secrets=self.webhook_secrets,
        )

    def _seal_bodies(self, vault: Vault) -> None:
        """Whatever is kept through this process' database is sealed, under keys that are in it, sealed themselves."""

        def load() -> dict[str, bytes]:
            return dict(blobs.keys(self.database, vault, random_bytes=self.ids.random_bytes, at=self.clock.now()))

        blobs.seal_with(self.database, BodyCipher(load, self.ids.random_bytes))

    def _metered_work(self) -> Work:
        return cast("Work", MeteredWork(SqlWork(self.database, self.ids), metrics=self.metrics, clock=self.clock))

    def _metered_deliveries(self, vault: Vault) -> Deliveries:
        kept = SqlDeliveries(self.database, vault, self.ids, monotonic=self.clock.monotonic)
        return cast("Deliveries", MeteredDeliveries(kept, metrics=self.metrics))

    def _metered_limiter(self) -> Limiter:
        return cast("Limiter", MeteredLimiter(self._limiter(), metrics=self.metrics))

    @cached_property
    def metrics(self) -> Metrics:
        """The measures of this process."""
        return Metrics()

    def observe_call(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Measure a call that was answered."""
        self.metrics.observe("mohar_http_requests", seconds, method=method, route=route, status=str(status))

    def measures(self) -> bytes:
        """What Prometheus is told: this process' own measures, and how the tables stand."""
        with self._measuring:
            now = self.clock.monotonic()
            if self._measured_at is None or now - self._measured_at >= GAUGES_SECONDS:
                for name, values in SqlGauges(self.database).read(at=self.clock.now()).items():
                    self.metrics.put(name, values)
                self._measured_at = now
        return self.metrics.text()

    @cached_property
    def drain_policy(self) -> DrainPolicy:
        """How this process drains lanes. Raises Misconfigured when a lease is too short for a call."""
        settings = self.settings
        if settings.lease_seconds < settings.lease_left_seconds_min:
            raise Misconfigured(
                "lease-too-short",
                f"A lease of {settings.lease_seconds} s is too short for calls of {settings.call_seconds} s.",
                help=f"Set MOHAR_LEASE_SECONDS to {settings.lease_left_seconds_min} or more.",
            )
        return DrainPolicy(
            worker=self.worker,
            lease_seconds=settings.lease_seconds,
            lease_left_seconds_min=settings.lease_left_seconds_min,
            quantum_seconds=settings.drain_seconds,
            direct_leases_max=settings.lane_direct_calls_max,
            bulk_leases_max=settings.lane_bulk_calls_max,
        )

    @cached_property
    def delivery_policy(self) -> DeliveryPolicy:
        """How this process drains the lanes of endpoints."""
        settings = self.settings
        return DeliveryPolicy(
            worker=self.worker,
            lease_seconds=settings.webhook_lease_seconds,
            quantum_seconds=settings.drain_seconds,
            leases_max=settings.lane_webhook_calls_max,
        )

    def waiters(self) -> Waiters:
        """The callers who wait in this process; belongs to the running event loop."""
        redis = AsyncRedis.from_url(self._redis_url(), health_check_interval=5)
        return Waiters(redis, channel=settled_channel(self.settings.redis_prefix))

    def clock_is_right(self) -> bool:
        """Whether this machine's clock agrees with the database's: between others a lease is worth nothing."""
        if self.database.is_sqlite:
            return True
        skew = skew_seconds(self.clock, self.survey.now)
        if skew > SKEW_SECONDS_MAX:
            log.error("clock differs from the database's, no work is taken", extra={"seconds": round(skew, 1)})
        return skew <= SKEW_SECONDS_MAX

    def close(self) -> None:
        """Give all connections back."""
        if "ports" in self.__dict__:
            self._wire.close()
        for name in ("sender", "database", "redis", "permit_redis"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def report_ready(self, name: str) -> None:
        """Tell the log, and `mohar up` on the same folder, that this process is at work."""
        log.info("process ready", extra={"role": name})
        folder = self.settings.data_dir / "run"
        if folder.is_dir():
            (folder / f"{name}.ready").write_text(str(os.getpid()))

    def wrong(self) -> dict[str, str]:
        """What keeps this process from working, by part; empty when nothing does."""
        found: dict[str, str] = {}
        try:
            if not revision.is_current(self.database):
                found["database"] = "Its schema is not the present one: run `mohar migrate`."
        except SQLAlchemyError as error:
            found["database"] = f"It does not answer ({type(error).__name__}): check MOHAR_DATABASE_URL."
        try:
            self.redis.ping()
        except (RedisError, Misconfigured) as error:
            found["redis"] = f"It does not answer ({type(error).__name__}): check MOHAR_REDIS_URL."
        return found

    def _client_limits(self) -> ClientLimits:
        if self._outside:
            return MemoryClientLimits(self.clock)
        return RedisClientLimits(self.redis, prefix=self.settings.redis_prefix, clock=self.clock)

    def _limiter(self) -> Limiter:
        shares = Shares(direct=self.settings.limit_direct_percent, queued=self.settings.limit_queued_percent)
        return RedisLimiter(self.permit_redis, prefix=self.settings.redis_prefix, shares=shares)

    def _redis_url(self) -> str:
        url = self.settings.redis
        if not url and self._needs_redis:
            raise Misconfigured(
                "redis-missing",
                "There is no Redis server.",
                help="Set MOHAR_REDIS_URL, or start everything with `mohar up`, which brings one.",
            )
        return url

    def _vault(self) -> Vault:
        path = self.settings.master_keys
        file = MasterKeyFile(path)
        return MasterKeyVault(read_master_keys(path), self.ids.random_bytes, changed=file.changed)

    def _pepper(self) -> bytes:
        """Derived from the oldest master key, which stays for as long as anything depends on it."""
        return _PEPPER_CONTEXT + read_pepper(self.settings.master_keys)
