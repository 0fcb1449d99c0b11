"""What a success says of a document: signatures checked, content compared with what we sent."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from gateway.domain import comparison, irn
from gateway.domain.calendar import read_portal_date, read_portal_time
from gateway.domain.identifiers import is_document_number
from gateway.domain.outcomes import EwayBill, Meaning, Outcome, Registration
from gateway.errors import Unavailable
from gateway.irp import bills, envelope, portal_json, signatures
from gateway.irp.exchange import Told
from gateway.irp.signatures import KeyStore

_DISTANCE: Final = "EWBPPD"
_CANCELLED: Final = "CNL"
_REJECTED: Final = "REJ"
_CANCELLATION: Final = {"at": "/Status", "sent": "ACT", "registered": _CANCELLED}
_REJECTION: Final = {"at": "/Status", "sent": "ACT", "registered": _REJECTED}


def read(told: Told, sent: Mapping[str, Any], keys: KeyStore, *, found_by: str) -> Outcome:
    """The meaning of `told` for the document that we sent, or would send.

    Registered when it is ours, field by field; a conflict when the number has other content; unverified when it is
    signed by a key that we do not have; unknown for whatever does not fit, such as another's document.
    """
    try:
        registered, document = verified(told, keys)
    except signatures.UnknownKey as error:
        message = f"The answer is signed with key {error.kid}, which is not installed."
        return Outcome(meaning=Meaning.UNVERIFIED, message=message, evidence=told.data)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return _unknown(told, "The portal's success has no valid signed invoice and QR code.")
    if registered.irn not in _irns_of(sent):
        return _unknown(told, "The portal answered with another document.")
    differences = tuple(_plain(each) for each in _contradictions(sent, document))
    if differences and found_by == "call":
        return _unknown(told, "The portal registered something else than was sent.")
    told_first = (
        f"The number is registered with other content, at {differences[0]['at']} first." if differences else None
    )
    if registered.cancelled:
        differences = (*differences, _CANCELLATION)
        told_first = "The number is registered and cancelled at the portal; a cancelled number cannot be used again."
    if registered.rejected:
        differences = (*differences, _REJECTION)
        told_first = "The IRN was rejected: the same document was registered elsewhere, and that one counts."
    return Outcome(
        meaning=Meaning.CONFLICT if differences else Meaning.REGISTERED,
        result=replace(registered, differences=differences, ewb=_with_end(registered.ewb, sent)),
        evidence=told.data,
        found_by=found_by,
        message=told_first,
    )


def registration(told: Told, keys: KeyStore) -> Registration:
    """What is registered, signatures checked, compared with nothing. Raises Unavailable when it does not verify."""
    try:
        return verified(told, keys)[0]
    except (ValueError, TypeError, AttributeError, OverflowError, LookupError):
        raise Unavailable(
            "portal-answer-unverified",
            "The portal's answer is not validly signed with a key that is installed.",
            help="Install the portal's present signing certificate with `mohar route key`, then ask again.",
            retry_after=60,
            limit_owner="portal",
        ) from None


def verified(told: Told, keys: KeyStore) -> tuple[Registration, Mapping[str, Any]]:
    """The registration and its document. Raises UnknownKey, ValueError, KeyError or TypeError."""
    answer = portal_json.read(told.data)
    signed = signatures.verify(answer["SignedInvoice"], keys)
    invoice = signatures.read_signed_invoice(signed)
    shown = signatures.read_signed_qr(signatures.verify(answer["SignedQRCode"], keys))
    if (shown.irn, shown.seller_gstin) != (invoice.irn, invoice.seller_gstin):
        raise ValueError("the QR code is another document's")
    registered = Registration(
        irn=invoice.irn,
        ack_no=invoice.ack_no,
        ack_at=invoice.ack_at,
        signed_invoice=answer["SignedInvoice"],
        signed_qr=answer["SignedQRCode"],
        key_id=signed.kid,
        seller_gstin=invoice.seller_gstin,
        buyer_gstin=invoice.buyer_gstin,
        doc_type=invoice.doc_type,
        doc_no=invoice.doc_no,
        doc_date=invoice.doc_date,
        total=invoice.total,
        cancelled=answer.get("Status") == _CANCELLED,
        rejected=answer.get("Status") == _REJECTED,
        ewb=_eway_bill(answer, told.info),
        originals=_originals(invoice.document),
    )
    return registered, invoice.document


def _contradictions(sent: Mapping[str, Any], registered: Mapping[str, Any]) -> list[comparison.Difference]:
    """Where the registered copy says something else.

    What it merely leaves out is no contradiction, unless it tells who or how much:
    recorded copies lack batch dates and payment details that were sent.
    """
    said = [each for each in comparison.differences(sent, registered) if not each.left_out]
    return said or comparison.identity_differences(sent, registered)


def _irns_of(sent: Mapping[str, Any]) -> set[str]:
    """The IRN of a document: as it is hashed today, and as it was before June 2025, with the case kept."""
    details = sent["DocDtls"]
    facts = {
        "seller_gstin": sent["SellerDtls"]["Gstin"],
        "doc_type": details["Typ"],
        "doc_no": details["No"],
        "doc_date": read_portal_date(details["Dt"]),
    }
    return {irn.predict(**facts), irn.predict_case_kept(**facts)}


def _eway_bill(answer: Mapping[str, Any], info: envelope.Info) -> EwayBill | None:
    number = answer.get("EwbNo")
    errors = tuple((error.code, error.message) for error in info.ewb_errors())
    if not number and not errors:
        return None
    remarks = [text for text in (answer.get("Remarks"), *info.texts(_DISTANCE)) if isinstance(text, str) and text]
    return EwayBill(
        number=str(number) if number else None,
        made_at=portal_time(answer.get("EwbDt")),
        valid_until=portal_time(answer.get("EwbValidTill")),
        errors=errors,
        remarks="; ".join(dict.fromkeys(remarks)) or None,
    )


def _with_end(bill: EwayBill | None, sent: Mapping[str, Any]) -> EwayBill | None:
    """The bill, with the end that the distance in the document gives by law."""
    asked = sent.get("EwbDtls")
    if bill is None or not isinstance(asked, dict):
        return bill
    return replace(bill, computed_until=bills.computed_until(asked, start=bill.made_at, distance="Distance"))


def _originals(document: Mapping[str, Any]) -> tuple[tuple[str, date], ...]:
    """The documents that a note refers to. What is not written as it should be is no reference."""
    references = document.get("RefDtls")
    named = references.get("PrecDocDtls") if isinstance(references, dict) else None
    found: list[tuple[str, date]] = []
    for each in named if isinstance(named, list) else []:
        with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError):
            if is_document_number(each["InvNo"]):
                found.append((each["InvNo"], read_portal_date(each["InvDt"])))
    return tuple(dict.fromkeys(found))


def portal_time(text: Any) -> datetime | None:
    """An instant as the portal writes it, or None for whatever is none: some answers leave it out."""
    try:
        return read_portal_time(text)
    except (
        ValueError,
        TypeError,
        OverflowError,
    ):  # a part A slip has no validity, and the form of a missing one is not published
        return None


def _plain(difference: comparison.Difference) -> dict[str, Any]:
    return {
        "at": difference.at,
        "sent": None if difference.sent is None else str(difference.sent),
        "registered": None if difference.registered is None else str(difference.registered),
    }


def _unknown(told: Told, message: str) -> Outcome:
    return Outcome(meaning=Meaning.UNKNOWN, message=message, evidence=told.data)
