"""Options of commands that others watch: metrics, and how they log."""

from __future__ import annotations

from typing import ClassVar, Literal

from diar.options.base import CommandConfig, option

LogFormat = Literal["text", "json"]
LOG_FORMAT_HELP = (
    "json = every line on stderr is a JSON object with time, level and message, and the recording, session "
    "or request that it is about"
)
METRICS_FILE_HELP = "file for the textfile collector of Prometheus's node exporter, such as diar.prom"
METRICS_OPTIONS = frozenset({"metrics_port", "metrics_host", "metrics_file"})


class WatchedConfig(CommandConfig):
    """A command that works for long."""

    environment_prefix: ClassVar[str]

    metrics_port: int | None = option(
        None,
        "watching",
        "TCP port of http://HOST:PORT/metrics, for Prometheus, while the command works; 0 = any free one, "
        "which is told",
        ge=0,
        le=65535,
    )
    metrics_host: str = option(
        "127.0.0.1", "watching", "address of that port; 0.0.0.0 = all", metavar="ADDRESS"
    )
    metrics_file: str | None = option(
        None, "watching", f"{METRICS_FILE_HELP}; rewritten every 15 s and at the end", metavar="FILE"
    )
    log_format: LogFormat = option("text", "watching", LOG_FORMAT_HELP)
