"""How many audit records a second can be sealed, and how long a proof of one takes, on an SQLite of its own."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from gateway.auth.vault import create_master_key
from gateway.domain.audit import Action, Record
from gateway.services import evidence, sweeping
from gateway.settings import Settings
from gateway.storage import migrate
from gateway.wiring import Wiring

RECORDS = 20_000
SERIES = 50
BAR = 500
"""Records a second that sealing has to keep up with."""
PROOFS = 50


def main() -> int:
    """Measure, print, and say whether the bar is met."""
    with tempfile.TemporaryDirectory() as folder:
        create_master_key(Path(folder) / "master.key")
        wiring = Wiring(Settings(data_dir=Path(folder), redis_url="redis://127.0.0.1:1"))
        migrate.upgrade(wiring.database)
        ports = wiring.ports
        at = ports.clock.now()
        for start in range(0, RECORDS, 1000):
            ports.auditor.write(
                *(
                    Record(
                        id=f"aud_{number:026}",
                        at=at,
                        actor="worker",
                        action=Action.ATTEMPT_SETTLED,
                        subject=f"op_{number}",
                        environment="live",
                        org_id="org",
                        gstin=f"29AAH{number % SERIES:04}",
                        facts={"event": "registered", "code": None},
                    )
                    for number in range(start, start + 1000)
                )
            )
        began = time.perf_counter()
        sealed = sweeping.seal_all(holder="benchmark", ports=ports)
        rate = sealed / (time.perf_counter() - began)
        began = time.perf_counter()
        for number in range(PROOFS):
            evidence.proof(f"aud_{number:026}", series=(f"live/org/29AAH{number % SERIES:04}",), ports=ports)
        proof = (time.perf_counter() - began) / PROOFS * 1000
        wiring.close()
    print(f"sealed {sealed} records at {rate:.0f} a second (bar {BAR}); a proof takes {proof:.1f} ms")
    return 0 if rate >= BAR else 1


if __name__ == "__main__":
    raise SystemExit(main())
