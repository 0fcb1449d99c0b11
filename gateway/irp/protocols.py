"""How each kind of operation is spoken with a portal: how to call, how to look up, how to read a success."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.operations import Kind
from gateway.domain.outcomes import Outcome
from gateway.irp import bill_steps, bills, cancelling, ewaybills, registering
from gateway.irp.endpoints import EINVOICE, EWAYBILL
from gateway.irp.exchange import Told
from gateway.irp.talk import Matter, Talk


@dataclass(frozen=True, slots=True)
class Protocol:
    """One row. None of its functions raises but for a lost lease: every end is an Outcome."""

    call: Callable[[Talk], Outcome]
    """Send the request, and read what came of it. What the portal says is done already is looked up at once."""
    look_up: Callable[[Talk], Outcome]
    """Find out whether it is done. `Meaning.ABSENT` only when the portal says that it is not."""
    read: Callable[[Matter, Told, str], Outcome]
    """What a success says, by `call` or by `look_up` (the third argument)."""
    system: str = EINVOICE
    """The system of the portal by whose clock its window closes."""


def _step(step: bill_steps.Step) -> Protocol:
    return Protocol(step.call, step.look_up, step.read, EWAYBILL)


PROTOCOLS: Final[Mapping[Kind, Protocol]] = {
    Kind.IRN_GENERATE: Protocol(registering.call, registering.look_up, registering.read),
    Kind.IRN_CANCEL: Protocol(cancelling.call, cancelling.look_up, cancelling.read),
    Kind.EWB_GENERATE: Protocol(ewaybills.generate, ewaybills.look_up_made, ewaybills.read_made),
    Kind.EWB_STANDALONE: Protocol(bills.make, bills.look_up_made, bills.read_made, EWAYBILL),
    Kind.EWB_CANCEL: _step(bill_steps.CANCEL),
    Kind.EWB_VEHICLE: _step(bill_steps.VEHICLE),
    Kind.EWB_TRANSPORTER: _step(bill_steps.TRANSPORTER),
    Kind.EWB_EXTEND: _step(bill_steps.EXTEND),
    Kind.EWB_CONSOLIDATE: _step(bill_steps.CONSOLIDATE),
    Kind.EWB_REJECT: _step(bill_steps.REJECT),
    Kind.EWB_CLOSE: _step(bill_steps.CLOSE),
    Kind.EWB_MOVEMENT: _step(bill_steps.MOVEMENT),
    Kind.EWB_MOVEMENT_ADD: _step(bill_steps.MOVEMENT_ADD),
    Kind.EWB_MOVEMENT_CHANGE: _step(bill_steps.MOVEMENT_CHANGE),
}
