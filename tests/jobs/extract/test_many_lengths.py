"""Recordings of many lengths share forward passes: each is as it is alone, to its last sample."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.store.reader import load_index
from tests.commands import RATE, extract
from tests.jobs.extract.comparison import assert_same_extraction, read_tracks

SECONDS = (1.237, 3.0, 0.311, 11.513, 2.7719, 3.0)


@pytest.mark.slow
def test_recordings_that_share_a_pass_are_as_each_alone(
    campplus_dir: Path, segmentation_dir: Path, conversation: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "archive").mkdir()
    starts = RATE * np.cumsum((3, *SECONDS[:-1]))
    for number, (start, seconds) in enumerate(zip(starts.astype(int), SECONDS, strict=True)):
        samples = conversation[start : start + round(seconds * RATE)]
        sf.write(tmp_path / "archive" / f"{number}.wav", samples, RATE, subtype="PCM_16")
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--workers", 1)
    # Of a second, a pass has room for one recording
    for name, options in (("together", ()), ("alone", ("--batch_seconds", 1))):
        done = extract(tmp_path / "archive", tmp_path / name, *models, *options)
        assert done.returncode == 0, done.stderr
    assert_same_extraction(tmp_path / "together", tmp_path / "alone")
    for recording_id, seconds in zip(
        load_index(str(tmp_path / "together")).recording_id, SECONDS, strict=True
    ):
        ends = read_tracks(tmp_path / "together", recording_id)["end"].to_numpy()
        assert abs(ends.max() - seconds) < 1e-4, "its end is missing"
