"""What the diarization error consists of: the real result beside three that know a part of the truth.

    python benchmarks/ceiling.py --embeddings EMBEDDINGS --reference RTTM_FOLDER

Each line is DER in % (miss, false alarm, confusion), counted in the segmentation model's frames of 17 ms,
collar 0, overlap scored:

    diar           stage 2 as it is, with its default settings right labels   every local speaker of every
    seg_window has its true name, and as many of them speak as diar
                   counts: the result of a perfect clustering of local speakers
    right people   as many voices in each frame as diar counts, and always the right ones: the error left is
                   that of the segmentation model
    two at most    everything is right, but at most two speak at once: the limit of segmentation-3.0's
    powerset
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.detect.clustering.choose import find_centroids
from diar.detect.diarize import DiarizeSettings
from diar.detect.observations import Observations
from diar.detect.reconstruction import reconstruct
from diar.formats.matching import match_names
from diar.formats.rttm import read_turns
from diar.records import OK, Turn
from diar.store.reader import TracksReader, load_index

SETTINGS = DiarizeSettings()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--embeddings", required=True, help="stage 1's output")
    parser.add_argument("--reference", type=Path, required=True, help="RTTM file or folder")
    options = parser.parse_args()
    results = [measure(observations, turns) for observations, turns in recordings(options)]
    total = {name: np.sum([result[name] for result in results], axis=0) for name in results[0]}
    for name, (speech, *errors) in total.items():
        parts = ", ".join(f"{100 * error / speech:.1f}" for error in errors)
        print(f"{name:15}{100 * sum(errors) / speech:5.1f} ({parts})")


def recordings(options: argparse.Namespace) -> Iterator[tuple[Observations, list[Turn]]]:
    index, reader = load_index(options.embeddings), TracksReader(options.embeddings)
    references = read_turns(options.reference)
    named = {new: references[old] for old, new in match_names(index.recording_id, references).items()}
    for name, shard, status in zip(index.recording_id, index.shard, index.status, strict=True):
        if status == OK and name in named:
            yield Observations.of(reader.read(name, int(shard))), named[name]


def measure(observations: Observations, turns: list[Turn]) -> dict[str, np.ndarray]:
    """Count frames of reference speech, missed, falsely found and confused ones, for each line."""
    reconstruction = SETTINGS.preset.reconstruction
    found = reconstruct(observations, find_centroids(observations, SETTINGS.clustering), reconstruction)
    any_two = np.eye(2, observations.windows.embedding.shape[1], dtype=np.float32)
    voices = reconstruct(observations, any_two, reconstruction).active.sum(axis=0)
    times = found.first_center + np.arange(len(voices)) * found.step
    truth = np.stack(
        [
            np.any([(times >= t.start) & (times < t.end) for t in turns if t.speaker == speaker], axis=0)
            for speaker in sorted({turn.speaker for turn in turns})
        ]
    )
    there = truth.sum(axis=0)
    return {
        "diar": errors(truth, mapped(truth, found.active)),
        "right labels": errors(truth, rightly_labelled(observations, truth, voices)),
        "right people": amounts(there, voices, np.minimum(there, voices)),
        "two at most": amounts(there, np.minimum(there, 2), np.minimum(there, 2)),
    }


def mapped(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return `found` (clusters, frames) with each cluster in the place of whom it shares most frames with."""
    shared = truth.astype(np.float32) @ found.T.astype(np.float32)
    speaker, cluster = linear_sum_assignment(-shared)
    rest = np.setdiff1d(np.arange(len(found)), cluster)
    placed = np.zeros((len(truth) + len(rest), truth.shape[1]), bool)
    placed[speaker], placed[len(truth) :] = found[cluster], found[rest]
    return placed


def rightly_labelled(observations: Observations, truth: np.ndarray, voices: np.ndarray) -> np.ndarray:
    """Return the `voices` most active speakers of each frame, from local speakers with their true names."""
    local = observations.local
    activity = np.zeros(truth.shape, np.float32)
    for seg_window, start in enumerate(local.seg_window_start):
        rows = np.flatnonzero(local.seg_window == seg_window)
        first = round(start / observations.frame_step)
        frames = slice(first, first + local.activity.shape[1])
        said = local.activity[rows][:, : truth[:, frames].shape[1]] / np.float32(255)
        gain = said @ np.where(truth[:, frames], 1, -1).T  # right minus wrong
        for row, speaker in zip(*linear_sum_assignment(-gain), strict=True):
            activity[speaker, frames] += said[row]
    rank = np.argsort(np.argsort(-activity, axis=0, kind="stable"), axis=0)
    return np.asarray(rank < voices)


def errors(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    right = (truth & found[: len(truth)]).sum(axis=0)
    return amounts(truth.sum(axis=0), found.sum(axis=0), right)


def amounts(there: np.ndarray, found: np.ndarray, right: np.ndarray) -> np.ndarray:
    miss, false_alarm = np.maximum(there - found, 0), np.maximum(found - there, 0)
    return np.array([part.sum() for part in (there, miss, false_alarm, np.minimum(there, found) - right)])


if __name__ == "__main__":
    main()
