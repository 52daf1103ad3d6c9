"""Both stages with a network on WavLM: four local speakers, frames of 20 ms, windows of its own."""

from pathlib import Path

import numpy as np
import pytest

from diar.formats.rttm import read_rttm
from diar.records import SLIDING
from diar.store.reader import load_index, read_tracks
from tests.commands import run_diar


def test_audio_becomes_turns(
    audio: Path,
    tiny_model_dir: Path,
    tiny_wavlm_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIAR_CACHE", str(tmp_path / "cache"))
    networks = ("--model_dir", tiny_model_dir, "--segmentation", tiny_wavlm_dir, "--device", "cpu")
    done = run_diar("diarize", audio, "-o", tmp_path / "out", *networks, "--no_plot", "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert f"licence: {tiny_wavlm_dir}: " in done.stderr and "CC BY-NC 4.0" in done.stderr
    turns = read_rttm(tmp_path / "out" / "all.rttm")
    assert sum(turn.end - turn.start for turn in turns["long.wav"]) > 20
    assert turns["short.wav"]

    embeddings = str(tmp_path / "out" / "embeddings")
    settings = load_index(embeddings).metadata
    assert '"speech": "segmentation"' in settings["settings"] and '"step": 4.0' in settings["settings"]
    found = read_tracks(embeddings, "long.wav")
    assert (found.frames.first_center, found.frames.step) == (0.0125, 0.02)
    local = found.tracks.local_speaker
    assert set(local.tolist()) == {SLIDING, 0, 1, 2, 3}
    windows = np.unique(np.round(found.tracks.windows, 3), axis=0)
    assert np.diff(windows, axis=1).max() == pytest.approx(4.0, abs=0.02)
    assert np.diff(windows[:, 0]).max() <= 4.02
    assert (windows[0, 0], windows[:, 1].max()) == (0, pytest.approx(35, abs=0.1))
    counts = {len(row) for row, number in zip(found.tracks.activity, local, strict=True) if number != SLIDING}
    assert max(counts) == 199
    assert found.recording.overlap_seconds > 1
