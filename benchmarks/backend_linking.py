"""What trained back ends bring in linking: one command, one Markdown table.

    python benchmarks/backend_linking.py --shared ../shared --work WORK
    python benchmarks/backend_linking.py --embeddings WORK/backend/E

LibriSpeech's utterances as they are, by telephone, in a room and broadcast (`benchmarks/backend.py` extracts
them; --embeddings names an extraction of that kind, a folder a speaker, files CONDITION-NAME). A PLDA model
and cohorts are trained on every second speaker by the real commands; the recordings of the others are
compared and linked, each as one local speaker. Columns: equal error rate of pairs of recordings; of those of
two conditions; cost of log-likelihood ratios (Cllr, bits) where the back end is calibrated; people found,
precision, recall and F1 of linking, all conditions together; F1 of each condition by itself. Rows
"calibrated" link by the file's calibration, rows "adapted" by what the archive shows, as without one.
Channels' means are not taken off before pairs are compared (EER, Cllr), as linking does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from backend import training_embeddings
from linking_scores import accuracy, pair_counts
from running import ROOT, call

from diar.detect.backend.back_end import BackEnd
from diar.detect.backend.compared import Compared
from diar.detect.backend.norm_file import read_norm
from diar.detect.clustering.plda import read_plda
from diar.detect.clustering.similarity import plda_similarities
from diar.detect.linking.bandwidth import link_over_channels
from diar.detect.linking.link import LinkedSpeakers
from diar.detect.observations import is_narrow
from diar.detect.training.calibration import cost_of_ratios
from diar.detect.training.verification import equal_error_rate
from diar.store.reader import load_index


@dataclass(frozen=True)
class Recordings:
    """Recordings of one speaker each: n rows."""

    embedding: np.ndarray  # (n, D) float32
    seconds: np.ndarray  # (n,)
    speaker: np.ndarray  # (n,) str
    condition: np.ndarray  # (n,) str
    narrow: np.ndarray  # (n,) bool

    @classmethod
    def of(cls, embeddings: str) -> Recordings:
        index = load_index(embeddings)
        rows = np.flatnonzero(np.isfinite(index.embedding).all(axis=1) & (index.speech_seconds > 0))
        names = [index.recording_id[row] for row in rows]
        return cls(
            index.embedding[rows].astype(np.float32),
            index.speech_seconds[rows],
            np.array([name.split("/")[0] for name in names]),
            np.array([name.split("/")[1].split("-")[0] for name in names]),
            np.array([is_narrow(index.row(row).bandwidth) for row in rows.tolist()]),
        )

    def chosen(self, rows: np.ndarray) -> Recordings:
        return Recordings(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--work", type=Path, help="keep audio, embeddings and models here")
    parser.add_argument("--embeddings", type=Path, help="of the recordings, if they are there already")
    parser.add_argument("--dimensions", type=int, default=128, help="of the PLDA model")
    options = parser.parse_args(sys.argv[1:])
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        embeddings = options.embeddings or training_embeddings(options.shared.resolve(), work)
        recordings = Recordings.of(str(embeddings))
        trained = np.isin(recordings.speaker, np.unique(recordings.speaker)[::2])
        back_ends = train(embeddings.resolve(), work, recordings.speaker[trained], options.dimensions)
        others = recordings.chosen(~trained)
        conditions = np.unique(others.condition).tolist()
        titles = (
            "compared by",
            "EER, %",
            "EER of two conditions, %",
            "Cllr",
            "people",
            "precision",
            "recall",
        )
        print(f"| {' | '.join((*titles, 'F1', *(f'F1, {name}' for name in conditions)))} |")
        print(f"|{'---|' * (len(titles) + 1 + len(conditions))}", flush=True)
        print(f"| PLDA, log-likelihood ratio | {' | '.join(model_cells(others, back_ends))} |", flush=True)
        for name, back_end in back_ends.items():
            print(f"| {name} | {' | '.join(cells(others, back_end, conditions))} |", flush=True)


def train(embeddings: Path, work: Path, speakers: np.ndarray, dimensions: int) -> dict[str, BackEnd | None]:
    """Train on the recordings of `speakers` by the commands; return what to compare by, by name."""
    labels, plda, norm, both, alone = (
        work / f"linking-{name}" for name in ("speakers.csv", "plda.npz", "norm.npz", "both.npz", "alone.npz")
    )
    ids = [name for name in load_index(str(embeddings)).recording_id if name.split("/")[0] in set(speakers)]
    labels.write_text("".join(f"{name},{name.split('/')[0]}\n" for name in ids))
    given = ("--embeddings_dir", embeddings, "--speakers", labels, "--output_file")
    call("-m", "diar", "train", "plda", *given, plda, "--dimensions", dimensions)
    call("-m", "diar", "train", "norm", *given, norm)
    call("-m", "diar", "train", "norm", *given, both, "--plda", plda)
    call("-m", "diar", "train", "norm", "--embeddings_dir", embeddings, "--output_file", alone)
    model, cohort = read_plda(plda), read_norm(norm).norm
    joint = BackEnd(model, read_norm(both).norm)
    return {
        "cosine": None,
        "cohort without labels, of all recordings": BackEnd(norm=read_norm(alone).norm),
        "cohort, adapted": BackEnd(norm=replace(cohort, calibration=None)),
        "cohort, calibrated": BackEnd(norm=cohort),
        "PLDA, adapted": BackEnd(replace(model, calibration=None)),
        "PLDA, calibrated": BackEnd(model),
        "PLDA and cohort, adapted": replace(joint, norm=replace(joint.norm, calibration=None)),
        "PLDA and cohort, calibrated": joint,
    }


def model_cells(rows: Recordings, back_ends: dict[str, BackEnd | None]) -> list[str]:
    """Return how well the PLDA model's own scores tell pairs apart; nothing links by them."""
    model = back_ends["PLDA, calibrated"].plda
    scores = plda_similarities(model.transform(rows.embedding), model.psi)
    return [*error_cells(rows, scores), *[""] * (5 + len(np.unique(rows.condition)))]


