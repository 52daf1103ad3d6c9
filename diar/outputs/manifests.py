"""Manifests of a result in `manifests/<task>/<toolkit>/`, for Lhotse, NeMo and Kaldi."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, Any, Literal

from diar import storage
from diar.formats.manifests import (
    KaldiDirectory,
    ListedRecording,
    lhotse_recording,
    lhotse_supervisions,
    nemo_recording,
    nemo_turns,
)
from diar.outputs.managed_directory import Entry, OutputDirectory

ManifestKind = Literal["lhotse", "nemo", "kaldi"]

_STREAMED = {
    "lhotse": ("recordings.jsonl.gz", "supervisions.jsonl.gz"),
    "nemo": ("recordings.json", "turns.json"),
    "kaldi": (),
}
_KALDI = ("wav.scp", "segments", "utt2spk", "spk2utt", "reco2dur", "reco2file_and_channel")


class Manifests:
    """Writes manifests while recordings come in; a context manager, at whose end the files appear.

    Args:
        output: the output directory, in which `entries` are listed before.
        task: `turns` or `files`.
        kinds: toolkits.
    """

    def __init__(self, output: OutputDirectory, task: str, kinds: Iterable[ManifestKind]) -> None:
        self._output, self._task, self._kinds = output, task, tuple(kinds)
        self._kaldi = KaldiDirectory()
        self._parts: dict[str, ListedRecording] = {}  # the last part of each file that is listed in parts
        self._stack = ExitStack()
        self._open: dict[str, IO[bytes]] = {}

    @staticmethod
    def entries(task: str, kinds: Iterable[ManifestKind]) -> list[Entry]:
        """Return the files that may be written."""
        names = [(kind, (*_STREAMED[kind], *(_KALDI if kind == "kaldi" else ()))) for kind in kinds]
        return [Entry("file", _place(task, kind, name)) for kind, own in names for name in own]

    def __enter__(self) -> Manifests:
        for kind in self._kinds:
            for name in _STREAMED[kind]:
                self._open[name if kind == "nemo" else f"lhotse {name}"] = self._opened(kind, name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for one in self._parts.values():
                self._line("lhotse recordings.jsonl.gz", lhotse_recording(one, one.end))
            if "kaldi" in self._kinds:
                self._write_kaldi(self._kaldi.files())
        self._stack.__exit__(kind, error, trace)

    def add(self, one: ListedRecording) -> None:
        """Add a recording."""
        if "lhotse" in self._kinds:
            self._add_lhotse(one)
        if "nemo" in self._kinds:
            self._line("recordings.json", nemo_recording(one))
            for line in nemo_turns(one):
                self._line("turns.json", line)
        if "kaldi" in self._kinds:
            self._kaldi.add(one)

    def _add_lhotse(self, one: ListedRecording) -> None:
        if one.file_id == one.recording_id:
            self._line("lhotse recordings.jsonl.gz", lhotse_recording(one, one.end))
        elif one.file_id not in self._parts or self._parts[one.file_id].end < one.end:
            self._parts[one.file_id] = one
        for line in lhotse_supervisions(one):
            self._line("lhotse supervisions.jsonl.gz", line)

    def _opened(self, kind: ManifestKind, name: str) -> IO[bytes]:
        path = self._output.root / _place(self._task, kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = self._stack.enter_context(storage.open_atomic(str(path)))
        if not name.endswith(".gz"):
            return file
        packed: IO[bytes] = self._stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))  # type: ignore[arg-type]
        return packed

    def _write_kaldi(self, texts: Mapping[str, str]) -> None:
        for name in _KALDI:
            place = _place(self._task, "kaldi", name)
            if name in texts:
                self._output.write(place, texts[name].encode(errors="surrogateescape"))
            else:
                (self._output.root / place).unlink(missing_ok=True)

    def _line(self, name: str, record: dict[str, Any]) -> None:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        self._open[name].write(text.encode(errors="surrogateescape"))


def _place(task: str, kind: str, name: str) -> str:
    return str(PurePosixPath("manifests", task, kind, name))
