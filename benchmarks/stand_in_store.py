"""Simulated outputs of stage 1 of any size, written by stage 1's own writer; no network runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from listing import name_of

from diar.archive.listing import Recordings
from diar.intervals import IntervalLists
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.records import MIXED, SLIDING, RecordingRow, Tracks
from diar.store.layout import PACKED, Layout
from diar.store.schema import PLAN_SCHEMA, SCHEMA_VERSION
from diar.store.writer import Writer, make_writer

DIMENSION = 192
SEG_WINDOW, STEP, SPEAKER_STEP = 10.0, 5.0, 0.016875  # seconds, as segmentation-3.0 has them
SHARD_FILES, SHARD_BYTES = 512, 256_000_000  # stage 1's defaults
BLOCK = 1_000  # files that a speaker recorded in a row
VOICES = 500  # speakers of the archive
_HOP, _WINDOW = 0.5, 1.0  # seconds, of sliding windows


def listed(count: int, seconds: float) -> Recordings:
    """Return recordings of 16 kHz PCM that exist in name only."""
    names = [f"{name_of(i)}.wav" for i in range(count)]
    known = {
        "recording_id": names,
        "path": [f"/archive/{name}" for name in names],
        "size": np.full(count, 44 + round(32_000 * seconds)),
        "mtime": np.full(count, 1.7e9),
        "offset": np.zeros(count),
    }
    schema = pa.schema([field for field in PLAN_SCHEMA if field.name not in ("shard", "position")])
    none = {name: pa.nulls(count, schema.field(name).type) for name in schema.names if name not in known}
    return Recordings(pa.table({**known, **none}, schema=schema))


def write_short(folder: Path, files: int, seconds: float = 3.0, tracks: bool = True) -> None:
    """Write an extraction of short files, `BLOCK` of a speaker in a row; 2 % of the files are another's.

    Without `tracks`, only the index is written, all that finding boundaries between files reads.
    """
    writer, plan = _begin(folder, files, seconds)
    index = Writer(writer.layout, writer.dimension, writer.metadata)
    rng = np.random.default_rng(0)
    voices = _units(rng.standard_normal((VOICES, DIMENSION)))
    for shard, numbers in _shards(plan):
        voice = numbers // BLOCK * 7 % VOICES
        voice = np.where(rng.random(len(numbers)) < 0.02, rng.integers(VOICES, size=len(numbers)), voice)
        whole = _heard(rng, voices[voice], seconds)
        rows = []
        for number, vector, center in zip(numbers.tolist(), whole, voices[voice], strict=True):
            rows.append(_row(number, seconds, 6, vector))
            if tracks:
                writer.write_tracks(shard, rows[-1], _short_tracks(rng, center, seconds))
        (writer if tracks else index).write_shard(shard, rows)


def write_conversations(folder: Path, recordings: int, seconds: float, people: int | None = None) -> None:
    """Write an extraction of conversations of two to five out of `people` (default: one a recording)."""
    writer, plan = _begin(folder, recordings, seconds)
    rng = np.random.default_rng(0)
    voices = _units(rng.standard_normal((max(people or recordings, 5), DIMENSION)))
    for shard, numbers in _shards(plan):
        rows = []
        for number in numbers.tolist():
            chosen = rng.choice(len(voices), int(rng.integers(2, 6)), replace=False)
            tracks = _conversation(rng, voices[chosen], seconds)
            vector = _units(tracks.embedding.mean(axis=0))
            rows.append(_row(number, seconds, len(tracks), vector))
            writer.write_tracks(shard, rows[-1], tracks)
        writer.write_shard(shard, rows)


def _begin(folder: Path, count: int, seconds: float) -> tuple[Writer, pa.Table]:
    """Write configuration and plan; return the writer and the plan."""
    layout = Layout(str(folder))
    metadata = {
        "model": "stand-in",
        "model_sha256": "0" * 64,
        "architecture": "CAMPPlus",
        "embedding_dim": str(DIMENSION),
        "settings": "{}",
        "fingerprint": "0" * 16,
        "segmentation": "stand-in",
        "segmentation_sha256": "0" * 64,
        "activity_first_center": "0.03096875",
        "activity_step": repr(SPEAKER_STEP),
    }
    config = {
        "schema_version": SCHEMA_VERSION,
        "fingerprint": metadata["fingerprint"],
        "layout": PACKED,
        "input_dir": "/archive",
        "settings": {},
        "metadata": metadata,
    }
    Path(layout.shards).mkdir(parents=True)
    Path(layout.config).write_text(json.dumps(config))
    recordings = listed(count, seconds)
    plan = make_plan(recordings, ShardLimits.for_archive(recordings, SHARD_FILES, SHARD_BYTES))
    save_plan(layout, plan)
    return make_writer(PACKED, layout, DIMENSION, metadata), plan


def _shards(plan: pa.Table) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each shard with the numbers of its recordings."""
    shard = plan["shard"].to_numpy()
    starts = np.flatnonzero(np.diff(shard, prepend=-1))
    for start, numbers in zip(starts, np.split(np.arange(len(shard)), starts[1:]), strict=True):
        yield int(shard[start]), numbers


