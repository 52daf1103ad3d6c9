"""The rows of a recording: made chunk by chunk, joined at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from diar.embedding.chunks import Chunk, ChunkSettings, windows_of
from diar.embedding.sample_intervals import frame_runs, join, runs, within
from diar.embedding.speech.detector import ChunkSpeech, LocalActivity
from diar.intervals import IntervalLists
from diar.records import MIXED, SLIDING, Tracks

# Single-speaker speech that a sliding window needs; half of the window where that is less
_LEAST_SINGLE = 0.25  # seconds


@dataclass(frozen=True)
class TrackRows:
    """n rows of one chunk; positions in samples from the recording's start."""

    spans: np.ndarray  # (n, 2) int64
    local_speaker: np.ndarray  # (n,) int16
    active: IntervalLists  # of the n rows
    clean: np.ndarray  # (n,) int64, samples
    activity: np.ndarray  # (n, frames) uint8; no frames for sliding windows
    embedding: np.ndarray  # (n, D) float32, L2-normalised
    norm: np.ndarray  # (n,) float32, length of each embedding before

    def __len__(self) -> int:
        return len(self.spans)


@dataclass(frozen=True)
class ChunkEmbeddings:
    """What the networks say of one chunk."""

    local: TrackRows | None  # local speakers of the seg_windows, if the network saw the chunk
    windows: np.ndarray  # (w, 2) int64, all seg_windows, also where nobody speaks; samples of the recording
    sliding: TrackRows
    spare: bool  # no sliding window has enough speech; `sliding` then holds the one with most, if any
    core_embedding: np.ndarray  # (D,) float32, not normalised, over the core's single-speaker speech
    core_frames: int  # of the trunk, that `core_embedding` was pooled over
    speech: np.ndarray  # (k, 2) samples from the recording's start, within the core
    single: np.ndarray  # (k, 2), of them with one speaker
    channel: int = MIXED


@dataclass(frozen=True)
class RecordingEmbeddings:
    """A recording, joined from its chunks."""

    tracks: Tracks
    embedding: np.ndarray  # (D,) float32, L2-normalised
    speech_seconds: float
    overlap_seconds: float


@dataclass(frozen=True)
class SlidingWindows:
    """The sliding windows of one chunk that are embedded; positions in samples from the chunk's start."""

    spans: np.ndarray  # (n, 2) int64
    active: IntervalLists
    clean: np.ndarray  # (n,) int64, samples
    spare: bool  # see ChunkEmbeddings

    @classmethod
    def of(cls, chunk: Chunk, settings: ChunkSettings, speech: ChunkSpeech, item: int) -> SlidingWindows:
        """Return the windows of the chunk that is number `item` in `speech`."""
        spans = np.array(windows_of(chunk, settings), np.int64).reshape(-1, 2) - chunk.start
        edges = _edges(chunk, speech)
        active = within(runs(speech.speech[item], edges), spans)
        clean = within(runs(speech.single[item], edges), spans).lengths()
        kept = clean >= min(_LEAST_SINGLE * settings.rate, settings.window / 2)
        spare = not kept.any()
        if spare and len(clean):
            kept[clean.argmax()] = True
        return cls(spans[kept], active.take(kept), clean[kept], spare)

    @classmethod
    def none(cls) -> SlidingWindows:
        """Return no windows, for a chunk in which nobody speaks."""
        nothing = np.empty((0, 2), np.int64)
        counts = np.empty(0, np.int64)
        return cls(nothing, IntervalLists(nothing, counts), counts, spare=True)

    def __len__(self) -> int:
        return len(self.spans)

    def rows(self, chunk: Chunk, embeddings: np.ndarray) -> TrackRows:
        """Return the windows as rows with their embeddings (n, D)."""
        n = len(self)
        active = IntervalLists(self.active.intervals + chunk.start, self.active.counts)
        return TrackRows(
            self.spans + chunk.start,
            np.full(n, SLIDING, np.int16),
            active,
            self.clean,
            np.empty((n, 0), np.uint8),
            normalise(embeddings),
            lengths(embeddings),
        )


def speech_in_core(chunk: Chunk, speech: ChunkSpeech, mask: np.ndarray) -> np.ndarray:
    """Return where `mask` (frames,) is true in the core: (k, 2) samples from the recording's start."""
    return runs(mask, np.clip(_edges(chunk, speech) + chunk.start, *chunk.core))


def _edges(chunk: Chunk, speech: ChunkSpeech) -> np.ndarray:
    """Return (frames + 1,) samples from the chunk's start; the last frame reaches to the chunk's end."""
    edges = speech.edges.copy()
    edges[-1] = len(chunk.samples)
    return edges


def segmentation_windows(chunk: Chunk, local: LocalActivity | None) -> np.ndarray:
    """Return start and end of the seg_windows, (w, 2), in samples from the recording's start."""
    if local is None:
        return np.empty((0, 2), np.int64)
    starts = local.starts + chunk.start
    ends = starts + local.edges[-1]
    ends[-1] = chunk.start + len(chunk.samples)  # a remainder shorter than a frame belongs to the last one
    return np.stack([starts, ends], axis=1)


