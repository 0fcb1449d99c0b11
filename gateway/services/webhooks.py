"""Endpoints as their clients manage them, and the feed for those who cannot be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain import canonical
from gateway.domain.audit import Action, Record
from gateway.domain.deliveries import POLICIES, TEST_POLICIES, DeliveryStatus, EndpointLane
from gateway.domain.events import RETENTION, Announcement, EventType, body
from gateway.domain.identifiers import AUDIT_PREFIX, EVENT_PREFIX, WEBHOOK_PREFIX
from gateway.domain.operations import Environment
from gateway.errors import Absent, Clash, Forbidden, Invalid
from gateway.ports import Answer, Dispatch, Endpoint, Selection
from gateway.services.ports import Ports
from gateway.services.principal import Principal, Scope

ENDPOINTS_MAX: Final = 20
"""Of one client: each event is written once for each of them."""
SECRET_OVERLAP: Final = timedelta(hours=24)
"""How long an old secret signs beside a new one: a day to bring the new one everywhere."""
REPLAY_MAX: Final = 1000
"""Deliveries that one call makes due; so many are sent in seconds, and the next call goes on."""
PAGE_MAX: Final = 100
"""Deliveries in one answer: each may carry a kilobyte of every attempt's answer."""
EVENTS_MAX: Final = 500
"""Events in one answer; at 20 kB each it stays below ten megabytes."""
SUBSCRIBABLE: Final = frozenset(EventType) - {EventType.WEBHOOK_TEST}
"""What an endpoint may ask for: a sample comes when it is asked for, and only then."""


def add(wanted: Mapping[str, Any], principal: Principal, *, ports: Ports) -> tuple[Endpoint, str]:
    """A new endpoint, and its secret, which is never shown again. Raises Invalid, Forbidden or Clash."""
    at = ports.clock.now()
    endpoint = Endpoint(
        id=ports.ids.new(WEBHOOK_PREFIX),
        environment=principal.environment,
        org_id=principal.org_id,
        client_id=principal.client_id,
        name=wanted.get("name", "webhook"),
        url=wanted["url"],
        types=tuple(wanted.get("types", ())),
        gstins=tuple(wanted.get("gstins", (principal.gstin,))),
        policy=wanted.get("policy", "default"),
        headers=wanted.get("headers", {}),
        disabled_cause=None,
        failing_since=None,
        created_at=at,
        updated_at=at,
    )
    _check(endpoint, ports)
    secret = ports.webhook_secrets.new()
    record = _record(Action.WEBHOOK_ADDED, endpoint, principal, ports, **_facts(endpoint))
    ports.endpoints.add(endpoint, secret=secret, endpoints_max=ENDPOINTS_MAX, record=record)
    return endpoint, secret


def of_caller(principal: Principal, *, ports: Ports) -> Sequence[Endpoint]:
    """The caller's endpoints that are sent events of its GSTIN."""
    return [each for each in ports.endpoints.of_client(principal.client_id) if _is_own(each, principal)]


def get(id: str, principal: Principal, *, ports: Ports) -> Endpoint:
    """One endpoint of the caller's. Raises Absent, also for another's."""
    found = ports.endpoints.get(id)
    if found is None or not _is_own(found, principal):
        raise Absent("webhook-unknown", f"There is no webhook {id}.", help="GET /webhooks lists those there are.")
    return found


def change(id: str, wanted: Mapping[str, Any], principal: Principal, *, ports: Ports) -> tuple[Endpoint, int]:
    """An endpoint with other values, and how many deliveries that cancelled: all, where the URL is another."""
    known = get(id, principal, ports=ports)
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in wanted.items()}
    changed = replace(known, **given, updated_at=ports.clock.now())
    _check(changed, ports)
    record = _record(Action.WEBHOOK_CHANGED, changed, principal, ports, **_facts(changed), changed=sorted(wanted))
    return changed, ports.endpoints.change(changed, record=record)


def remove(id: str, principal: Principal, *, ports: Ports) -> int:
    """Delete an endpoint; how many deliveries that cancelled."""
    known = get(id, principal, ports=ports)
    return ports.endpoints.remove(id, record=_record(Action.WEBHOOK_DELETED, known, principal, ports))


def disable(id: str, principal: Principal, *, ports: Ports) -> tuple[Endpoint, int]:
    """Send an endpoint nothing more; how many deliveries that cancelled."""
    known = get(id, principal, ports=ports)
    cancelled = ports.endpoints.disable(id, record=_record(Action.WEBHOOK_DISABLED, known, principal, ports))
    return get(id, principal, ports=ports), cancelled


def enable(id: str, principal: Principal, *, ports: Ports) -> Endpoint:
    """Send an endpoint what happens from now on."""
    known = get(id, principal, ports=ports)
    ports.addresses.check(known.url, environment=known.environment)
    ports.endpoints.enable(id, record=_record(Action.WEBHOOK_ENABLED, known, principal, ports))
    return get(id, principal, ports=ports)


def rotate(id: str, principal: Principal, *, ports: Ports) -> tuple[str, datetime]:
    """A new secret, never shown again, and until when the old one signs beside it."""
    known = get(id, principal, ports=ports)
    secret, old_until = ports.webhook_secrets.new(), ports.clock.now() + SECRET_OVERLAP
    record = _record(Action.WEBHOOK_ROTATED, known, principal, ports)
    ports.endpoints.rotate(id, secret=secret, old_until=old_until, record=record)
    return secret, old_until


