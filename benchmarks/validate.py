"""What checking a document costs: parsed, read leniently, held to the form and to all rules; beside jsonschema alone.

`python benchmarks/validate.py` prints one line for each size. The budget: one line in 1 ms, 1,000 lines in 120 ms.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from gateway import shape
from gateway.domain import canonical, strict_json
from gateway.domain.rules import Context
from gateway.services import examination

CONTEXT = Context(on=date(2026, 11, 30), route_enforces_check_digit=True)
BUDGET_MS = {1: 1.0, 1000: 120.0}
SUMMED = {"AssVal": "AssAmt", "CgstVal": "CgstAmt", "SgstVal": "SgstAmt", "IgstVal": "IgstAmt"}


def document(lines: int) -> bytes:
    """The example invoice with so many lines of its first one, and totals that are their sums."""
    content: dict[str, Any] = strict_json.read(
        resources.files("schemas").joinpath("examples/invoice.json").read_bytes()
    )
    content.pop("EwbDtls", None)
    first = content["ItemList"][0]
    extra = {
        "Barcde": "8901234567890",
        "OrdLineRef": "4500012345/00010",
        "PrdSlNo": "SN-000000000001",
        "OrgCntry": "IN",
        "BchDtls": {"Nm": "LOT-2026-000001", "ExpDt": "31/10/2029", "WrDt": "31/10/2028"},
        "AttribDtls": [{"Nm": "Calibration", "Val": "Certificate 2026/000001"}],
    }
    content["ItemList"] = [copy.deepcopy(first) | extra | {"SlNo": str(number + 1)} for number in range(lines)]
    totals = {name: first.get(member, Decimal(0)) * lines for name, member in SUMMED.items()}
    content["ValDtls"] = totals | {"TotInvVal": first["TotItemVal"] * lines}
    return canonical.written(content)


def fastest_ms(work: Callable[[], object], *, rounds: int) -> tuple[float, float]:
    """The median and the least of so many rounds, in milliseconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), min(took)


def main() -> int:
    """Measure both sizes; exit with 1 when a budget is not kept."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    rounds = arguments.parse_args().rounds
    plain = Draft202012Validator(shape.document_of(shape.INV_01))
    kept = True
    for lines, budget in BUDGET_MS.items():
        raw = document(lines)
        content = strict_json.read(raw)
        reading = examination.read(content)
        examined = examination.examine(reading, context=CONTEXT)
        if not examined.valid:
            raise SystemExit(f"the benchmark's own document is not valid: {examined.errors[:3]}")
        many = rounds * (20 if lines == 1 else 1)

        def everything(raw: bytes = raw) -> object:
            return examination.examine(examination.read(strict_json.read(raw)), context=CONTEXT)

        median, least = fastest_ms(everything, rounds=many)
        told = {
            "lines": lines,
            "bytes": len(raw),
            "all_ms": round(median, 3),
            "all_least_ms": round(least, 3),
            "parse_ms": round(fastest_ms(lambda raw=raw: strict_json.read(raw), rounds=many)[0], 3),
            "read_and_schema_ms": round(fastest_ms(lambda c=content: examination.read(c), rounds=many)[0], 3),
            "rules_ms": round(fastest_ms(lambda r=reading: examination.examine(r, context=CONTEXT), rounds=many)[0], 3),
            "jsonschema_alone_ms": round(
                fastest_ms(lambda c=content: plain.is_valid(c), rounds=max(3, many // 5))[0], 3
            ),
            "budget_ms": budget,
        }
        told["ratio_to_jsonschema"] = round(told["all_ms"] / told["jsonschema_alone_ms"], 2)
        kept = kept and median <= budget
        print(json.dumps(told))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
