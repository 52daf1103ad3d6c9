"""Options of `diar score words`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from diar.options.base import option
from diar.options.places import refuse_same_place
from diar.options.tracking import TrackedConfig
from diar.options.watching import METRICS_FILE_HELP


class ScoreWordsConfig(TrackedConfig):
    """Words with speakers against a reference."""

    environment_prefix: ClassVar[str] = "DIAR_SCORE_WORDS_"

    reference: Path = option(
        ..., "input", "true words with speakers: SegLST, STM, words.json", positional=True, metavar="FILE"
    )
    hypothesis: Path = option(
        ..., "input", "found words: a file, or a result of `diar words`", positional=True, metavar="FILE|DIR"
    )
    normalise: str = option(
        "basic", "scoring", "of both: basic = lower case without punctuation; none = as they are written"
    )
    as_json: bool = option(False, "output", "print the figures as JSON", alias="json")
    report: Path | None = option(
        None, "output", "write index.html there: a page for a browser, with all recordings", metavar="DIR"
    )
    metrics_file: str | None = option(
        None, "output", f"write the figures as metrics: {METRICS_FILE_HELP}", metavar="FILE"
    )
    metrics_set: str | None = option(
        None, "output", "name of what is scored, their label `set`; default: that of the reference"
    )

    @model_validator(mode="after")
    def _check_report(self) -> ScoreWordsConfig:
        inputs = {"reference": str(self.reference), "hypothesis": str(self.hypothesis)}
        refuse_same_place(str(self.report or ""), inputs, option="report")
        return self