def send_sample(id: str, principal: Principal, *, ports: Ports) -> tuple[str, Answer]:
    """Send a signed sample now, once, whatever the filters say: its id, and what came of it."""
    known = get(id, principal, ports=ports)
    at = ports.clock.now()
    message_id = ports.ids.new(EVENT_PREFIX)
    sample = body(_sample(known, principal), id=message_id, sequence=1, at=at)
    ports.auditor.write(_record(Action.WEBHOOK_TESTED, known, principal, ports, event=message_id))
    answer = ports.sender.send(
        Dispatch(
            url=known.url,
            environment=known.environment,
            headers=known.headers,
            message_id=message_id,
            body=canonical.written(sample),
            secrets=ports.endpoints.secrets(id, at=at),
        )
    )
    return message_id, answer


def deliveries(
    id: str, principal: Principal, *, status: DeliveryStatus | None, before: int | None, rows_max: int, ports: Ports
) -> Sequence[Mapping[str, Any]]:
    """What an endpoint was sent, newest first."""
    get(id, principal, ports=ports)
    return ports.endpoints.deliveries(id, status=status, before=before, rows_max=rows_max)


def replay(id: str, selection: Selection, principal: Principal, *, ports: Ports) -> int:
    """Send again; how many. Raises Clash while the endpoint is disabled."""
    known = get(id, principal, ports=ports)
    if known.disabled_cause is not None:
        raise Clash(
            "webhook-disabled",
            "The webhook is disabled, so nothing is sent to it.",
            help=f"Enable it with POST /webhooks/{id}/enable, then ask again.",
        )
    facts: dict[str, Any] = {
        "delivery": selection.delivery_id,
        "since": selection.since and selection.since.isoformat(),
        "until": selection.until and selection.until.isoformat(),
        "statuses": [status.value for status in selection.statuses],
    }
    record = _record(Action.DELIVERIES_REPLAYED, known, principal, ports, **facts)
    count = ports.endpoints.replay(id, selection, record=record)
    if count:
        ports.bell.ring(EndpointLane(id), direct=False)
    return count


def read_feed(
    principal: Principal, *, gstins: Sequence[str], types: Sequence[str], after: int, rows_max: int, ports: Ports
) -> Sequence[tuple[int, str]]:
    """Events after a position, of the caller's GSTIN or of others that its client may read. Raises Forbidden."""
    wanted = tuple(gstins) or (principal.gstin,)
    _granted(wanted, principal.client_id, principal.gstin, Scope.READ, ports)
    return ports.feed.read(
        environment=principal.environment,
        org_id=principal.org_id,
        gstins=wanted,
        types=types,
        after=after,
        since=ports.clock.now() - RETENTION,
        rows_max=rows_max,
    )


def _check(endpoint: Endpoint, ports: Ports) -> None:
    if endpoint.environment is Environment.LIVE and endpoint.policy in TEST_POLICIES:
        raise Invalid(
            "policy-for-tests",
            f"The policy {endpoint.policy} is for the test environment.",
            help=f"Choose one of: {', '.join(sorted(set(POLICIES) - TEST_POLICIES))}.",
        )
    _granted(endpoint.gstins, endpoint.client_id, None, Scope.WEBHOOKS, ports)
    ports.addresses.check(endpoint.url, environment=endpoint.environment)


def _granted(gstins: Sequence[str], client_id: str, proven: str | None, scope: Scope, ports: Ports) -> None:
    """Raises Forbidden unless the client may do that for all of them. For `proven` its token has shown it already."""
    if set(gstins) <= {proven}:
        return
    granted = {grant.gstin for grant in ports.directory.grants(client_id) if scope in grant.scopes}
    missing = sorted(set(gstins) - granted - {proven})
    if missing:
        raise Forbidden(
            "gstin-not-granted",
            f"This client may not do that for {', '.join(missing)}.",
            help=f"Name GSTINs that it is granted with the scope {scope}.",
        )


def _is_own(endpoint: Endpoint, principal: Principal) -> bool:
    same = (endpoint.client_id, endpoint.environment) == (principal.client_id, principal.environment)
    return same and principal.gstin in endpoint.gstins


def _sample(endpoint: Endpoint, principal: Principal) -> Announcement:
    data = {
        "webhook": {"id": endpoint.id, "name": endpoint.name, "url": endpoint.url},
        "links": {"webhook": f"/webhooks/{endpoint.id}"},
        "message": "This is a sample. Verify its signature as you would any other's.",
    }
    return Announcement(
        type=EventType.WEBHOOK_TEST,
        environment=endpoint.environment,
        org_id=endpoint.org_id,
        gstin=principal.gstin,
        subject=endpoint.id,
        data=data,
    )


def _facts(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "types": list(endpoint.types),
        "gstins": list(endpoint.gstins),
        "policy": endpoint.policy,
        "headers": sorted(endpoint.headers),
    }


def _record(action: Action, endpoint: Endpoint, principal: Principal, ports: Ports, **facts: Any) -> Record:
    return Record(
        id=ports.ids.new(AUDIT_PREFIX),
        at=ports.clock.now(),
        actor=principal.client_id,
        action=action,
        subject=endpoint.id,
        environment=endpoint.environment,
        org_id=endpoint.org_id,
        gstin=principal.gstin,
        facts=facts,
    )
