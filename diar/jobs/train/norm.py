"""`diar train norm`: a cohort of people by whom comparisons of voices are normalised."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diar.detect.backend.back_end import BackEnd
from diar.detect.backend.compared import Compared
from diar.detect.backend.norm import ScoreNorm
from diar.detect.backend.norm_file import StoredNorm, write_norm
from diar.detect.clustering.plda import read_plda
from diar.detect.clustering.similarity import unit_rows
from diar.detect.linking.bandwidth import link_over_channels
from diar.detect.observations import is_narrow
from diar.detect.training.norm import LEAST_PEOPLE, make_norm
from diar.detect.training.verification import equal_error_rate
from diar.errors import DiarError
from diar.jobs.train.config import TrainNormConfig
from diar.jobs.train.labels import Examples, read_examples
from diar.jobs.train.outcome import ended, told_calibration, write_card
from diar.jobs.train.trials import Calibrated, Trials, drawn, folds
from diar.options.command import run_command
from diar.records import OK
from diar.store.reader import RecordingIndex, load_index
from diar.wording import counted

DESCRIPTION = """\
Make a cohort: one vector of each person of an archive. With it, `diar detect --score_norm` counts how alike
two voices are in deviations from how alike each is to the people most like it (AS-norm), which evens out
voices, and channels, that are like many. Where the archive's speakers are known, it also says what that is
worth on people outside of the cohort, and calibrates scores to log-likelihood ratios. Where they are not,
recordings are linked first, and each is taken for one person's."""

EPILOG = """\
examples:
  {prog} --embeddings_dir E --speakers folder --output_file norm.npz
  {prog} --embeddings_dir E --output_file norm.npz                 # of recordings with one voice each
  {prog} --embeddings_dir E --turns R --plda plda.npz --output_file norm.npz
  diar detect --embeddings_dir E --output_dir R2 --task turns --plda plda.npz --score_norm norm.npz

exit codes: 0 done; 3 done, some labelled recordings have no tracks; 2 an error."""


class NormTrainingError(DiarError):
    """No cohort can be made."""


@dataclass(frozen=True)
class _Worth:
    """Equal error rates of pairs of recordings of people outside of the cohort, and what scores mean."""

    cosine: float
    normalised: float
    calibrated: Calibrated | None

    def card(self) -> dict[str, Any]:
        return {"equal_error_rate_cosine": self.cosine, "equal_error_rate_normalised": self.normalised}


def norm(arguments: Sequence[str], prog: str = "diar train norm") -> int:
    """Run the command and return its exit code."""
    epilog = EPILOG.format(prog=prog)
    return run_command(_train, TrainNormConfig, arguments, prog=prog, description=DESCRIPTION, epilog=epilog)


def _train(config: TrainNormConfig) -> int:
    index = load_index(config.embeddings_dir)
    back_end = _back_end(config, index)
    labelled = config.speakers is not None or config.turns is not None
    if labelled:
        voices = read_examples(config.embeddings_dir, index, config.speakers, config.turns).by_recording()
    else:
        voices = _linked(index, back_end)
    voices = replace(voices, embedding=back_end.vectors(voices.embedding))
    random = np.random.default_rng(config.seed)
    worth = _judge(voices, config.top, random) if labelled else None
    people = _people(voices)
    chosen = np.sort(random.permutation(len(people))[: config.cohort])
    try:
        made = make_norm(people[chosen], config.top)
    except ValueError as error:
        raise NormTrainingError(f"{config.embeddings_dir}: the cohort is too small: {error}") from None
    calibrated = None if worth is None else worth.calibrated
    made = replace(made, calibration=None if calibrated is None else calibrated.calibration)
    _write(config, index, made, back_end)
    card = write_card(config.output_file, "norm", index, voices, _card(made, worth, labelled))
    print(f"a cohort of {counted(len(chosen), 'person')}", file=sys.stderr)
    print("\n".join([*_told(worth), told_calibration(calibrated, "normalised cosine")]))
    print(f"-> {config.output_file}, {card}")
    return ended(voices)


