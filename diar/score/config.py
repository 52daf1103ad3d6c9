"""Options of `diar score`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from diar.options.base import option
from diar.options.places import refuse_same_place
from diar.options.tracking import TrackedConfig
from diar.options.watching import METRICS_FILE_HELP


class ScoreBoundariesConfig(TrackedConfig):
    """Boundaries between files against a truth."""

    environment_prefix: ClassVar[str] = "DIAR_SCORE_BOUNDARIES_"

    truth: Path = option(
        ..., "input", "CSV with columns path,speaker[,block,odd]", positional=True, metavar="CSV"
    )
    result: Path = option(
        ..., "input", "speaker_boundary_detection_result.json", positional=True, metavar="JSON"
    )
    as_json: bool = option(False, "output", "print the figures as JSON", alias="json")


class ScoreDerConfig(TrackedConfig):
    """Turns against reference turns."""

    environment_prefix: ClassVar[str] = "DIAR_SCORE_DER_"

    reference: Path = option(
        ..., "input", "true turns: an .rttm file, or a folder of them", positional=True, metavar="RTTM"
    )
    hypothesis: Path = option(
        ..., "input", "found turns: an .rttm file, or a folder of them", positional=True, metavar="RTTM"
    )
    uem: Path | None = option(
        None, "scoring", "what to score of which recordings; default all of each", metavar="FILE"
    )
    collar: float = option(
        0.0,
        "scoring",
        "forgiven on EACH side of a reference boundary, as md-eval counts it",
        metavar="SECONDS",
    )
    skip_overlap: bool = option(False, "scoring", "leave out where reference speakers overlap")
    as_json: bool = option(False, "output", "print the figures as JSON", alias="json")
    report: Path | None = option(
        None,
        "output",
        "write index.html there: a page for a browser, with pictures of the worst recordings",
        metavar="DIR",
    )
    metrics_file: str | None = option(
        None, "output", f"write the figures as metrics: {METRICS_FILE_HELP}", metavar="FILE"
    )
    metrics_set: str | None = option(
        None, "output", "name of what is scored, their label `set`; default: that of the reference"
    )

    @model_validator(mode="after")
    def _check_report(self) -> ScoreDerConfig:
        inputs = {"reference": str(self.reference), "hypothesis": str(self.hypothesis)}
        refuse_same_place(str(self.report or ""), inputs, option="report")
        return self
