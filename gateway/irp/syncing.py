"""A refusal for a GSTIN that the portal does not know as it stands: its copy of the register is brought up to date.

Codes 3028 and 3029 say that a party is unknown or not active. The portals keep a copy of the GST register, which may be
behind; NIC's advice is to synchronise the GSTIN and to ask once more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.domain.identifiers import is_gstin
from gateway.irp import codes, endpoints, envelope, portal_json
from gateway.irp.codes import Disposition
from gateway.irp.endpoints import Endpoint
from gateway.irp.exchange import Told
from gateway.irp.talk import Answer, Talk, members

_PARTIES: Final = ("SellerDtls", "BuyerDtls", "ShipDtls", "DispDtls")
_NAMED: Final = re.compile(r"\b[0-9]{2}[0-9A-Z]{13}\b", re.ASCII)


def send(talk: Talk, endpoint: Endpoint) -> Answer:
    """Send the request; where the register may be behind, synchronise the parties that are meant and send once more.

    The first answer stands where none of them could be synchronised: nothing would be different.
    """
    answer = talk.send(endpoint)
    if not isinstance(answer, envelope.Failure) or codes.verdict(answer.errors) is not Disposition.GSTIN_UNSYNCED:
        return answer
    synced = [gstin for gstin in _meant(talk, answer) if _sync(talk, gstin)]
    return talk.send(endpoint) if synced else answer


def taxpayer(told: Told, gstin: str) -> dict[str, Any] | None:
    """What an answer about a GSTIN says of it, in the portal's own members; None when it is about something else."""
    answer = members(told)
    if answer is None or answer.get("gstin") != gstin:
        return None
    return dict(portal_json.read(told.data))


def _sync(talk: Talk, gstin: str) -> bool:
    """Whether the portal did so. What it told with it is kept with what comes of the operation."""
    answer = talk.ask(endpoints.SYNC_GSTIN, key=gstin)
    if not isinstance(answer, Told):
        return False
    known = taxpayer(answer, gstin)
    if known is not None:
        talk.learnt[gstin] = known
    return True


def _meant(talk: Talk, refusal: envelope.Failure) -> list[str]:
    """The parties that the refusal names; all of them where it names none."""
    parties = _parties(talk.asked) or [talk.operation.gstin]
    named = {gstin for error in refusal.errors for gstin in _NAMED.findall(error.message)}
    return [gstin for gstin in parties if gstin in named] or parties


def _parties(asked: Mapping[str, Any]) -> list[str]:
    found = (asked.get(part) for part in _PARTIES)
    named = (part.get("Gstin") for part in found if isinstance(part, dict))
    return list(dict.fromkeys(gstin for gstin in named if isinstance(gstin, str) and is_gstin(gstin)))
