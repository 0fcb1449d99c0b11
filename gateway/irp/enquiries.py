"""Questions to a portal that change nothing there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from gateway.domain.calendar import write_instant, write_portal_date
from gateway.domain.outcomes import EwayBill, Meaning, Outcome, Registration
from gateway.domain.token_bucket import Limit
from gateway.errors import Absent, Misconfigured, MoharError, Throttled, Unavailable
from gateway.irp import bills, codes, endpoints, envelope, ewaybills, permits, reading, syncing
from gateway.irp.codes import Disposition
from gateway.irp.endpoints import Endpoint
from gateway.irp.exchange import Exchange, Told
from gateway.irp.portals import IrpPortals
from gateway.irp.wire import LostError, UnreachedError, Wire
from gateway.ports import Clock, ErrorBudget, LoginTrial, NamedBucket, Route, Routebook, Seller
from gateway.ports.bills import HeldBill

READING: Final = "reading"
"""What errors of these questions are put down to: they come from whoever reads."""
_HTTP_OK: Final = 200
_HEARTBEAT_CHARACTERS_MAX: Final = 200
_RETRY_SECONDS: Final = 5
_AGAIN: Final = "Try again after Retry-After seconds."
_GSTIN: Final = "gstin"
"""Whose limit a throttling portal is taken to mean: it names nobody."""
_NONE_SUCH: Final = frozenset({Disposition.ABSENT, Disposition.REFUSED, Disposition.GSTIN_UNSYNCED, Disposition.STATE})
"""The portal has none such, or has it for another GSTIN (2143), which has to look alike."""


class IrpEnquiries:
    """Implements `ports.Enquiries`, with a permit for every call like any other."""

    def __init__(
        self, *, routebook: Routebook, portals: IrpPortals, wire: Wire, clock: Clock, budget: ErrorBudget
    ) -> None:
        self._budget = budget
        self._routebook = routebook
        self._clock = clock
        self._portals = portals
        self._wire = wire

    def read_back(
        self, seller: Seller, *, irn: str | None = None, details: tuple[str, str, date] | None = None
    ) -> Registration | None:
        """See `ports.Enquiries`."""
        exchange, route = self._exchange(seller)
        if irn is not None:
            answer = self._ask(seller, exchange, endpoints.GET_IRN, key=irn)
        elif details is not None:
            doc_type, doc_no, doc_date = details
            params = {"doctype": doc_type, "docnum": doc_no, "docdate": write_portal_date(doc_date)}
            answer = self._ask(seller, exchange, endpoints.GET_IRN_BY_DOCUMENT, params=params)
        else:
            raise ValueError("name an IRN, or type, number and date")
        told = _told(answer)
        return None if told is None else reading.registration(told, self._portals.signing_keys(route))

    def bill_of(self, seller: Seller, *, irn: str) -> EwayBill | None:
        """See `ports.Enquiries`."""
        exchange, _ = self._exchange(seller)
        told = _told(self._ask(seller, exchange, endpoints.EWB_GET_BY_IRN, key=irn))
        if told is None:
            return None
        bill = ewaybills.bill_of(told)
        if bill is None:
            raise _unavailable("The portal's answer names no e-way bill.")
        return bill

    def eway_bill(self, seller: Seller, *, number: str) -> HeldBill | None:
        """See `ports.Enquiries`."""
        exchange, _ = self._exchange(seller)
        told = _told(self._ask(seller, exchange, endpoints.EWB_GET, params={"ewbNo": number}))
        if told is None:
            return None
        bill = bills.there(told, environment=seller.environment)
        if bill is None or bill.number != number:
            raise _unavailable("The portal answered with another e-way bill, or with no known status.")
        return bill

    def taxpayer(self, seller: Seller, *, gstin: str, sync: bool) -> Mapping[str, Any] | None:
        """See `ports.Enquiries`."""
        exchange, _ = self._exchange(seller)
        told = _told(self._ask(seller, exchange, endpoints.SYNC_GSTIN if sync else endpoints.GET_GSTIN, key=gstin))
        if told is None:
            return None
        answer = syncing.taxpayer(told, gstin)
        if answer is None:
            raise _unavailable("The portal answered with another taxpayer, or with none.")
        return answer

    def try_login(self, seller: Seller) -> LoginTrial:
        """See `ports.Enquiries`."""
        route = self._routebook.route(seller.route)
        account = self._routebook.account(environment=seller.environment, gstin=seller.gstin, route=route.name)
        if account is None:
            raise _no_account()
        began = self._clock.monotonic()
        taken = self._portals.permits(route, seller.gstin)
        with self._counting(seller, taken):
            refused = self._portals.try_login(route, account, taken)
        milliseconds = round((self._clock.monotonic() - began) * 1000)
        if refused is None:
            return LoginTrial(accepted=True, code=None, message=None, milliseconds=milliseconds)
        return LoginTrial(accepted=False, code=refused.code, message=refused.message, milliseconds=milliseconds)

    def heartbeat(self, route: Route) -> str:
        """See `ports.Enquiries`."""
        if not self._portals.permits(route, gstin="").soon(endpoints.SIGN_OF_LIFE):
            raise Throttled(
                "limit-reached",
                "The shared limit has no room for a sign of life just now.",
                help=_AGAIN,
                retry_after=_RETRY_SECONDS,
                limit_owner="gsp",
                scope="account",
            )
        url = endpoints.url(route, endpoints.HEARTBEAT)
        try:
            reply = self._wire.send("GET", url, headers=endpoints.headers(route), params={}, body=None)
        except (UnreachedError, LostError) as error:
            raise _unavailable(f"The portal gave no sign of life: {error}.") from error
        if reply.status != _HTTP_OK:
            raise _unavailable(f"The portal's sign of life was HTTP {reply.status}.")
        return reply.body.decode("utf-8", "replace")[:_HEARTBEAT_CHARACTERS_MAX]

    def allowance(self, seller: Seller) -> Mapping[str, Limit]:
        """See `ports.Enquiries`."""
        return permits.buckets(self._routebook.route(seller.route), seller.gstin, endpoints.SEND)

    def buckets(self, seller: Seller) -> Sequence[NamedBucket]:
        """See `ports.Enquiries`."""
        routes = [self._routebook.route(name) for name in (seller.route, *seller.other_routes)]
        found = [
            NamedBucket(route=route.name, account=route.gsp_account, scope=kind, name=name, limit=route.limits[kind])
            for route in routes
            for kind, name in permits.names(route, seller.gstin, *endpoints.CLASSES).items()
        ]
        return list({each.name: each for each in reversed(found)}.values())[::-1]

    def _ask(
        self,
        seller: Seller,
        exchange: Exchange,
        endpoint: Endpoint,
        *,
        key: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Told | envelope.Failure:
        with self._counting(seller, exchange):
            answer = exchange.ask(endpoint, key=key, params=params, keep_lease=permits.no_lease)
        if isinstance(answer, Outcome):
            raise self._not_asked(answer, exchange)
        return answer

    @contextlib.contextmanager
    def _counting(self, seller: Seller, asked: Exchange | permits.Permits) -> Iterator[None]:
        """Note the errors that are answered meanwhile, however it ends."""
        try:
            yield
        finally:
            if asked.errors_told:
                self._budget.note(seller, caused_by=READING, errors=asked.errors_told, at=self._clock.now())

    def _not_asked(self, outcome: Outcome, exchange: Exchange) -> MoharError:
        seconds = outcome.retry_after_seconds or _RETRY_SECONDS
        message = outcome.message or "The portal could not be asked."
        if exchange.limiter_away:
            return Unavailable("limiter-away", message, help=_AGAIN, retry_after=seconds, limit_owner="gateway")
        scope = exchange.tightest()
        if scope is None and outcome.meaning is not Meaning.THROTTLED:
            return _unavailable(message, retry_after=seconds, portal_code=outcome.code)
        return Throttled(
            "limit-reached" if scope else "portal-throttles",
            message,
            help=_AGAIN,
            retry_after=seconds,
            limit_owner="gsp" if scope else "portal",
            scope=scope or _GSTIN,
            reset=write_instant(self._clock.now() + timedelta(seconds=seconds)),
        )

    def _exchange(self, seller: Seller) -> tuple[Exchange, Route]:
        route = self._routebook.route(seller.route)
        account = self._routebook.account(environment=seller.environment, gstin=seller.gstin, route=route.name)
        if account is None or account.refused_code is not None:
            raise _no_account()
        return self._portals.exchange(route, account, self._portals.permits(route, seller.gstin)), route


def _no_account() -> Misconfigured:
    return Misconfigured(
        "no-account",
        "The portal cannot be asked: there is no login for this GSTIN that it takes.",
        help="Enter the portal's API user and password with `mohar gstin add`.",
    )


def _told(answer: Told | envelope.Failure) -> Told | None:
    if isinstance(answer, Told):
        return answer
    verdict = codes.verdict(answer.errors)
    if verdict in _NONE_SUCH:
        return None
    error = answer.errors[0]
    if verdict is Disposition.TOO_OLD:
        raise Absent(
            "document-too-old",
            "The document is registered, but the portal gives it back no more.",
            help="Its details are kept for about two days; take it from the web page of the GST portal.",
            portal_code=error.code,
        )
    raise _unavailable(f"The portal answered {error.code}: {error.message}", portal_code=error.code)


def _unavailable(message: str, *, retry_after: int | None = None, portal_code: str | None = None) -> Unavailable:
    return Unavailable(
        "portal-unavailable",
        message,
        help=_AGAIN,
        retry_after=retry_after or _RETRY_SECONDS,
        limit_owner="portal",
        portal_code=portal_code,
    )
