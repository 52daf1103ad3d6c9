"""Removing recordings from the manifests for other toolkits."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from diar.custody.removal.text import keep_lines
from diar.formats.rttm import from_rttm_id
from diar.outputs.managed_directory import WRITTEN_NAME, OutputDirectory
from diar.outputs.turns import LIST_NAME as TURNS_LIST

_CHANNEL = re.compile(r"-channel\d+$")
_PART = re.compile(r"@\d+(\.\d+)?-(\d+(\.\d+)?)?$")  # of the id of a part of a file
_OF_RECORDINGS = (
    "wav.scp",
    "reco2dur",
    "reco2file_and_channel",
)  # Kaldi's, whose lines begin with a recording


def purge_manifests(root: Path, ids: Collection[str], stay: Collection[str], paths: Collection[str]) -> None:
    """Drop what manifests say of recordings.

    Of parts of a file they mostly name the file. Where another part of it stays, all manifests go; stage 2
    makes them again.

    Args:
        root: output of stage 2.
        ids: of the recordings that go.
        stay: of those that stay.
        paths: of the audio of those that go, and of no other.
    """
    files = {_PART.sub("", one) for one in ids if _PART.search(one)}
    if files & {_PART.sub("", one) for one in stay}:
        for name in (WRITTEN_NAME, TURNS_LIST):
            output = OutputDirectory(str(root), name)
            output.forget({one.name for one in output.entries() if one.name.startswith("manifests/")})
        return
    ids = files.union(ids)
    for path in sorted(root.glob("manifests/*/*/*")):
        if path.parent.name == "kaldi":
            continue
        keep_lines(path, lambda line: not _is_about(json.loads(line), ids, paths))
    for folder in root.glob("manifests/*/kaldi"):
        _purge_kaldi(folder, ids)


def _is_about(record: dict[str, object], ids: Collection[str], paths: Collection[str]) -> bool:
    """Return whether a line of Lhotse's or NeMo's manifests is about one of the recordings."""
    named = record.get("recording_id", record.get("id"))
    return named in ids or record.get("audio_filepath") in paths


def _purge_kaldi(folder: Path, ids: Collection[str]) -> None:
    def is_about(recording: bytes) -> bool:
        return from_rttm_id(_CHANNEL.sub("", recording.decode(errors="surrogateescape"))) in ids

    keep_lines(folder / "segments", lambda line: not is_about(line.split()[1]))
    for name in _OF_RECORDINGS:
        keep_lines(folder / name, lambda line: not is_about(line.split()[0]))
    segments = folder / "segments"
    there = {line.split()[0] for line in segments.read_bytes().splitlines()} if segments.exists() else set()
    keep_lines(folder / "utt2spk", lambda line: line.split()[0] in there)
    speakers = folder / "spk2utt"
    if speakers.exists():
        words = [line.split() for line in speakers.read_bytes().splitlines()]
        left = [[one[0], *(utterance for utterance in one[1:] if utterance in there)] for one in words]
        if left != words:
            speakers.write_bytes(b"".join(b" ".join(one) + b"\n" for one in left if len(one) > 1))
