"""Two tenants and everything that can be named in a path: for each operation a call that its owner may make.

`CASES` is the table: what the owner gets, what a stranger gets and what the owner's other GSTIN gets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from gateway.domain.calendar import indian_date
from gateway.domain.operations import Environment
from gateway.sandbox import master
from gateway.sandbox.eway_visitor import EwayVisitor
from gateway.services import access, reconciling, sweeping
from gateway.services.administration import Manager
from gateway.services.principal import ALL_SCOPES, Scope
from tests.support_api import PASSWORD, SELLER, STRANGER, USER, Stack, add_seller, document, written
from tests.support_contract import described, resolved
from tests.support_eway import BUYER, part_a

EVERYTHING: Final = ALL_SCOPES | {Scope.ADMIN}
TODAY: Final = "20/11/2026"
OPERATOR: Final = Manager()
SISTER: Final = master.SEZ_DEVELOPER_TAXPAYER.gstin
"""The owner's other GSTIN, which is no party to anything of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an operation. `marks` stand in its owner's answer, and in nobody else's."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    marks: Sequence[str] = ()


class Owner:
    """The tenant whose objects these are: one program with two GSTINs; and a stranger, who may everything too."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._numbers = count(1)
        add_seller(SISTER, ports=stack.ports)
        stack.clients["owner"] = self._client("owner", [SELLER, SISTER])
        stack.clients["foreigner"] = self._client("foreigner", [STRANGER], org="Strangers")
        self.all = stack.token("owner", gstin=SELLER)

    def _client(self, name: str, gstins: list[str], *, org: str = "Tungabhadra") -> tuple[str, str]:
        return access.add_client(
            environment=Environment.TEST,
            gstins=gstins,
            name=name,
            respond_async=False,
            scopes=EVERYTHING,
            org_id=access.ensure_organisation(org, ports=self.stack.ports),
            ports=self.stack.ports,
        )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """What the owner gets, which has to be good."""
        given = {"Authorization": f"Bearer {self.all}", "Content-Type": "application/json", **headers}
        content = None if body is None else written(body)
        answer = self.stack.send(method, path, content=content, headers=given)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        told: dict[str, Any] = answer.json()
        return told

    def number(self) -> str:
        """A document number that nobody has used."""
        return f"M/{next(self._numbers)}"

    def invoice(self) -> dict[str, Any]:
        """A document that nobody has sent."""
        return document(No=self.number())

    def irn(self) -> str:
        """The IRN of a new registered invoice."""
        irn: str = self.ask("POST", "/irn", self.invoice())["irn"]
        return irn

    def bill(self) -> str:
        """The number of a new e-way bill."""
        number: str = self.ask("POST", "/ewb", part_a(docNo=self.number(), docDate=TODAY))["number"]
        return number

    def another_s_bill(self) -> str:
        """A bill that the buyer has made for goods that come to the owner."""
        visitor = EwayVisitor(self.stack.portal, gstin=BUYER)
        visitor.log_in()
        ends = {"fromGstin": BUYER, "toGstin": SELLER, "fromStateCode": 27, "actFromStateCode": 27}
        payload = part_a(docNo=self.number(), docDate=TODAY, **ends, toStateCode=29, actToStateCode=29)
        return str(visitor.act("GENEWAYBILL", payload).data["ewayBillNo"])

    def operation(self, *, queued: bool = False) -> str:
        """The id of an operation, ended or still in the queue."""
        self.stack.idle = queued
        id: str = self.ask("POST", "/irn", self.invoice(), Prefer="respond-async")["id"]
        self.stack.idle = False
        return id

    def webhook(self, **members: Any) -> str:
        """The id of a new webhook for the first GSTIN."""
        for each in self.ask("GET", "/webhooks")["webhooks"]:
            self.ask("DELETE", f"/webhooks/{each['id']}")
        id: str = self.ask("POST", "/webhooks", {"url": "https://owner.example/hook", **members})["id"]
        return id

    def delivery(self) -> tuple[str, str]:
        """A webhook and one of its deliveries."""
        webhook = self.webhook()
        self.irn()
        [delivery] = self.ask("GET", f"/webhooks/{webhook}/deliveries")["deliveries"]
        return webhook, delivery["id"]

    def client(self) -> str:
        """The id of a new client of the organisation."""
        id: str = self.ask("POST", "/admin/clients", {"name": "till", "gstins": [SELLER]})["client_id"]
        return id

    def key(self) -> str:
        """The id of a new API key of a new client."""
        body = {"client_id": self.client(), "gstin": SELLER, "name": "shop"}
        id: str = self.ask("POST", "/admin/keys", body)["id"]
        return id

    def public_key(self) -> tuple[str, str]:
        """A client and the `kid` of its key."""
        client = self.client()
        self.ask("POST", f"/admin/clients/{client}/public-keys", jwk())
        return client, "k1"

    def reconciliation(self) -> str:
        """The id of today's run, which has found something."""
        ports, irn = self.stack.ports, self.irn()
        with self.stack.visitor() as visitor:
            assert visitor.cancel(irn).codes == []
        seller = ports.directory.seller(environment=Environment.TEST, gstin=SELLER)
        assert seller is not None
        run = reconciling.ask(seller=seller, day=indian_date(ports.clock.now()), actor="operator", ports=ports)
        reconciling.drain(run.lane, ports=ports, policy=self.stack.wiring.drain_policy)
        return run.id

    def record(self) -> tuple[str, str]:
        """A sealed audit record of the first GSTIN, and what it is about."""
        operation = self.operation()
        sweeping.seal_all(holder="test", ports=self.stack.ports)
        return self.ask("GET", f"/audit?subject={operation}")["records"][0]["id"], operation


