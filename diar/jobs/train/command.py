"""`diar train plda`: a back end from embeddings whose speakers are known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diar.detect.clustering.plda import write_npz
from diar.detect.training.plda import train_plda
from diar.errors import DiarError
from diar.jobs.train.config import TrainPldaConfig
from diar.jobs.train.labels import Examples, read_examples
from diar.jobs.train.outcome import ended, told_calibration, write_card
from diar.jobs.train.worth import Worth, judge
from diar.options.command import run_command
from diar.store.reader import load_index
from diar.wording import counted

DESCRIPTION = """\
Train a PLDA model (LDA and two-covariance model) on the embeddings of an archive whose speakers are known: by
folder, manifest or CSV, by true turns, or by the people that stage 2 found. It says what the model is worth
on speakers that it was not trained on, beside the cosine of the vectors. If it is no better, do without."""

EPILOG = """\
examples:
  {prog} --embeddings_dir E --speakers folder --output_file plda.npz
  {prog} --embeddings_dir E --turns RTTMS --output_file plda.npz --dimensions 128
  {prog} --embeddings_dir E --turns R --output_file plda.npz       # R: a result of stage 2 labels its archive
  diar detect --embeddings_dir E --output_dir R2 --task turns --clustering vbx --plda plda.npz

exit codes: 0 done; 3 done, some labelled recordings have no tracks; 2 an error."""


class TrainError(DiarError):
    """Nothing can be trained."""


def plda(arguments: Sequence[str], prog: str = "diar train plda") -> int:
    """Run the command and return its exit code."""
    epilog = EPILOG.format(prog=prog)
    return run_command(_train, TrainPldaConfig, arguments, prog=prog, description=DESCRIPTION, epilog=epilog)


def _train(config: TrainPldaConfig) -> int:
    index = load_index(config.embeddings_dir)
    examples = read_examples(config.embeddings_dir, index, config.speakers, config.turns)
    examples = examples.thinned(config.most, config.seed)
    speakers = len(np.unique(examples.speaker))
    print(f"{counted(len(examples.speaker), 'window')} of {counted(speakers, 'speaker')}", file=sys.stderr)
    try:
        worth = judge(examples, config.dimensions, config.seed)
        model = train_plda(examples.embedding, examples.speaker, config.dimensions, config.iterations)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise TrainError(f"{config.embeddings_dir}: the labelled windows are too few: {error}") from None
    config.output_file.parent.mkdir(parents=True, exist_ok=True)
    calibrated = None if worth is None else worth.calibrated
    calibration = None if calibrated is None else calibrated.calibration
    sha256 = index.metadata.get("model_sha256", "")
    write_npz(config.output_file, replace(model, calibration=calibration, encoder_sha256=sha256))
    card = write_card(config.output_file, "plda", index, examples, _card(config, examples, worth))
    print("\n".join([*_told(worth, speakers), told_calibration(calibrated, "cosine in the model's space")]))
    print(f"-> {config.output_file}, {card}")
    return ended(examples)


def _card(config: TrainPldaConfig, examples: Examples, worth: Worth | None) -> dict[str, Any]:
    """Return what the card says of a PLDA model beside what all cards have."""
    judged = None
    if worth is not None:
        judged = {
            "equal_error_rate_cosine": worth.cosine,
            "equal_error_rate_plda": worth.plda,
            "pairs": worth.pairs,
        }
    return {
        "windows": len(examples.speaker),
        "dimensions": config.dimensions or int(examples.embedding.shape[1]),
        "speakers_not_trained_on": judged,
        "calibration": None if worth is None or worth.calibrated is None else worth.calibrated.card(),
    }


def _told(worth: Worth | None, speakers: int) -> list[str]:
    if worth is None:
        return [
            f"what it is worth is not known: {counted(speakers, 'speaker')}, ten are needed to leave some out"
        ]
    verdict = "it separates them better" if worth.plda < worth.cosine else "it does not help: do without"
    return [
        f"equal error rate of windows, on speakers not trained on: cosine {100 * worth.cosine:.2f} %, "
        f"PLDA {100 * worth.plda:.2f} %: {verdict}"
    ]
