"""Proofs of who is calling that prove nothing: API keys and tokens that are cut, doubled, swapped or misplaced."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tests.bad_inputs.cases import FORM, JSON, PLAIN, Case, Credentials, Headers, nobody, written

GOOD: Final = written(PLAIN)
TYPE: Final = ("Content-Type", JSON)
DOORS: Final = (("POST", "/irn"), ("GET", "/irn"), ("POST", "/validate"), ("GET", "/audit"), ("GET", "/admin/keys"))

Made = Callable[[Credentials], str | bytes]

KEYS: Final[Mapping[str, Made]] = {
    "revoked": lambda known: known.revoked_key,
    "one character short": lambda known: known.key[:-1],
    "cut to its mark": lambda known: known.key[:8],
    "half": lambda known: known.key[: len(known.key) // 2],
    "its hint": lambda known: f"{known.key[:8]}...{known.key[-4:]}",
    "one character long": lambda known: known.key + "A",
    "doubled": lambda known: known.key * 2,
    "twice with a comma": lambda known: f"{known.key},{known.key}",
    "its last character changed": lambda known: known.key[:-1] + ("A" if known.key[-1] != "A" else "B"),
    "two characters swapped": lambda known: known.key[:8] + known.key[9] + known.key[8] + known.key[10:],
    "reversed behind its mark": lambda known: known.key[:8] + known.key[:7:-1],
    "in capitals behind its mark": lambda known: known.key[:8] + known.key[8:].swapcase(),
    "called live": lambda known: known.key.replace("sk_test_", "sk_live_"),
    "called read-only": lambda known: known.key.replace("sk_", "pk_"),
    "a live one called test": lambda known: known.live_key.replace("sk_live_", "sk_test_"),
    "a live one called read-only": lambda known: known.live_key.replace("sk_live_", "pk_live_"),
    "a read-only one called secret": lambda known: known.reading_key.replace("pk_", "sk_"),
    "a live read-only one called secret": lambda known: known.live_reading_key.replace("pk_", "sk_"),
    "two marks": lambda known: "sk_test_" + known.key,
    "another's mark": lambda known: "sk_test_" + known.live_key,
    "a blank within": lambda known: f"{known.key[:20]} {known.key[20:]}",
    "quoted": lambda known: f'sk_test_"{known.key[8:]}"',
    "a letter beyond ASCII": lambda known: known.key.encode() + b"\xe9",
    "a no-break space behind": lambda known: known.key.encode() + b"\xa0",
    "a client's secret": lambda known: "sk_test_" + known.client[1],
    "a wild card": lambda _: "sk_test_%",
    "SQL": lambda _: "sk_live_' OR '1'='1",
    "four kilobytes": lambda _: "sk_test_" + "A" * 4096,
    "the mark alone": lambda _: "pk_live_",
}
"""What is no key, by how it came to be one. Each goes in as a bearer token and as X-API-Key."""

NO_KEYS: Final[Mapping[str, Made]] = {
    "without its mark": lambda known: known.key[8:],
    "an unknown mark": lambda known: "sk_prod_" + known.key[8:],
    "a mark in capitals": lambda known: known.key.replace("sk_test_", "SK_TEST_"),
    "a blank mark": lambda known: "sk test " + known.key[8:],
    "a mark in full width": lambda known: known.key.replace("sk", "\uff53\uff4b").encode(),
    "a zero width space before": lambda known: "\u200b".encode() + known.key.encode(),
    "an access token": lambda known: known.token,
    "a client's id": lambda known: known.client[0],
    "nothing": lambda _: "",
}
"""What is not even called a key."""

PLACES: Final[Mapping[str, Callable[[Credentials], Headers]]] = {
    "a key and a token": lambda known: [("Authorization", f"Bearer {known.token}"), ("X-API-Key", known.key)],
    "a key twice": lambda known: [("X-API-Key", known.key), ("X-API-Key", known.key)],
    "two keys": lambda known: [("X-API-Key", known.key), ("X-API-Key", known.reading_key)],
    "a key in Basic": lambda known: [basic(known.key, "")],
    "a key as password": lambda known: [basic("", known.key)],
    "a key without a scheme": lambda known: [("Authorization", known.key)],
    "a key as scheme": lambda known: [("Authorization", f"ApiKey {known.key}")],
    "a key in a cookie": lambda known: [("Cookie", f"x-api-key={known.key}")],
    "a key in another header": lambda known: [("X-Auth-Token", known.key), ("Api-Key", known.key)],
    "a token as key": lambda known: [("X-API-Key", f"Bearer {known.token}")],
    "a key in the proxy's header": lambda known: [("Proxy-Authorization", f"Bearer {known.key}")],
}

FORMS: Final[Mapping[str, tuple[str, int, str]]] = {
    "nothing": ("", 400, "invalid_request"),
    "no grant": ("scope=read", 400, "invalid_request"),
    "a password grant": ("grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
    "a code": ("grant_type=authorization_code&code=a", 400, "unsupported_grant_type"),
    "a refresh": ("grant_type=refresh_token&refresh_token=a", 400, "unsupported_grant_type"),
    "a grant in capitals": ("grant_type=CLIENT_CREDENTIALS", 400, "unsupported_grant_type"),
    "a grant with a blank": ("grant_type=client_credentials+", 400, "unsupported_grant_type"),
    "a full-width grant": ("grant_type=client%EF%BC%BFcredentials", 400, "unsupported_grant_type"),
    "two grants": ("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
    "JSON": ('{"grant_type":"client_credentials"}', 400, "invalid_request"),
    "an unknown scope": ("grant_type=client_credentials&scope=everything", 400, "invalid_scope"),
    "a scope in capitals": ("grant_type=client_credentials&scope=READ", 400, "invalid_scope"),
    "scopes with commas": ("grant_type=client_credentials&scope=read,audit", 400, "invalid_scope"),
    "a NUL as scope": ("grant_type=client_credentials&scope=%00", 400, "invalid_scope"),
    "another's GSTIN": ("grant_type=client_credentials&gstin=07AAACM0009J1ZW", 400, "invalid_target"),
    "a GSTIN in full width": (
        "grant_type=client_credentials&gstin=%EF%BC%92%EF%BC%99AAHCT7421P1ZM",
        400,
        "invalid_target",
    ),
    "a GSTIN with a line feed": ("grant_type=client_credentials&gstin=29AAHCT7421P1ZM%0A", 400, "invalid_target"),
    "a GSTIN in small letters": ("grant_type=client_credentials&gstin=29aahct7421p1zm", 400, "invalid_target"),
    "21 fields": ("grant_type=client_credentials" + "".join(f"&f{n}=1" for n in range(20)), 400, "invalid_request"),
    "nine kilobytes": ("grant_type=client_credentials&x=" + "x" * 9000, 413, "invalid_request"),
}


def basic(user: str, password: str) -> tuple[str, str]:
    """An Authorization header."""
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _key(name: str, made: Made, *, header: str, method: str, path: str, code: str) -> Case:
    def who(known: Credentials) -> Headers:
        given = made(known)
        raw = given if isinstance(given, bytes) else given.encode("latin-1")
        return [(header, b"Bearer " + raw if header == "Authorization" else raw)]

    more: dict[str, Any] = {"method": method, "path": path, "who": who, "body": GOOD if method == "POST" else None}
    return Case(group="api key", name=f"{name}, {method} {path} {header}", status=401, code=code, **more)


def cases() -> Iterator[Case]:
    """All of them: each key at a door in both headers, and some at every door."""
    for index, (name, made) in enumerate(KEYS.items()):
        for header in ("Authorization", "X-API-Key"):
            doors = DOORS if name.startswith(("called", "a live", "revoked")) else DOORS[index % 2 :][:1]
            for method, path in doors:
                yield _key(name, made, header=header, method=method, path=path, code="api-key-invalid")
    for name, made in NO_KEYS.items():
        for header, code in (("Authorization", "token-invalid"), ("X-API-Key", "token-missing")):
            if name in {"an access token", "nothing"} and header == "Authorization":
                continue  # that is right, and that is a token which is missing
            yield _key(name, made, header=header, method="GET", path="/irn", code=code)
    for name, who in PLACES.items():
        yield Case(group="place", name=name, status=401, code="token-missing", who=who, body=GOOD)
    for path in ("/irn", "/cdnr", "/ewb", "/webhooks", "/admin/clients"):
        yield Case(group="read-only", name=path, status=403, code="scope-missing", path=path, who=_reading, body=GOOD)
    for where in ("?api_key=sk_test_x", "?access_token=x", "?key=sk_live_x"):
        yield Case(
            group="place", name=where, status=401, code="token-missing", method="GET", path=f"/irn{where}", who=nobody
        )
    yield from _oauth()


def _reading(known: Credentials) -> Headers:
    return [("X-API-Key", known.reading_key)]


def _oauth() -> Iterator[Case]:
    sent: dict[str, Any] = {"path": "/oauth/token", "oauth": True, "headers": (("Content-Type", FORM),)}
    for name, (form, status, code) in FORMS.items():
        who = lambda known: [basic(*known.client)]  # noqa: E731  as the others above
        yield Case(group="token", name=name, status=status, code=code, body=form.encode(), who=who, **sent)
    grant = b"grant_type=client_credentials"
    wrong: dict[str, Callable[[Credentials], tuple[str, str]]] = {
        "a key as secret": lambda known: basic(known.client[0], known.key),
        "a key as client": lambda known: basic(known.key, ""),
        "a secret that is cut": lambda known: basic(known.client[0], known.client[1][:-1]),
        "a secret that is doubled": lambda known: basic(known.client[0], known.client[1] * 2),
        "no secret": lambda known: basic(known.client[0], ""),
        "an id in capitals": lambda known: basic(known.client[0].upper(), known.client[1]),
        "an id with a NUL": lambda known: basic(known.client[0] + "\x00", known.client[1]),
        "an id with a zero width space": lambda known: basic(known.client[0] + "\u200b", known.client[1]),
        "the two swapped": lambda known: basic(known.client[1], known.client[0]),
    }
    for name, header in wrong.items():
        who = lambda known, header=header: [header(known)]  # noqa: E731  as the others above
        yield Case(group="token", name=name, status=401, code="invalid_client", body=grant, who=who, **sent)
