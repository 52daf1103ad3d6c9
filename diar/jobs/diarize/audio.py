"""What AUDIO names: an archive that stage 1 can list, and whether it is little."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from diar import storage
from diar.archive.listing import Listing, Recording, list_recordings
from diar.archive.little import LITTLE, pcm_bytes
from diar.errors import DiarError


@dataclass(frozen=True)
class NamedAudio:
    """The audio of one run.

    Attributes:
        source: a folder, file, glob, list or URL.
        little: whether one process is enough.
        warnings: what was left out; empty where stage 1 lists `source` itself and says so.
    """

    source: str
    little: bool
    warnings: Sequence[str] = ()


def find_audio(
    sources: Sequence[str], manifest: str, exclude_dir: str, protocols: Collection[str] = ()
) -> NamedAudio:
    """Find the audio of `sources`; write a manifest of several to the path `manifest`.

    Args:
        sources: folders, files, globs, lists, URLs.
        manifest: path of the list that is written.
        exclude_dir: a folder to leave out, because the output goes there.
        protocols: of URLs that a list may name, besides local files and the list's own protocol.

    Raises:
        DiarError: one does not exist or holds no audio, or two recordings have the same name.
    """
    listings = [_list(source, exclude_dir, protocols) for source in sources]
    recordings = [recording for listing in listings for recording in listing.recordings]
    little = sum(pcm_bytes(recording.url, recording.size) for recording in recordings) <= LITTLE
    if len(sources) == 1:
        return NamedAudio(sources[0], little)
    lines = [json.dumps(_entry(recording), ensure_ascii=False) for recording in _named_apart(recordings)]
    storage.write_bytes_atomic(manifest, ("\n".join(lines) + "\n").encode())
    return NamedAudio(manifest, little, [warning for listing in listings for warning in listing.warnings])


def _list(source: str, exclude_dir: str, protocols: Collection[str]) -> Listing:
    listing = list_recordings(source, exclude_dir=exclude_dir, protocols=protocols)
    if not listing.recordings:
        ignored = f" ({listing.ignored:,} files there have no audio suffix)" if listing.ignored else ""
        raise DiarError(f"{source}: no audio files found{ignored}")
    return listing


def _named_apart(recordings: Sequence[Recording]) -> list[Recording]:
    """Return each recording once; where two files have one name, all are named from their common folder."""
    once = list(dict.fromkeys(replace(recording, mtime=0.0) for recording in recordings))
    twice = _twice(once)
    if twice is None:
        return once
    paths = [storage.local_path(recording.url) for recording in once]
    if any(path is None or recording.offset for path, recording in zip(paths, once, strict=True)):
        raise DiarError(f"two recordings are called {twice}; give them one after the other, or in a list")
    common = os.path.commonpath([os.path.dirname(storage.absolute(path)) for path in paths if path])  # noqa: PTH120
    named = [
        replace(recording, recording_id=os.path.relpath(storage.absolute(path), common))
        for recording, path in zip(once, paths, strict=True)
        if path
    ]
    if (twice := _twice(named)) is not None:
        raise DiarError(f"{twice} is named more than once, in different ways")
    return named


def _twice(recordings: Sequence[Recording]) -> str | None:
    counts = Counter(recording.recording_id for recording in recordings)
    return next((name for name, count in counts.items() if count > 1), None)


def _entry(recording: Recording) -> dict[str, object]:
    """Return a recording as a manifest names it."""
    return dict(_fields(recording))


def _fields(recording: Recording) -> Iterator[tuple[str, object]]:
    yield "recording_id", recording.recording_id
    yield "audio_filepath", recording.url
    if recording.offset or recording.duration is not None:
        yield "offset", recording.offset
    for name, value in (
        ("duration", recording.duration),
        ("num_speakers", recording.num_speakers),
        ("label", recording.label),
        ("rttm_filepath", recording.reference),
    ):
        if value is not None:
            yield name, value
