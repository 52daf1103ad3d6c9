"""Enrolment: `--known_speakers` is an output of stage 1 for audio in folders named after people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.detect.observations import is_narrow
from diar.errors import DiarError
from diar.records import OK
from diar.store.layout import Layout
from diar.store.reader import StoreError, load_index, read_plan
from diar.wording import counted

_TOLD = 5  # people in a warning


@dataclass(frozen=True)
class Enrolment:
    """Who is known, and what is to be told of those whose voice is not."""

    known: KnownSpeakers
    warnings: list[str]


def read_known_speakers(embeddings_dir: str, archive: Mapping[str, str]) -> Enrolment:
    """Read the usable recordings of `embeddings_dir`, each with its manifest's label or first folder's name.

    Args:
        embeddings_dir: stage 1's output for the enrolment audio.
        archive: metadata of stage 1's output for the archive.

    Raises:
        DiarError: not stage 1's output, of another encoder than the archive, audio outside of a folder, no
            speech in any.
    """
    try:
        enrolled = load_index(embeddings_dir)
    except StoreError as error:
        raise DiarError(
            f"--known_speakers: {error}\nTo enrol people, put the audio of each into FOLDER/NAME/, run "
            "`diar extract --input_dir FOLDER --output_dir KNOWN`, and give --known_speakers KNOWN"
        ) from None
    if enrolled.metadata["model_sha256"] != archive["model_sha256"]:
        raise DiarError(
            f"--known_speakers {embeddings_dir} was made with {enrolled.metadata['model']}, the archive with "
            f"{archive['model']}; run stage 1 on the enrolment audio with the same --model"
        )
    rows = [row for row in range(len(enrolled)) if enrolled.status[row] == OK]
    people = {row: _person(enrolled.recording_id[row], enrolled.listed(row).label) for row in rows}
    rows = [row for row in rows if enrolled.speech_seconds[row] > 0]
    if not rows:
        raise DiarError(f"--known_speakers {embeddings_dir} holds no usable recording")
    names = [people[row] for row in rows]
    narrow_band = np.array([is_narrow(enrolled.row(row).bandwidth) for row in rows])
    known = KnownSpeakers(names, enrolled.embedding[rows], enrolled.speech_seconds[rows], narrow_band)
    return Enrolment(known, _warnings(embeddings_dir, set(names)))


def _person(recording_id: str, label: str | None) -> str:
    """Return whose voice a recording is.

    Raises:
        DiarError: it has neither a label nor a folder.
    """
    name, slash, _ = recording_id.partition("/")
    if label is None and not slash:
        raise DiarError(
            f"--known_speakers: {name} lies in no folder with the person's name: NAME/{name}, and has no "
            "label in a manifest"
        )
    return name if label is None else label


def _warnings(embeddings_dir: str, heard: Collection[str]) -> list[str]:
    """Return a warning where people were planned of whom no recording is usable."""
    plan = read_plan(Layout(embeddings_dir), ["recording_id", "label"]).to_pylist()
    planned = (
        row["recording_id"].partition("/")[0] if row["label"] is None else row["label"] for row in plan
    )
    unheard = sorted({name for name in planned if name not in heard})
    if not unheard:
        return []
    some = ", ".join(unheard[:_TOLD]) + (", …" if len(unheard) > _TOLD else "")
    return [
        f"--known_speakers: {counted(len(unheard), 'person')} without a usable recording, whom nothing is "
        f"named after ({some}): failed, not finished or without speech; `diar status {embeddings_dir}` "
        "tells more"
    ]
