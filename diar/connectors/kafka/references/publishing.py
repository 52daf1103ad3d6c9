"""Results as files: Parquet with the tracks, and the result itself, which says that both are there."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from diar import storage
from diar.api.diarization import Diarization
from diar.api.voice import Voice
from diar.connectors.kafka.messages.schemas import RESULT
from diar.connectors.kafka.references.jobs import Job
from diar.store.layout import Layout
from diar.store.writer import Writer

RESULT_SUFFIX = ".result.json"


class Publisher:
    """Publishes the results of one process. Threads may share one.

    Args:
        output_dir: a folder or URL.
    """

    def __init__(self, output_dir: str) -> None:
        self._layout = Layout(output_dir)

    def published(self, job: Job) -> bytes | None:
        """Return the result of a reference that was published with the same fingerprint, else None."""
        url = self._document(job)
        if not storage.exists(url):
            return None
        content = storage.read_bytes(url)
        try:
            same = json.loads(content).get("fingerprint") == job.fingerprint
        except ValueError:
            return None  # damaged; publishing replaces it
        return content if same else None

    def publish(
        self, job: Job, diarization: Diarization, words: str | None, versions: dict[str, Any], began: float
    ) -> bytes:
        """Write the files of a recording; return the result as a message has it.

        Args:
            job: the reference.
            diarization: of the recording.
            words: words.json, where they were asked for.
            versions: of all that was used.
            began: when its batch began, seconds since the epoch.
        """
        self._write_tracks(job, diarization.voice)
        result = {
            "schema": RESULT,
            "id": job.reference.id,
            "audio": job.reference.audio,
            "fingerprint": job.fingerprint,
            "tracks": self._layout.tracks(job.reference.id),
            "document": self._document(job),
            "turns": _named(diarization.to_json(), job),
            **({} if words is None else {"words": _named(words, job)}),
            "people": {name: round(one.speech_seconds, 3) for name, one in diarization.speakers.items()},
            "versions": versions,
            "seconds": {
                "audio": round(diarization.duration, 3),
                "computing": round(time.time() - began, 3),
            },
        }
        content = json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
        storage.write_bytes_atomic(self._document(job), content)
        return content

    def _write_tracks(self, job: Job, voice: Voice) -> None:
        row = replace(voice.stored.recording, recording_id=job.reference.id)
        metadata = {**voice.stored.metadata, "fingerprint": job.fingerprint}
        writer = Writer(self._layout, voice.tracks.embedding.shape[1], metadata)
        writer.write_tracks(0, row, voice.tracks)

    def _document(self, job: Job) -> str:
        return storage.join(self._layout.root, storage.output_name(job.reference.id, RESULT_SUFFIX))


def _named(document: str, job: Job) -> dict[str, Any]:
    """Return a document under the reference's id, in place of the file's name."""
    return {**json.loads(document), "recording_id": job.reference.id}


def shortened(content: bytes) -> bytes:
    """Return a result without turns and words, which its file has."""
    result = json.loads(content)
    return json.dumps(
        {
            **{name: value for name, value in result.items() if name not in ("turns", "words")},
            "shortened": True,
        },
        ensure_ascii=False,
    ).encode()
