from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.archive.listing import Recording, list_recordings
from diar.jobs.cost.estimate import estimate_disk, estimate_durations
from diar.jobs.extract.config import ExtractConfig
from tests.commands import write_noise


def test_each_suffix_has_its_own_seconds_a_byte(tmp_path: Path) -> None:
    for number in range(3):
        write_noise(tmp_path / f"{number}.wav", 2.0 + number, number)
        tone = np.sin(np.arange(16_000 * 4) / 50)
        sf.write(tmp_path / f"{number}.flac", (0.01 * tone).astype(np.float32), 16_000, subtype="PCM_16")
    (tmp_path / "broken.wav").write_bytes(bytes(640))
    recordings = list_recordings(str(tmp_path)).recordings
    durations = estimate_durations(recordings)
    found = {r.recording_id: s for r, s in zip(recordings, durations.seconds, strict=True)}
    assert found == pytest.approx(
        {"0.wav": 2, "1.wav": 3, "2.wav": 4, "0.flac": 4, "1.flac": 4, "2.flac": 4, "broken.wav": 0.02},
        rel=0.01,
    )
    assert durations.probed == 6
    assert durations.total == pytest.approx(21.02, rel=0.01)


def test_what_a_list_tells_is_believed_and_what_cannot_be_opened_counts_nothing() -> None:
    listed = Recording("a", "/nowhere/a.wav", 32_000, 1.0, 5.0, 7.5)
    missing = Recording("b", "/nowhere/b.mp3", 32_000, 1.0)
    assert estimate_durations([listed, missing]).seconds.tolist() == [7.5, 0.0]


def test_disk_grows_with_windows_and_recordings() -> None:
    plain = ExtractConfig(input_dir="A", output_dir="E")
    hour = estimate_disk(plain, 1, 3600)
    assert estimate_disk(plain, 10, 36_000) == pytest.approx(10 * hour)
    assert estimate_disk(plain, 1000, 3600) > hour + 999 * 5_000
    assert estimate_disk(plain.model_copy(update={"segmentation": "none"}), 1, 3600) < hour
    assert estimate_disk(plain.model_copy(update={"hop": 0.25}), 1, 3600) > 1.5 * hour
