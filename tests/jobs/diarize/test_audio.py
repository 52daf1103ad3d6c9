"""What AUDIO names: one source as it is, several as a manifest; how much is little."""

from pathlib import Path

import fsspec
import pytest

from diar.archive.listing import list_recordings
from diar.errors import DiarError
from diar.jobs.diarize.audio import NamedAudio, find_audio


def write(path: Path, size: int = 1_000) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)  # takes no room on the disk
    return str(path)


def ids_of(audio: NamedAudio) -> list[str]:
    return [recording.recording_id for recording in list_recordings(audio.source).recordings]


def test_one_source_is_taken_as_it_is(tmp_path: Path) -> None:
    manifest = tmp_path / "out" / "audio.jsonl"
    large, folder = write(tmp_path / "a" / "long.wav", 10**9), str(tmp_path / "a")
    assert find_audio([large], str(manifest), "out") == NamedAudio(large, False), "workers share a long one"
    assert find_audio([folder], str(manifest), "out") == NamedAudio(folder, False)
    short = write(tmp_path / "short.wav")
    assert find_audio([short], str(manifest), "out") == NamedAudio(short, True)
    assert not manifest.exists()


def test_several_are_named_as_briefly_as_they_can_be(tmp_path: Path) -> None:
    manifest = str(tmp_path / "audio.jsonl")
    first, second = write(tmp_path / "x" / "my a.wav"), write(tmp_path / "y" / "b@1.00-2.00.wav")
    assert ids_of(find_audio([second, first, first], manifest, "out")) == ["b@1.00-2.00.wav", "my a.wav"]
    write(tmp_path / "y" / "my a.wav")
    named = find_audio([first, str(tmp_path / "y")], manifest, "out")
    assert (ids_of(named), named.little) == (["x/my a.wav", "y/b@1.00-2.00.wav", "y/my a.wav"], True)


def test_lists_keep_what_they_say_and_urls_go_along(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/there/c.wav", b"1234")
    audio = write(tmp_path / "a.wav")
    listed = tmp_path / "list.jsonl"
    listed.write_text('{"audio_filepath": "a.wav", "offset": 1.5, "duration": 2.0, "num_speakers": 3}\n')
    found = find_audio([str(listed), audio, "memory://there/c.wav"], str(tmp_path / "all.jsonl"), "out")
    part, whole, remote = list_recordings(found.source, protocols=["memory"]).recordings
    assert (part.recording_id, part.offset, part.duration, part.num_speakers) == (
        "a.wav@1.50-3.50", 1.5, 2.0, 3,
    )  # fmt: skip
    assert (whole.recording_id, whole.offset, whole.duration) == ("a.wav", 0.0, None)
    assert (remote.recording_id, remote.url) == ("c.wav", "memory://there/c.wav")
    with pytest.raises(DiarError, match=r"two recordings are called c\.wav"):
        find_audio([write(tmp_path / "c.wav"), "memory://there/c.wav"], str(tmp_path / "all.jsonl"), "out")
