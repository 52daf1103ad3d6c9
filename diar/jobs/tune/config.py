"""Options of `diar tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.options.base import CommandConfig, option
from diar.options.keys import KEY_HELP
from diar.options.places import refuse_same_place
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share

DEFAULT_TRIED = (
    "onset=default,0.3,0.5",
    "overlap=default,1.1,1.4",
    "min_duration_off=default,0.5",
    "clustering_threshold=default,0.55,0.65",
)


class TuneConfig(CommandConfig):
    """Thresholds of stage 2 that suit an archive."""

    environment_prefix: ClassVar[str] = "DIAR_TUNE_"

    embeddings_dir: str = option(..., "input", "the output_dir of stage 1")
    reference: Path = option(
        ..., "input", "true turns of some recordings of the archive: an .rttm file, or a folder of them"
    )
    output_dir: Path = option(
        ..., "input", "folder on a local disk for the settings and figures; give it again to resume"
    )
    uem: Path | None = option(
        None, "input", "what to score of which recordings; default all of each", metavar="FILE"
    )

    tried: tuple[str, ...] = option(
        DEFAULT_TRIED,
        "choice",
        "options of `diar detect --task turns` with the values that are tried, as in `diar sweep --vary`; "
        "few of each, as each more makes a choice by chance likelier",
        several=True,
        metavar="OPTION=VALUES",
    )
    detect_config: str | None = option(
        None, "choice", "YAML file with options of `diar detect` that always hold", metavar="FILE"
    )
    metric: Literal["der", "jer"] = option("der", "choice", "what is to be low")
    collar: float = option(
        0.0, "choice", "forgiven on EACH side of a reference boundary", metavar="SECONDS", ge=0, lt=10
    )
    skip_overlap: bool = option(False, "choice", "leave out where reference speakers overlap")
    folds: int = option(
        10, "choice", "parts of the recordings; each is scored by what the others choose", ge=2, le=1000
    )
    confidence: float = option(0.95, "choice", "of the interval that is told", gt=0.5, lt=1)
    seed: int = option(0, "choice", "of folds and bootstrap; another one divides otherwise", ge=0)

    processes: int | None = option(
        None, "run", "processes at work; default all cores, one a recording at most", ge=1
    )
    overwrite: bool = option(False, "run", "remove earlier trials in output_dir and start again")
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "run", SHARE_HELP)

    @field_validator("tried", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_together(self) -> TuneConfig:
        refuse_same_place(str(self.output_dir), {"embeddings_dir": self.embeddings_dir}, inside=True)
        refuse_same_place(str(self.output_dir), {"reference": str(self.reference)})
        return self
