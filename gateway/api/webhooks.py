"""/webhooks: where a client wants its events, and what became of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api import contract, members, presenting, queries, state
from gateway.api.dependencies import MayManageWebhooks
from gateway.api.members import Fields, Member, Text, Words
from gateway.domain.calendar import write_instant
from gateway.domain.deliveries import POLICIES, DeliveryStatus
from gateway.domain.identifiers import WEBHOOK_PREFIX
from gateway.errors import Invalid
from gateway.ports import Answer, Endpoint, Selection
from gateway.services import webhooks
from gateway.services.principal import Scope

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

URL_CHARACTERS_MAX: Final = 2000
"""Of a URL: what every proxy and server on the way takes."""
GSTINS_MAX: Final = 100
"""Of one webhook: a group of companies has fewer."""
HEADERS_MAX: Final = 10
"""The client's own header fields, for a key of its gateway and the like."""
_ID: Final = re.compile(WEBHOOK_PREFIX + "[0-9a-z]{26}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
_POLICIES: Final = frozenset(POLICIES)
_OPTIONAL: Final[Mapping[str, Member]] = {
    "name": Text(characters_max=200, required=False),
    "types": Words(words_max=len(webhooks.SUBSCRIBABLE), vocabulary=webhooks.SUBSCRIBABLE, required=False),
    "gstins": Words(words_max=GSTINS_MAX, required=False),
    "policy": members.Word(vocabulary=_POLICIES),
    "headers": Fields(fields_max=HEADERS_MAX),
}
_REPLAY: Final[Mapping[str, Member]] = {
    "delivery_id": Text(characters_max=40, required=False),
    "since": Text(characters_max=40, required=False),
    "until": Text(characters_max=40, required=False),
    "statuses": Words(words_max=3, vocabulary=frozenset(DeliveryStatus) - {DeliveryStatus.PENDING}, required=False),
}


def _call(gives: Mapping[int, str], *, takes: str | None = None, refuses: Sequence[int] = (404,), **more: Any) -> Any:
    body = (413, 415) if takes else ()
    return contract.call(gives, scope=Scope.WEBHOOKS, takes=takes, refuses=(*refuses, *body), **more)


async def _done(request: Request, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    here = state.of(request)
    return await here.run(work, *arguments, **named, ports=here.ports)


@router.post("", summary="Add a webhook", openapi_extra=_call({201: "WebhookMade"}, takes="WebhookNew", refuses=(409,)))
async def add_webhook(request: Request, principal: MayManageWebhooks) -> Response:
    """Have events sent to a URL. The secret that signs them is in this answer alone."""
    given = await members.read(request, {"url": Text(characters_max=URL_CHARACTERS_MAX), **_OPTIONAL})
    here = state.of(request)
    endpoint, secret = await here.ask(webhooks.add, given, principal, ports=here.ports)
    content = _webhook(endpoint) | {"secret": secret}
    return presenting.respond(content, status=201, headers={"Location": f"/webhooks/{endpoint.id}"})


@router.get("", summary="The client's webhooks", openapi_extra=_call({200: "Webhooks"}, refuses=()))
async def list_webhooks(request: Request, principal: MayManageWebhooks) -> Response:
    """Those that get events of the token's GSTIN, oldest first."""
    found = await _done(request, webhooks.of_caller, principal)
    return presenting.respond({"webhooks": [_webhook(each) for each in found]})


@router.get("/{webhook_id}", summary="A webhook", openapi_extra=_call({200: "Webhook"}))
async def get_webhook(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """As it is now. Of its headers only the names are shown, and never its secret."""
    return presenting.respond(_webhook(await _done(request, webhooks.get, _known(webhook_id), principal)))


@router.patch("/{webhook_id}", summary="Change a webhook", openapi_extra=_call({200: "Webhook"}, takes="WebhookChange"))
async def change_webhook(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """The members that are given. With another URL, whatever waits for the old one is cancelled."""
    url = Text(characters_max=URL_CHARACTERS_MAX, required=False)
    given = await members.read(request, {"url": url, **_OPTIONAL})
    here = state.of(request)
    changed, cancelled = await here.ask(webhooks.change, _known(webhook_id), given, principal, ports=here.ports)
    return presenting.respond(_webhook(changed) | {"cancelled": cancelled})


@router.delete("/{webhook_id}", summary="Delete a webhook", openapi_extra=_call({200: "Cancelled"}))
async def delete_webhook(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """With its secrets and headers; whatever waits for it is cancelled."""
    cancelled = await _done(request, webhooks.remove, _known(webhook_id), principal)
    return presenting.respond({"cancelled": cancelled})


@router.post("/{webhook_id}/disable", summary="Stop sending", openapi_extra=_call({200: "Webhook"}))
async def disable_webhook(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """Whatever waits is cancelled, and what happens from now on is not sent. `replay` brings both back."""
    endpoint, cancelled = await _done(request, webhooks.disable, _known(webhook_id), principal)
    return presenting.respond(_webhook(endpoint) | {"cancelled": cancelled})


@router.post("/{webhook_id}/enable", summary="Send again", openapi_extra=_call({200: "Webhook"}))
async def enable_webhook(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """What happens from now on."""
    here = state.of(request)
    return presenting.respond(
        _webhook(await here.ask(webhooks.enable, _known(webhook_id), principal, ports=here.ports))
    )


@router.post(
    "/{webhook_id}/rotate", summary="Give a webhook another secret", openapi_extra=_call({200: "WebhookSecret"})
)
async def rotate_secret(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """Both sign for 24 hours. Take either until then: what is being sent just now has the old one's signature alone."""
    secret, until = await _done(request, webhooks.rotate, _known(webhook_id), principal)
    return presenting.respond({"secret": secret, "former_secret_until": write_instant(until)})


@router.post("/{webhook_id}/test", summary="Send a sample", openapi_extra=_call({200: "WebhookTried"}))
async def test_webhook(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """A signed `webhook.test`, once and now; the answer is what the receiver said."""
    here = state.of(request)
    event_id, answer = await here.ask(webhooks.send_sample, _known(webhook_id), principal, ports=here.ports)
    return presenting.respond({"event_id": event_id, **_answer(answer)})


@router.get(
    "/{webhook_id}/deliveries",
    summary="What a webhook was sent",
    openapi_extra=_call({200: "Deliveries"}, parameters=("delivery_status", "deliveries_before", "deliveries_limit")),
)
async def list_deliveries(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """Newest first, with every attempt and the beginning of every answer."""
    status = queries.word(request, "status", DeliveryStatus)
    before = queries.number(request, "before", most=queries.POSITION_MAX)
    rows_max = queries.number(request, "limit", least=1, most=webhooks.PAGE_MAX) or webhooks.PAGE_MAX
    rows = await _done(
        request,
        webhooks.deliveries,
        _known(webhook_id),
        principal,
        status=DeliveryStatus(status) if status else None,
        before=before,
        rows_max=rows_max,
    )
    following = str(rows[-1]["position"]) if len(rows) == rows_max else None
    return presenting.respond({"deliveries": [_delivery(row) for row in rows], "next": following})


@router.post(
    "/{webhook_id}/replay",
    summary="Send deliveries again",
    openapi_extra=_call({200: "Replayed"}, takes="Replay", refuses=(404, 409)),
)
async def replay(request: Request, principal: MayManageWebhooks, webhook_id: str) -> Response:
    """One by its id, those of a time, or those of a status; `{"statuses": ["dead"]}` for all that died.

    A time brings back also what happened while the webhook was disabled, and the former answer does not matter. At
    most 1,000 at once: as long as `more` is true, ask again.
    """
    given = await members.read(request, _REPLAY)
    if not given:
        raise Invalid(
            "replay-of-nothing",
            "The body names nothing to send again.",
            help='Name a `delivery_id`, a time from `since` to `until`, or `statuses`, such as ["dead"].',
        )
    selection = Selection(
        delivery_id=given.get("delivery_id"),
        since=_time(given, "since"),
        until=_time(given, "until"),
        statuses=tuple(DeliveryStatus(status) for status in given.get("statuses", ())),
        rows_max=webhooks.REPLAY_MAX,
    )
    count = await _done(request, webhooks.replay, _known(webhook_id), selection, principal)
    return presenting.respond({"replayed": count, "more": count == webhooks.REPLAY_MAX})


def _known(id: str) -> str:
    """Nothing else is looked for: PostgreSQL refuses to compare with some texts, such as one with a NUL."""
    return id if _ID.fullmatch(id) else ""


def _time(given: Mapping[str, Any], name: str) -> datetime | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text if _TIME.fullmatch(text) else "").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            "time-malformed",
            f"{name} is no time.",
            help="Write it as 2026-11-20T12:00:00+05:30.",
        ) from None


def _webhook(endpoint: Endpoint) -> dict[str, Any]:
    cause = endpoint.disabled_cause
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "gstins": list(endpoint.gstins),
        "policy": endpoint.policy,
        "headers": sorted(endpoint.headers),
        "enabled": cause is None,
        "disabled_cause": cause and cause.value,
        "failing_since": endpoint.failing_since and write_instant(endpoint.failing_since),
        "created_at": write_instant(endpoint.created_at),
        "updated_at": write_instant(endpoint.updated_at),
        "links": {"self": f"/webhooks/{endpoint.id}", "deliveries": f"/webhooks/{endpoint.id}/deliveries"},
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "verdict": answer.verdict.value,
        "status": answer.status,
        "error": answer.error,
        "excerpt": answer.excerpt,
        "duration_ms": answer.duration_ms,
    }


def _delivery(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "event": {"id": row["event_id"], "type": row["type"], "subject": row["subject"]},
        "request_id": row["request_id"],
        "status": row["status"],
        "attempts": row["attempts"],
        "next_attempt_at": row["due_at"] and write_instant(row["due_at"]),
        "created_at": write_instant(row["created_at"]),
        "settled_at": row["settled_at"] and write_instant(row["settled_at"]),
        "history": [
            {
                "number": each["number"],
                "url": each["url"],
                "began_at": write_instant(each["began_at"]),
                "ended_at": each["ended_at"] and write_instant(each["ended_at"]),
                "verdict": each["verdict"],
                "status": each["status"],
                "error": each["error"],
                "excerpt": each["excerpt"],
                "duration_ms": each["duration_ms"],
            }
            for each in row["history"]
        ],
    }
