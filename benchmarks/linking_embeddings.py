"""Embeddings of known speakers for benchmarks/linking.py, computed once and kept in a folder.

Vectors are pooled over the time in which one speaker is known to talk alone. They show what linking does with
good input, and need no segmentation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from labelled_sets import load_tool

from diar.models.encoders.base import SpeakerEncoder
from diar.models.encoders.wespeaker import open_model_dir
from diar.models.features import cmn

RATE = 16_000
SECONDS = (1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 10.0, 15.0, 25.0)  # of speech that parts are pooled over
_CHUNK = 30 * RATE  # as long as stage 1's
_SHORTEST_PIECE = 1.5  # seconds
Spans = list[tuple[float, float]]
Turns = list[tuple[float, float, str]]  # start, end, speaker
Row = tuple[np.ndarray, float, int, str]


@dataclass(frozen=True)
class Vectors:
    """n vectors, and what is known of them."""

    embedding: np.ndarray  # (n, D) float32, L2-normalised
    seconds: np.ndarray  # (n,) of clean speech
    group: np.ndarray  # (n,) int: which recording, or which of the two halves of a speaker's speech
    speaker: np.ndarray  # (n,) str

    def save(self, file: Path) -> None:
        np.savez(file, **vars(self))

    @classmethod
    def load(cls, file: Path) -> Vectors:
        with np.load(file) as arrays:
            return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})


class Embedder:
    """The default encoder as stage 1 runs it: frames once, pooled by masks."""

    def __init__(self, model_dir: Path) -> None:
        model = open_model_dir(model_dir)
        self.encoder: SpeakerEncoder = model.encoder
        self.fbank = model.fbank.front_end()
        self.frame_seconds = model.fbank.frame_shift * model.encoder.frame_stride / RATE

    @torch.inference_mode()
    def frames(self, wave: np.ndarray) -> torch.Tensor:
        """Return (1, channels, T') of the whole waveform; the mean is subtracted in each chunk."""
        chunks = [wave[at : at + _CHUNK] for at in range(0, len(wave), _CHUNK)]
        parts = [torch.from_numpy(chunk)[None] for chunk in chunks if len(chunk) >= RATE // 2]
        frames = [self.encoder.frames(cmn(self.fbank(part))) for part in parts]
        length = int(len(wave) / RATE / self.frame_seconds)
        joined = torch.cat(
            [part[..., : round(_CHUNK / RATE / self.frame_seconds)] for part in frames], dim=-1
        )
        return joined[..., :length]

    @torch.inference_mode()
    def pool(self, frames: torch.Tensor, masks: np.ndarray) -> np.ndarray:
        """Return (n, D) unit vectors for masks (n, T')."""
        pooled = self.encoder.pool(frames, torch.from_numpy(masks)[None])[0].numpy()
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def mask(self, spans: Spans, frames: int) -> np.ndarray:
        centres = (np.arange(frames) + 0.5) * self.frame_seconds
        return np.any([(centres >= start) & (centres < end) for start, end in spans] or [[False] * frames], 0)


def conversations_name(count: int, seconds: float, apart: bool) -> str:
    """Name files and folders of `simulate_recordings`."""
    return f"conversations_{count}x{seconds:g}{'_apart' if apart else ''}"


def simulate_recordings(
    shared: Path, count: int, seconds: float, apart: bool = False
) -> Iterator[tuple[np.ndarray, Turns]]:
    """Simulate conversations of 2 to 6 of all speakers: waveforms and turns.

    With `apart`, a speaker's speech is cut into as many parts as they have recordings (of 1.5 s at least), so
    that recordings share hardly any audio; those of the tool itself do.
    """
    tool = load_tool(shared, "simulate_conversations")
    speakers, rng = tool.load_speakers(), np.random.default_rng(7)
    casts = [
        rng.choice(sorted(speakers), int(rng.integers(2, 7)), replace=False).tolist() for _ in range(count)
    ]
    appearances = Counter(name for cast in casts for name in cast)
    heard: Counter[str] = Counter()
    for cast in casts:
        material = {name: speakers[name] for name in cast}
        if apart:
            material = {name: _part(speakers[name], heard[name], appearances[name]) for name in cast}
            heard.update(cast)
        yield tool.simulate(material, len(cast), seconds, rng)


def _part(utterances: list, index: int, count: int) -> list:
    """Return part `index` of `count` of a speaker's utterances: some of them, or a piece of each."""
    if len(utterances) >= count:
        return utterances[index::count]
    shortest = min(len(wave) for wave, _ in utterances) / RATE
    pieces = max(1, min(count, int(shortest / _SHORTEST_PIECE)))
    cut = []
    for wave, spans in utterances:
        start, end = (len(wave) * edge // pieces for edge in (index % pieces, index % pieces + 1))
        first, last = start / RATE, end / RATE
        inside = [(max(s, first) - first, min(e, last) - first) for s, e in spans if e > first and s < last]
        cut.append((wave[start:end], inside))
    return cut


def embed_recordings(recordings: Iterator[tuple[np.ndarray, Turns]], embedder: Embedder) -> Vectors:
    """Return a vector for each speaker of each recording who talks alone for a second at least."""
    rows = [
        row
        for index, (wave, turns) in enumerate(recordings)
        for row in embed_conversation(wave, turns, index, embedder)
    ]
    return _vectors(rows)


def embed_parts(shared: Path, embedder: Embedder) -> Vectors:
    """Embed parts of different lengths of each half of a speaker's speech; the halves share no audio."""
    rows: list[Row] = []
    for name, utterances in load_tool(shared, "simulate_conversations").load_speakers().items():
        frames = [embedder.frames(wave) for wave, _ in utterances]
        masks = [
            embedder.mask(spans, part.shape[-1]) for part, (_, spans) in zip(frames, utterances, strict=True)
        ]
        speech = np.flatnonzero(np.concatenate(masks))
        joined = torch.cat(frames, dim=-1)
        for half, members in enumerate(np.array_split(speech, 2)):
            possible = [s for s in SECONDS if s / embedder.frame_seconds <= len(members)]
            chosen = np.zeros((len(possible), joined.shape[-1]), bool)
            for row, seconds in enumerate(possible):
                chosen[row, members[: round(seconds / embedder.frame_seconds)]] = True
            if possible:
                pooled = embedder.pool(joined, chosen)
                rows += [(vector, s, half, name) for vector, s in zip(pooled, possible, strict=True)]
    return _vectors(rows)


def embed_conversation(wave: np.ndarray, turns: Turns, index: int, embedder: Embedder) -> list[Row]:
    """Return a row for each speaker who talks alone for a second: vector, seconds, recording, name."""
    names = sorted({name for *_, name in turns})
    frames = embedder.frames(wave)
    active = np.array(
        [embedder.mask([(s, e) for s, e, who in turns if who == name], frames.shape[-1]) for name in names]
    )
    alone = active & (active.sum(axis=0) == 1)
    seconds = alone.sum(axis=1) * embedder.frame_seconds
    enough = np.flatnonzero(seconds >= 1)
    pooled = embedder.pool(frames, alone[enough])
    return [(vector, float(seconds[i]), index, names[i]) for vector, i in zip(pooled, enough, strict=True)]


def _vectors(rows: list[Row]) -> Vectors:
    embedding, seconds, group, speaker = zip(*rows, strict=True)
    return Vectors(np.stack(embedding), np.array(seconds), np.array(group), np.array(speaker))