def jwk() -> dict[str, Any]:
    """A new public key."""
    key: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key()))
    return {"kid": "k1", **key}


def example(operation_id: str) -> Any:
    """The body that the document shows for an operation."""
    for calls in described()["paths"].values():
        for operation in calls.values():
            if isinstance(operation, dict) and operation.get("operationId") == operation_id:
                return resolved(operation["requestBody"])["content"]["application/json"]["example"]
    raise LookupError(operation_id)


Make = Callable[[Owner], Call]
ASKED_OF_BILLS: Final = frozenset({"ewb_get", "ewb_login"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What an operation gives its owner and a stranger. What is `shared` is the organisation's, not one GSTIN's.

    `also` are scopes that the object asks for besides those of the document. `asks` are calls at the portal that a
    stranger's request may make, `writes` the tables where it leaves something of its own, and `why` says why.
    """

    make: Make
    own: int = 200
    stranger: int = 404
    shared: bool = False
    also: frozenset[Scope] = frozenset()
    asks: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    why: str = ""


def _bill(name: str, *, own: int = 200, before: Callable[[Owner, str], Any] = lambda *_: None) -> Case:
    """A change of an e-way bill with the body that the document shows."""

    def make(owner: Owner) -> Call:
        number = owner.bill()
        before(owner, number)
        return Call(path={"number": number}, body=example(name))

    return Case(make=make, own=own, asks=ASKED_OF_BILLS, why=BILLS)


BILLS: Final = (
    "A bill's other party and its transporter may read and change it too, and only the portal knows who they are now: "
    "it is asked with the caller's own login, and tells a stranger nothing."
)
NUMBERS: Final = "A document number is the caller's own: the portal is asked for the caller's document."
TRIPS: Final = "Bills of others may travel together in a transporter's vehicle; the portal refuses them to a stranger."
MASTER: Final = "Master data of a GSTIN is told to everybody."


def _of(name: str, find: Callable[[Owner], str], body: Any = None, **members: Any) -> Case:
    """A call on an object that one path parameter names."""
    return Case(make=lambda owner: Call(path={name: find(owner)}, body=body), **members)


def _reading(name: str, find: Callable[[Owner], str], **members: Any) -> Case:
    """The same, where the answer shows what was asked for."""

    def make(owner: Owner) -> Call:
        found = find(owner)
        return Call(path={name: found}, marks=[found])

    return Case(make=make, **members)


def _list(find: Callable[[Owner], str], *, shared: bool = False) -> Case:
    """A list: a stranger has one too, but nothing of the owner's in it."""
    return Case(make=lambda owner: Call(marks=[find(owner)]), stranger=200, shared=shared)


def _grant(owner: Owner) -> Call:
    return Call(path={"client_id": owner.client(), "gstin": SELLER})


def _public_key(owner: Owner) -> Call:
    client, kid = owner.public_key()
    return Call(path={"client_id": client, "kid": kid})


def _replay(owner: Owner) -> Call:
    webhook, delivery = owner.delivery()
    return Call(path={"webhook_id": webhook}, body={"delivery_id": delivery})


def _deliveries(owner: Owner) -> Call:
    webhook, delivery = owner.delivery()
    return Call(path={"webhook_id": webhook}, marks=[delivery])


def _details(owner: Owner) -> Call:
    sent = owner.invoice()
    irn = owner.ask("POST", "/irn", sent)["irn"]
    details = sent["DocDtls"]
    return Call(query={"doc_type": "INV", "doc_no": details["No"], "doc_date": details["Dt"]}, marks=[irn])


def _bill_of(owner: Owner) -> Call:
    irn = _goods(owner)
    number = owner.ask("POST", "/ewb", _by_irn(irn))["number"]
    return Call(path={"irn": irn}, marks=[number])


def _goods(owner: Owner) -> str:
    goods = document("full", No=owner.number())
    del goods["EwbDtls"]
    irn: str = owner.ask("POST", "/irn", goods)["irn"]
    return irn


def _by_irn(irn: str) -> dict[str, Any]:
    return {"Irn": irn, "Distance": 840, "TransMode": "1", "VehNo": "KA01AB1234", "VehType": "R"}


def _trip(owner: Owner) -> Call:
    bills = [{"ewbNo": int(owner.bill())} for _ in range(2)]
    return Call(body={**example("consolidate_eway_bills"), "tripSheetEwbBills": bills})


def _event(owner: Owner) -> Call:
    return Call(query={"after": str(_last_event(owner))}, marks=[owner.irn()])


def _last_event(owner: Owner) -> int:
    return int(owner.ask("GET", "/events?limit=500")["next"])


def _export(owner: Owner) -> Call:
    return Call(marks=owner.record())


def _records(owner: Owner) -> Call:
    record, operation = owner.record()
    return Call(query={"subject": operation}, marks=[record])


def _begun(owner: Owner, number: str) -> None:
    owner.ask("POST", f"/ewb/{number}/movement", example("begin_movement"))


def _loaded(owner: Owner, number: str) -> None:
    _begun(owner, number)
    owner.ask("POST", f"/ewb/{number}/movement/vehicles", example("add_to_movement"))


WITHDRAWAL: Final = {"reason": "order_cancelled", "remarks": "not sent"}
MOVES: Final = frozenset({Scope.IRN_WRITE})

CASES: Final[Mapping[str, Sequence[Case]]] = {
    "register_invoice": [Case(make=lambda o: Call(body=o.invoice()), own=201, stranger=403)],
    "register_note": [Case(make=lambda o: Call(body=document("credit_note", No=o.number())), own=201, stranger=403)],
    "find_document": [
        _list(Owner.irn),
        Case(make=_details, asks=frozenset({"get_by_document", "login"}), why=NUMBERS),
    ],
    "get_document": [_reading("irn", Owner.irn)],
    "get_qr_png": [_of("irn", Owner.irn)],
    "get_qr_svg": [_of("irn", Owner.irn)],
    "validate_document": [Case(make=lambda o: Call(body=o.invoice()), stranger=200)],
    "verify_token": [Case(make=lambda _: Call(body={"token": "not.a.token"}), stranger=200)],
    "cancel_document": [_of("irn", Owner.irn, WITHDRAWAL)],
    "reverse_document": [_of("irn", Owner.irn, WITHDRAWAL)],
    "list_eway_bills": [_list(Owner.bill)],
    "make_eway_bill": [
        Case(make=lambda o: Call(body=_by_irn(_goods(o))), own=201),
        Case(make=lambda o: Call(body=part_a(docNo=o.number(), docDate=TODAY)), own=201, stranger=403),
    ],
    "consolidate_eway_bills": [
        Case(
            make=_trip,
            own=201,
            stranger=422,
            asks=frozenset({"ewb_consolidate", "ewb_login"}),
            writes=frozenset({"operations", "attempts", "blobs", "lanes", "events", "feeds"}),
            why=TRIPS,
        )
    ],
    "change_vehicle": [_bill("change_vehicle")],
    "change_transporter": [_bill("change_transporter")],
    "extend_validity": [_bill("extend_validity", own=409)],
    "reject_eway_bill": [_of("number", Owner.another_s_bill, {}, asks=ASKED_OF_BILLS, why=BILLS)],
    "close_eway_bill": [_bill("close_eway_bill")],
    "begin_movement": [_bill("begin_movement")],
    "add_to_movement": [_bill("add_to_movement", before=_begun)],
    "change_in_movement": [_bill("change_in_movement", before=_loaded)],
    "get_eway_bill": [_reading("number", Owner.bill, asks=ASKED_OF_BILLS, why=BILLS)],
    "get_eway_bill_of": [Case(make=_bill_of)],
    "cancel_eway_bill": [_of("number", Owner.bill, WITHDRAWAL)],
    "list_operations": [_list(Owner.operation)],
    "list_reconciliations": [_list(Owner.reconciliation)],
    "get_operation": [_reading("id", Owner.operation)],
    "withdraw_operation": [_of("id", lambda o: o.operation(queued=True), also=MOVES)],
    "resume_operation": [_of("id", Owner.operation, own=409, also=MOVES)],
    "judge_operation": [
        _of("id", Owner.operation, {"verdict": "does_not_stand", "note": "looked"}, own=409, also=MOVES)
    ],
    "add_webhook": [
        Case(
            make=lambda _: Call(body={"url": "https://owner.example/hook", "gstins": [SELLER]}),
            own=201,
            stranger=403,
            shared=True,
        )
    ],
    "list_webhooks": [_list(Owner.webhook)],
    "get_webhook": [_reading("webhook_id", Owner.webhook)],
    "change_webhook": [_of("webhook_id", Owner.webhook, {"name": "second"})],
    "delete_webhook": [_of("webhook_id", Owner.webhook)],
    "disable_webhook": [_of("webhook_id", Owner.webhook)],
    "enable_webhook": [_of("webhook_id", Owner.webhook)],
    "rotate_secret": [_of("webhook_id", Owner.webhook)],
    "test_webhook": [_of("webhook_id", Owner.webhook)],
    "list_deliveries": [Case(make=_deliveries)],
    "replay": [Case(make=_replay)],
    "list_events": [
        Case(make=_event, stranger=200),
        Case(make=lambda _: Call(query={"gstin": SELLER}), stranger=403, shared=True),
    ],
    "get_taxpayer": [
        Case(
            make=lambda _: Call(path={"gstin": BUYER}),
            stranger=200,
            asks=frozenset({"gstin", "login"}),
            writes=frozenset({"taxpayers"}),
            why=MASTER,
        )
    ],
    "get_limits": [Case(make=lambda _: Call(marks=[SELLER]), stranger=200)],
    "list_gstins": [_list(lambda _: SELLER, shared=True)],
    "list_clients": [_list(Owner.client, shared=True)],
    "add_client": [Case(make=lambda _: Call(body={"name": "till", "gstins": [SELLER]}), own=201, shared=True)],
    "revoke_client": [_of("client_id", Owner.client, shared=True)],
    "new_secret": [_of("client_id", Owner.client, {}, own=201, shared=True)],
    "end_former_secret": [_of("client_id", Owner.client, shared=True)],
    "put_grant": [Case(make=lambda o: Call(**_path(_grant(o)), body={"scopes": ["read"]}), shared=True)],
    "withdraw_grant": [Case(make=_grant, shared=True)],
    "list_public_keys": [
        Case(make=lambda o: Call(path={"client_id": o.public_key()[0]}, marks=["k1"]), shared=True),
    ],
    "add_public_key": [_of("client_id", Owner.client, jwk(), own=201, shared=True)],
    "revoke_public_key": [Case(make=_public_key, shared=True)],
    "list_api_keys": [_list(Owner.key, shared=True)],
    "add_api_key": [
        Case(make=lambda o: Call(body={"client_id": o.client(), "gstin": SELLER, "name": "shop"}), own=201, shared=True)
    ],
    "rotate_api_key": [_of("key_id", Owner.key, own=201, shared=True)],
    "revoke_api_key": [_of("key_id", Owner.key, shared=True)],
    "put_credentials": [_of("gstin", lambda _: SELLER, {"user_name": USER, "password": PASSWORD}, shared=True)],
    "try_credentials": [_of("gstin", lambda _: SELLER, shared=True)],
    "list_records": [Case(make=_records, stranger=200)],
    "export": [Case(make=_export, stranger=200)],
    "prove": [_reading("record_id", lambda o: o.record()[0])],
}
"""By operationId, for every operation that asks who is calling."""


def _path(call: Call) -> dict[str, Any]:
    return {"path": call.path}
