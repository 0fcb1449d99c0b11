"""A signed invoice or QR code that somebody brings: whether a portal signed it, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from gateway.domain.operations import Environment
from gateway.irp import signatures
from gateway.irp.signatures import BadContent, BadSignature, KeyStore, Signed, UnknownKey
from gateway.irp.signing_keys import KeyFile, SigningKeys
from gateway.ports import Routebook
from gateway.ports.verifying import Flaw, Shown, Verified


class TokenVerifier:
    """Implements `ports.Verifier`. An id is a certificate's thumbprint, so it is one key, whichever route has it."""

    def __init__(self, *, routebook: Routebook, monotonic: Callable[[], float]) -> None:
        self._keys = {
            environment: SigningKeys(monotonic=monotonic, reload=partial(_installed, routebook, environment))
            for environment in Environment
        }

    def examine(self, token: str, *, environment: Environment) -> Verified:
        """See `ports.Verifier`."""
        return examine(token, self._keys[environment])


def _installed(routebook: Routebook, environment: Environment) -> Iterator[KeyFile]:
    """The signing keys of all routes of an environment."""
    for route in routebook.routes():
        if route.environment is environment:
            for kid, pem in routebook.portal_keys(route=route.name, purpose="signing").items():
                yield KeyFile(pem.encode(), kid)


def examine(token: str, keys: KeyStore) -> Verified:
    """What a token proves, by these keys."""
    try:
        signed = signatures.verify(token, keys)
    except UnknownKey as error:
        return Verified(flaw=Flaw.KEY_UNKNOWN, told=_sentence(error), key_id=error.kid)
    except BadContent as error:
        return Verified(flaw=Flaw.NO_DOCUMENT, told=_sentence(error))
    except BadSignature as error:
        return Verified(flaw=Flaw.NOT_SIGNED_SO, told=_sentence(error))
    try:
        shown = _shown(signed)
    except BadContent as error:
        return Verified(flaw=Flaw.NO_DOCUMENT, told=_sentence(error), key_id=signed.kid, issuer=signed.issuer)
    return Verified(key_id=signed.kid, issuer=signed.issuer, shown=shown, content=signed.data)


def _shown(signed: Signed) -> Shown:
    """The document under a signature: an invoice has its details in a part of their own. Raises BadContent."""
    read = signatures.read_signed_invoice if "DocDtls" in signed.data else signatures.read_signed_qr
    found = read(signed)
    is_invoice = isinstance(found, signatures.SignedInvoice)
    return Shown(
        form="invoice" if is_invoice else "qr",
        irn=found.irn,
        seller_gstin=found.seller_gstin,
        buyer_gstin=found.buyer_gstin,
        doc_type=found.doc_type,
        doc_no=found.doc_no,
        doc_date=found.doc_date,
        total=found.total,
        lines=found.lines,
        ack_no=found.ack_no if isinstance(found, signatures.SignedInvoice) else None,
        ack_at=found.ack_at if isinstance(found, signatures.SignedInvoice) else found.irn_at,
    )


def _sentence(error: Exception) -> str:
    told = str(error)
    return f"{told[:1].upper()}{told[1:]}."
