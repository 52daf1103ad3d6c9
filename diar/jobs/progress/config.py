"""Options of `diar status`."""

from __future__ import annotations

from typing import ClassVar

from diar.options.base import CommandConfig, option
from diar.options.keys import KEY_HELP


class StatusConfig(CommandConfig):
    """An extraction seen from outside."""

    environment_prefix: ClassVar[str] = "DIAR_STATUS_"

    output_dir: str = option(..., "status", "the output_dir of stage 1", positional=True)
    failures: bool = option(False, "status", "list every recording that failed, and why")
    encryption_key: str | None = option(None, "status", KEY_HELP, metavar="SOURCE")
    words: bool = option(False, "status", "of its words alone (`diar words`), also in the exit code")
    watch: bool = option(False, "status", "tell it again every few seconds, until it is finished or stopped")
    report: str | None = option(
        None,
        "status",
        "also write a page for a browser: speed over time, pauses, failures by kind, what to do next",
        metavar="HTML",
    )
    warnings: bool = option(False, "status", "list what is unusual about recordings, one remark a line")
