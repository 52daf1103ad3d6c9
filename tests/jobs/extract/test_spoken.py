"""Segmentation tracks by the real command on spoken audio: rows, invariants, any number of workers."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from diar.models.segmentation.pyannet import open_segmentation_dir
from diar.records import SLIDING
from diar.store.reader import load_index, read_tracks
from tests.commands import RATE, extract
from tests.jobs.extract.comparison import assert_same_extraction

DURATIONS = [0.25, 0.3, 1.0, 9.9, 10.1, 31.0, 33.0, 62.0]
NAMES = [f"{seconds}.wav" for seconds in DURATIONS]


@pytest.fixture(scope="module")
def archive(conversation: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken-archive")
    for name, seconds in zip(NAMES, DURATIONS, strict=True):
        sf.write(folder / name, conversation[RATE // 2 :][: round(seconds * RATE)], RATE, subtype="FLOAT")
    silence = 1e-4 * np.random.default_rng(1).standard_normal(3 * RATE).astype(np.float32)
    sf.write(folder / "silence.wav", silence, RATE, subtype="FLOAT")
    gap = np.concatenate([conversation[: 12 * RATE], *[silence] * 3, conversation[12 * RATE : 20 * RATE]])
    sf.write(folder / "gap.wav", gap, RATE, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path, segmentation_dir: Path) -> tuple[object, ...]:
    return ("--model_dir", tiny_model_dir, "--segmentation", segmentation_dir)


@pytest.fixture(scope="module")
def output(archive: Path, model: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken-out") / "out"
    done = extract(archive, folder, *model, "--workers", 1, "--threads", 1)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", [*NAMES, "silence.wav", "gap.wav"])
def test_rows_keep_their_promises(output: Path, name: str) -> None:
    found = read_tracks(str(output), name)
    tracks, duration = found.tracks, found.recording.duration
    assert found.frames is not None
    assert (found.frames.first_center, found.frames.step) == (495.5 / RATE, 270 / RATE)
    assert len(tracks) == found.recording.tracks > 0
    sliding = tracks.local_speaker == SLIDING
    windows = {tuple(np.round(window, 5)) for window in tracks.windows}
    assert windows >= set(zip(*np.round([tracks.start[~sliding], tracks.end[~sliding]], 5), strict=True))
    assert sliding.any()
    assert (np.diff(sliding.astype(int)) >= 0).all(), "local speakers first"
    assert (tracks.start >= 0).all()
    assert (tracks.end <= duration + 1e-9).all()
    assert np.abs(np.linalg.norm(tracks.embedding, axis=1) - 1).max() < 1e-3
    for row in range(len(tracks)):
        active = tracks.active[row]
        assert (active[:, 0] < active[:, 1]).all()
        assert all(before[1] < after[0] for before, after in pairwise(active))
        if len(active):
            assert tracks.start[row] <= active[0, 0] < active[-1, 1] <= tracks.end[row]
        assert tracks.speech_seconds[row] == pytest.approx((active[:, 1] - active[:, 0]).sum(), abs=1e-4)
        assert tracks.clean_seconds[row] <= tracks.speech_seconds[row] + 1e-6
        if sliding[row]:
            assert len(tracks.activity[row]) == 0
            assert tracks.clean_seconds[row] >= 0.25 or sliding.sum() == 1
        else:
            last = found.frames.first_center + found.frames.step * (len(tracks.activity[row]) - 1)
            assert tracks.start[row] + last < tracks.end[row]
            assert tracks.activity[row].max() >= 64


def test_index_and_rows_tell_the_same(output: Path) -> None:
    index = load_index(str(output))
    speech = dict(zip(index.recording_id, index.speech_seconds, strict=True))
    assert index.metadata["activity_step"] == "0.016875"
    assert {"segmentation", "segmentation_sha256"} <= index.metadata.keys()
    assert speech["silence.wav"] == 0.0
    silent = read_tracks(str(output), "silence.wav").tracks
    assert (silent.local_speaker.tolist(), len(silent.active[0])) == ([SLIDING], 0)
    for name in ("1.0.wav", "9.9.wav", "62.0.wav"):
        found = read_tracks(str(output), name)
        assert 0.4 * found.recording.duration < speech[name] == found.recording.speech_seconds
    # overlaps were made, and nobody speaks in the gap
    assert read_tracks(str(output), "62.0.wav").recording.overlap_seconds > 1.0
    for intervals in read_tracks(str(output), "gap.wav").tracks.active:
        assert not ((intervals[:, 1] > 12.5) & (intervals[:, 0] < 20.5)).any()


def test_segmentation_windows_lie_inside_chunks(output: Path) -> None:
    windows = {name: read_tracks(str(output), name).tracks.windows for name in NAMES}
    starts = {name: sorted(windows[name][:, 0].tolist()) for name in NAMES}
    ends = {name: windows[name][:, 1].max() for name in NAMES}
    assert starts["0.25.wav"] == starts["1.0.wav"] == starts["9.9.wav"] == [0.0]
    assert starts["10.1.wav"] == pytest.approx([0, 0.1], abs=0.02)
    assert starts["31.0.wav"] == pytest.approx(np.linspace(0, 21, 6), abs=0.04)
    assert starts["33.0.wav"] == pytest.approx(
        sorted([*np.linspace(0, 22, 6), *np.linspace(1, 23, 6)]), abs=0.04
    )
    assert ends == dict(zip(NAMES, DURATIONS, strict=True))


def test_activity_is_what_the_network_says_of_the_window(
    archive: Path, output: Path, segmentation_dir: Path
) -> None:
    network = open_segmentation_dir(segmentation_dir).network
    samples, _ = sf.read(archive / "33.0.wav", dtype="float32")
    found = read_tracks(str(output), "33.0.wav")
    tracks, compared = found.tracks, 0
    for start in tracks.windows[2:9:3, 0]:
        first = round(start * RATE)
        with torch.inference_mode():
            window = torch.from_numpy(samples[None, first : first + 10 * RATE])
            log_probs = network.aligned(network(window))[0]
        expected = 255 * network.powerset.soft(log_probs).numpy()
        for row in np.flatnonzero((np.abs(tracks.start - start) < 1e-5) & (tracks.local_speaker != SLIDING)):
            activity = tracks.activity[row]
            assert activity.dtype == np.uint8
            gated = activity == 0  # silence, or a probability below 1/510
            difference = np.abs(activity - expected[:, tracks.local_speaker[row]])
            assert difference[~gated].max() < 1.0
            assert gated.mean() < 0.95
            compared += 1
    assert compared >= 4


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_tracks(
    archive: Path, output: Path, model: tuple[object, ...], tmp_path: Path
) -> None:
    done = extract(archive, tmp_path / "out", *model, "--workers", 2, "--batch_seconds", 70)
    assert done.returncode == 0, done.stderr
    assert_same_extraction(output, tmp_path / "out")


def test_another_segmentation_setting_in_the_same_output_is_refused(
    archive: Path, output: Path, model: tuple[object, ...]
) -> None:
    options = ("--step", 2.5, "--silence_margin", 0, "--segmentation", "none")
    other = extract(archive, output, *model, *options)
    assert other.returncode == 2
    for differing in (
        "step: 5.0 there, 2.5 now",
        "silence_margin: 1.5 there, 0.0 now",
        "segmentation_sha256: ",
    ):
        assert differing in other.stderr


def test_a_simulated_conversation(
    shared_dir: Path,
    campplus_dir: Path,
    segmentation_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(shared_dir / "tools"))
    import simulate_conversations as simulator

    segments = simulator.json.loads((shared_dir / "data/speech_segments.json").read_text())
    speakers: dict[str, list] = {}
    for path in sorted((shared_dir / "data/librispeech").glob("*/*.flac")):
        if len(list(path.parent.glob("*.flac"))) > 4 and (len(speakers) < 3 or path.parent.name in speakers):
            samples, _ = sf.read(path, dtype="float32")
            speakers.setdefault(path.parent.name, []).append((samples, segments[path.stem]))
    samples, turns = simulator.simulate(speakers, 3, 60, np.random.default_rng(4))
    sf.write(tmp_path / "archive.wav", samples, RATE, subtype="PCM_16")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive.wav").rename(tmp_path / "archive/a.wav")
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--workers", 1, "--threads", 1)
    done = extract(tmp_path / "archive", tmp_path / "out", *models)
    assert done.returncode == 0, done.stderr

    assert (tmp_path / "out/a.wav.parquet").stat().st_size < 0.05 * 2 * len(samples)
    found = read_tracks(str(tmp_path / "out"), "a.wav")
    spoken = np.zeros((3, len(samples)), bool)
    for start, end, who in turns:
        spoken[sorted(speakers).index(who), round(start * RATE) : round(end * RATE)] = True
    assert found.recording.speech_seconds == pytest.approx(spoken.any(axis=0).sum() / RATE, rel=0.15)
    tracks = found.tracks
    rows = np.flatnonzero((tracks.clean_seconds > 1.0) & (tracks.local_speaker != SLIDING))
    heard = np.zeros((len(rows), 3))
    for position, row in enumerate(rows):
        for start, end in tracks.active[row]:
            heard[position] += spoken[:, round(start * RATE) : round(end * RATE)].sum(axis=1)
    who = heard.argmax(axis=1)
    cosine = tracks.embedding[rows] @ tracks.embedding[rows].T
    same = who[:, None] == who
    assert len(set(who)) > 1
    assert np.median(cosine[same]) > np.median(cosine[~same]) + 0.3
