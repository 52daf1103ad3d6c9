"""Listing: folders, globs, single files, URLs; order, hidden files, links, odd names."""

import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar import storage
from diar.archive.listing import ListingError, list_recordings
from diar.archive.recording import Recording, has_audio_suffix, natural_key
from diar.archive.recording_table import Recordings


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def ids(source: object, **options: str) -> list[str]:
    return [recording.recording_id for recording in list_recordings(str(source), **options).recordings]


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/10.wav",
        "b/2.wav",
        "b/1.MP3",
        "a 2/x.flac",
        "a/x.flac",
        "a10/x.wav",
        "a9/x.wav",
        "notes.txt",
    )
    listing = list_recordings(str(tmp_path))
    assert [recording.recording_id for recording in listing.recordings] == [
        *("a/x.flac", "a 2/x.flac", "a9/x.wav", "a10/x.wav", "b/1.MP3", "b/2.wav", "b/10.wav"),
    ]
    assert (listing.ignored, listing.warnings, listing.ordered) == (1, [], False)
    first = listing.recordings[0]
    details = (tmp_path / "a/x.flac").stat()
    assert first == Recording("a/x.flac", str(tmp_path / "a/x.flac"), 1, details.st_mtime)


def test_relative_paths_and_trailing_slashes_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list_recordings(str(touch(tmp_path, "in/a.wav") / "in"))
    monkeypatch.chdir(tmp_path)
    for source in ("in", "in/", "./in", "../" + tmp_path.name + "/in", f"{tmp_path}/in//"):
        assert list_recordings(source) == expected


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", ".b.wav", ".git/c.wav", "d/.e/f.wav", "._a.wav")
    assert ids(tmp_path) == ["a.wav"]
    assert list_recordings(str(tmp_path)).ignored == 0


def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "in/b/1.wav", "in/z/2.wav", "out/3.wav", "out/sub/4.wav")
    (tmp_path / "in/a").symlink_to(tmp_path / "in/b")  # also lies in the archive: listed as b
    (tmp_path / "in/b/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/c").symlink_to(tmp_path / "out")
    (tmp_path / "in/d.wav").symlink_to(tmp_path / "out/3.wav")
    (tmp_path / "in/broken.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "out/self").symlink_to(tmp_path / "out")
    listing = list_recordings(str(tmp_path / "in"))
    found = [recording.recording_id for recording in listing.recordings]
    assert found == ["b/1.wav", "broken.wav", "c/3.wav", "c/sub/4.wav", "d.wav", "z/2.wav"]
    assert len(listing.warnings) == 3
    broken = listing.recordings[1]  # listed, so that the run reports it as missing
    assert (broken.size, broken.mtime) == (0, 0.0)


def test_results_of_diar_inside_the_archive_are_no_audio(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "a.wav",
        "R/speaker_001/a.wav",
        "R/speaker_boundary_detection_result.json",
        "E/_extraction/x.wav",
    )
    listing = list_recordings(str(tmp_path))
    assert [recording.recording_id for recording in listing.recordings] == ["a.wav"]
    assert len(listing.warnings) == 2


def test_the_output_inside_the_input_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "out/b.wav", "out/deep/c.wav", "other/d.wav")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert ids(tmp_path, exclude_dir=str(tmp_path / "link")) == ["a.wav", "other/d.wav"]
    assert ids(tmp_path / "**" / "*.wav", exclude_dir=str(tmp_path / "out")) == ["a.wav", "other/d.wav"]
    assert ids(tmp_path, exclude_dir=str(tmp_path / "not there yet")) == [
        *("a.wav", "other/d.wav", "out/b.wav", "out/deep/c.wav")
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.wav", ["1.wav", "2.wav"]),
        ("[1x].wav", ["1.wav"]),
        ("?.mp3", ["1.mp3"]),
        ("**/*.wav", ["1.wav", "2.wav", "s1/3.wav", "s2/t/4.wav"]),
        ("s*", ["s1/3.wav", "s2/t/4.wav"]),
        ("**", ["1.mp3", "1.wav", "2.wav", "s1/3.wav", "s2/t/4.wav"]),
        ("nothing*", []),
    ],
)
def test_globs(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(tmp_path, "1.wav", "2.wav", "1.mp3", "s1/3.wav", "s2/t/4.wav", ".hidden/5.wav")
    assert ids(f"{tmp_path}/{pattern}") == expected


def test_a_folder_whose_name_looks_like_a_glob(tmp_path: Path) -> None:
    assert ids(touch(tmp_path, "take [1]*/a.wav") / "take [1]*") == ["a.wav"]


def test_a_single_file(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.unusual")
    assert ids(tmp_path / "a.wav") == ["a.wav"]
    assert ids(tmp_path / "b.unusual") == ["b.unusual"]


def test_an_empty_archive_and_a_missing_one(tmp_path: Path) -> None:
    assert list_recordings(str(tmp_path)).recordings == []
    for source in (tmp_path / "nowhere", "memory://nowhere/at/all"):
        with pytest.raises(ListingError, match="nowhere"):
            list_recordings(str(source))


ODD = [
    "a b.wav",
    'it\'s "q".wav',
    "line\nbreak.wav",
    "emoji 🎙️.wav",
    "x" * 246 + ".wav",
    "a*[1]?.wav",
    "same.wav",
    "same.mp3",
]


def test_odd_names(tmp_path: Path) -> None:
    touch(tmp_path, *ODD)
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))).write_bytes(b"latin")
    recordings = list_recordings(str(tmp_path)).recordings
    assert sorted(r.recording_id for r in recordings) == sorted([*ODD, "caf\\xe9.wav"])
    for recording in recordings:
        recording.recording_id.encode()
        recording.url.encode()
        assert storage.read_bytes(recording.url) == (b"latin" if "xe9" in recording.recording_id else b"x")


