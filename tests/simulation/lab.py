"""What all worlds of a test session share: the portal's keys, and a database that is set up once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.auth.vault import create_master_key
from gateway.domain.operations import Environment
from gateway.domain.token_bucket import Limit
from gateway.jobs.memory import MemoryBell
from gateway.limits.health import MemoryHealth
from gateway.limits.memory import MemoryLimiter
from gateway.ports import Route, Seller
from gateway.sandbox.keys import SandboxKeys, SigningKey
from gateway.services import access
from gateway.services.principal import ALL_SCOPES, Principal
from gateway.settings import Settings
from gateway.storage import migrate
from gateway.wiring import Outside, Wiring
from tests.simulation.plan import DEADLINE_SELLER, REPORTING_DAYS, SELLERS
from tests.support import FakeClock, SeededIds

MEMORY_DISK = Path("/dev/shm")  # noqa: S108  a file system in memory, where there is one
ROUTE = "sandbox"
PORTAL_CLIENT = "mohar-simulation"
PORTAL_USER = "portal-user"
PORTAL_PASSWORD = "portal-password"
_SET_UP_AT = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lab:
    """Keys and a template. `clients` are ids of clients that may speak for every seller."""

    folder: Path
    login_keys: SandboxKeys
    hidden: SigningKey
    org_id: str
    clients: tuple[str, ...]

    def keys(self) -> SandboxKeys:
        """The portal's keys, with one that is published nowhere."""
        keys = SandboxKeys(login=self.login_keys.login, signing=self.login_keys.published)
        keys._hidden = self.hidden
        return keys

    def principal(self, client: int, gstin: str) -> Principal:
        """A client with a token for a seller."""
        return Principal(
            client_id=self.clients[client],
            org_id=self.org_id,
            environment=Environment.TEST,
            gstin=gstin,
            scopes=frozenset(ALL_SCOPES),
            respond_async=False,
        )

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """A folder with a fresh copy of the template, as long as it is needed."""
        with TemporaryDirectory(dir=self.folder) as name:
            for file in ("mohar.db", "master.key"):
                shutil.copyfile(self.folder / file, Path(name) / file)
            yield Path(name)


@contextmanager
def opened() -> Iterator[Lab]:
    """A lab, as long as it is needed, in memory where the machine has a file system there."""
    place = MEMORY_DISK if MEMORY_DISK.is_dir() else None
    with TemporaryDirectory(prefix="mohar-simulation-", dir=place) as name:
        yield _set_up(Path(name))


def route(*, pace: str, gstin_limit: Limit, account_limit: Limit) -> Route:
    """The route to the simulated portal."""
    return Route(
        name=ROUTE,
        environment=Environment.TEST,
        base_url="http://portal",
        gsp_account="gsp",
        client_id=PORTAL_CLIENT,
        client_secret=f"{PORTAL_CLIENT}-secret",
        enforce_check_digit=True,
        pace=pace,
        limits={"gstin": gstin_limit, "account": account_limit},
        relogin_seconds_min=2,
    )


def seller(gstin: str, org_id: str) -> Seller:
    """One of the sellers."""
    days = REPORTING_DAYS if gstin == DEADLINE_SELLER else None
    return Seller(environment=Environment.TEST, gstin=gstin, org_id=org_id, route=ROUTE, reporting_days=days)


def _set_up(folder: Path) -> Lab:
    create_master_key(folder / "master.key")
    keys, clock = SandboxKeys.generate(), FakeClock(_SET_UP_AT)
    ids = SeededIds()
    limiter, health = MemoryLimiter(clock), MemoryHealth(clock)
    outside = Outside(clock=clock, ids=ids, limiter=limiter, health=health, bell=MemoryBell())
    wiring = Wiring(Settings(data_dir=folder), outside)
    migrate.upgrade(wiring.database)
    ports = wiring.ports
    org_id = access.ensure_organisation("Simulated", ports=ports)
    way = route(pace="standard", gstin_limit=Limit(600, 60, 10), account_limit=Limit(6000, 60, 100))
    access.put_route(way, ports=ports)
    access.add_portal_key(route=way, purpose="login", kid="login", pem=keys.login_public_pem, ports=ports)
    for key in keys.published:
        access.add_portal_key(route=way, purpose="signing", kid=key.kid, pem=key.certificate_pem, ports=ports)
    for gstin in SELLERS:
        access.put_seller(seller(gstin, org_id), user_name=PORTAL_USER, password=PORTAL_PASSWORD, ports=ports)
    clients = [
        access.add_client(environment=Environment.TEST, gstins=SELLERS, name=name, respond_async=False, ports=ports)[0]
        for name in ("erp", "billing")
    ]
    wiring.database.close()
    return Lab(folder, keys, SigningKey.generate(), org_id, tuple(clients))
