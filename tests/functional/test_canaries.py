"""Two hundred secrets and private texts, planted in a gateway that is used in every way, and where they are afterwards.

What is lawful is data, `LAWFUL`. Everything else is searched: logs at DEBUG, refusals, answers to others, measures,
Redis, each column of each table, the database's own file, what others may export, and what objects say of themselves.
"""

from __future__ import annotations

import base64
import io
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from redis import Redis

from gateway import observability
from gateway.cli.embedded import EmbeddedRedis
from gateway.domain import strict_json
from gateway.domain.operations import Environment
from gateway.jobs.bell import RqBell
from gateway.limits.clients import RedisClientLimits
from gateway.limits.health import RedisHealth
from gateway.limits.redis import RedisLimiter
from gateway.services import access
from gateway.services.administration import Manager
from gateway.services.principal import ALL_SCOPES, Scope
from gateway.storage.sealed import SEALED
from tests.support_api import ROUTE, SELLER, Blueprint, Stack, add_seller, document, written
from tests.support_canaries import Aviary, Leak, columns, everything_in
from tests.support_eway import part_a

OWN: Final = "an answer to its owner"
REFUSAL: Final = "a refusal to its owner"
PLANTED_MIN: Final = 200
NOWHERE: Final[frozenset[str]] = frozenset()
LAWFUL: Final[Mapping[str, frozenset[str]]] = {
    "secret that is shown once": frozenset({OWN}),
    "secret that is never shown": NOWHERE,
    "private key": NOWHERE,
    "wrong secret": NOWHERE,
    "text of a document": frozenset({OWN, REFUSAL}),  # a conflict tells what is registered otherwise
    "wrong text of a document": frozenset({REFUSAL}),  # a fault says what it found, to whoever sent it
    "Idempotency-Key": frozenset({"idempotency_keys.key"}),  # an identifier, found again by itself; never told
    "path or query": frozenset({REFUSAL}),
}
"""Where each kind may stand: bodies are sealed, so no column is named for what stands in documents."""
FORMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "plain": lambda value: b'{"password":"%b"}' % value,
    "hex": lambda value: value.hex().encode(),
    "Base64": lambda value: base64.b64encode(b"user:" + value + b"\n"),
    "Base64 of JSON": lambda value: base64.b64encode(b'{"p":"%b"}' % value),
}
OPERATOR: Final = Manager()
JSON: Final = {"Content-Type": "application/json"}


