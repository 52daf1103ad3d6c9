"""Options of `diar plan`: its own, and those of stage 1."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import PositiveInt, field_validator, model_validator

from diar.jobs.extract.config import ExtractConfig
from diar.options.base import option
from diar.options.tracking import TRACKING_OPTIONS
from diar.options.watching import METRICS_OPTIONS


class PlanConfig(ExtractConfig):
    """A run of stage 1 to be planned; no archive is needed, and nothing is written to its output."""

    environment_prefix: ClassVar[str] = "DIAR_PLAN_"
    withheld: ClassVar[frozenset[str]] = METRICS_OPTIONS | {"log_format", *TRACKING_OPTIONS}

    input_dir: str = option(
        "", "archive", "as for extract; a sample of its audio is run, its hours are counted"
    )
    output_dir: str = option("", "archive", "as for extract; nothing is written there")

    stats: str | None = option(
        None, "speed", "a stage 1 output, or its extraction_stats.json", metavar="FILE"
    )
    rtf: float | None = option(None, "speed", "seconds that one GPU works a second of audio")
    calibration_seconds: float = option(
        40.0, "speed", "how long to measure, after start-up, where neither is given"
    )

    hours: float | None = option(
        None, "plan", "hours of audio; default those of --input_dir, else of --stats"
    )
    num_gpus: tuple[PositiveInt, ...] = option(
        (1, 2, 4, 8), "plan", "GPUs (on the CPU: workers) to tell the time of", min_length=1
    )
    deadline: float | None = option(None, "plan", "hours: how many GPUs does it take?")
    price: float | None = option(None, "plan", "of one GPU (worker) for an hour")
    utilisation: float = option(
        0.9, "plan", "share of the paid time in which GPUs work, above 0 and at most 1", metavar="U"
    )
    json_file: str | None = option(
        None, "plan", "write all figures there as well", alias="json", metavar="FILE"
    )

    @field_validator("num_gpus", mode="before")
    @classmethod
    def _split_num_gpus(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_sources(self) -> PlanConfig:
        if self.stats is not None and self.rtf is not None:
            raise ValueError("give --stats or --rtf, not both")
        if not self.input_dir and self.stats is None and self.rtf is None:
            raise ValueError("nothing tells the speed: give --input_dir to measure it, --stats or --rtf")
        if not self.input_dir and self.stats is None and self.hours is None:
            raise ValueError("nothing tells how much audio there is: give --hours or --input_dir")
        return self
