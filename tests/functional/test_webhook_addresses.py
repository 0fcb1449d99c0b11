"""Where events must never go: every vector against a real sender, with canaries on this machine that count calls."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.operations import Environment
from gateway.errors import Invalid
from gateway.ports import Verdict
from gateway.webhooks import addresses
from gateway.webhooks.addresses import AddressGuard
from gateway.webhooks.networks import is_public
from gateway.webhooks.resolving import Resolver, system_lookup
from tests.support_webhooks import PUBLIC, Canaries, Names, canaries, dispatch, sender

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "forbidden_addresses.json").read_text())
NAMED = "https://hooks.example.com:8443/hook"
HOST = "hooks.example.com"
MODES = [(Environment.LIVE, False), (Environment.LIVE, True), (Environment.TEST, False), (Environment.TEST, True)]


@pytest.fixture(scope="module")
def nest() -> Iterator[Canaries]:
    """Canaries for the whole file. Nobody called any of them, in no test."""
    with canaries() as made:
        yield made
        assert made.calls == []


def refusal(url: str, names: Names, *, environment: Environment, loopback: bool) -> str:
    """Why the URL is refused when an endpoint is made."""
    with pytest.raises(Invalid) as caught:
        AddressGuard(Resolver(names), loopback=loopback).check(url, environment=environment)
    assert caught.value.code == "webhook-url-refused"
    return str(caught.value.facts["reason"])


def numeric_or_loopback(host: str) -> list[str]:
    """As the system reads addresses, in all the forms that it takes; every name leads to loopback."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)]
    except (OSError, ValueError):
        return ["127.0.0.1", "::1"]


@pytest.mark.parametrize("vector", VECTORS["urls"], ids=lambda vector: str(vector["name"]))
def test_a_forbidden_url_is_refused_and_not_called(vector: dict[str, Any], nest: Canaries) -> None:
    """By its form, in every environment: when it is registered and when something is sent, without a look-up."""
    for environment, loopback in MODES:
        names = Names({})
        assert refusal(vector["url"], names, environment=environment, loopback=loopback) == vector["reason"]
        with sender(numeric_or_loopback, loopback=loopback, connect=nest.connect) as one:
            answer = one.send(dispatch(vector["url"], environment=environment))
        assert (answer.verdict, answer.error) == (Verdict.REFUSED_ADDRESS, vector["reason"])
        assert names.asked == []
    assert nest.calls == []


@pytest.mark.parametrize("vector", VECTORS["names"], ids=lambda vector: str(vector["name"]))
def test_a_name_that_leads_inside_is_refused_and_not_called(vector: dict[str, Any], nest: Canaries) -> None:
    """Each answer of the name service has to be public, whatever else is among them."""
    for environment, loopback in MODES:
        names = Names({HOST: [vector["answers"]]})
        assert refusal(NAMED, names, environment=environment, loopback=loopback) == "address"
        with sender(names, loopback=loopback, connect=nest.connect) as one:
            answer = one.send(dispatch(NAMED, environment=environment))
        assert (answer.verdict, answer.error) == (Verdict.REFUSED_ADDRESS, "address")
        assert names.asked == [HOST, HOST]
    assert nest.calls == []


def test_a_rebinding_name_is_caught_at_the_next_look(nest: Canaries) -> None:
    """A name that was public when it was registered is looked up again for every message, and refused then."""
    names = Names({HOST: [[PUBLIC], ["127.0.0.1"]]})
    AddressGuard(Resolver(names)).check(NAMED, environment=Environment.LIVE)
    with sender(names, connect=nest.connect) as one:
        answer = one.send(dispatch(NAMED, environment=Environment.LIVE))
    assert answer.verdict is Verdict.REFUSED_ADDRESS
    assert nest.calls == []


@pytest.mark.parametrize("then", ["127.0.0.1", "::1", "169.254.169.254"])
def test_a_rebinding_name_is_asked_once_for_a_message(then: str, nest: Canaries) -> None:
    """What was checked is what is called: between the two nobody asks the name service again."""
    names = Names({HOST: [[PUBLIC], [then]]})
    dialled = []

    def connect(address: Any, port: int, seconds: float) -> socket.socket:
        dialled.append(str(address))
        return nest.connect(address, port, seconds)

    with sender(names, connect=connect) as one:
        answer = one.send(dispatch(NAMED))
    assert (answer.verdict, answer.error) == (Verdict.FAILED, "connect")
    assert (names.asked, dialled) == ([HOST], [PUBLIC])
    assert nest.calls == []


