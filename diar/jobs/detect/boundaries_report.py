"""From boundaries and speakers by number to the records of the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import diar
from diar.detect.boundaries.cut import Cut
from diar.detect.boundaries.scatter import cosine_across
from diar.detect.boundaries.segments import Found
from diar.detect.boundaries.sequences import Sequences
from diar.formats.document import typed_metadata
from diar.formats.files_table import NO_SPEECH, NOT_USED, FileTable
from diar.formats.result_json import (
    Boundary,
    DetectionResult,
    NoSpeech,
    NotUsed,
    OddFile,
    Segment,
    Speaker,
)
from diar.jobs.detect.config import DetectConfig
from diar.store.reader import RecordingIndex
from diar.store.remarks import count_remarks, no_speech
from diar.wording import counted

_BATCH = 1_024
_FITTING_QUANTILE = 0.05


class Report:
    """Makes the records of the outputs."""

    def __init__(
        self, index: RecordingIndex, sequences: Sequences, found: Found, config: DetectConfig
    ) -> None:
        self.index, self.sequences, self.found, self.config = index, sequences, found, config
        self.paths = [index.recording_id[i] for i in sequences.order]
        self.segment_of = np.repeat(np.arange(len(found.segmentation)), found.segmentation.counts)
        width = max(3, len(str(int(found.speakers.max()) + 1)))
        self.speaker_names = [f"speaker_{i + 1:0{width}d}" for i in range(int(found.speakers.max()) + 1)]
        self.speaker_of_segment = [self.speaker_names[i] for i in found.speakers]
        unused = np.setdiff1d(np.arange(len(self.paths)), sequences.used)
        embedded = np.isfinite(index.embedding[sequences.order[unused], 0])
        self.silent: list[int] = unused[embedded].tolist()  # positions of files in which nobody speaks
        self.odd = found.fit.odd_probability > found.thresholds["odd_threshold"]

    def result(self, more_warnings: Sequence[str] = ()) -> DetectionResult:
        """Return the content of the result JSON."""
        index = self.index
        failed = [
            i for i in self.sequences.order if index.status[i] != "ok" or np.isnan(index.embedding[i, 0])
        ]
        warnings = [*self.found.warnings, *more_warnings]
        if index.unfinished:
            warnings.insert(
                0, f"stage 1 is not finished: {counted(index.unfinished, 'planned recording')} missing"
            )
        if remarks := count_remarks(index):
            warnings.append(f"{remarks}: diar status {self.config.embeddings_dir} --warnings")
        return DetectionResult(
            program=f"diar {diar.__version__}",
            input=index.input,
            embeddings_dir=self.config.embeddings_dir,
            parameters=self.config.model_dump(mode="json"),
            model=typed_metadata(index.metadata),
            recordings=len(index),
            segments=self._segments(),
            boundaries=self._boundaries(),
            speakers=self._speakers(),
            odd_files=self._odd_files(),
            not_used=[NotUsed(index.recording_id[i], index.status[i], index.error[i]) for i in failed],
            thresholds={name: round(value, 4) for name, value in self.found.thresholds.items()},
            warnings=warnings,
            no_speech=[NoSpeech(at, self.paths[at], self._no_speech(at)) for at in self.silent],
        )

    def table(self) -> FileTable:
        """Return the table of files, one row a recording."""
        count, used = len(self.paths), self.sequences.used
        segment = np.full(count, NOT_USED)
        segment[used] = self.segment_of
        similarity, across = np.full(count, np.nan), np.full(count, np.nan)
        similarity[used] = self.found.fit.similarity
        cosines = cosine_across(self.found.segmentation.embeddings)
        cosines[self.sequences.starts] = np.nan
        across[used] = cosines
        kinds = np.full(count, "", dtype=object)
        kinds[self.silent] = NO_SPEECH
        kinds[used[self.odd]] = [self._kind(i) for i in np.flatnonzero(self.odd)]
        return FileTable(
            path=self.paths,
            url=[self.index.path[i] for i in self.sequences.order],
            segment=segment,
            speaker=[self.speaker_of_segment[s] if s != NOT_USED else "" for s in segment],
            odd=kinds.tolist(),
            similarity=similarity,
            across=across,
        )

    def debug(self) -> list[dict[str, Any]]:
        """Return every candidate of every boundary with its log-likelihood."""
        used = self.sequences.used
        return [
            {
                "index": int(used[cut.index]),
                "separation": round(float(self.found.separation[i]), 4),
                "certainty": round(cut.certainty, 4),
                "candidates": [
                    {
                        "index": int(used[cut.first + k]),
                        "path": self.paths[used[cut.first + k]],
                        "score": score,
                    }
                    for k, score in enumerate(np.round(cut.scores, 4).tolist())
                    if cut.first + k < len(used)
                ],
            }
            for i, cut in enumerate(self.found.cuts)
            if cut is not None
        ]

    def _segments(self) -> list[Segment]:
        used, segmentation = self.sequences.used, self.found.segmentation
        starts = used[segmentation.starts]
        first_of_sequence = np.array([cut is None for cut in self.found.cuts])
        names = np.cumsum(first_of_sequence) - 1
        ends = used[segmentation.ends - 1] + 1
        similarity = np.add.reduceat(self.found.fit.similarity, segmentation.starts) / segmentation.counts
        return [
            Segment(
                id=i + 1,
                speaker=self.speaker_of_segment[i],
                sequence=self.sequences.names[names[i]],
                start=int(starts[i]),
                end=int(ends[i]),
                first=self.paths[starts[i]],
                last=self.paths[ends[i] - 1],
                count=int(segmentation.counts[i]),
                cohesion=round(float(similarity[i]), 4),
            )
            for i in range(len(segmentation))
        ]

    def _boundaries(self) -> list[Boundary]:
        return [self._boundary(i, cut) for i, cut in enumerate(self.found.cuts) if cut is not None]

    def _boundary(self, i: int, cut: Cut) -> Boundary:
        used, segmentation = self.sequences.used, self.found.segmentation
        at = int(segmentation.starts[i])
        expected = None
        if self.config.segment_size != "auto":
            expected = int(used[min(segmentation.starts[i - 1] + self.config.segment_size, len(used) - 1)])
        return Boundary(
            index=int(used[at]),
            before=self.paths[used[at - 1]],
            after=self.paths[used[at]],
            expected=expected,
            score=round(float(segmentation.gains[i]), 4),
            confidence=round(float(self.found.separation[i]) * cut.certainty, 4),
            method=cut.method,
            fallback=cut.fallback,
        )

    def _speakers(self) -> list[Speaker]:
        segments: list[list[int]] = [[] for _ in self.speaker_names]
        for i, speaker in enumerate(self.found.speakers):
            segments[speaker].append(i + 1)
        counts = np.bincount(self.found.speakers, weights=self.found.segmentation.counts)
        return [
            Speaker(name, members, int(count))
            for name, members, count in zip(self.speaker_names, segments, counts, strict=True)
        ]

    def _odd_files(self) -> list[OddFile]:
        fit = self.found.fit
        positions = np.flatnonzero(self.odd)
        resembled, cosines = self._resembled(positions)
        fitting = float(np.quantile(fit.similarity, _FITTING_QUANTILE))
        files = []
        for i, speaker, cosine in zip(positions, resembled, cosines, strict=True):
            fits = cosine >= fitting and self._kind(i) == "foreign"
            files.append(
                OddFile(
                    index=int(self.sequences.used[i]),
                    path=self.paths[self.sequences.used[i]],
                    segment=int(self.segment_of[i]) + 1,
                    speaker=self.speaker_of_segment[self.segment_of[i]],
                    kind=self._kind(i),
                    score=round(float(fit.odd_probability[i]), 4),
                    similarity=round(float(fit.similarity[i]), 4),
                    resembles=self.speaker_names[speaker] if fits else None,
                    resembles_similarity=round(float(cosine), 4) if fits else None,
                )
            )
        return files

    def _resembled(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the other speaker most similar to each file, and the cosine; -1 where there is no other."""
        segmentation, speakers = self.found.segmentation, self.found.speakers
        best, cosines = np.zeros(len(positions), dtype=np.int64), np.full(len(positions), -1.0)
        for start in range(0, len(positions), _BATCH):
            batch = positions[start : start + _BATCH]
            similar = segmentation.embeddings[batch] @ segmentation.centers.T
            similar[speakers[self.segment_of[batch]][:, None] == speakers[None, :]] = -1.0
            nearest = similar.argmax(axis=1)
            best[start : start + _BATCH] = speakers[nearest]
            cosines[start : start + _BATCH] = similar[np.arange(len(batch)), nearest]
        return best, cosines

    def _no_speech(self, position: int) -> str:
        """Return the likely reason."""
        return no_speech(self.index.row(int(self.sequences.order[position])))

    def _kind(self, position: int | np.integer[Any]) -> str:
        return "unclear" if self.found.fit.unclear[position] else "foreign"
