"""The repository looked at by a test: who imports whom, what stays pure, how large things grow, what is refused."""

from __future__ import annotations

import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.repository import (
    ROOT,
    Source,
    calls,
    comments,
    imports,
    is_float,
    length,
    none_of,
    sources,
    undocumented,
)

SOURCES: Final = ("gateway", "workers", "schemas")
OURS: Final = (*SOURCES, "tests", "benchmarks")

ROWS: Final = {
    "workers": 1,
    "gateway.cli": 1,
    "gateway.wiring": 2,
    "gateway.api": 3,
    "gateway.console": 3,
    "gateway.services": 4,
    "gateway.irp": 4,
    "gateway.storage": 4,
    "gateway.limits": 4,
    "gateway.jobs": 4,
    "gateway.webhooks": 4,
    "gateway.auth": 4,
    "gateway.sandbox": 4,
    # Neighbours of the services and the adapters: these get a clock and settings as parameters, never by import.
    "gateway.settings": 4,
    "gateway.system": 4,
    "gateway.observability": 4,
    "gateway.ports": 5,
    "gateway.form": 5,
    "gateway.codes": 6,
    "gateway.shape": 6,
    "gateway.qr": 6,
    "gateway.domain": 7,
    "gateway.metrics": 4,
    "gateway.correlation": 8,
    "gateway.errors": 8,
    "schemas": 8,
}
"""A row imports only rows with a higher number. A package or module that is not here has no place yet."""

VERSION: Final = "gateway"
"""The package itself holds its version and imports nothing: whoever likes may read it."""

CROSSINGS: Final = {
    ("gateway.errors", "gateway.domain.faults"): "an error that carries faults has to know what a fault is",
    ("gateway.observability", "gateway.settings"): "level and form of the log are settings",
}
"""The imports that break the rows, each with its reason."""

PURE_MODULES: Final = frozenset(
    {
        "__future__",
        "abc",
        "bisect",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "types",
        "typing",
        "unicodedata",
    }
)
"""What the domain may use of the standard library: nothing that reads a clock, a file, a socket or chance."""

EFFECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "clock": {"gateway/system.py": "the real clock, behind the port"},
    "time": {
        "gateway/system.py": "the real clock, behind the port",
        "gateway/cli/": "a process that waits for its children has no port to wait by",
    },
    "sleep": {
        "gateway/system.py": "the real clock, behind the port",
        "gateway/cli/": "a process that waits for its children has no port to wait by",
        "gateway/jobs/waiting.py": "pauses between two tries to reconnect, on the event loop",
        "gateway/sandbox/asgi.py": "a slow portal is slow on the wire",
    },
    "random": {"gateway/sandbox/": "seeded: the same seed plays the same faults"},
    "secrets": {
        "gateway/system.py": "the real randomness, behind the port",
        "gateway/auth/vault.py": "makes the first master key, before there are any ports",
    },
    "uuid": {},
    "environ": {"gateway/cli/": "starts children with settings of their own"},
}
"""Where a clock, randomness or the environment may be reached for directly. A folder ends in a stroke."""

WEAK_CRYPTOGRAPHY: Final = {
    "gateway/irp/crypto.py": "the portal's own choice, kept in one place",
    "gateway/sandbox/codec.py": "plays the portal, and shares no code with the client's side",
    "gateway/sandbox/keys.py": "RS256, the portal's signature, is defined with this padding; for signing it is sound",
}
"""The only files that may name ECB or PKCS1v15."""

STOPWATCHES: Final = {"tests/simulation/runs.py": "tells how long a seed took, and asserts nothing of it"}
"""Tests' files that may measure time."""

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
FUNCTION_LINES_MEDIAN_MAX: Final = 8
FUNCTION_LINES_P90_MAX: Final = 28

_MARKS: Final = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
_WAIVER: Final = re.compile(r"#\s*(noqa|type:\s*ignore)(:\s*[A-Z][A-Z0-9]*(?:[,\s]+[A-Z]+[0-9]+)*|\[[a-z0-9, -]+\])?")
_NOT_COUNTED: Final = "gateway/storage/migrations/"
_ASYNC: Final = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)


def unit(module: str) -> str | None:
    """The entry of ROWS that a module belongs to."""
    parents = [module.rsplit(".", count)[0] for count in range(module.count(".") + 1)]
    return next((parent for parent in parents if parent in ROWS), None)


def crosses(importer: str, imported: str) -> bool:
    """Whether the import goes up, or sideways to a neighbour."""
    here, there = unit(importer), unit(imported)
    if here is None or there is None:
        return imported != VERSION
    return here != there and ROWS[here] >= ROWS[there] and (here, imported) not in CROSSINGS