def test_two_names_that_are_one_in_utf8(tmp_path: Path) -> None:
    touch(tmp_path, "\\xe9.wav")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.wav"))).write_bytes(b"x")
    with pytest.raises(ListingError, match="rename"):
        list_recordings(str(tmp_path))


@pytest.mark.skipif(
    os.geteuid() != 0, reason="as another user than root, chmod alone is not proof of the warning"
)
def test_a_folder_that_may_not_be_read_is_a_warning(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "secret/b.wav")
    (tmp_path / "secret").chmod(0)
    for parent in [tmp_path, *tmp_path.parents]:
        if not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o55)
    code = (
        "import os, sys\nfrom diar.archive.listing import list_recordings\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "listing = list_recordings(sys.argv[1]); print(len(listing.recordings), listing.warnings)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("1 ")
    assert "secret: cannot be read (Permission denied)" in done.stdout


def test_a_folder_that_fails_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.wav", "bad/b.wav")
    scan = os.scandir

    def fail_on_bad(folder: str) -> object:
        if folder.endswith("bad"):
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", fail_on_bad)
    listing = list_recordings(str(tmp_path))
    assert len(listing.recordings) == 1
    assert "bad: cannot be read (Permission denied)" in listing.warnings[0]


def test_folders_and_globs_of_an_object_store() -> None:
    for name in ("10.wav", "2.wav", "s/a b.mp3", "readme.md", ".hidden/x.wav", "out/x.wav"):
        storage.write_bytes_atomic(f"memory://listing/{name}", b"abc")
    for source in ("memory://listing", "memory://listing/"):
        listing = list_recordings(source, exclude_dir="memory://listing/out")
        assert [r.recording_id for r in listing.recordings] == ["2.wav", "10.wav", "s/a b.mp3"]
        assert listing.ignored == 1
    for recording in listing.recordings:
        assert (recording.size, storage.read_bytes(recording.url)) == (3, b"abc")
        assert recording.mtime > 0
    assert ids("memory://listing/*.wav") == ["2.wav", "10.wav"]
    assert ids("memory://listing/s/a b.mp3") == ["a b.mp3"]


def test_an_archive_in_a_zip_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("d/10.wav", "d/2.wav", "x.txt"):
            archive.writestr(name, name)
    for source in (f"zip://::{tmp_path}/a.zip", f"zip://d/*.wav::{tmp_path}/a.zip"):
        recordings = list_recordings(source).recordings
        assert [r.recording_id.rpartition("/")[2] for r in recordings] == ["2.wav", "10.wav"]
        assert storage.read_bytes(recordings[0].url) == b"d/2.wav"


@pytest.mark.parametrize("name", ["a.wav", "a.FLAC", "a.b.Opus", "a.m4a", "x y.mkv", "a.amr"])
def test_audio_suffixes(name: str) -> None:
    assert has_audio_suffix(name)


@pytest.mark.parametrize("name", ["a.txt", "wav", "a.wav.bak", ".wav", "a.parquet", "a.", "a.ts"])
def test_other_suffixes(name: str) -> None:
    assert not has_audio_suffix(name)


@given(st.lists(st.integers(0, 10**30), min_size=2, max_size=20))
def test_numbers_are_ordered_by_value(numbers: list[int]) -> None:
    assert sorted((f"a{n}b" for n in numbers), key=natural_key) == [f"a{n}b" for n in sorted(numbers)]


@given(st.lists(st.text("ab01239. -_/é", min_size=1, max_size=12), unique=True, max_size=30), st.randoms())
def test_the_order_is_total_and_does_not_depend_on_the_input(
    names: list[str], shuffler: random.Random
) -> None:
    one = [Recording(name, "", 0, 0.0) for name in names]
    other = list(one)
    shuffler.shuffle(other)
    assert Recordings.of(one).in_natural_order() == Recordings.of(other).in_natural_order()


@given(st.lists(st.from_regex(r"[a-c]{1,2}[0-9]{1,4}(/[a-c][0-9]{1,3}){0,2}", fullmatch=True), max_size=20))
def test_the_order_is_that_of_natsort(names: list[str]) -> None:
    natsort = pytest.importorskip("natsort")
    expected = natsort.natsorted(sorted(names), key=lambda name: name.split("/"))
    assert sorted(sorted(names), key=natural_key) == expected


def test_a_hundred_thousand_paths_are_sorted_in_seconds() -> None:
    rng = random.Random(0)
    recordings = [
        Recording(f"d{rng.randrange(9)}/s{i % 97}/audio_{i}.wav", "", 0, 0.0) for i in range(100_000)
    ]
    rng.shuffle(recordings)
    ordered = Recordings.of(recordings).in_natural_order()
    numbers = [
        tuple(map(int, r.recording_id[1:-4].replace("/s", "/").replace("audio_", "").split("/")))
        for r in ordered
    ]
    assert numbers == sorted(numbers)
