"""Options of `diar train plda`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from diar.options.base import CommandConfig, option
from diar.options.keys import KEY_HELP
from diar.options.sharing import HELP as SHARE_HELP
from diar.options.sharing import Share


class TrainPldaConfig(CommandConfig):
    """A PLDA model from an archive whose speakers are known."""

    environment_prefix: ClassVar[str] = "DIAR_TRAIN_"

    embeddings_dir: str = option(..., "input", "the output_dir of stage 1")
    output_file: Path = option(
        ..., "input", "the model, an .npz file; its card is written beside it as .json"
    )
    speakers: str | None = option(
        None,
        "labels",
        "each recording is one speaker's: folder = the first folder of its name, manifest = its `label`, or "
        "a CSV file of recording and speaker",
        metavar="folder|manifest|FILE",
    )
    turns: Path | None = option(
        None,
        "labels",
        "who speaks when: an .rttm file, a folder of them, or a result of stage 2, whose people then are the "
        "labels; a name is one person in all recordings",
        metavar="RTTM",
    )
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
        if self.output_file.suffix != ".npz":
            raise ValueError(f"--output_file {self.output_file}: give it the suffix .npz")
        return self
