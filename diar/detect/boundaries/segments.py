"""Segments, speakers and odd files of an archive, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diar.detect.backend.back_end import BackEnd
from diar.detect.boundaries.changepoint import default_penalty
from diar.detect.boundaries.confidence import separation
from diar.detect.boundaries.cut import Cut
from diar.detect.boundaries.odd_files import Fit, measure_fit
from diar.detect.boundaries.placing import place_boundaries
from diar.detect.boundaries.scatter import estimate_noise
from diar.detect.boundaries.sequences import Segments, Sequences
from diar.detect.boundaries.settings import BoundarySettings
from diar.detect.boundaries.speakers import adaptive_threshold, link_segments
from diar.wording import counted

_LEAST_COHESION = 0.2  # mean cosine of a segment's files; voices of one person have 0.6, of strangers 0.1
_JUDGED = 5  # files of a segment from which its cohesion says something
_UNSEPARATED_WARNING = 0.2  # share of boundaries without separation that casts doubt on segment_size

Cuts = dict[int, Cut | None]  # start of each segment → its cut, None where a sequence starts; ascending


@dataclass(frozen=True)
class Found:
    """Everything detected; positions count the usable files."""

    segmentation: Segments
    cuts: list[Cut | None]  # of each segment's start, None where a sequence starts
    separation: np.ndarray  # (segments,) probability that two speakers meet there
    speakers: np.ndarray  # (segments,) from 0
    fit: Fit
    thresholds: dict[str, float]
    warnings: list[str]


def find_segments(
    embeddings: np.ndarray, speech_seconds: np.ndarray, sequences: Sequences, settings: BoundarySettings
) -> Found:
    """Find boundaries, speakers and odd files.

    Where a cut lies, and which files are odd, is found in `embeddings`; who speaks on both sides of it, and
    in other segments, by the back end, if there is one.

    Args:
        embeddings: (n, D) unit vectors of the usable files, sequence after sequence.
        speech_seconds: (n,) speech in each.
        sequences: where each sequence starts.
        settings: of the methods.
    """
    cuts, penalty = _place_all(embeddings, sequences, settings)
    segment = _Segmenter(embeddings, settings.back_end)
    segmentation = segment(cuts)
    link_threshold = _link_threshold(segmentation, cuts, settings)
    separated = _separation(segmentation, cuts, penalty, link_threshold)
    if settings.segment_size == "auto":
        while (weak := weakest(cuts, separated)).any():
            cuts = {start: cut for (start, cut), drop in zip(cuts.items(), weak, strict=True) if not drop}
            segmentation = segment(cuts, segmentation)
            separated = _separation(segmentation, cuts, penalty, link_threshold)
    else:
        cuts = keep_expected(cuts, separated, settings.segment_size, settings.usable_window, len(embeddings))
        segmentation = segment(cuts, segmentation)
        separated = _separation(segmentation, cuts, penalty, link_threshold)
    speakers = np.arange(len(segmentation))
    if settings.link:
        voices = segmentation.voices
        speakers = link_segments(voices.centers, segmentation.counts, link_threshold, voices.norm)
    odd_threshold = settings.odd_threshold
    fit = measure_fit(embeddings, speech_seconds, segmentation.starts, segmentation.centers, odd_threshold)
    thresholds = {"penalty": penalty, "link_threshold": link_threshold, "odd_threshold": odd_threshold}
    warnings = _warnings(settings, list(cuts.values()), separated)
    warnings += _without_voice(embeddings, segmentation)
    return Found(segmentation, list(cuts.values()), separated, speakers, fit, thresholds, warnings)


def weakest(cuts: Cuts, separated: np.ndarray) -> np.ndarray:
    """(segments,) bool: starts at which no two speakers meet, and less so than at both neighbouring starts.

    A change of sound or mood within one speaker is no boundary in automatic mode. Neighbours go one after the
    other, because what a boundary separates depends on them.
    """
    probability = np.where([cut is None for cut in cuts.values()], 2.0, separated)
    padded = np.concatenate([[2.0], probability, [2.0]])
    lowest = (probability < padded[:-2]) & (probability <= padded[2:])
    return np.asarray(lowest & (probability < 0.5))


def keep_expected(cuts: Cuts, separated: np.ndarray, size: int, window: int, count: int) -> Cuts:
    """Expected sizes: put a boundary at which nothing changes where it was expected.

    It stays where it is if the next boundary would fall out of reach.

    Args:
        cuts: as placed.
        separated: (segments,) probability that two speakers meet there.
        size: files expected in a segment.
        window: files around the expected place.
        count: usable files.
    """
    kept: Cuts = {}
    following = [*list(cuts)[1:], count]
    previous = 0
    for i, (start, cut) in enumerate(cuts.items()):
        if cut is not None and separated[i] < 0.5:
            expected = previous + size
            near = abs(expected - start) <= window and 0 < following[i] - expected <= size + window
            cut = replace(
                cut,
                index=expected if near else start,
                fallback="no change of speaker in the window: kept where expected",
            )
        previous = start if cut is None else cut.index
        kept[previous] = cut
    return kept


def _place_all(
    embeddings: np.ndarray, sequences: Sequences, settings: BoundarySettings
) -> tuple[Cuts, float]:
    noise = estimate_noise(embeddings)
    penalty = settings.penalty or default_penalty(embeddings, noise, settings.min_segment)
    cuts: Cuts = {}
    stops = [*sequences.starts[1:].tolist(), len(embeddings)]
    for start, stop in zip(sequences.starts.tolist(), stops, strict=True):
        cuts[start] = None
        for cut in place_boundaries(embeddings[start:stop], settings, noise, penalty):
            cuts[start + cut.index] = replace(cut, index=start + cut.index, first=start + cut.first)
    return cuts, penalty


class _Segmenter:
    """Makes segments of cuts in `embeddings`, and maps these for the back end once."""

    def __init__(self, embeddings: np.ndarray, back_end: BackEnd | None) -> None:
        self._embeddings = embeddings
        self._compared = None if back_end is None else back_end.vectors(embeddings)
        self._norm = None if back_end is None else back_end.norm

    def __call__(self, cuts: Cuts, like: Segments | None = None) -> Segments:
        starts = np.array(list(cuts), dtype=np.int64)
        return Segments(self._embeddings, starts, like, self._compared, self._norm)


def _link_threshold(segmentation: Segments, cuts: Cuts, settings: BoundarySettings) -> float:
    """Return the cosine of `segmentation.voices` above which two segments are of one speaker.

    A calibrated back end asks for even odds, where beforehand a segment is as likely to be one speaker's as
    any other's.
    """
    if settings.link_threshold is not None:
        return settings.link_threshold
    back_end = settings.back_end
    if back_end is not None and back_end.calibration is not None:
        return back_end.calibration.score_at(float(np.log(len(segmentation))))
    voices = segmentation.voices
    return adaptive_threshold(voices.parts, voices.neighbor_cosines(_inside(cuts)), voices.norm)


def _inside(cuts: Cuts) -> np.ndarray:
    """Positions of the segments that start inside a sequence."""
    return np.array([i for i, cut in enumerate(cuts.values()) if cut is not None], dtype=np.int64)


def _separation(segmentation: Segments, cuts: Cuts, penalty: float, threshold: float) -> np.ndarray:
    inside = _inside(cuts)
    separated = np.ones(len(segmentation))
    cosines = segmentation.voices.neighbor_cosines(inside)
    separated[inside] = separation(segmentation.gains[inside], cosines, penalty, threshold)
    return separated


def _warnings(settings: BoundarySettings, cuts: list[Cut | None], separated: np.ndarray) -> list[str]:
    if settings.segment_size == "auto":
        return []
    warnings = []
    window = settings.usable_window
    if window < settings.boundary_window:
        warnings.append(
            f"boundary_window {settings.boundary_window} was reduced to {window}, half of segment_size, "
            "so that neighbouring windows do not overlap"
        )
    inside = np.array([cut is not None for cut in cuts])
    unseparated = int((separated[inside] < 0.5).sum())
    if unseparated > _UNSEPARATED_WARNING * inside.sum():
        warnings.append(
            f"{unseparated:,} of {counted(int(inside.sum()), 'window')} hold no change of speaker: blocks of "
            f"about {settings.segment_size} files do not fit this archive; "
            "try segment_size auto or a larger window"
        )
    return warnings


def _without_voice(embeddings: np.ndarray, segmentation: Segments) -> list[str]:
    """Return a warning where files of segments have no voice in common, so that none of them looks odd."""
    counts = segmentation.counts
    sums = np.add.reduceat(embeddings, segmentation.starts, axis=0, dtype=np.float64)
    pairs = np.maximum(counts * (counts - 1), 1)
    cohesion = (np.einsum("nd,nd->n", sums, sums) - counts) / pairs
    mixed = (counts >= _JUDGED) & (cohesion < _LEAST_COHESION)
    if not mixed.any():
        return []
    files = counted(int(counts[mixed].sum()), "file")
    return [
        f"{counted(int(mixed.sum()), 'segment')} of {files} in all without a common voice: nearly every file "
        "there may be of another speaker, which no boundary or odd file tells; files of one speaker have to "
        "follow each other, min_segment of them at least"
    ]