def test_loopback_is_for_development_alone(nest: Canaries) -> None:
    """Plain http to this machine needs the test environment and the setting, both."""
    for environment, loopback in MODES[:-1]:
        for host in ("localhost", "127.0.0.1", "[::1]"):
            assert refusal(f"http://{host}:9/", Names({}), environment=environment, loopback=loopback) == "scheme"
            with sender(loopback=loopback, connect=nest.connect) as one:
                answer = one.send(dispatch(f"http://{host}:9/", environment=environment))
            assert answer.verdict is Verdict.REFUSED_ADDRESS
    AddressGuard(Resolver(Names({})), loopback=True).check("http://localhost:9/", environment=Environment.TEST)
    assert nest.calls == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:9/",
        "http://127.1:9/",
        "http://2130706433:9/",
        "http://LOCALHOST:9/",
        "http://localhost.:9/",
        "http://[::ffff:127.0.0.1]:9/",
        "http://0.0.0.0:9/",
        "http://10.0.0.1:9/",
        "http://localhost.example.com:9/",
    ],
)
def test_loopback_has_three_spellings(url: str, nest: Canaries) -> None:
    """Nothing else is taken for this machine, not even in development."""
    assert refusal(url, Names({}), environment=Environment.TEST, loopback=True) == "scheme"
    with sender(numeric_or_loopback, connect=nest.connect) as one:
        assert one.send(dispatch(url)).verdict is Verdict.REFUSED_ADDRESS
    assert nest.calls == []


def test_a_canary_hears_whoever_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the check of addresses taken out, this very way of testing finds the calls."""
    monkeypatch.setattr(addresses, "is_public", lambda *_, **__: True)
    with canaries() as made, sender(Names({HOST: [["127.0.0.1"]]}), connect=made.connect) as one:
        answer = one.send(dispatch(NAMED))
        assert answer.verdict is Verdict.FAILED
    assert made.calls == ["127.0.0.1"]


@pytest.mark.parametrize("text", VECTORS["public"])
def test_a_public_address_is_let_through(text: str) -> None:
    """The ranges end where they end."""
    assert is_public(ip_address(text))


def test_an_operator_denies_networks_of_its_own() -> None:
    """Public in form, but the operator's own: neither the address nor its mapped form is called."""
    denied = [ip_network("93.184.215.0/24"), ip_network("2606:2800::/32")]
    guard = AddressGuard(Resolver(lambda host: [host.split(".")[0].replace("-", ".")]), denied=denied)
    with pytest.raises(Invalid):
        guard.check("https://93-184-215-14.example.com/", environment=Environment.LIVE)
    guard.check("https://93-184-216-14.example.com/", environment=Environment.LIVE)
    assert not is_public(ip_address("::ffff:93.184.215.14"), denied=denied)
    assert not is_public(ip_address("2606:2800::1"), denied=denied)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://hooks.example.com", HOST),
        ("https://Hooks.Example.COM/a?b=c%20d", HOST),
        ("https://hooks.example.com:443/", HOST),
        ("https://hooks.example.com:8443/", HOST),
        ("https://hooks.example.com?x=1", HOST),
        ("https://b\u00fccher.example.com/", "xn--bcher-kva.example.com"),
        ("https://\u092d\u093e\u0930\u0924.\u092d\u093e\u0930\u0924/", "xn--h2brj9c.xn--h2brj9c"),
    ],
)
def test_an_ordinary_url_is_let_through(url: str, asked: str) -> None:
    """The name is looked up as the DNS has it."""
    names = Names({asked: [[PUBLIC]]})
    AddressGuard(Resolver(names)).check(url, environment=Environment.LIVE)
    assert names.asked == [asked]


def test_a_name_that_leads_nowhere_looks_like_one_that_leads_inside() -> None:
    """Outsiders do not learn which names a network has."""
    nowhere = refusal(NAMED, Names({}), environment=Environment.LIVE, loopback=False)
    inside = refusal(NAMED, Names({HOST: [["10.0.0.1"]]}), environment=Environment.LIVE, loopback=False)
    assert nowhere == inside


def test_the_system_looks_names_up() -> None:
    """Outside of tests it is the operating system that knows addresses."""
    assert set(system_lookup("localhost")) <= {"127.0.0.1", "::1"}
