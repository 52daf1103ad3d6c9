"""An extraction through the face."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import diar
from diar.store.reader import read_tracks
from tests.api.conftest import SECONDS

ORDER = ["broken.wav", "call.wav", "empty.wav", "meeting.wav"]


@pytest.fixture(scope="module")
def archive(commands: tuple[Path, Path]) -> diar.Archive:
    return diar.Archive(commands[0])


def test_an_archive_is_a_list_of_ids(archive: diar.Archive) -> None:
    assert len(archive) == 4
    assert list(archive) == archive.ids == ORDER
    assert "meeting.wav" in archive
    assert "other.wav" not in archive
    assert [Path(path).name for path in archive.paths] == ORDER
    assert archive.status == ["undecodable", "ok", "empty", "ok"]
    assert archive.durations.tolist() == [0, SECONDS, 0, SECONDS]
    assert archive.metadata["model"] == "campplus-zh-en"


def test_vectors_have_a_row_for_each_recording(archive: diar.Archive) -> None:
    vectors = archive.vectors
    assert vectors.shape == (4, 192)
    assert np.isnan(vectors[[0, 2]]).all()
    assert (vectors[1] == archive["call.wav"].vector).all()
    assert archive.vectors is vectors
    with pytest.raises(ValueError, match="read-only"):
        vectors[0] = 0


def test_vectors_are_arrows_memory_where_nothing_failed(archive: diar.Archive) -> None:
    whole = diar.Archive(archive.embeddings_dir)
    rows = [1, 3]
    whole.table = whole.table.take(rows).combine_chunks()
    whole.ids = [whole.ids[row] for row in rows]
    memory = whole.table["embedding"].chunk(0).values.buffers()[1]
    assert whole.vectors.ctypes.data == memory.address
    assert (whole.vectors == archive.vectors[rows]).all()


def test_a_recording_is_a_voice(archive: diar.Archive) -> None:
    voice = archive["meeting.wav"]
    assert voice.id == "meeting.wav"
    assert len(archive.tracks("meeting.wav")) == len(voice.tracks) > 20
    found = archive.diarize("meeting.wav")
    assert found.turns == diar.diarize(voice).turns
    assert len(archive.diarize("meeting.wav", num_speakers=1).speakers) == 1
    assert archive.diarize("meeting.wav", num_speakers="auto").turns == found.turns


def test_the_index_becomes_a_data_frame(archive: diar.Archive) -> None:
    pytest.importorskip("pandas")
    table = archive.to_pandas()
    assert table["recording_id"].tolist() == ORDER
    assert table.loc[1, "embedding"].shape == (192,)


def test_what_is_not_there_is_told(archive: diar.Archive, tmp_path: Path) -> None:
    with pytest.raises(KeyError) as caught:
        archive["other.wav"]
    assert isinstance(caught.value, diar.DiarError)
    none = f"{archive.embeddings_dir} has no recording"
    assert str(caught.value) == f"{none} 'other.wav' among its 4; the first is 'broken.wav'"
    for ask in (archive.tracks, archive.diarize, partial(read_tracks, archive.embeddings_dir)):
        with pytest.raises(KeyError) as caught:
            ask("/archive/meting.mp3")
        assert str(caught.value) == f"{none} '/archive/meting.mp3' among its 4; did you mean 'meeting.wav'?"
    with pytest.raises(diar.AudioError, match=r"broken\.wav: ") as failed:
        archive["broken.wav"]
    assert failed.value.kind == "undecodable"
    with pytest.raises(diar.DiarError, match="ids are texts"):
        archive[0]  # type: ignore[index]
    with pytest.raises(diar.DiarError, match="holds no embeddings of stage 1"):
        diar.Archive(tmp_path)
