"""The command `mohar`: processes, set-up, and the main job for people and for programs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Final

import typer
from pydantic import ValidationError

from gateway.cli.children import die_with_parent
from gateway.cli.output import EXIT_STOPPED, fail
from gateway.errors import Misconfigured, MoharError

MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("demo",),
    "up": ("up",),
    "processes": ("api",),
    "migration": ("migrate",),
    "background": ("worker", "sweeper"),
    "portal": ("sandbox",),
    "setup": ("gstin",),
    "clients": ("client",),
    "keys": ("org", "key", "keys"),
    "routes": ("route",),
    "limits": ("limits",),
    "calls": ("irn", "operation"),
    "webhook": ("webhook",),
    "validate": ("validate",),
    "verify": ("verify",),
    "doctor": ("doctor",),
    "invariants": ("invariants",),
    "reconcile": ("reconcile",),
    "audit": ("audit",),
    "backup": ("backup", "restore"),
    "generate": ("docs",),
    "conformance": ("conformance",),
}
"""Where each command lives. Only the module of the command that is asked for is imported: each takes a second or so of
one core to import, and `mohar up` starts four of them."""


def build(*modules: str) -> typer.Typer:
    """The command line with the commands of these modules."""
    app = typer.Typer(
        name="mohar",
        help="Mohar: an invoice in, an IRN back, nothing lost or registered twice.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        callback=_nothing,  # keeps the command's own name even where there is only one
    )
    for module in modules:
        importlib.import_module(f"gateway.cli.{module}").install(app)
    return app


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 it did not succeed, 2 wrongly called, 3 wrongly configured, 4 still under way, 5 try later,
    130 stopped.
    """
    die_with_parent()
    asked = sys.argv[1:2]
    found = [module for module, commands in MODULES.items() if set(commands).issuperset(asked)] if asked else []
    try:
        build(*(found or MODULES))()
    except MoharError as error:
        sys.exit(fail(error))
    except ValidationError as error:
        sys.exit(fail(_bad_setting(error)))
    except KeyboardInterrupt:  # before the command itself could take care of it: nothing was begun
        sys.exit(EXIT_STOPPED)


def _nothing() -> None:
    """Mohar: an invoice in, an IRN back, nothing lost or registered twice."""


def _bad_setting(error: ValidationError) -> Misconfigured:
    flaws = [f"MOHAR_{str(flaw['loc'][0]).upper()}: {flaw['msg']}" for flaw in error.errors() if flaw["loc"]]
    return Misconfigured(
        "setting-invalid", f"{'; '.join(flaws) or error.title}.", help="Correct it; README.md lists all settings."
    )


def __getattr__(name: str) -> Any:
    """`app` is the whole command line, made when somebody looks at it."""
    if name == "app":
        return build(*MODULES)
    raise AttributeError(name)