def _back_end(config: TrainNormConfig, index: RecordingIndex) -> BackEnd:
    if config.plda is None:
        return BackEnd()
    back_end = BackEnd(read_plda(config.plda))
    encoder = index.metadata.get("model", "that"), index.metadata.get("model_sha256", "")
    back_end.check_plda(f"`plda={config.plda}`", *encoder, index.embedding.shape[1])
    return back_end


def _linked(index: RecordingIndex, back_end: BackEnd) -> Examples:
    """Return the recordings' vectors with the people that linking finds."""
    spoken = np.isfinite(index.embedding).all(axis=1) & (index.speech_seconds > 0)
    rows = np.flatnonzero(spoken & np.array([status == OK for status in index.status]))
    embedding = np.asarray(index.embedding[rows], np.float32)
    narrow = np.array([is_narrow(index.row(row).bandwidth) for row in rows.tolist()], bool)
    speech = index.speech_seconds[rows]
    linked = link_over_channels(embedding, speech, rows, narrow, None, 0.5, None, back_end)
    return Examples(embedding, np.array(linked.speaker_id, dtype=str)[linked.label], rows, {})


def _people(voices: Examples) -> np.ndarray:
    """Return one unit vector of each speaker (p, E), the mean of the recordings'."""
    _, number = np.unique(voices.speaker, return_inverse=True)
    sums = np.zeros((int(number.max(initial=-1)) + 1, voices.embedding.shape[1]))
    np.add.at(sums, number, voices.embedding)
    return unit_rows(sums).astype(np.float32)


def _judge(voices: Examples, top: int, random: np.random.Generator) -> _Worth | None:
    """Compare a fifth of the speakers by a cohort of the others, five times; None with too few of them."""
    cosines, scores = Trials(), Trials()
    for train, test in folds(voices.speaker, random):
        people, rows = _people(voices.chosen(train)), voices.chosen(drawn(test, random))
        if len(people) < LEAST_PEOPLE:
            return None
        compared = Compared.of(rows.embedding, make_norm(people, top))
        cosines.add(rows.embedding @ rows.embedding.T, rows)
        scores.add(compared.matrix(compared), rows)
    if not scores.same.any() or scores.same.all():
        return None
    rates = [equal_error_rate(one.scores, one.same) for one in (cosines, scores)]
    return _Worth(rates[0], rates[1], scores.calibrated())


def _write(config: TrainNormConfig, index: RecordingIndex, made: ScoreNorm, back_end: BackEnd) -> None:
    config.output_file.parent.mkdir(parents=True, exist_ok=True)
    plda = "" if back_end.plda is None else back_end.plda.fingerprint
    write_norm(config.output_file, StoredNorm(made, index.metadata.get("model_sha256", ""), plda))


def _card(made: ScoreNorm, worth: _Worth | None, labelled: bool) -> dict[str, Any]:
    """Return what the card says of a cohort beside what all cards have."""
    return {
        "labelled": labelled,
        "cohort": len(made.cohort),
        "top": made.top,
        "ceiling": made.ceiling,
        "mean": made.mean,
        "deviation": made.deviation,
        "people_outside_of_the_cohort": None if worth is None else worth.card(),
        "calibration": None if worth is None or worth.calibrated is None else worth.calibrated.card(),
    }


def _told(worth: _Worth | None) -> list[str]:
    if worth is None:
        return [
            "what it is worth is not known: known speakers are needed, 25 of them, some in several recordings"
        ]
    verdict = (
        "it tells them better apart" if worth.normalised < worth.cosine else "it does not help: do without"
    )
    return [
        f"equal error rate of recordings, of people outside of the cohort: {100 * worth.cosine:.2f} %, "
        f"normalised {100 * worth.normalised:.2f} %: {verdict}"
    ]