def _row(number: int, seconds: float, tracks: int, vector: np.ndarray) -> RecordingRow:
    name = f"{name_of(number)}.wav"
    return RecordingRow(
        recording_id=name,
        path=f"/archive/{name}",
        duration=seconds,
        sample_rate=16_000,
        channels=1,
        speech_seconds=0.8 * seconds,
        tracks=tracks,
        channel="mix",
        bandwidth=7_800.0,
        peak=-6.0,
        sound="harmonic",
        size=44 + round(32_000 * seconds),
        mtime=1.7e9,
        embedding=vector.astype(np.float32),
    )


def _short_tracks(rng: np.random.Generator, voice: np.ndarray, seconds: float) -> Tracks:
    """Return one local speaker, who speaks all the time, and sliding windows."""
    starts = np.arange(0.0, max(seconds - _WINDOW, 0) + 1e-9, _HOP)
    windows = len(starts)
    spoken = np.array([seconds, *[_WINDOW] * windows], np.float32)
    start, end = np.append(0.0, starts), np.append(seconds, starts + _WINDOW)
    frames = np.full(max(1, int(seconds / SPEAKER_STEP)), 250, np.uint8)
    return Tracks(
        start=start,
        end=end,
        local_speaker=np.array([0, *[SLIDING] * windows], np.int16),
        active=IntervalLists(np.stack([start, end], axis=1), np.ones(windows + 1, np.int64)),
        speech_seconds=spoken,
        clean_seconds=spoken,
        activity=[frames, *[np.zeros(0, np.uint8)] * windows],
        embedding=_heard(rng, np.repeat(voice[None], windows + 1, axis=0), spoken),
        windows=np.array([[0.0, seconds]]),
        channel=np.full(windows + 1, MIXED, np.int16),
    )


def _conversation(rng: np.random.Generator, voices: np.ndarray, seconds: float) -> Tracks:
    """Return the tracks of people who talk in turns of some seconds, with pauses and overlap."""
    talk = _talk(rng, len(voices), int(seconds / SPEAKER_STEP))
    width = int(SEG_WINDOW / SPEAKER_STEP)
    begins = np.arange(0, max(talk.shape[1] - width, 0) + 1, int(STEP / SPEAKER_STEP))
    rows = [
        (begin, begin + width, local, who)
        for begin in begins.tolist()
        for local, who in enumerate(np.flatnonzero(talk[:, begin : begin + width].any(axis=1))[:3].tolist())
    ]
    hop, window = int(_HOP / SPEAKER_STEP), int(_WINDOW / SPEAKER_STEP)
    for begin in range(0, max(talk.shape[1] - window, 0) + 1, hop):
        spoken = talk[:, begin : begin + window].sum(axis=1)
        if spoken.any():
            rows.append((begin, begin + window, SLIDING, int(spoken.argmax())))
    return _tracks(rng, voices, talk, rows, np.stack([begins, begins + width], axis=1) * SPEAKER_STEP)


def _talk(rng: np.random.Generator, people: int, frames: int) -> np.ndarray:
    """Return (people, frames) bool: who speaks; turns of 3 s on average, every tenth begins too early."""
    talk, at = np.zeros((people, frames), bool), 0
    while at < frames:
        length = 30 + int(rng.exponential(150))
        talk[rng.integers(people), max(at, 0) : at + length] = True
        at += length + int(rng.choice([-30, 0, 25, 60], p=[0.1, 0.3, 0.4, 0.2]))
    return talk


def _tracks(
    rng: np.random.Generator,
    voices: np.ndarray,
    talk: np.ndarray,
    rows: list[tuple[int, int, int, int]],
    windows: np.ndarray,
) -> Tracks:
    """Return the tracks of rows (first frame, end, local speaker, voice); of sliding windows, all speech."""
    alone = talk.sum(axis=0) == 1
    active, clean, activity = [], [], []
    for first, end, local, who in rows:
        part = talk[who, first:end] if local != SLIDING else talk[:, first:end].any(axis=0)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], part, [False]]).astype(np.int8)))
        active.append((first + edges.reshape(-1, 2)) * SPEAKER_STEP)
        clean.append((part & alone[first:end]).sum() * SPEAKER_STEP)
        activity.append(
            np.where(part, 250, 5).astype(np.uint8) if local != SLIDING else np.zeros(0, np.uint8)
        )
    begin, end, local, who = np.array(rows).T
    lists = IntervalLists.of(active)
    return Tracks(
        start=begin * SPEAKER_STEP,
        end=end * SPEAKER_STEP,
        local_speaker=local.astype(np.int16),
        active=lists,
        speech_seconds=lists.lengths().astype(np.float32),
        clean_seconds=np.array(clean, np.float32),
        activity=activity,
        embedding=_heard(rng, voices[who], np.array(clean)),
        windows=windows,
        channel=np.full(len(rows), MIXED, np.int16),
    )


def _heard(rng: np.random.Generator, voices: np.ndarray, seconds: np.ndarray | float) -> np.ndarray:
    """Return a vector of each voice (n, D): cosines of CAM++ after so much clean speech."""
    variance = 0.2 + 0.6 / np.maximum(np.broadcast_to(seconds, len(voices)), 0.2)
    noise = rng.standard_normal(voices.shape, dtype=np.float32) * np.sqrt(variance / DIMENSION)[:, None]
    return _units(voices + noise).astype(np.float32)


def _units(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