def test_every_module_has_a_row() -> None:
    """A new package is given its place before it is used."""
    homeless = [source.path for source in sources(*SOURCES) if source.module != VERSION and unit(source.module) is None]
    none_of(homeless, "Give these a row in ROWS and in CONTRIBUTING.md:")


def test_imports_point_down_the_rows() -> None:
    """A row imports only rows below it, and neighbours do not know each other."""
    offenders = [
        source.at(node, f"imports {module}")
        for source in sources(*SOURCES)
        for node, module in imports(source)
        if module.partition(".")[0] in OURS and crosses(source.module, module)
    ]
    none_of(offenders, "These imports go up or sideways:")


def test_every_exception_is_used() -> None:
    """An exception from these rules that nobody needs any more is removed."""
    crossed = {(unit(source.module), module) for source in sources(*SOURCES) for _, module in imports(source)}
    reached = {(what, source.path) for source in sources(*SOURCES) for _, what in effects(source)}
    places = [(what, place) for what, reasons in EFFECTS.items() for place in reasons]
    idle = [place for what, place in places if not any(was == what and is_at(path, place) for was, path in reached)]
    weak = set(WEAK_CRYPTOGRAPHY) - {source.path for source, _ in weak_names()}

    none_of([*idle, *weak, *(" ".join(pair) for pair in CROSSINGS if pair not in crossed)], "No longer needed:")


def test_domain_uses_the_standard_library_only() -> None:
    """The domain can be read, tested and trusted without anything that is installed or running."""
    offenders = [
        source.at(node, f"imports {module}")
        for source in sources("gateway/domain")
        for node, module in imports(source)
        if not module.startswith(("gateway.domain", "gateway.errors")) and module.split(".")[0] not in PURE_MODULES
    ]
    none_of(offenders, "Not for the domain:")


def test_domain_has_no_float_no_async_and_no_effect() -> None:
    """Money and time in the domain are exact, and its answers depend on its arguments alone."""
    offenders = [
        source.at(node, ast.unparse(node).splitlines()[0])
        for source in sources("gateway/domain")
        for node in ast.walk(source.tree)
        if is_float(node) or isinstance(node, _ASYNC) or effect(node) or calls(node, "open", "print", "input")
    ]
    none_of(offenders, "Not for the domain:")


def effect(node: ast.AST) -> str | None:
    """Which of EFFECTS is reached for here by an attribute, if any."""
    if not isinstance(node, ast.Attribute):
        return None
    owner = ast.unparse(node.value).rpartition(".")[2]
    if owner in {"datetime", "date"} and node.attr in {"now", "utcnow", "today"}:
        return "clock"
    if owner in {"time", "asyncio"} and node.attr == "sleep":
        return "sleep"
    return "environ" if owner == "os" and node.attr in {"environ", "environb", "getenv", "putenv"} else None


def test_effects_come_through_ports() -> None:
    """A clock, randomness and the environment are reached for where EFFECTS says why, and nowhere else."""
    offenders = [
        source.at(node, what)
        for source in sources(*SOURCES)
        for node, what in effects(source)
        if not any(is_at(source.path, place) for place in EFFECTS[what])
    ]
    none_of(offenders, "Take these from a port, or give a reason in EFFECTS:")


def is_at(path: str, place: str) -> bool:
    """Whether a file is the one named, or in the folder named."""
    return path == place or (place.endswith("/") and path.startswith(place))


