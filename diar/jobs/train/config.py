"""Options of `diar train plda` and `diar train norm`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from diar.options.base import CommandConfig, option
from diar.options.keys import KEY_HELP
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share

_SPEAKERS_HELP = (
    "each recording is one speaker's: folder = the first folder of its name, manifest = its `label`, or "
    "a CSV file of recording and speaker"
)
_TURNS_HELP = (
    "who speaks when: an .rttm file, a folder of them, or a result of stage 2, whose people then are the "
    "labels; a name is one person in all recordings"
)
_SPEAKERS = "folder|manifest|FILE"


class TrainPldaConfig(CommandConfig):
    """A PLDA model from an archive whose speakers are known."""

    environment_prefix: ClassVar[str] = "DIAR_TRAIN_PLDA_"

    embeddings_dir: str = option(..., "input", "the output_dir of stage 1")
    output_file: Path = option(
        ..., "input", "the model, an .npz file; its card is written beside it as .json"
    )
    speakers: str | None = option(None, "labels", _SPEAKERS_HELP, metavar=_SPEAKERS)
    turns: Path | None = option(None, "labels", _TURNS_HELP, metavar="RTTM")
    dimensions: int | None = option(
        None, "model", "that LDA keeps; default all of the embedding", ge=2, le=4096
    )
    most: int = option(200, "model", "windows of a speaker at most, drawn evenly", ge=2)
    iterations: int = option(20, "model", "of expectation-maximisation", ge=0, le=1000)
    seed: int = option(0, "model", "of what is drawn", ge=0)
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "run", SHARE_HELP)

    @model_validator(mode="after")
    def _check_labels(self) -> TrainPldaConfig:
        if (self.speakers is None) == (self.turns is None):
            raise ValueError("give --speakers or --turns, one of them: the model learns from known speakers")
        _check_suffix(self.output_file)
        return self


class TrainNormConfig(CommandConfig):
    """A cohort for score normalisation from an archive; calibrated where its speakers are known."""

    environment_prefix: ClassVar[str] = "DIAR_TRAIN_NORM_"

    embeddings_dir: str = option(..., "input", "the output_dir of stage 1")
    output_file: Path = option(
        ..., "input", "the cohort, an .npz file; its card is written beside it as .json"
    )
    plda: Path | None = option(
        None, "input", "compare in this PLDA model's space, and use the cohort with it; .npz or Kaldi format"
    )
    speakers: str | None = option(
        None,
        "labels",
        f"{_SPEAKERS_HELP}; default: recordings are linked, and each is taken for one person's",
        metavar=_SPEAKERS,
    )
    turns: Path | None = option(None, "labels", _TURNS_HELP, metavar="RTTM")
    cohort: int = option(1000, "model", "people at most, drawn evenly", ge=20)
    top: int = option(50, "model", "people of the cohort most like a voice, by whom it is normalised", ge=2)
    seed: int = option(0, "model", "of what is drawn", ge=0)
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    share: Share = option("none", "run", SHARE_HELP)

    @model_validator(mode="after")
    def _check_labels(self) -> TrainNormConfig:
        if self.speakers is not None and self.turns is not None:
            raise ValueError("give --speakers or --turns, not both")
        _check_suffix(self.output_file)
        return self


def _check_suffix(output_file: Path) -> None:
    if output_file.suffix != ".npz":
        raise ValueError(f"--output_file {output_file}: give it the suffix .npz")
