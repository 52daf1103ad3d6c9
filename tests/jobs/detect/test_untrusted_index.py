"""An index that names audio outside of its archive; and the exit code where stage 1 is not finished."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from tests.commands import detect_here
from tests.detect.observations_sample import write_store
from tests.jobs.detect.test_poisoned import TALK, two_shards

COPY = ("--task", "files", "--segment_size", 1, "--place", "copy", "--no_plot")
CLIPS = ("--task", "turns", "--speaker_audio", "clips", "--no_plot", "--no_labels")


@pytest.mark.parametrize("options", [COPY, CLIPS], ids=["place", "clips"])
def test_audio_outside_of_the_archive_is_not_touched(tmp_path: Path, options: tuple[object, ...]) -> None:
    write_store(tmp_path, {"a.wav": TALK, "b.wav": TALK})
    (tmp_path / "audio").mkdir()
    for name in ("audio/a.wav", "secret.wav"):
        sf.write(tmp_path / name, np.zeros(16_000, np.int16), 16_000)
    index = tmp_path / "E/_extraction/shards/00000.pq"
    table = pq.read_table(index)
    paths = pa.array([str(tmp_path / "audio/a.wav"), str(tmp_path / "audio/../secret.wav")])
    pq.write_table(table.set_column(table.schema.get_field_index("path"), "path", paths), index)
    done = detect_here(tmp_path / "E", tmp_path / "R", *options)
    assert done.returncode == 2
    assert "the index names 1 audio file outside of the archive" in done.stderr
    assert not [*tmp_path.glob("R/**/*.wav")]


def test_the_exit_code_says_that_stage_1_is_not_finished(tmp_path: Path) -> None:
    two_shards(tmp_path)
    (tmp_path / "E/_extraction/shards/00001.pq").unlink()
    done = detect_here(tmp_path / "E", tmp_path / "R", "--task", "turns", "--no_plot", "--no_labels")
    assert done.returncode == 1
    assert "stage 1 is not finished, 1 planned recording missing" in done.stderr
    assert (tmp_path / "R/all.rttm").stat().st_size
