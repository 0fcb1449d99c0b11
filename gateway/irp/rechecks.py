"""A second look at what a portal has: documents of the ledger, numbers, and the portal's list of rejected IRNs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from gateway.domain import comparison
from gateway.domain.calendar import write_portal_date
from gateway.domain.identifiers import is_irn
from gateway.domain.operations import HoldCause
from gateway.domain.outcomes import Meaning, Outcome, Registration, Rejections
from gateway.errors import Misconfigured
from gateway.irp import endpoints, portal_json, reading, signatures
from gateway.irp.endpoints import Endpoint
from gateway.irp.exchange import Exchange, Told
from gateway.irp.portals import IrpPortals
from gateway.irp.signatures import KeyStore
from gateway.irp.talk import LOOK_UP, LOOK_UP_ANSWERS, Answer, meant
from gateway.ports import Routebook, Seller

NO_DATA: Final = frozenset({"3001", "3011"})
"""What the portals answer to a question of which they have no data. What a day without rejections is answered with is
not published: these and a plain "none such" are taken for an empty list."""
_FACTS: Final[Mapping[str, Callable[[Registration], Any]]] = {
    "/AckNo": lambda each: each.ack_no,
    "/BuyerDtls/Gstin": lambda each: each.buyer_gstin,
    "/ValDtls/TotInvVal": lambda each: each.total,
}
"""What a registration says beside its identity, which is in its IRN, where its signed copy cannot be compared."""


class IrpRechecks:
    """Implements `ports.reconciling.Rechecks`, with a permit for every call like any other."""

    def __init__(self, *, routebook: Routebook, portals: IrpPortals) -> None:
        self._routebook = routebook
        self._portals = portals

    def document(self, seller: Seller, *, route: str, held: Registration, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.reconciling.Rechecks`."""

        def read(told: Told, keys: KeyStore) -> Outcome:
            return _compared(told, held, keys)

        return self._ask(seller, route, endpoints.GET_IRN, read, keep_lease, key=held.irn)

    def number(
        self,
        seller: Seller,
        *,
        route: str,
        details: tuple[str, str, date],
        sent: Any,
        keep_lease: Callable[[], None],
    ) -> Outcome:
        """See `ports.reconciling.Rechecks`."""
        doc_type, doc_no, doc_date = details
        params = {"doctype": doc_type, "docnum": doc_no, "docdate": write_portal_date(doc_date)}

        def read(told: Told, keys: KeyStore) -> Outcome:
            return reading.read(told, sent, keys, found_by=LOOK_UP)

        return self._ask(seller, route, endpoints.GET_IRN_BY_DOCUMENT, read, keep_lease, params=params)

    def rejected(self, seller: Seller, *, route: str, day: date, keep_lease: Callable[[], None]) -> Outcome:
        """See `ports.reconciling.Rechecks`."""
        params = {"date": write_portal_date(day)}
        outcome = self._ask(seller, route, endpoints.REJECTED_IRNS, _listed, keep_lease, params=params)
        if outcome.meaning is Meaning.ABSENT or outcome.code in NO_DATA:
            return replace(outcome, meaning=Meaning.REGISTERED, result=Rejections(irns=()))
        return outcome

    def _ask(
        self,
        seller: Seller,
        route: str,
        endpoint: Endpoint,
        read: Callable[[Told, KeyStore], Outcome],
        keep_lease: Callable[[], None],
        **asked: Any,
    ) -> Outcome:
        try:
            exchange, keys = self._exchange(seller, route)
        except Misconfigured as error:
            return Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.ACCOUNT, code=error.code, message=error.message)
        if exchange is None:
            message = "There is no login for this GSTIN on this route that the portal takes."
            return Outcome(meaning=Meaning.HELD, hold_cause=HoldCause.CREDENTIALS, code="no-account", message=message)
        answer = exchange.ask(endpoint, keep_lease=keep_lease, **asked)
        return replace(_meaning(answer, read, keys), errors_told=exchange.errors_told)

    def _exchange(self, seller: Seller, route: str) -> tuple[Exchange | None, KeyStore]:
        way = self._routebook.route(route)
        keys = self._portals.signing_keys(way)
        account = self._routebook.account(environment=seller.environment, gstin=seller.gstin, route=route)
        if account is None or account.refused_code is not None:
            return None, keys
        permits = self._portals.permits(way, seller.gstin, direct=False)
        return self._portals.exchange(way, account, permits), keys


def _meaning(answer: Answer, read: Callable[[Told, KeyStore], Outcome], keys: KeyStore) -> Outcome:
    if isinstance(answer, Told):
        return read(answer, keys)
    return answer if isinstance(answer, Outcome) else meant(answer, LOOK_UP_ANSWERS)


def _compared(told: Told, held: Registration, keys: KeyStore) -> Outcome:
    """A read-back against what we hold. What does not verify, or is another document's, says nothing."""
    try:
        found, document = reading.verified(told, keys)
    except signatures.UnknownKey as error:
        return Outcome(
            meaning=Meaning.UNVERIFIED, message=f"It is signed with key {error.kid}, which is not installed."
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return Outcome(meaning=Meaning.UNKNOWN, message="The portal's answer has no valid signed invoice and QR code.")
    if (found.irn, found.seller_gstin) != (held.irn, held.seller_gstin):
        return Outcome(meaning=Meaning.UNKNOWN, message="The portal answered with another document.")
    differences = _differences(held, found, document, keys)
    meaning = Meaning.CONFLICT if differences else Meaning.REGISTERED
    return Outcome(meaning=meaning, result=replace(found, differences=differences), found_by=LOOK_UP)


def _differences(
    held: Registration, found: Registration, document: Mapping[str, Any], keys: KeyStore
) -> tuple[Mapping[str, Any], ...]:
    """Where the copies differ, `sent` being what we hold. The same bytes are the same document."""
    if held.signed_invoice == found.signed_invoice:
        return ()
    try:
        ours = signatures.read_signed_invoice(signatures.verify(held.signed_invoice, keys)).document
    except (ValueError, LookupError):  # signed with a key that is installed no more: the row says what it said
        facts = {at: (of(held), of(found)) for at, of in _FACTS.items()}
        return tuple(_plain(at, *pair) for at, pair in facts.items() if pair[0] != pair[1])
    between = [_plain(each.at, each.sent, each.registered) for each in comparison.differences(ours, document)]
    anew = [] if held.ack_no == found.ack_no else [_plain("/AckNo", held.ack_no, found.ack_no)]
    return (*anew, *between)


def _plain(at: str, held: Any, found: Any) -> Mapping[str, Any]:
    return {
        "at": at,
        "sent": None if held is None else str(held),
        "registered": None if found is None else str(found),
    }


def _listed(told: Told, keys: KeyStore) -> Outcome:  # noqa: ARG001  as all answers are read: this one is not signed
    """The list of rejected IRNs: texts, as the portal's sample has it, or objects that name one (undocumented)."""
    try:
        irns = tuple(_irn_of(each) for each in portal_json.read(told.data) or ())
    except (ValueError, TypeError):
        return Outcome(meaning=Meaning.UNKNOWN, message="The portal's answer is no list of IRNs.", evidence=told.data)
    return Outcome(meaning=Meaning.REGISTERED, result=Rejections(irns=irns))


def _irn_of(entry: Any) -> str:
    """Raises ValueError for what names no IRN."""
    folded = portal_json.members(entry)
    named = entry if folded is None else folded.get("irn")
    if not isinstance(named, str) or not is_irn(named.lower()):
        raise ValueError("no IRN")
    return named.lower()
