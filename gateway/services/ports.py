"""The ports that the use cases are given, bound by `gateway.wiring`."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.ports import (
    Addresses,
    Assertions,
    Auditor,
    Bell,
    ClientLimits,
    Clock,
    Deliveries,
    Directory,
    Endpoints,
    Enquiries,
    ErrorBudget,
    Feed,
    Health,
    Ids,
    Intake,
    Keyring,
    Ledger,
    Limiter,
    Lists,
    Notices,
    Portals,
    Queues,
    Routebook,
    Secrets,
    Sender,
    Tokens,
    Upkeep,
    Vault,
    WebhookSecrets,
    Work,
)
from gateway.ports.bills import Bills
from gateway.ports.evidence import SealedLog, Sealer, Seals
from gateway.ports.invariants import Invariants
from gateway.ports.reconciling import Rechecks, Reconciliations
from gateway.ports.taxpayers import Taxpayers
from gateway.ports.verifying import Verifier


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
    bills: Bills
    taxpayers: Taxpayers
    lists: Lists
    directory: Directory
    keyring: Keyring
    routebook: Routebook
    auditor: Auditor
    seals: Seals
    sealer: Sealer
    sealed_log: SealedLog
    portals: Portals
    enquiries: Enquiries
    rechecks: Rechecks
    reconciliations: Reconciliations
    verifier: Verifier
    limiter: Limiter
    budget: ErrorBudget
    clients: ClientLimits
    queues: Queues
    health: Health
    bell: Bell
    deliveries: Deliveries
    endpoints: Endpoints
    feed: Feed
    notices: Notices
    invariants: Invariants
    addresses: Addresses
    sender: Sender
    webhook_secrets: WebhookSecrets
