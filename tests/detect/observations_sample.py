"""Made-up conversations as stage 1 would have seen them: speakers are directions, embeddings scatter around.

Frames, seg_windows and windows lie as stage 1 places them (segmentation-3.0: 10 s seg_windows, 589 frames).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diar.archive.listing import Recording
from diar.detect.observations import Observations
from diar.intervals import IntervalLists
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.records import MIXED, SLIDING, ActivityFrames, RecordingRow, RecordingTracks, Tracks, Turn
from diar.store.layout import Layout
from diar.store.schema import SCHEMA_VERSION
from diar.store.writer import Writer

DIMENSION = 64
FRAMES = ActivityFrames(495.5 / 16_000, 270 / 16_000)
CHUNK = 10.0  # seconds
METADATA = {
    "model": "campplus-zh-en",
    "model_sha256": "s",
    "fingerprint": "f",
    "segmentation": "segmentation-3.0",
    "activity_first_center": repr(FRAMES.first_center),
    "activity_step": repr(FRAMES.step),
}


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def make_voices(count: int, seed: int = 0, alike: float = 0.0) -> np.ndarray:
    """(count, D) unit vectors; `alike` is the cosine that any two have in expectation."""
    rng = np.random.default_rng([seed, 1])
    own, common = unit(rng.standard_normal((count, DIMENSION))), unit(rng.standard_normal(DIMENSION))
    return unit(np.sqrt(1 - alike) * own + np.sqrt(alike) * common)


@dataclass(frozen=True)
class Conversation:
    """Who really spoke when."""

    duration: float  # seconds
    voices: np.ndarray  # (K, D) of the speakers
    turns: list[tuple[float, float, int]]  # start, end, speaker

    def rttm(self, recording_id: str) -> list[Turn]:
        return [Turn(recording_id, start, end, f"person{who}") for start, end, who in self.turns]


def converse(
    voices: np.ndarray, seconds: float, *, overlap: float = 0.0, order: Sequence[int] = (), seed: int = 0
) -> Conversation:
    """Turns of 2 to 6 s; the next one starts 0.4 s after, or, with probability `overlap`, 1 s before the end.

    `order` names the speakers of the first turns; then chance decides, nobody follows himself.
    """
    rng = np.random.default_rng([seed, 2])
    turns: list[tuple[float, float, int]] = []
    now, speaker = 0.5, len(voices) - 1
    while now < seconds - 2.5:
        if len(turns) < len(order):
            speaker = order[len(turns)]
        elif len(turns) < len(voices) or len(voices) == 1:
            speaker = (speaker + 1) % len(voices)
        else:
            speaker = int((speaker + rng.integers(1, len(voices))) % len(voices))
        end = min(now + rng.uniform(2.0, 6.0), seconds - 0.4)
        turns.append((now, end, speaker))
        now = end + (-1.0 if rng.random() < overlap else 0.4)
    return Conversation(seconds, voices, turns)


def make_tracks(
    conversation: Conversation, *, noise: float = 0.3, step: float = 5.0, seed: int = 0
) -> Tracks:
    """What stage 1 stores; `noise` is the share of a window's energy that is not the speaker's."""
    rng = np.random.default_rng([seed, 3])
    active = _frames(conversation)
    rows = [
        *_local_rows(conversation, active, step, noise, rng),
        *_window_rows(conversation, active, noise, rng),
    ]
    dimension = conversation.voices.shape[1]
    return Tracks(
        start=np.array([row[0] for row in rows], np.float64),
        end=np.array([row[1] for row in rows], np.float64),
        local_speaker=np.array([row[2] for row in rows], np.int16),
        active=IntervalLists.of(np.array([[row[0], row[1]]]) for row in rows),
        speech_seconds=np.array([row[3] for row in rows], np.float32),
        clean_seconds=np.array([row[4] for row in rows], np.float32),
        activity=[row[5] for row in rows],
        embedding=np.array([row[6] for row in rows], np.float32).reshape(-1, dimension),
        windows=np.array(_seg_windows(conversation.duration, step)).reshape(-1, 2),
        channel=np.full(len(rows), MIXED, np.int16),
    )


def observe(conversation: Conversation, **options: float) -> Observations:
    """`make_tracks`, as stage 2 reads them."""
    row = RecordingRow("talk.wav", "/talk.wav", duration=conversation.duration)
    tracks = make_tracks(conversation, **options)  # type: ignore[arg-type]
    return Observations.of(RecordingTracks(row, tracks, FRAMES, {}))


def write_store(
    root: Path,
    talks: dict[str, Conversation],
    metadata: dict[str, str] = METADATA,
    listed: dict[str, dict] | None = None,
    known: dict[str, dict] | None = None,
    files_a_shard: int = 10_000,
) -> Path:
    """`root`/E as stage 1 would write it for recordings whose audio lies in `root`/audio, or nowhere.

    `listed` has what the archive's list says of some, `known` what stage 1 found out about some.
    """
    layout = Layout(str(root / "E"))
    dimension = next(iter(talks.values())).voices.shape[1]
    writer = Writer(layout, dimension, metadata)
    rows = []
    for number, (name, talk) in enumerate(talks.items()):
        tracks = make_tracks(talk, seed=number)
        speech = _frames(talk).sum(axis=0)
        mean = (tracks.clean_seconds[:, None] * tracks.embedding).sum(axis=0)
        row = RecordingRow(
            name,
            str(root / "audio" / name),
            duration=talk.duration,
            sample_rate=16_000,
            channels=1,
            speech_seconds=float((speech > 0).sum() * FRAMES.step),
            overlap_seconds=float((speech > 1).sum() * FRAMES.step),
            tracks=len(tracks),
            embedding=(unit(mean) if mean.any() else talk.voices[0]).astype(np.float32),
        )
        row = replace(row, **(known or {}).get(name, {}))
        writer.write_tracks(number // files_a_shard, row, tracks)
        rows.append(row)
    said = listed or {}
    recordings = [
        Recording(name, str(root / "audio" / name), 10, 1.0, **said.get(name, {})) for name in talks
    ]
    save_plan(layout, make_plan(recordings, ShardLimits(files_a_shard, 10**9)))
    config = {"schema_version": SCHEMA_VERSION, "input_dir": str(root / "audio"), "metadata": metadata}
    config["fingerprint"] = "made up"
    Path(layout.config).write_text(json.dumps(config))
    for first in range(0, len(rows), files_a_shard):
        writer.write_shard(first // files_a_shard, rows[first : first + files_a_shard])
    return root / "E"


def _frames(conversation: Conversation) -> np.ndarray:
    """(K, N) bool."""
    count = max(0, int(np.ceil((conversation.duration - FRAMES.first_center) / FRAMES.step)))
    center = FRAMES.first_center + FRAMES.step * np.arange(count)
    active = np.zeros((len(conversation.voices), count), bool)
    for start, end, speaker in conversation.turns:
        active[speaker] |= (center >= start) & (center < end)
    return active


def _seg_windows(duration: float, step: float) -> list[tuple[float, float]]:
    if duration <= CHUNK:
        return [(0.0, duration)]
    starts = np.append(np.arange(0.0, duration - CHUNK, step), duration - CHUNK)
    return [(start, start + CHUNK) for start in starts.tolist()]


def _local_rows(
    conversation: Conversation, active: np.ndarray, step: float, noise: float, rng: np.random.Generator
) -> list[tuple]:
    rows = []
    for start, end in _seg_windows(conversation.duration, step):
        first = round(start / FRAMES.step)
        inside = active[
            :, first : first + int((end - start - 2 * FRAMES.first_center) / FRAMES.step + 1e-6) + 1
        ]
        alone = inside & (inside.sum(axis=0) == 1)
        for local, who in enumerate(np.argsort(-inside.sum(axis=1), kind="stable")[:3]):
            speech, clean = inside[who].sum() * FRAMES.step, alone[who].sum() * FRAMES.step
            if speech:
                share = noise * (0.5 if clean >= 1.0 else 1.5)
                vector = _scattered(conversation.voices[who], min(share, 0.9), rng)
                rows.append((start, end, local, speech, clean, 255 * inside[who].astype(np.uint8), vector))
    return rows


def _window_rows(
    conversation: Conversation, active: np.ndarray, noise: float, rng: np.random.Generator
) -> list[tuple]:
    rows = []
    alone = active & (active.sum(axis=0) == 1)
    none = np.empty(0, np.uint8)
    for start in np.arange(0.0, max(conversation.duration - 1.5, 0.0) + 1e-9, 0.75):
        inside = alone[:, round(start / FRAMES.step) : round((start + 1.5) / FRAMES.step)].sum(axis=1)
        seconds = inside.sum() * FRAMES.step
        if seconds >= 0.25:
            vector = _scattered(unit(inside @ conversation.voices), noise, rng)
            rows.append((start, start + 1.5, SLIDING, seconds, seconds, none, vector))
    if not rows:  # stage 1 stores one window at least
        vector = unit(rng.standard_normal(conversation.voices.shape[1]))
        rows.append((0.0, min(1.5, conversation.duration), SLIDING, 0.0, 0.0, none, vector))
    return rows


def _scattered(voice: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return unit(np.sqrt(1 - noise) * voice + np.sqrt(noise) * unit(rng.standard_normal(len(voice))))