def effects(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Every place that reaches for the world: by an import, or by an attribute."""
    yield from ((node, module) for node, module in imports(source) if module in {"time", "random", "secrets", "uuid"})
    yield from ((node, module) for node in ast.walk(source.tree) if (module := effect(node)) is not None)


def test_weak_cryptography_stays_where_the_portal_asks_for_it() -> None:
    """ECB and PKCS#1 v1.5 are spoken with the portal only, so that nobody takes them for our own choice."""
    offenders = [
        source.at(node, "ECB or PKCS1v15") for source, node in weak_names() if source.path not in WEAK_CRYPTOGRAPHY
    ]
    none_of(offenders, "Only for the files in WEAK_CRYPTOGRAPHY:")


def weak_names() -> Iterator[tuple[Source, ast.AST]]:
    """Every place that imports or uses the names of weak cryptography."""
    for source in sources(*SOURCES):
        for node in ast.walk(source.tree):
            if {getattr(node, kind, None) for kind in ("id", "attr", "name")} & {"ECB", "PKCS1v15"}:
                yield source, node


def test_files_are_short() -> None:
    """A file can be read in one sitting."""
    lengths = {source.path: len(source.text.splitlines()) for source in counted()}
    offenders = [f"{path} has {lines} lines" for path, lines in lengths.items() if lines > FILE_LINES_MAX]
    none_of(offenders, f"Above {FILE_LINES_MAX} lines:")


def test_functions_are_short() -> None:
    """A function fits on a screen."""
    offenders = [
        source.at(node, f"{node.name} has {length(node)} lines")
        for source in counted()
        for node in source.functions
        if length(node) > FUNCTION_LINES_MAX
    ]
    none_of(offenders, f"Above {FUNCTION_LINES_MAX} lines:")


def test_most_functions_are_very_short() -> None:
    """Half of all functions have at most 8 lines, nine in ten at most 28."""
    lengths = [length(node) for source in counted() for node in source.functions]
    median, p90 = statistics.median(lengths), statistics.quantiles(lengths, n=10)[-1]

    assert (median <= FUNCTION_LINES_MEDIAN_MAX, p90 <= FUNCTION_LINES_P90_MAX) == (True, True), (
        f"{len(lengths)} functions: median {median} of {FUNCTION_LINES_MEDIAN_MAX} lines, "
        f"p90 {p90} of {FUNCTION_LINES_P90_MAX} lines"
    )


def counted() -> list[Source]:
    """The files whose size counts: not tests, and not migrations, which nobody edits once they are out."""
    return [source for source in sources(*SOURCES) if not source.path.startswith(_NOT_COUNTED)]


def test_nothing_is_left_for_later() -> None:
    """There are no marks for work to be done: it is done, or it is not in the tree."""
    files = [*ROOT.glob("*.*"), ROOT / "Makefile", ROOT / "Dockerfile", *(ROOT / "docs").rglob("*.md")]
    texts = [(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in files if path.is_file()]
    texts += [(source.path, source.text) for source in sources(*OURS)]
    offenders = [
        f"{path}:{number} {line.strip()}"
        for path, text in texts
        for number, line in enumerate(text.splitlines(), start=1)
        if _MARKS.search(line)
    ]
    none_of(offenders, "Do it or drop it:")


def test_no_error_is_swallowed_namelessly() -> None:
    """An `except` says what it expects."""
    offenders = [
        source.at(node)
        for source in sources(*OURS)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    none_of(offenders, "Name the errors:")


def test_only_people_are_printed_to() -> None:
    """Processes log; the command line and the benchmarks print."""
    offenders = [
        source.at(node)
        for source in sources(*SOURCES)
        if not source.path.startswith("gateway/cli/")
        for node in ast.walk(source.tree)
        if calls(node, "print")
    ]
    none_of(offenders, "Log it:")


def test_every_waiver_says_why() -> None:
    """A rule that is waived is named, and a reason follows it."""
    offenders = [
        f"{source.path}:{comment.start[0]} {comment.string}"
        for source in sources(*OURS)
        for comment in comments(source)
        if _WAIVER.search(comment.string) and not is_reasoned(comment.string)
    ]
    none_of(offenders, "Name the rule and give the reason after it:")


def is_reasoned(comment: str) -> bool:
    """Whether every waiver in the comment names its rules, and words are left besides."""
    named = all(match.group(2) for match in _WAIVER.finditer(comment))
    return named and re.search(r"[A-Za-z]{2}", _WAIVER.sub("", comment)) is not None


def test_a_reason_is_told_from_a_bare_waiver() -> None:
    """The rule above recognises both."""
    ignore = "type: " + "ignore"

    assert is_reasoned("# noqa: S105  names a place")
    assert is_reasoned(f"# {ignore}[import-untyped]  # noqa: PLC0415  optional")
    assert not is_reasoned("# noqa: S105, S106")
    assert not is_reasoned("# noqa  it is fine")
    assert not is_reasoned(f"# {ignore}[arg-type]")


def test_everything_public_says_what_it_does() -> None:
    """Every public module, class, function and method has a docstring."""
    offenders = [
        source.at(node, getattr(node, "name", "module")) for source in counted() for node in undocumented(source)
    ]
    none_of(offenders, "Say what these do:")


def test_every_test_states_a_promise() -> None:
    """A test's docstring is a line that could stand in the contract with a customer."""
    offenders = [
        source.at(node, node.name)
        for source in sources("tests")
        for node in source.functions
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    none_of(offenders, "State the promise:")


def test_no_test_takes_the_time() -> None:
    """Performance is measured in benchmarks, never asserted by a test, which would fail on a busy machine."""
    offenders = [
        source.at(node, node.attr)
        for source in sources("tests")
        if source.path not in STOPWATCHES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"perf_counter", "process_time", "thread_time"}
    ]
    none_of(offenders, "Measure these in benchmarks/:")


def test_test_files_have_names_of_their_own() -> None:
    """A failing test's file is known by its name alone."""
    names = Counter(Path(source.path).name for source in sources("tests", "benchmarks"))
    repeated = [name for name, count in names.items() if count > 1 and name not in {"conftest.py", "__init__.py"}]
    none_of(repeated, "More than one file has this name:")
