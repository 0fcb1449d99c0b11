"""What the repository ships besides code: the lock, the image, the composition, the commands. Read as text."""

from __future__ import annotations

import ast
import json
import os
import re
import tomllib
from functools import cache
from typing import Any, Final

import pytest
from typer.main import get_command

from gateway import cli
from gateway.settings import Settings
from tests.repository import ROOT, none_of, tracked

TARGETS: Final = {
    "help",
    "demo",
    "test",
    "soak",
    "bench",
    "lint",
    "check",
    "docs",
    "lock",
    "audit-deps",
    "sbom",
    "clean",
}
SERVICES: Final = {"migrate", "api", "worker", "sweeper", "sandbox", "postgres", "redis"}
OUR_SERVICES: Final = SERVICES - {"postgres", "redis"}
SECRETS: Final = {"master.key", "postgres.password", "postgres.pgpass"}

_REQUIREMENT: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,-]+\])?==[^ ]+", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}(?= \\$|$)", re.MULTILINE)
_NAME: Final = re.compile(r"^[A-Za-z0-9._-]+")
_HOSTS: Final = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "crates" + ".io", "golang" + ".org/dl")
_FOLDERS: Final = re.compile(r"(?<![\w.~}/-])/(?:home|root|Users|work)/[\w.]")
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE" + r" KEY-----\s+[A-Za-z0-9+/=]{16}")
_SECRET_NAMES: Final = re.compile(r"(?:^|/)(?:\.env(?:\..*)?|id_[a-z0-9]+|[^/]*\.(?:key|pgpass|p12|pfx))$")


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def uncommented(name: str) -> str:
    """A file without the lines that only people read."""
    return "\n".join(line for line in text(name).splitlines() if not line.lstrip().startswith("#"))


@cache
def requirements() -> dict[str, str]:
    """The lock: what belongs to each locked package, by its name."""
    lock = text("requirements.lock")
    starts = [*_REQUIREMENT.finditer(lock)]
    ends = [match.start() for match in starts[1:]] + [len(lock)]
    return {match[1]: lock[match.start() : end] for match, end in zip(starts, ends, strict=True)}


@cache
def blocks(indent: int, within: str) -> dict[str, str]:
    """The members of a YAML mapping in compose.yaml, by name, as far as indentation tells."""
    pad = " " * indent
    found: dict[str, list[str]] = {}
    for line in within.splitlines():
        head = re.match(rf"{pad}([\w.-]+):", line)
        if head:
            found[head[1]] = [line]
        elif found:
            found[[*found][-1]].append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


def composition(name: str) -> str:
    """A top member of compose.yaml, such as `services`."""
    return blocks(0, uncommented("compose.yaml"))[name]


def service(name: str) -> str:
    """The text of one service."""
    return blocks(2, composition("services"))[name]


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads(text("pyproject.toml"))


def normal(requirement: str) -> str:
    """The package that a requirement names, as indexes spell it."""
    match = _NAME.match(requirement)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_every_locked_package_has_a_hash() -> None:
    """What is installed is what was looked at, byte for byte."""
    assert len(requirements()) > len(project()["project"]["dependencies"])

    none_of([name for name, block in requirements().items() if not _HASH.search(block)], "No hash:")


