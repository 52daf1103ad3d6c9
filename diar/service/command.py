"""`diar serve`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from diar.connectors.mlflow.tracking import Tracking, run_tracked
from diar.errors import EXIT_OK, DiarError
from diar.extras import install_line
from diar.models.memory import share_one_heap
from diar.models.weights.registered import with_versions
from diar.options.command import run_command
from diar.options.logs import log_from
from diar.service.config import ServeConfig

DESCRIPTION = """\
Live diarization and jobs over HTTP and WebSocket: who is speaking now, corrected as more is heard, on many
streams at once; whole recordings in the background; a page to try it at /. Metrics at /metrics."""

EPILOG = """\
Somebody must be able to call, so it starts only with tokens (JWT), client certificates, or --insecure, which
takes this machine's own address only. docs/service.md has the endpoints, limits, metrics and a client.

examples:
  diar serve --insecure
        try it: open http://127.0.0.1:8000/ in a browser, or `diar live meeting.wav` in another terminal
  openssl rand -hex 32 > secret
  diar serve --host 0.0.0.0 --jwt_secret_file secret --issuer me --audience diar \\
        --tls_certificate chain.pem --tls_key key.pem
        for others: tokens signed with that secret, with the claims sub, exp, iss, aud, scope ("live jobs")
  diar serve --config serve.yaml --redis redis://redis:6379/0
        one of several replicas: calls survive one that dies"""


def main(arguments: Sequence[str], prog: str = "diar serve") -> int:
    """Run `diar serve` and return the exit code."""
    return run_command(_serve, ServeConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _serve(config: ServeConfig) -> int:
    if config.log_format == "json":
        log_from(logging.INFO)
    share_one_heap()
    os.environ["OMP_NUM_THREADS"] = str(config.threads)  # read when PyTorch is loaded
    try:
        from diar.service.computing.compute import engine_openers
        from diar.service.server import serve
        from diar.service.tracked import ServiceFigures
    except ImportError as error:
        raise DiarError(
            f"`diar serve` needs packages that are not installed ({error.name}): {install_line('service')}"
        ) from None
    config = with_versions(config, config.mlflow)
    openers = engine_openers(config)

    def work(tracking: Tracking) -> int:
        serve(
            config, openers, _tell, lambda service: tracking.watch(ServiceFigures(service.metrics.registry))
        )
        return EXIT_OK

    return run_tracked(config, "serve", work, _tell)


def _tell(message: str) -> None:
    print(f"diar serve: {message}", file=sys.stderr, flush=True)
