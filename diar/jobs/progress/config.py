"""Options of `diar status`."""

from __future__ import annotations

from typing import ClassVar

from diar.options.base import CommandConfig, option


class StatusConfig(CommandConfig):
    """An extraction seen from outside."""

    environment_prefix: ClassVar[str] = "DIAR_STATUS_"

    output_dir: str = option(..., "status", "the output_dir of stage 1", positional=True)
    failures: bool = option(False, "status", "list every recording that failed, and why")
    warnings: bool = option(False, "status", "list what is unusual about recordings, one remark a line")
