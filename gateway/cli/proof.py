"""Does a portal's answer prove itself? Asked by whoever receives it, trusting nobody on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.irp import signatures
from gateway.irp.signatures import BadSignature, UnknownKey
from gateway.irp.signing_keys import SigningKeys


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether it holds, the key that signed, and what is wrong where it does not hold."""

    holds: bool
    kid: str
    flaw: str = ""


def certificates(published: Iterable[Mapping[str, str]]) -> SigningKeys:
    """The keys of the certificates that a portal publishes. Raises Misconfigured for an unusable one."""
    keys = SigningKeys(monotonic=lambda: 0.0)
    for each in published:
        keys.add(each["certificate"].encode(), kid=each["kid"])
    return keys


def prove(answer: Mapping[str, Any], *, irn: str, keys: SigningKeys) -> Proof:
    """Check both signatures of a registration, and that they, the answer and our own computation name one IRN."""
    kid = ""
    try:
        invoice = signatures.verify(answer["signed_invoice"], keys)
        kid = invoice.kid
        signed = signatures.read_signed_invoice(invoice)
        code = signatures.read_signed_qr(signatures.verify(answer["signed_qr"], keys))
    except (BadSignature, UnknownKey) as error:
        return Proof(holds=False, kid=kid, flaw=str(error))
    if {irn, signed.irn, code.irn} != {answer["irn"]}:
        return Proof(holds=False, kid=kid, flaw="the answer, its signatures and the prediction name different IRNs")
    if signed.ack_no != answer["ack_no"]:
        return Proof(holds=False, kid=kid, flaw="another acknowledgement number is signed than answered")
    return Proof(holds=True, kid=kid)
