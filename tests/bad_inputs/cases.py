"""Fixed wrong requests, as data: what is sent, and the status, the code and the places of the answer.

`tests/functional/test_bad_inputs.py` sends each of them, `benchmarks/bad_inputs.py` measures what each costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.domain import canonical, strict_json
from gateway.domain.operations import Environment
from gateway.services import access, administration
from gateway.services.administration import Manager
from gateway.services.principal import ALL_SCOPES, Scope
from tests.support_api import LIVE_ROUTE, SELLER, Stack, add_seller

PLAIN: Final[Mapping[str, Any]] = strict_json.read(
    (Path(__file__).parents[1] / "documents" / "minimal.json").read_bytes()
)
"""The good document that most of them are made from."""
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MARK: Final = "@@here@@"
SHOWN_CHARACTERS: Final = 48


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller can prove itself with: tokens and API keys of both environments, good ones and a revoked one."""

    token: str
    key: str
    reading_key: str
    live_key: str
    live_reading_key: str
    revoked_key: str
    client: tuple[str, str]


Headers = Sequence[tuple[str, str | bytes]]


def bearer(credentials: Credentials) -> Headers:
    """A good access token, which is what is wrong in no case but those about credentials."""
    return [("Authorization", f"Bearer {credentials.token}")]


def nobody(_: Credentials) -> Headers:
    """No credential at all."""
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One wrong request. `faults` are the codes and places in the document, where the answer names them."""

    group: str
    name: str
    status: int
    code: str
    method: str = "POST"
    path: str = "/irn"
    who: Callable[[Credentials], Headers] = bearer
    headers: Headers = (("Content-Type", JSON),)
    body: bytes | None = None
    faults: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    oauth: bool = False

    @property
    def id(self) -> str:
        """Its name in a report, in letters that every terminal has."""
        return f"{self.group}: {self.name}"

    def sent(self, credentials: Credentials) -> dict[str, Any]:
        """The request, as httpx takes it."""
        given = [*self.who(credentials), *self.headers]
        headers = [(name, value if isinstance(value, bytes) else value.encode("latin-1")) for name, value in given]
        return {"method": self.method, "path": self.path, "headers": headers, "content": self.body}


def credentials_of(stack: Stack) -> Credentials:
    """What all cases are sent with: a program of the seller that may everything, in either environment."""
    everything = ALL_SCOPES | {Scope.ADMIN}

    def client(environment: Environment) -> tuple[str, str]:
        org_id = access.ensure_organisation("Tungabhadra", ports=stack.ports)
        return access.add_client(
            environment=environment,
            gstins=[SELLER],
            name="bad inputs",
            respond_async=False,
            scopes=everything,
            org_id=org_id,
            ports=stack.ports,
        )

    def key(client_id: str, *, read_only: bool = False) -> tuple[str, str]:
        made, text = administration.add_api_key(
            Manager(), client_id, gstin=SELLER, name="bad", read_only=read_only, scopes=everything, ports=stack.ports
        )
        return made.id, text

    add_seller(SELLER, ports=stack.ports, route=LIVE_ROUTE)
    stack.clients["bad"] = client(Environment.TEST)
    test_id, live_id = stack.clients["bad"][0], client(Environment.LIVE)[0]
    revoked, revoked_key = key(test_id)
    administration.revoke_api_key(Manager(), revoked, ports=stack.ports)
    return Credentials(
        token=stack.token("bad"),
        key=key(test_id)[1],
        reading_key=key(test_id, read_only=True)[1],
        live_key=key(live_id)[1],
        live_reading_key=key(live_id, read_only=True)[1],
        revoked_key=revoked_key,
        client=stack.clients["bad"],
    )


def shown(value: object) -> str:
    """A value as part of a name: short, and in ASCII."""
    text = ascii(value)
    half = SHOWN_CHARACTERS // 2
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:half]}...{text[-half:]}({len(text)})"


def written(document: Any) -> bytes:
    """A document as bytes."""
    return canonical.written(document)


def with_value(at: str, token: bytes) -> bytes:
    """The good document with a JSON text, whatever it is, as the value at a JSON Pointer."""
    marked = _put(PLAIN, at.split("/")[1:], MARK)
    return written(marked).replace(f'"{MARK}"'.encode(), token)


def with_text(at: str, text: str) -> bytes:
    """The good document with another text at a JSON Pointer."""
    return with_value(at, canonical.written(text))


def with_member(token: bytes) -> bytes:
    """The good document with something written into its top."""
    return b"{" + token + b"," + written(PLAIN)[1:]


def _put(inside: Any, steps: Sequence[str], value: Any) -> Any:
    if not steps:
        return value
    step, *rest = steps
    if isinstance(inside, list):
        return [_put(each, rest, value) if str(index) == step else each for index, each in enumerate(inside)]
    around = dict(inside or {})
    return {**around, step: _put(around.get(step), rest, value)}


def documents(
    group: str, at: str, table: Mapping[str, Sequence[str]], *, also: frozenset[tuple[str, str]] = frozenset()
) -> Iterator[Case]:
    """Documents with a wrong text at one place, by the code of the fault that it is."""
    for code, texts in table.items():
        for text in texts:
            yield document(group, f"{at} {shown(text)}", with_text(at, text), faults={(code, at)} | also)


def tokens(group: str, at: str, table: Mapping[str, Sequence[bytes]]) -> Iterator[Case]:
    """Documents with a wrong JSON text at one place, by the code of the fault that it is."""
    for code, given in table.items():
        for token in given:
            name = f"{at} {shown(token)[2:-1]}"
            if code.startswith("json-"):
                yield Case(group=group, name=name, status=400, code=code, body=with_value(at, token))
            else:
                yield document(group, name, with_value(at, token), faults={(code, at)})


def document(group: str, name: str, body: bytes, *, faults: set[tuple[str, str]] | frozenset[tuple[str, str]]) -> Case:
    """A document that is refused for faults at their places."""
    return Case(group=group, name=name, status=400, code="document-invalid", body=body, faults=frozenset(faults))
