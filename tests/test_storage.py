"""Storage: naming, atomic publishing, local and remote alike."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar import storage
from diar.errors import DiarError


@pytest.fixture(params=["local", "file", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder on each kind of storage."""
    urls = {"local": str(tmp_path), "file": f"file://{tmp_path}", "memory": f"memory://{tmp_path.name}"}
    return urls[request.param]


def test_write_read_list_remove(base: str) -> None:
    url = storage.join(base, "a", "b.bin")
    assert not storage.exists(url)
    assert storage.list_names(storage.join(base, "a")) == []
    storage.write_bytes_atomic(url, b"one")
    storage.write_bytes_atomic(url, b"two")
    storage.write_bytes_atomic(storage.join(base, "a", "a.bin"), b"")
    assert storage.read_bytes(url) == b"two"
    with storage.open_binary(url) as file:
        file.seek(1)
        assert file.read() == b"wo"
    assert storage.list_names(storage.join(base, "a")) == ["a.bin", "b.bin"]
    assert storage.is_dir(storage.join(base, "a"))
    storage.remove(url)
    storage.remove(url)
    assert not storage.exists(url)
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(url)
    storage.remove_folder(storage.join(base, "a"))
    storage.remove_folder(storage.join(base, "a"))
    assert not storage.exists(storage.join(base, "a", "a.bin")) and not storage.exists(
        storage.join(base, "a")
    )


def test_many_files_are_read_in_order_and_removed_with_hidden_ones(base: str) -> None:
    urls = [storage.join(base, "a", "b", f"{number:02d}") for number in range(40)]
    for number, url in enumerate(urls):
        storage.write_bytes_atomic(url, bytes([number]))
    assert b"".join(storage.read_all(urls[::-1])) == bytes(reversed(range(40)))
    assert list(storage.read_all([])) == []
    with pytest.raises(FileNotFoundError):
        list(storage.read_all([urls[0], urls[0] + "x"]))
    storage.write_bytes_atomic(storage.join(base, "a", ".diar-half.tmp"), b"")
    storage.remove_folder(storage.join(base, "a", "b"))
    assert not any(map(storage.exists, urls)) and storage.is_dir(storage.join(base, "a"))
    storage.remove_folder(storage.join(base, "a"))
    assert not storage.is_dir(storage.join(base, "a"))


def test_a_failed_write_leaves_the_old_content_and_nothing_else(base: str) -> None:
    url = storage.join(base, "a.bin")
    storage.write_bytes_atomic(url, b"old")
    with pytest.raises(ZeroDivisionError), storage.open_atomic(url) as file:
        file.write(b"half of the n")
        raise ZeroDivisionError
    assert storage.read_bytes(url) == b"old"
    assert storage.list_names(base) == ["a.bin"]
    path = storage.local_path(base)
    assert path is None or os.listdir(path) == ["a.bin"]


def test_a_file_appears_whole_with_the_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    with storage.open_atomic(str(path)) as file:
        file.write(b"x")
        assert not path.exists()
        assert all(name.startswith(".") for name in os.listdir(path.parent))
    (tmp_path / "plain").write_bytes(b"x")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_object_store_with_real_folders(tmp_path: Path) -> None:
    url = f"local://{tmp_path}/deep/er/a.bin"
    assert storage.local_path(url) is None
    storage.write_bytes_atomic(url, b"x")
    assert (tmp_path / "deep" / "er" / "a.bin").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("base", "parts", "joined"),
    [
        ("/a", ("b", "c.wav"), "/a/b/c.wav"),
        ("rel/", ("b",), "rel/b"),
        ("s3://bucket/x", ("b c", "d"), "s3://bucket/x/b c/d"),
        ("s3://bucket/", ("b",), "s3://bucket/b"),
        ("zip://::/d/a.zip", ("b/c.wav",), "zip://b/c.wav::/d/a.zip"),
        ("zip://in::s3://b/a.zip", ("c",), "zip://in/c::s3://b/a.zip"),
    ],
)
def test_join(base: str, parts: tuple[str, ...], joined: str) -> None:
    assert storage.join(base, *parts) == joined


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a/b.wav", "/a/b.wav"),
        ("odd::name.wav", "odd::name.wav"),
        ("C:name", "C:name"),
        ("file:///a%20b/%FF.wav", "/a b/\udcff.wav"),
        ("s3://b/a", None),
        ("zip://a::/b.zip", None),
        ("filecache::s3://b/a", None),
    ],
)
def test_what_is_local(url: str, path: str | None) -> None:
    assert storage.local_path(url) == (None if path is None else Path(path))


def test_require_local() -> None:
    assert storage.require_local("/a/b") == Path("/a/b")
    with pytest.raises(DiarError, match="s3://b/a"):
        storage.require_local("s3://b/a")


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(DiarError, match="nosuch://a"):
        storage.exists("nosuch://a")


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_every_local_name_has_a_url_in_valid_utf8(name: bytes) -> None:
    path = os.fsdecode(b"/x/" + name)
    url = storage.local_url(path)
    url.encode()
    assert storage.local_path(url) == Path(path)


def test_output_names_keep_what_fits() -> None:
    assert storage.output_name("d/s 1/a.wav", ".parquet") == "d/s 1/a.wav.parquet"
    assert storage.output_name("x" * 247, ".parquet") == "x" * 247 + ".parquet"


def test_output_names_that_do_not_fit_are_shortened_and_distinct(tmp_path: Path) -> None:
    names = ["x" * 246 + end for end in (".wav", ".mp3", ".ogg")] + [
        "ü" * 125 + ".wav",
        "a//b",
        "a/./b",
        "a/b",
    ]
    outputs = [storage.output_name(name, ".parquet") for name in names]
    assert len(set(outputs)) == len(names)
    for output in outputs:
        assert all(0 < len(part.encode()) <= 255 for part in output.split("/"))
        storage.write_bytes_atomic(storage.join(str(tmp_path), output), b"x")
        assert storage.exists(storage.join(str(tmp_path), output))
    assert outputs[0].startswith("x" * 200)
    assert outputs[0] == storage.output_name(names[0], ".parquet")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=400))
def test_output_names_can_be_stored(name: str) -> None:
    parts = storage.output_name(name, ".parquet").split("/")
    assert all(0 < len(part.encode()) <= 255 and part not in (".", "..") for part in parts)
    assert parts[-1].endswith(".parquet")