def test_the_lock_holds_nothing_but_pins() -> None:
    """No line of the lock is anything but a pin, a hash or a note on who asked for it."""
    known = (_REQUIREMENT, re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$"), re.compile(r"^    # +\S"))
    lines = text("requirements.lock").splitlines()

    none_of([line for line in lines if not any(pattern.match(line) for pattern in known)], "Not a pin:")


def test_the_lock_names_no_host() -> None:
    """Whoever installs chooses where from: the lock has no address."""
    assert "://" not in text("requirements.lock")
    assert "index-url" not in text("requirements.lock")
    assert "find-links" not in text("requirements.lock")


def test_all_dependencies_are_locked() -> None:
    """Nothing outside the lock is fetched, not even to build the package or to test it."""
    meta = project()
    extras = [name for extra in meta["project"]["optional-dependencies"].values() for name in extra]
    wanted = meta["project"]["dependencies"] + extras + meta["build-system"]["requires"]

    none_of([name for name in map(normal, wanted) if name not in requirements()], "Run `make lock`:")


def test_the_makefile_has_its_targets() -> None:
    """Everything that is done with the repository has a name, and `make` alone lists them."""
    makefile = text("Makefile")
    explained = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    assert explained == TARGETS
    assert phony is not None
    assert set(phony[1].split()) == TARGETS
    assert ".DEFAULT_GOAL := help" in makefile


def test_installing_runs_no_foreign_code() -> None:
    """Only wheels with known hashes are installed, and the package itself brings no dependencies along."""
    makefile = text("Makefile")

    assert "install --require-hashes --only-binary :all: -r requirements.lock" in makefile
    assert "install --no-deps --no-build-isolation -e ." in makefile


def test_ci_stops_pretending_at_the_first_failure() -> None:
    """The check is a program, and none of its own errors goes unnoticed."""
    script = text(".ci/run")

    assert script.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_soak_is_left_out_by_default() -> None:
    """`make test` takes seconds: tests that run for minutes wait until they are asked for."""
    options = project()["tool"]["pytest"]["ini_options"]

    assert "-m 'not soak'" in options["addopts"]
    assert any(marker.startswith("soak:") for marker in options["markers"])


def test_the_image_is_built_in_two_stages_from_the_lock() -> None:
    """What builds the image does not stay in it, and its base can be pinned by a digest."""
    dockerfile = uncommented("Dockerfile")

    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim(@sha256:[0-9a-f]{64})?$", dockerfile, re.MULTILINE)
    assert "--require-hashes --only-binary :all: -r requirements.lock" in dockerfile
    assert not re.search(r"^ADD |curl|wget|apt-get", dockerfile, re.MULTILINE)


def test_the_image_does_not_run_as_root() -> None:
    """The process has a fixed number of its own, and only /data is its to write."""
    last = uncommented("Dockerfile").rpartition("FROM ")[2]

    assert re.search(r"^ARG UID=[1-9][0-9]{3,}$", last, re.MULTILINE)
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["${UID}:${UID}"]
    assert "MOHAR_DATA_DIR=/data" in last
    assert 'VOLUME ["/data"]' in last


def test_the_image_passes_signals_on() -> None:
    """A stop reaches the process and not a shell around it."""
    assert '\nENTRYPOINT ["mohar"]\n' in text("Dockerfile")


def test_the_image_is_asked_for_its_health() -> None:
    """The health check is a Python program that asks /healthz, since the image has no other client."""
    check = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", text("Dockerfile"), re.MULTILINE)

    assert check is not None
    python, option, program = json.loads(check[1])
    assert (python, option) == ("python", "-c")
    assert "/healthz" in ast.unparse(ast.parse(program))


def test_only_what_the_image_needs_reaches_the_build() -> None:
    """History, tests, data and secrets stay outside, and so does whatever nobody thought of."""
    rules = [line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", uncommented("Dockerfile"), re.MULTILINE)

    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {name for names in copied for name in names.split()}


def test_the_composition_has_every_process() -> None:
    """Each process has a container of its own; the sandbox comes when it is asked for."""
    assert set(blocks(2, composition("services"))) == SERVICES
    assert "profiles: [sandbox]" in service("sandbox")
    assert "condition: service_completed_successfully" in service("api")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_hardened(name: str) -> None:
    """No container can write to its root, gain privileges, or keep more of them than it says why."""
    base = "*mohar" if name in OUR_SERVICES else "*hardened"

    assert f"    <<: {base}\n" in service(name) + "\n"
    assert not re.search(r"read_only: false|privileged|cap_drop|security_opt|network_mode", service(name))
    assert ("cap_add" in service(name)) == (name == "postgres")


def test_what_hardened_means() -> None:
    """The common part is read-only, without capabilities and without a way to new privileges."""
    hardened = composition("x-hardened")

    assert "read_only: true" in hardened
    assert "cap_drop: [ALL]" in hardened
    assert "no-new-privileges:true" in hardened
    assert "<<: *hardened" in composition("x-mohar")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_health_is_asked_or_waived(name: str) -> None:
    """Every container says how its health is asked: with a check, the image's own, or none where nothing listens."""
    silent = {"migrate", "worker", "sweeper"}
    checked = "healthcheck:" in service(name)

    assert checked == (name != "api")
    assert ("healthcheck: { disable: true }" in service(name)) == (name in silent)


def test_secrets_come_by_file() -> None:
    """No password stands in the composition or in an environment."""
    everything = uncommented("compose.yaml")

    assert set(blocks(2, composition("secrets"))) == SECRETS
    assert all(f"file: ./secrets/{name}" in composition("secrets") for name in SECRETS)
    assert not re.search(r"(?i)(password|secret|token)\w*[:=] *[^\[{/\n ]", re.sub(r"\S+_FILE: .*", "", everything))
    assert not re.search(r"://[^/\s@]*:[^/\s@]*@", everything)


def test_the_composition_names_settings_that_exist() -> None:
    """A setting that is renamed is renamed here too."""
    named = set(re.findall(r"\bMOHAR_([A-Z_]+)(?==|: )", uncommented("compose.yaml") + uncommented("Dockerfile")))

    assert {"DATABASE_URL", "REDIS_URL", "MASTER_KEY_FILE"} <= named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(OUR_SERVICES))
def test_the_composition_calls_commands_that_exist(name: str) -> None:
    """A command or an option that is renamed is renamed here too."""
    written = re.search(r"command: \[(.*)\]", service(name))
    assert written is not None
    command, *arguments = [word.strip(' "') for word in written[1].split(",")]

    known = getattr(get_command(cli.app), "commands")[command]  # noqa: B009  typer's groups have no such static type
    options = {option for parameter in known.params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= options


def kept() -> list[tuple[str, str]]:
    """Every file that git keeps, with its text. Skips the test where git cannot tell."""
    paths = tracked()
    if paths is None:
        pytest.skip("there is no git here, or this is no checkout: which files would be kept is unknown")
    return [(path.relative_to(ROOT).as_posix(), path.read_bytes().decode(errors="replace")) for path in paths]


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the business of whoever installs."""
    none_of([f"{path} names {host}" for path, content in kept() for host in _HOSTS if host in content], "Remove:")


def test_no_file_names_somebodys_folder() -> None:
    """Nothing depends on where the repository once lay."""
    found = [(path, _FOLDERS.search(content)) for path, content in kept()]
    none_of([f"{path} names {match[0]}" for path, match in found if match], "Make these relative:")


def test_no_secret_is_kept() -> None:
    """Keys and passwords are generated where they are used; none is in the history."""
    offenders = [path for path, content in kept() if _SECRET_NAMES.search(path) or _PRIVATE_KEY.search(content)]
    none_of(offenders, "Remove, and never use again:")


def test_secrets_are_recognised() -> None:
    """The search above finds what it looks for, and leaves code about keys alone."""
    header = "-----BEGIN PRIVATE" + " KEY-----\n"

    assert _PRIVATE_KEY.search(header + "MIIEvQIBADANBgkqhkiG9w0BAQEF")
    assert not _PRIVATE_KEY.search(header)
    assert [
        _SECRET_NAMES.search(name) is not None for name in (".env", "a/.env.live", "master.key", "auth/secrets.py")
    ] == [
        True,
        True,
        True,
        False,
    ]
    assert _FOLDERS.search("see /home" + "/somebody")
    assert not _FOLDERS.search("https://example.org/home/page and ./wor" + "k/file")