def error_cells(rows: Recordings, scores: np.ndarray) -> list[str]:
    """Return the equal error rates of all pairs, and of those of two conditions, as cells."""
    first, second = np.triu_indices(len(scores), 1)
    same, apart = rows.speaker[first] == rows.speaker[second], rows.condition[first] != rows.condition[second]
    pairs = scores[first, second]
    rates = (equal_error_rate(pairs, same), equal_error_rate(pairs[apart], same[apart]))
    return [f"{100 * rate:.2f}" for rate in rates]


def cells(rows: Recordings, back_end: BackEnd | None, conditions: list[str]) -> list[str]:
    used = back_end or BackEnd()
    compared = Compared.of(used.vectors(rows.embedding), used.norm)
    scores, line, cost = compared.matrix(compared), used.calibration, ""
    if line is not None:
        first, second = np.triu_indices(len(compared), 1)
        same = rows.speaker[first] == rows.speaker[second]
        cost = f"{cost_of_ratios(line.slope * scores[first, second] + line.offset, same):.3f}"
    alone = [rows.chosen(rows.condition == name) for name in conditions]
    return [
        *error_cells(rows, scores),
        cost,
        accuracy(rows.speaker, linked(rows, back_end).label),
        *(f1(one.speaker, linked(one, back_end).label) for one in alone),
    ]


def linked(rows: Recordings, back_end: BackEnd | None) -> LinkedSpeakers:
    numbers = np.arange(len(rows.embedding))
    return link_over_channels(rows.embedding, rows.seconds, numbers, rows.narrow, None, 0.5, None, back_end)


def f1(truth: np.ndarray, label: np.ndarray) -> str:
    together, found, true = pair_counts(truth, label).tolist()
    return f"{2 * together / max(found + true, 1):.3f}"


if __name__ == "__main__":
    main()
