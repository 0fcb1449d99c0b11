"""`python -m workers run` and `python -m workers sweep`."""

from __future__ import annotations

import sys

from prometheus_client import start_http_server

from gateway.observability import configure
from gateway.settings import Settings
from gateway.wiring import Wiring
from workers import sweeper
from workers.pool import Pool


def main(arguments: list[str]) -> int:
    """Run the process of that name; 2 when there is none."""
    settings = Settings()
    configure(settings)
    wiring = Wiring(settings)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host, registry=wiring.metrics.registry)
    if arguments == ["run"]:
        Pool(wiring).run()
    elif arguments == ["sweep"]:
        sweeper.run(wiring)
    else:
        sys.stderr.write("usage: python -m workers run|sweep\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
