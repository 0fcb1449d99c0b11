"""The repository as the tests look at it: its files, and its Python read into trees."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def tracked() -> list[Path] | None:
    """The files that git keeps or is about to; nothing where there is no git or no checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603  fixed words
    if listed.returncode != 0:
        return None
    return [path for name in sorted(filter(None, listed.stdout.split("\0"))) if (path := ROOT / name).is_file()]


@dataclass(frozen=True)
class Source:
    """One of our Python files, parsed."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """The name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All its functions and methods, also inner ones."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    def at(self, node: ast.AST, what: str = "") -> str:
        """A place that an editor can jump to."""
        return f"{self.path}:{getattr(node, 'lineno', 1)} {what}".rstrip()


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """The Python files under these folders."""
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    texts = [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in found]
    return tuple(Source(path, text, ast.parse(text)) for path, text in texts)


def none_of(offenders: list[str], rule: str) -> None:
    """Fail with all places that break the rule."""
    assert not offenders, f"{rule}\n  " + "\n  ".join(offenders)


def imports(source: Source) -> Iterator[tuple[ast.stmt, str]]:
    """Every module that the file imports, at its top or inside a function."""
    package = source.module if source.path.endswith("__init__.py") else source.module.rpartition(".")[0]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (
                (node, f"{base}.{alias.name}" if is_ours(f"{base}.{alias.name}") else base) for alias in node.names
            )


def is_ours(module: str) -> bool:
    """Whether the repository has a module of that name."""
    path = ROOT / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def calls(node: ast.AST, *names: str) -> bool:
    """Whether this is a call of a plain name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def is_float(node: ast.AST) -> bool:
    """Whether a float is written or named here."""
    literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
    return literal or (isinstance(node, ast.Name) and node.id == "float")


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the last one, docstring included."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def comments(source: Source) -> list[tokenize.TokenInfo]:
    """The comments of a file, without strings that look like some."""
    lines = iter(source.text.splitlines(keepends=True))
    return [token for token in tokenize.generate_tokens(lambda: next(lines, "")) if token.type == tokenize.COMMENT]


def undocumented(source: Source) -> Iterator[ast.AST]:
    """Public names of a file without a docstring. Magic methods do what their class says."""
    if source.tree.body and not ast.get_docstring(source.tree):
        yield source.tree
    stack: list[ast.stmt] = list(source.tree.body)
    while stack:
        node = stack.pop()
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and not is_overload(node):
            yield node
        stack.extend(node.body if isinstance(node, ast.ClassDef) else [])


def is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it only adds a signature to another function."""
    return any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)
