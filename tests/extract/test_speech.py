"""Where somebody speaks: interval arithmetic, the network's pieces, and the whole command on spoken audio."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf
import torch
from hypothesis import given
from hypothesis import strategies as st

from diar.extract.speech import SpeechDetector, join, runs, within
from diar.models.segmentation import open_segmentation
from diar.store.reader import load_index
from tests.commands import RATE, extract, run_diar
from tests.extract.comparison import read_tracks

masks = st.lists(st.booleans(), min_size=1, max_size=60)


@given(mask=masks)
def test_runs_cover_exactly_the_true_frames(mask: list[bool]) -> None:
    edges = np.arange(len(mask) + 1) * 10
    covered = np.zeros(len(mask) * 10, bool)
    found = runs(np.array(mask), edges)
    for start, end in found:
        assert start < end
        assert not covered[start:end].any()
        covered[start:end] = True
    np.testing.assert_array_equal(covered, np.repeat(mask, 10))
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(mask=masks, cut=st.integers(0, 60))
def test_cutting_into_chunks_and_joining_changes_nothing(mask: list[bool], cut: int) -> None:
    edges = np.arange(len(mask) + 1) * 10
    border = min(cut, len(mask)) * 10
    parts = [
        runs(np.array(mask), np.clip(edges, 0, border)),
        runs(np.array(mask), np.clip(edges, border, None)),
    ]
    assert join(parts) == runs(np.array(mask), edges)


@given(mask=masks, start=st.integers(0, 600), length=st.integers(0, 300))
def test_within_is_the_intersection(mask: list[bool], start: int, length: int) -> None:
    intervals = np.array(runs(np.array(mask), np.arange(len(mask) + 1) * 10), np.int64).reshape(-1, 2)
    covered = np.zeros(1000, bool)
    covered[: len(mask) * 10] = np.repeat(mask, 10)
    found = within(intervals, start, start + length)
    assert (found[:, 1] - found[:, 0]).sum() == covered[start : start + length].sum()
    assert ((found >= start) & (found <= start + length)).all()


@pytest.fixture(scope="module")
def detector(segmentation_dir: Path) -> SpeechDetector:
    return SpeechDetector(open_segmentation(segmentation_dir), torch.device("cpu"))


@pytest.mark.parametrize("seconds", [0.05, 0.3, 9.99, 10.0, 10.01, 32.0])
def test_frames_tile_a_chunk_of_any_length(detector: SpeechDetector, seconds: float) -> None:
    samples = torch.zeros(2, round(seconds * RATE))
    with torch.inference_mode():
        frames = detector.detect(samples)
    assert frames.edges[0] == 0
    assert frames.edges[-1] == samples.shape[1]
    assert (np.diff(frames.edges) > 0).all()
    assert frames.speech.shape == frames.single.shape == (2, len(frames.edges) - 1)
    assert not (frames.single & ~frames.speech).any()


def test_a_batch_decides_as_each_chunk_alone(detector: SpeechDetector) -> None:
    samples = 0.1 * torch.randn(3, 12 * RATE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = detector.detect(samples)
        alone = [detector.detect(samples[i : i + 1]) for i in range(3)]
    np.testing.assert_array_equal(together.speech, np.concatenate([frames.speech for frames in alone]))


def test_the_command_tells_speech_from_silence(
    segmentation_dir: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    made = run_diar("demo", tmp_path / "demo", "--speakers", 2, "--files", 8)
    assert made.returncode == 0, made.stderr
    spoken, _ = sf.read(tmp_path / "demo/audio/part_0/0.wav", dtype="float32")
    archive = tmp_path / "archive"
    archive.mkdir()
    silence = 1e-4 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    sf.write(archive / "speech.wav", np.concatenate([silence, spoken, silence]), RATE)
    sf.write(archive / "silence.wav", silence, RATE)
    model = ("--model_dir", tiny_model_dir, "--segmentation", segmentation_dir, "--workers", 1)
    done = extract(archive, tmp_path / "out", *model)
    assert done.returncode == 0, done.stderr

    index = load_index(str(tmp_path / "out"))
    speech = dict(zip(index.recording_id, index.speech_seconds, strict=True))
    assert speech["silence.wav"] == 0.0
    assert speech["speech.wav"] == pytest.approx(len(spoken) / RATE, abs=0.8)
    tracks = read_tracks(tmp_path / "out", "speech.wav").to_pylist()
    assert tracks[0]["speech_seconds"] == 0.0
    assert tracks[0]["active"] == []
    middle = max(tracks, key=lambda track: track["speech_seconds"])
    assert middle["speech_seconds"] == pytest.approx(1.5, abs=0.2)
    for track in tracks:
        lengths = [part["end"] - part["start"] for part in track["active"]]
        assert sum(lengths) == pytest.approx(track["speech_seconds"], abs=1e-3)
        assert all(track["start"] <= part["start"] < part["end"] <= track["end"] for part in track["active"])
        assert track["clean_seconds"] <= track["speech_seconds"] + 1e-6
    settings = pq.read_schema(tmp_path / "out/speech.wav.parquet").metadata[b"diar.settings"]
    assert b"segmentation_sha256" in settings


def test_another_segmentation_in_the_same_output_is_refused(
    segmentation_dir: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    sf.write(archive / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    model = ("--model_dir", tiny_model_dir, "--workers", 1)
    assert extract(archive, tmp_path / "out", *model).returncode == 0
    other = extract(archive, tmp_path / "out", *model, "--segmentation", segmentation_dir)
    assert other.returncode == 2
    assert "segmentation_sha256: None there" in other.stderr
