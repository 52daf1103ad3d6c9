"""Options of `diar sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.options.base import option, refuse_void
from diar.options.keys import KEY_HELP
from diar.options.places import refuse_same_place
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share
from diar.options.tracking import TrackedConfig

DEFAULT_VARY = ("onset=0.3,0.4,0.5", "overlap=default,1.1,1.3", "min_duration_off=0,0.2,0.5")


class SweepConfig(TrackedConfig):
    """Many settings of stage 2 against true turns."""

    environment_prefix: ClassVar[str] = "DIAR_SWEEP_"

    embeddings_dir: str = option(..., "input", "the output_dir of stage 1")
    reference: Path = option(..., "input", "true turns: an .rttm file, or a folder of them")
    output_dir: Path = option(
        ..., "input", "folder on a local disk for the table and the best settings; give it again to resume"
    )

    vary: tuple[str, ...] = option(
        DEFAULT_VARY,
        "search",
        "options of `diar detect --task turns` with their values: onset=0.3,0.4 or a range with a step, "
        "onset=0.2:0.6:0.1; with --search random also without one, onset=0.2:0.6; `default` is a value, too",
        several=True,
        metavar="OPTION=VALUES",
    )
    detect_config: str | None = option(
        None, "search", "YAML file with options of `diar detect` that all trials have", metavar="FILE"
    )
    search: Literal["grid", "random"] = option(
        "grid", "search", "grid = every combination; random = --trials combinations drawn at random"
    )
    trials: int = option(30, "search", "with --search random: combinations", ge=1, le=100_000)
    seed: int = option(0, "search", "with --search random: another one draws others", ge=0)

    metric: Literal["der", "jer"] = option("der", "scoring", "what is to be lowest")
    collar: float = option(
        0.0, "scoring", "forgiven on EACH side of a reference boundary", metavar="SECONDS", ge=0, lt=10
    )
    skip_overlap: bool = option(False, "scoring", "leave out where reference speakers overlap")
    uem: Path | None = option(
        None, "scoring", "what to score of which recordings; default all of each", metavar="FILE"
    )

    processes: int | None = option(
        None, "run", "processes at work; default all cores, one a recording at most", ge=1
    )
    overwrite: bool = option(False, "run", "remove an earlier sweep in output_dir and start again")
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "run", SHARE_HELP)

    @field_validator("vary", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_together(self) -> SweepConfig:
        refuse_same_place(str(self.output_dir), {"embeddings_dir": self.embeddings_dir}, inside=True)
        refuse_same_place(str(self.output_dir), {"reference": str(self.reference)})
        if self.search == "grid":
            reason = "with --search grid: every combination is tried"
            refuse_void(self, dict.fromkeys(("trials", "seed"), reason))
        return self
