"""The ports that the use cases are given, bound by `gateway.wiring`."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.ports import (
    Assertions,
    Auditor,
    Bell,
    Clock,
    Directory,
    Enquiries,
    ErrorBudget,
    Health,
    Ids,
    Intake,
    Keyring,
    Ledger,
    Limiter,
    Portals,
    Routebook,
    Secrets,
    Tokens,
    Upkeep,
    Vault,
    Work,
)
from gateway.ports.evidence import SealedLog, Sealer, Seals


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One field per port."""

    clock: Clock
    ids: Ids
    vault: Vault
    secrets: Secrets
    tokens: Tokens
    assertions: Assertions
    intake: Intake
    work: Work
    upkeep: Upkeep
    ledger: Ledger
    directory: Directory
    keyring: Keyring
    routebook: Routebook
    auditor: Auditor
    seals: Seals
    sealer: Sealer
    sealed_log: SealedLog
    portals: Portals
    enquiries: Enquiries
    limiter: Limiter
    budget: ErrorBudget
    health: Health
    bell: Bell
