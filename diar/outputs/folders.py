"""One folder a speaker: `speaker_001/<path as in the archive>`, odd files in `odd_files/speaker_001/…`, files
in which nobody speaks in `no_speech/…`.

Paths are mirrored, so that `a.wav` and `a.mp3`, or two files of one name in two folders, never collide
(docs/decisions/011-placing-files.md).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from diar import storage
from diar.archive.places import outside_of
from diar.errors import explain
from diar.formats.files_table import NO_SPEECH, FileTable
from diar.outputs.managed_directory import Entry, Kind, OutputDirectory, OutputError
from diar.wording import counted

ODD_FOLDER = "odd_files"
NO_SPEECH_FOLDER = "no_speech"


@dataclass(frozen=True)
class Placement:
    """How and from where audio gets into the speaker folders."""

    how: Literal["symlink", "hardlink", "copy", "none"]
    audio_dir: str | None

    def source(self, recording_id: str, url: str) -> str:
        """Return where the audio lies now."""
        return url if self.audio_dir is None else storage.join(self.audio_dir, recording_id)


def check_audio(
    placement: Placement,
    recordings: Collection[tuple[str, str]],
    output_dir: str | None = None,
    archive: str | None = None,
) -> None:
    """Check that every recording (id, url) can be placed; call it before the work.

    Args:
        placement: how, and from where.
        recordings: id and url of each.
        output_dir: where to; hard links are then checked as well.
        archive: what stage 1 was given as archive; audio outside of it is refused.

    Raises:
        OutputError: how many are missing, or lie elsewhere, the first one, and what to do.
        ListingError: the archive is a list that is gone.
    """
    if placement.how == "none":
        return
    if archive is not None and placement.audio_dir is None:
        check_inside(archive, [url for _, url in recordings])
    sources = [placement.source(recording_id, url) for recording_id, url in recordings]
    local = [storage.local_path(source) for source in sources]
    remote = [source for source, path in zip(sources, local, strict=True) if path is None]
    if remote and placement.how != "copy":
        raise OutputError(
            f"{remote[0]} is not local and cannot get a {placement.how}; use `place=copy` or `place=none`"
        )
    paths = [path for path in local if path is not None]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise OutputError(
            f"{len(missing):,} of {counted(len(sources), 'audio file')} not found, the first is "
            f"{missing[0]}; say with `audio_dir` where the archive lies now, or use `place=none`"
        )
    if placement.how == "hardlink" and output_dir is not None:
        _check_hard_links(paths, Path(output_dir))


def check_inside(archive: str, urls: Collection[str]) -> None:
    """Refuse audio that the index names outside of its archive: the index is not what stage 1 wrote.

    Raises:
        OutputError: how many, the first one, and what to do.
        ListingError: the archive is a list that is gone.
    """
    outside = outside_of(archive, urls)
    if outside:
        raise OutputError(
            f"the index names {counted(len(outside), 'audio file')} outside of the archive {archive}, the "
            f"first is {outside[0]}; nothing of it is read: extract again, or say with `audio_dir` where "
            "the archive lies now"
        )


def _check_hard_links(paths: Iterable[Path], output: Path) -> None:
    """Refuse audio on another file system than the output, which may not exist yet."""
    there = next(above for above in (output, *output.absolute().parents) if above.exists())
    device = there.stat().st_dev
    for path in paths:
        if path.stat().st_dev != device:
            raise OutputError(_other_file_system(str(path), output))


def plan_folders(table: FileTable, placement: Placement) -> list[tuple[Entry, str]]:
    """Return entry and source of every file that has a speaker, or holds no speech.

    Raises:
        OutputError: two recordings would get the same place.
    """
    if placement.how == "none":
        return []
    planned = [
        (_entry(_placed_name(path, url, speaker, odd), placement.how, placement.source(path, url)))
        for path, url, speaker, odd in zip(table.path, table.url, table.speaker, table.odd, strict=True)
        if speaker or odd == NO_SPEECH
    ]
    names = Counter(entry.name for entry, _ in planned)
    name, count = names.most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise OutputError(f"{count} recordings would be placed at {name}; use `place=none` and files.csv")
    return planned


def place_files(output: OutputDirectory, planned: list[tuple[Entry, str]]) -> None:
    """Make the planned links or copies; `output.replace` has made room.

    Raises:
        OutputError: the file system refuses; names the file and another way.
    """
    root, folders = str(output.root), set[str]()
    for entry, source in planned:
        path = f"{root}/{entry.name}"
        folder = path.rpartition("/")[0]
        if folder not in folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
            folders.add(folder)
        try:
            _place(entry.kind, source, path)
        except OSError as error:
            raise OutputError(_explain(entry.kind, source, Path(path), error)) from None


def _placed_name(path: str, url: str, speaker: str, odd: str) -> str:
    suffix = PurePosixPath(url).suffix
    if path.lower().endswith(suffix.lower()):
        suffix = ""  # utterance ids of a wav.scp have none
    folder = NO_SPEECH_FOLDER if odd == NO_SPEECH else ODD_FOLDER if odd else ""
    return str(PurePosixPath(folder, speaker, storage.output_name(path, suffix)))


def _entry(name: str, how: Kind, source: str) -> tuple[Entry, str]:
    local = storage.local_path(source)
    if local is None:
        return Entry("file", name), source
    source = str(local.absolute())
    if how == "symlink":
        return Entry(how, name, target=source), source
    status = local.stat()
    return Entry(how, name, size=status.st_size, mtime_ns=status.st_mtime_ns), source


def _place(kind: Kind, source: str, path: str) -> None:
    if kind == "symlink":
        _link(source, path)
    elif kind == "hardlink":
        os.link(source, path)
    elif kind == "copy":
        shutil.copy2(source, path)
    else:
        with storage.open_binary(source) as stream, Path(path).open("wb") as file:
            shutil.copyfileobj(stream, file)


def _link(source: str, path: str) -> None:
    """Make a symbolic link, unless `output.replace` left one that is right."""
    try:
        os.symlink(source, path)  # noqa: PTH211 - strings: there may be ten million
    except FileExistsError:
        if not (os.path.islink(path) and os.readlink(path) == source):  # noqa: PTH114, PTH115
            raise


def _other_file_system(source: str, folder: Path) -> str:
    return f"{source} and {folder} lie on different file systems, so no hard link; use `place=copy`"


def _explain(kind: Kind, source: str, path: Path, error: OSError) -> str:
    if kind == "hardlink" and error.errno == errno.EXDEV:
        return _other_file_system(source, path.parent)
    remedies: Iterator[str] = (f"`place={how}`" for how in ("symlink", "copy", "none") if how != kind)
    return f"{explain(error)} ({kind} of {source} to {path}); try {' or '.join(remedies)}"
