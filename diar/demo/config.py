"""Options of `diar demo`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from diar.options.base import CommandConfig, option


class DemoConfig(CommandConfig):
    """A labelled archive by speech synthesis."""

    environment_prefix: ClassVar[str] = "DIAR_DEMO_"

    out: Path = option(..., "demo", "folder to write to", positional=True)
    speakers: int = option(6, "demo", "different voices")
    files: int = option(20, "demo", "files in a block, about")
    conversations: int | None = option(
        None, "demo", "0 to 3, of 2, 3 and 4 speakers; default 3, fewer with fewer than 4 speakers"
    )
    seed: int = option(0, "demo", "another seed, another archive")
