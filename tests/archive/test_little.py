"""Little audio is found without listing an archive; what would take long to look through is not little."""

from pathlib import Path

from diar.archive.little import LITTLE, is_little


def write(file: Path, size: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.truncate(size)  # takes no room on the disk
    return file


def test_bytes_of_audio_count_and_only_those(tmp_path: Path) -> None:
    half = write(tmp_path / "a" / "deep" / "half.wav", LITTLE // 2)
    write(tmp_path / "a" / "notes.txt", LITTLE)
    write(tmp_path / "a" / "broken.wav", 0).unlink()
    (tmp_path / "a" / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    assert is_little(str(half)) and is_little(f"file://{half}") and is_little(str(tmp_path / "a"))
    other = write(tmp_path / "a" / "other.MP3", LITTLE // 16)
    assert is_little(str(tmp_path / "a"))
    write(other, LITTLE // 16 + 1)
    assert not is_little(str(tmp_path / "a"))
    assert not is_little(str(write(tmp_path / "long.flac", LITTLE + 1)))


def test_what_is_not_looked_through_is_not_little(tmp_path: Path) -> None:
    write(tmp_path / "one" / "a.wav", 9)
    for source in ("*.wav", "list.scp", "list.jsonl", "missing"):
        if source.startswith("list"):
            write(tmp_path / source, 9)
        assert not is_little(str(tmp_path / source)), source
    assert not is_little("memory://bucket/a.wav")
    (tmp_path / "one" / "again").symlink_to(tmp_path / "one")  # a circle, which ends
    assert is_little(str(tmp_path / "one"))
    for number in range(1001):
        write(tmp_path / "many" / f"{number}.txt", 0)
    assert not is_little(str(tmp_path / "many"))
