"""What a portal knows of a taxpayer: answered from what it told before, for as long as that is good enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.errors import Absent, Misconfigured, Throttled
from gateway.ports.taxpayers import HeldTaxpayer
from gateway.services import enquiry
from gateway.services.ports import Ports
from gateway.services.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A portal's answer, and when it gave it. `stale`: it is older than it should be, and could not be asked anew."""

    answer: Mapping[str, Any]
    fetched_at: datetime
    age_seconds: int
    stale: bool = False


def held(gstin: str, principal: Principal, *, fresh_seconds: int, ports: Ports) -> Known | None:
    """What the portal told the caller's organisation before, unless that is longer ago."""
    found = _held(gstin, principal, ports)
    known = None if found is None else _known(found, ports)
    return known if known is not None and known.age_seconds < fresh_seconds else None


def ask(gstin: str, principal: Principal, *, sync: bool, ports: Ports) -> Known:
    """Ask the portal; with `sync`, let it first bring its own copy up to date from the GST register.

    While it cannot be asked, what it told before is the answer, however old. Without such, raises Throttled,
    Unavailable or Misconfigured; Absent when it knows no such GSTIN.
    """
    before = _held(gstin, principal, ports)
    try:
        seller = enquiry.asking(principal, ports)
        if before is not None and ports.health.is_open(seller.route):
            return _known(before, ports, stale=True)
        answer = ports.enquiries.taxpayer(seller, gstin=gstin, sync=sync)
    except (Throttled, Misconfigured):
        if before is None:
            raise
        return _known(before, ports, stale=True)
    environment, org_id = principal.environment, principal.org_id
    if answer is None:
        ports.taxpayers.forget(gstin, environment=environment, org_id=org_id)
        raise Absent("gstin-unknown-to-portal", f"The portal knows no GSTIN {gstin}.", help="Check the GSTIN.")
    fresh = HeldTaxpayer(answer=answer, fetched_at=ports.clock.now())
    ports.taxpayers.keep(gstin, fresh, environment=environment, org_id=org_id)
    return _known(fresh, ports)


def _held(gstin: str, principal: Principal, ports: Ports) -> HeldTaxpayer | None:
    return ports.taxpayers.get(gstin, environment=principal.environment, org_id=principal.org_id)


def _known(found: HeldTaxpayer, ports: Ports, *, stale: bool = False) -> Known:
    age = (ports.clock.now() - found.fetched_at).total_seconds()
    return Known(answer=found.answer, fetched_at=found.fetched_at, age_seconds=max(0, int(age)), stale=stale)
