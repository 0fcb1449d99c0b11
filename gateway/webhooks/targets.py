"""A receiver's URL taken apart, by rules so narrow that no two readers of a URL could disagree on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import idna

URL_CHARACTERS_MAX: Final = 2048
"""What proxies and logs take without cutting."""
HTTPS_PORT: Final = 443
HTTP_PORT: Final = 80
PORTS: Final = frozenset({HTTPS_PORT, 8443})
"""Where receivers of HTTPS listen. With any port, whoever may set a URL could scan ports with us."""
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The three spellings that development may use. No other spelling of loopback is ever read as one."""

_PORT_MAX: Final = 65_535
_URL: Final = re.compile(r"(https?)://([^/?#]+)([/?][A-Za-z0-9\-._~:/?@!$&'()*+,;=%\[\]]*)?", re.ASCII)
_AUTHORITY: Final = re.compile(r"(\[[^\]@]*\]|[^:@\[\]]+)(?::([0-9]{1,5}))?")
_NAME: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
"""Letters, digits and hyphens in at least two labels, the last one beginning with a letter: no IPv4 address in any form
(`127.1`, `0x7f000001`, `017700000001`) is one, and no single word that a resolver might complete."""


class Reason(StrEnum):
    """Why a URL may not be called. Each has its sentence in `SENTENCES`."""

    FORM = "form"
    SCHEME = "scheme"
    USERINFO = "userinfo"
    PORT = "port"
    HOST = "host"
    ADDRESS = "address"


SENTENCES: Final = {
    Reason.FORM: f"It is no URL of the form https://host/path in printable ASCII, of at most {URL_CHARACTERS_MAX} "
    "characters and without a fragment.",
    Reason.SCHEME: "Events go over https only.",
    Reason.USERINFO: "A URL that holds a user name or a password shows them to everybody who sees it.",
    Reason.PORT: f"Events go to the ports {' and '.join(map(str, sorted(PORTS)))} only.",
    Reason.HOST: "Its host is no full domain name. Addresses, single words and closing dots are none.",
    Reason.ADDRESS: "Its name does not lead to addresses on the public internet, and to such alone.",
}


class RefusedError(Exception):
    """This URL may not be called."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(SENTENCES[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says. `host` is as in the Host header and in certificates; `path` has the query too."""

    secure: bool
    host: str
    port: int
    path: str
    is_loopback: bool

    @property
    def authority(self) -> str:
        """The Host header."""
        usual = HTTPS_PORT if self.secure else HTTP_PORT
        return self.host if self.port == usual else f"{self.host}:{self.port}"


def read(url: str, *, loopback: bool) -> Target:
    """Take a URL apart; with `loopback`, plain http to this machine is let through. Raises RefusedError."""
    found = _URL.fullmatch(url) if len(url) <= URL_CHARACTERS_MAX else None
    if found is None:
        raise RefusedError(Reason.FORM)
    scheme, authority, path = found.groups()
    if "@" in authority:
        raise RefusedError(Reason.USERINFO)
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise RefusedError(Reason.HOST)
    host, port_text = parts.groups()
    secure = scheme == "https"
    port = int(port_text) if port_text else HTTPS_PORT if secure else HTTP_PORT
    path = _whole(path)
    if loopback and not secure and host in LOOPBACK_HOSTS and 0 < port <= _PORT_MAX:
        return Target(secure=False, host=host, port=port, path=path, is_loopback=True)
    if not secure:
        raise RefusedError(Reason.SCHEME)
    if port not in PORTS:
        raise RefusedError(Reason.PORT)
    return Target(secure=True, host=_name(host), port=port, path=path, is_loopback=False)


def _whole(path: str | None) -> str:
    """The path as it is asked for: never empty."""
    return path if path and path.startswith("/") else f"/{path or ''}"


def _name(host: str) -> str:
    """The name as the DNS has it. Raises RefusedError for whatever is no full name."""
    if not any(map(str.isalpha, host.rpartition(".")[2])):
        raise RefusedError(Reason.HOST)
    try:
        name = idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError as error:
        raise RefusedError(Reason.HOST) from error
    # The standard takes other characters for dots too, which other readers of the URL may not.
    if name.count(".") != host.count(".") or _NAME.fullmatch(name) is None:
        raise RefusedError(Reason.HOST)
    return name