def local_rows(chunk: Chunk, local: LocalActivity, item: int, embeddings: np.ndarray) -> TrackRows:
    """Return the rows of the chunk that is number `item` of `local`, seg_window by seg_window.

    Args:
        embeddings: (windows · speakers, D); those of speakers that are not present are ignored.
    """
    present = local.present[item]
    window, speaker = np.nonzero(present)
    starts, ends = segmentation_windows(chunk, local)[window].T
    active = local.active[item, window, :, speaker]  # (n, frames)
    alone = active & local.alone[item, window]
    return TrackRows(
        np.stack([starts, ends], axis=1),
        speaker.astype(np.int16),
        _spoken(active, local.edges, starts, ends),
        _spoken(alone, local.edges, starts, ends).lengths(),
        local.probability[item, window, :, speaker],
        normalise(embeddings[present.reshape(-1)]),
        lengths(embeddings[present.reshape(-1)]),
    )


def _spoken(masks: np.ndarray, edges: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> IntervalLists:
    """Return the intervals of `masks` (n, frames); rows start and end at those samples of the recording."""
    found = frame_runs(masks)
    row = np.repeat(np.arange(len(masks)), found.counts)
    intervals = edges[found.intervals] + starts[row, None]
    at_end = found.intervals[:, 1] == masks.shape[1]
    intervals[at_end, 1] = ends[row[at_end]]
    return IntervalLists(intervals, found.counts)


def assemble(chunks: Sequence[ChunkEmbeddings], rate: int) -> RecordingEmbeddings:
    """Join the chunks of a recording, in order: local speakers first, then sliding windows.

    Channels that are read apart follow each other. If no sliding window has enough single-speaker speech, the
    one with most is kept: every recording has a row.

    The recording's embedding is the mean of the chunks' core embeddings, weighted by their frames. Of a
    recording of one chunk without a segmentation model, it is the encoder's plain forward pass.
    """
    longest = max((chunk.sliding for chunk in chunks), key=lambda rows: rows.clean.max(initial=-1))
    none_enough = all(chunk.spare for chunk in chunks)
    by_channel = [list(own) for _, own in groupby(sorted(chunks, key=_channel), _channel)]
    parts: list[TrackRows] = []
    channel: list[np.ndarray] = []
    for own in by_channel:
        rows = [chunk.local for chunk in own if chunk.local is not None]
        rows += [
            chunk.sliding for chunk in own if not chunk.spare or (none_enough and chunk.sliding is longest)
        ]
        parts += rows
        channel.append(np.full(sum(map(len, rows)), own[0].channel, np.int16))
    windows = np.concatenate([chunk.windows for chunk in by_channel[0]])  # the same in all channels
    weights = np.array([chunk.core_frames for chunk in chunks], np.float64)
    mean = np.average([chunk.core_embedding for chunk in chunks], axis=0, weights=weights)
    speech, overlap = _spoken_seconds(by_channel, rate)
    tracks = _tracks(parts, windows, np.concatenate(channel), rate)
    return RecordingEmbeddings(tracks, normalise(mean[None])[0], speech, overlap)


def _channel(chunk: ChunkEmbeddings) -> int:
    return chunk.channel


def _spoken_seconds(by_channel: Sequence[Sequence[ChunkEmbeddings]], rate: int) -> tuple[float, float]:
    """Return the seconds in which at least one person speaks, and at least two, counting all channels."""
    steps: Counter[int] = Counter()  # sample → change in the number of voices; overlap counts as two voices
    for own in by_channel:
        for voices, spans in ((2, [chunk.speech for chunk in own]), (-1, [chunk.single for chunk in own])):
            for start, end in join(spans).tolist():
                steps[start] += voices
                steps[end] -= voices
    times = np.array(sorted(steps), np.int64)
    voices_from = np.cumsum([steps[time] for time in times.tolist()])
    lengths = np.diff(times, append=times[-1:])
    speech, overlap = (float(lengths[voices_from >= least].sum() / rate) for least in (1, 2))
    return speech, overlap


def _tracks(parts: Sequence[TrackRows], windows: np.ndarray, channel: np.ndarray, rate: int) -> Tracks:
    spans = np.concatenate([rows.spans for rows in parts])
    active = IntervalLists.concatenate([rows.active for rows in parts])
    return Tracks(
        start=spans[:, 0] / rate,
        end=spans[:, 1] / rate,
        local_speaker=np.concatenate([rows.local_speaker for rows in parts]),
        active=IntervalLists(active.intervals / rate, active.counts),
        speech_seconds=_float32_seconds([active.lengths()], rate),
        clean_seconds=_float32_seconds([rows.clean for rows in parts], rate),
        activity=[row for rows in parts for row in rows.activity],
        embedding=np.concatenate([rows.embedding for rows in parts]),
        windows=windows / rate,
        channel=channel,
        norm=np.concatenate([rows.norm for rows in parts]),
    )


def _float32_seconds(samples: Sequence[np.ndarray], rate: int) -> np.ndarray:
    return (np.concatenate(samples) / rate).astype(np.float32)


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the lengths (n,) float32 of (n, D) vectors."""
    return np.linalg.norm(vectors, axis=1).astype(np.float32)


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Return (n, D) float32 vectors of unit length."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