class House:
    """A gateway on a real Redis, and everything that is said in it or by it."""

    def __init__(self, folder: Path, blueprint: Blueprint, redis: Redis, log: io.StringIO) -> None:
        self.folder = folder
        self.redis = redis
        self.log = log
        self.birds = Aviary(LAWFUL)
        self.stack = Stack(folder, blueprint)
        clock, ids = self.stack.clock, self.stack.ports.ids
        echo(self.stack.bell, RqBell(redis, prefix="c:", clock=clock, ids=ids))
        echo(self.stack.ports.limiter, RedisLimiter(redis, prefix="c:"))
        echo(self.stack.ports.health, RedisHealth(redis, clock, prefix="c:"))
        echo(self.stack.ports.clients, RedisClientLimits(redis, prefix="c:", clock=clock))
        self.said: dict[str, list[str]] = {OWN: [], REFUSAL: [], "an answer to somebody else": []}

    def ask(
        self, method: str, path: str, body: Any = None, *, who: Mapping[str, str], **headers: str
    ) -> httpx.Response:
        """A call of the owner, whose answer is kept."""
        answer = self._send(method, path, body, {**who, **headers})
        self.said[OWN if answer.is_success else REFUSAL].append(_text(answer))
        return answer

    def ask_as_another(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A call of somebody who has nothing to do with it, or of nobody."""
        answer = self._send(method, path, body, headers)
        self.said["an answer to somebody else"].append(_text(answer))
        return answer

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> httpx.Response:
        content = None if body is None else written(body)
        return self.stack.run(self.stack.http.request(method, path, content=content, headers={**JSON, **headers}))

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is left, by place."""
        yield "the log", self.log.getvalue().encode()
        for place, texts in self.said.items():
            yield place, "\n".join(texts).encode()
        yield "the measures", self.stack.wiring.measures()
        yield "Redis", everything_in(self.redis)
        yield from columns(self.stack.wiring.database)
        yield "what objects say of themselves", _said_of_themselves(self.stack).encode()

    def file(self) -> Iterator[tuple[str, bytes]]:
        """The database as it lies on the disk, with what was deleted from it."""
        yield "the file", b"".join(path.read_bytes() for path in sorted(self.folder.glob("mohar.db*")))


def _text(answer: httpx.Response) -> str:
    return "\n".join([answer.text, *(f"{name}: {value}" for name, value in answer.headers.items())])


def echo(first: Any, second: Any) -> None:
    """Let whatever is asked of the first be asked of the second too."""
    for name in (each for each in dir(second) if not each.startswith("_") and callable(getattr(first, each, None))):
        setattr(first, name, _both(getattr(first, name), getattr(second, name)))


def _both(ours: Callable[..., Any], also: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        also(*arguments, **named)
        return ours(*arguments, **named)

    return call


def _said_of_themselves(stack: Stack) -> str:
    ports = stack.ports
    [route, *_] = [ports.routebook.route(ROUTE.name)]
    account = ports.routebook.account(environment=Environment.TEST, gstin=SELLER, route=ROUTE.name)
    return repr([route, account, ports, stack.wiring, stack.wiring.settings, ports.vault, *stack.sender.sent])


def with_texts(birds: Aviary, name: str, **details: Any) -> dict[str, Any]:
    """A document whose every free text is a canary."""
    content = document(name, **details)
    free = {"LglNm", "TrdNm", "Addr1", "Addr2", "Loc", "Nm", "PrdDesc", "Barcde", "OrdLineRef", "PrdSlNo", "Val",
            "Mode", "FinInsBr", "PayTerm", "PayInstr", "CrTrn", "DirDr", "InvRm", "OthRefNo", "RecAdvRefr", "TendRefr",
            "ContrRefr", "ExtRefr", "ProjRefr", "PORefr", "Docs", "Info", "Url", "AccDet", "TransName"}  # fmt: skip

    def filled(value: Any, at: str) -> Any:
        if isinstance(value, dict):
            return {key: filled(each, f"{at}/{key}") for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each, f"{at}/{index}") for index, each in enumerate(value)]
        member = at.rpartition("/")[2]
        if member == "Em":
            return f"{birds.word('text of a document', at)}@example.com"
        if member == "Ph":
            return birds.digits("text of a document", at)
        if member in free:
            return birds.word("text of a document", at, letters=11 if member == "FinInsBr" else 14)
        return value

    filled_document: dict[str, Any] = filled(content, name + str(details))
    return filled_document


def plant_programs(house: House) -> dict[str, str]:
    """Clients, keys and logins of portals, made and replaced; what is wrong of each is tried. Returns the owner."""
    birds, ports, stack = house.birds, house.stack.ports, house.stack
    for name, (_, secret) in stack.clients.items():
        birds.keep("secret that is shown once", f"client {name}", secret)
    org_id = access.ensure_organisation("Tungabhadra", ports=ports)
    everything = ALL_SCOPES | {Scope.ADMIN}
    stack.clients["owner"] = access.add_client(
        environment=Environment.TEST, gstins=[SELLER], name="owner", respond_async=False, scopes=everything,
        org_id=org_id, ports=ports,
    )  # fmt: skip
    birds.keep("secret that is shown once", "owner", stack.clients["owner"][1])
    for number in range(3):
        birds.keep("secret that is shown once", f"token {number}", stack.token("owner", state=str(number)))
    who = stack.bearer("owner")
    birds.keep("secret that is shown once", "token", who["Authorization"].removeprefix("Bearer "))
    for number in range(3):
        made = house.ask("POST", "/admin/clients", {"name": f"till {number}", "gstins": [SELLER]}, who=who).json()
        birds.keep("secret that is shown once", f"till {number}", made["client_secret"])
        renewed = house.ask("POST", f"/admin/clients/{made['client_id']}/secret", {}, who=who).json()
        birds.keep("secret that is shown once", f"till {number} renewed", renewed["client_secret"])
        key = {"client_id": made["client_id"], "gstin": SELLER, "name": "shop"}
        first = house.ask("POST", "/admin/keys", key, who=who).json()
        birds.keep("secret that is shown once", f"key {number}", first["key"])
        second = house.ask("POST", f"/admin/keys/{first['id']}/rotate", who=who).json()
        birds.keep("secret that is shown once", f"key {number} renewed", second["key"])
        used = {"X-API-Key": second["key"]}
        assert house.ask("GET", "/limits", who=used).status_code == 200
    return who


def try_in_vain(house: House, who: Mapping[str, str]) -> None:
    """Wrong secrets, keys, tokens and cookies; secrets where none belongs."""
    birds, stack = house.birds, house.stack
    for number in range(5):
        wrong = birds.word("wrong secret", f"client secret {number}")
        basic = base64.b64encode(f"{stack.clients['owner'][0]}:{wrong}".encode()).decode()
        form = b"grant_type=client_credentials"
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        house.ask_as_another("POST", "/oauth/token", form, **headers)
        house.ask_as_another("GET", "/limits", Authorization=f"Bearer {birds.word('wrong secret', f'token {number}')}")
        key = birds.word("wrong secret", f"key {number}", letters=40)
        house.ask_as_another("GET", "/limits", **{"X-API-Key": f"sk_test_{key}"})
        house.ask_as_another("GET", "/limits", Cookie=f"session={birds.word('wrong secret', f'cookie {number}')}")
        text = birds.word("path or query", f"path {number}")
        house.ask("GET", f"/{text}", who=who)
        house.ask("GET", f"/irn/{text}", who=who)
        house.ask("GET", f"/irn?limit={birds.word('path or query', f'query {number}')}", who=who)
        house.ask(
            "POST", "/irn", document(No=birds.word("wrong text of a document", f"number {number}") + "-."), who=who
        )
        half = written(document())[:-9] + birds.word("wrong text of a document", f"no JSON {number}").encode()
        house.ask("POST", "/irn", half, who=who)
    assert not any(text.startswith("2") for text in house.said["an answer to somebody else"])


def register(house: House, who: Mapping[str, str]) -> None:
    """Documents of every form go to the portal, through faults and surprises, and come back; some are cancelled."""
    birds, stack = house.birds, house.stack
    secret = house.ask("POST", "/webhooks", _webhook(birds), who=who).json()
    birds.keep("secret that is shown once", "webhook", secret["secret"])
    renewed = house.ask("POST", f"/webhooks/{secret['id']}/rotate", {}, who=who).json()
    birds.keep("secret that is shown once", "webhook renewed", renewed["secret"])
    faults = [None, "drop_after", "error_5xx", "html", "throttle", "garble", "expire_session", "unknown_code"]
    for number, fault in enumerate(faults):
        if fault is not None:
            stack.strike(fault)
        form = ("minimal", "full", "with_ewb")[number % 3]
        key = birds.word("Idempotency-Key", f"document {number}")
        content = with_texts(birds, form, No=f"CN/{number}")
        house.ask("POST", "/irn", content, who=who, Prefer="respond-async", **{"Idempotency-Key": key})
        stack.later(minutes=30)
        who = stack.bearer("owner")
    for number in range(3):
        told = house.ask("POST", "/irn", with_texts(birds, "minimal", No=f"CX/{number}"), who=who).json()
        reason = {"CnlRsn": "4", "CnlRem": birds.word("text of a document", f"remark {number}")}
        assert house.ask("POST", f"/irn/{told['irn']}/cancel", reason, who=who).status_code == 200
        house.ask("GET", f"/irn/{told['irn']}", who=who)
        house.ask("GET", f"/irn/{told['irn']}/qr.svg", who=who)
        other = {"Authorization": f"Bearer {stack.token('stranger')}"}
        house.ask_as_another("GET", f"/irn/{told['irn']}", **other)
    _meet_what_is_there(house, who)
    taken = with_texts(birds, "minimal", No="CX/0")
    assert house.ask("POST", "/irn", taken, who=who).status_code == 409


def _meet_what_is_there(house: House, who: Mapping[str, str]) -> None:
    """A document that another program has registered with other words, and a bill of our own."""
    birds, stack = house.birds, house.stack
    with stack.visitor() as visitor:
        assert visitor.generate(with_texts(birds, "minimal", No="DF/1")).codes == []
    assert house.ask("POST", "/irn", with_texts(birds, "minimal", No="DF/1"), who=who).status_code == 409
    parts = ("fromTrdName", "fromAddr1", "fromPlace", "toTrdName", "toAddr1", "toPlace")
    bill = part_a(
        docNo="EW/1", docDate="20/11/2026", **{part: birds.word("text of a document", part) for part in parts}
    )
    assert house.ask("POST", "/ewb", bill, who=who).status_code == 201


def _webhook(birds: Aviary) -> dict[str, Any]:
    headers = {
        f"X-Tenant-{number}": birds.word("secret that is never shown", f"header {number}") for number in range(3)
    }
    return {"url": "https://erp.example/hooks", "headers": headers}


def log_in_anew(house: House, who: Mapping[str, str]) -> None:
    """Logins of portals are replaced, by wrong ones and right ones, and tried."""
    birds = house.birds
    path = f"/gstins/{SELLER}/credentials"
    for number in range(5):
        login = {
            name: birds.word("secret that is never shown", f"{name} {number}") for name in ("user_name", "password")
        }
        assert house.ask("PUT", path, login, who=who).status_code == 200
        house.ask("POST", f"{path}/test", who=who)
        house.stack.later(minutes=1)
    add_seller(SELLER, ports=house.stack.ports)
    house.stack.later(hours=1)
    told = house.ask("POST", f"{path}/test", who=house.stack.bearer("owner"))
    assert told.json()["accepted"] is True, told.text


def surprise(house: House, who: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors that nobody foresaw, with a secret in their words, in a request and in a worker."""
    birds = house.birds
    with monkeypatch.context() as patched:
        word = birds.word("secret that is never shown", "words of an error")

        def fail(*_: object, **__: object) -> Any:
            raise RuntimeError(word)

        patched.setattr("gateway.api.presenting.respond", fail)
        assert house.ask("GET", "/limits", who=who).status_code == 500
    with monkeypatch.context() as patched:
        patched.setattr(type(house.stack.ports.portals), "submit", fail, raising=False)
        patched.setattr("gateway.irp.registering.registration", fail, raising=False)
        patched.setattr("gateway.irp.wire.Wire.send", fail)
        house.ask("POST", "/irn", with_texts(birds, "minimal", No="SU/1"), who=who, Prefer="wait=0")
    house.stack.later(minutes=20)


def keep_keys(house: House) -> None:
    """What lies sealed in the database, opened: sessions at portals, private keys, keys of bodies, secrets."""
    database, vault = house.stack.wiring.database, house.stack.ports.vault
    kinds = {"private_sealed": "private key", "key_sealed": "private key", "secret_sealed": "secret that is shown once"}
    with database.read() as connection:
        for each in SEALED:
            for row in connection.execute(each.table.select().where(each.column.isnot(None))).mappings():
                opened = vault.open(row[each.column.name], context=each.context.format(**row))
                name = f"{each.table.name}.{each.column.name} {next(iter(row.values()))}"
                for number, secret in enumerate(_secrets_in(opened)):
                    kind = kinds.get(each.column.name, "secret that is never shown")
                    house.birds.keep_bytes(kind, f"{name} {number}", secret)
    for line in (house.folder / "master.key").read_bytes().split():
        if len(line) > SECRET_BYTES_MIN:
            house.birds.keep_bytes("private key", "master key", line)


SECRET_BYTES_MIN: Final = 12


def _secrets_in(opened: bytes) -> Iterator[bytes]:
    """The texts of a JSON object, or the whole."""
    try:
        members = strict_json.read(opened)
    except strict_json.JsonFault:
        members = None
    if not isinstance(members, dict):
        yield opened
        return
    yield from (str(each).encode() for each in members.values() if len(str(each)) >= SECRET_BYTES_MIN)


@contextmanager
def overheard() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG, as a process would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(observability.formatter(as_json=True))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    """A Redis of our own."""
    server = EmbeddedRedis()
    server.start()
    with Redis.from_url(server.url) as client:
        yield client
    server.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint, redis: Redis) -> Iterator[House]:
    """A gateway that all this has happened to."""
    with overheard() as log, pytest.MonkeyPatch.context() as monkeypatch:
        made = House(tmp_path_factory.mktemp("canaries"), blueprint, redis, log)
        with made.stack:
            who = plant_programs(made)
            try_in_vain(made, who)
            register(made, who)
            log_in_anew(made, made.stack.bearer("owner"))
            surprise(made, made.stack.bearer("owner"), monkeypatch)
            keep_keys(made)
            _look_at_the_audit(made)
            yield made


def _look_at_the_audit(house: House) -> None:
    stack = house.stack
    stack.later(seconds=30)
    owner, other = stack.bearer("owner"), {"Authorization": f"Bearer {stack.token('stranger')}"}
    for path in ("/audit", "/audit/export", "/operations", "/irn", "/events", "/webhooks", "/admin/keys", "/metrics"):
        house.ask_as_another("GET", path, **other)
        house.ask("GET", path, who=owner)


def test_no_canary_is_where_it_must_not_be(house: House) -> None:
    """Of more than two hundred planted, none is found."""
    counts = Counter(canary.kind for canary in house.birds.canaries)
    assert len({canary.value for canary in house.birds.canaries}) >= PLANTED_MIN, counts
    assert house.birds.leaks(house.places()) == []


def test_the_file_has_none_either(house: House) -> None:
    """A copy of the disk gives away nothing but what stands in the columns that are named."""
    hidden = Aviary(LAWFUL, [canary for canary in house.birds.canaries if canary.kind != "Idempotency-Key"])
    assert hidden.leaks(house.file()) == []


def test_everything_of_the_kind_was_planted(house: House) -> None:
    """No kind is only named, and what is lawful was seen where it may be."""
    assert {canary.kind for canary in house.birds.canaries} == set(LAWFUL)
    strict = Aviary(dict.fromkeys(LAWFUL, NOWHERE), house.birds.canaries)
    seen = {(leak.kind, leak.place) for leak in strict.leaks(house.places())}
    assert seen == {(kind, place) for kind, places in LAWFUL.items() for place in places}


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_the_search_has_teeth(house: House, write: Callable[[bytes], bytes]) -> None:
    """One canary in a log, in a column or in Redis, in whatever form, is found and named."""
    planted = next(canary for canary in house.birds.canaries if canary.name == "password 0")
    alone = Aviary(LAWFUL, [planted])
    spoilt = [(place, content + b"," + write(planted.value)) for place, content in house.places()]
    places = sorted(place for place, _ in spoilt)
    assert alone.leaks(spoilt) == [Leak(place, planted.kind, planted.name) for place in places]
