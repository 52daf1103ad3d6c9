"""Both stages with a Sortformer: eight local speakers, frames of 10 ms, one seg_window a chunk."""

from pathlib import Path

import numpy as np

from diar.formats.rttm import read_rttm
from diar.records import SLIDING
from diar.store.reader import load_index, read_tracks
from tests.commands import run_diar


def test_audio_becomes_turns(
    audio: Path, tiny_model_dir: Path, tiny_sortformer_dir: Path, tmp_path: Path
) -> None:
    networks = ("--model_dir", tiny_model_dir, "--segmentation", tiny_sortformer_dir, "--device", "cpu")
    done = run_diar("diarize", audio, "-o", tmp_path / "out", *networks, "--no_plot", "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert "licence" not in done.stderr
    turns = read_rttm(tmp_path / "out" / "all.rttm")
    assert turns["long.wav"] and turns["short.wav"]
    assert max(turn.end for turn in turns["long.wav"]) <= 35.001

    embeddings = str(tmp_path / "out" / "embeddings")
    settings = load_index(embeddings).metadata
    assert '"speech": "segmentation"' in settings["settings"] and '"step": 16.0' in settings["settings"]
    found = read_tracks(embeddings, "long.wav")
    assert (found.frames.first_center, found.frames.step) == (0.005, 0.01)
    local = found.tracks.local_speaker
    assert set(local.tolist()) - {SLIDING} <= set(range(8)) and len(set(local.tolist())) > 3
    assert np.round(found.tracks.windows, 3).tolist() == [[0.0, 32.0], [3.0, 35.0]]  # one a chunk
    counts = {len(row) for row, number in zip(found.tracks.activity, local, strict=True) if number != SLIDING}
    assert counts == {3199}  # of 32 s without what is less than a frame of the encoder
