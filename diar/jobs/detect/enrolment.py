"""Enrolment: `--known_speakers` is an output of stage 1 for audio in folders named after people."""

from __future__ import annotations

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.detect.observations import is_narrow
from diar.errors import DiarError
from diar.records import OK
from diar.store.reader import RecordingIndex, StoreError, load_index


def read_known_speakers(embeddings_dir: str, archive: RecordingIndex) -> KnownSpeakers:
    """Read the usable recordings of `embeddings_dir`, each with its manifest's label or first folder's name.

    Raises:
        DiarError: not stage 1's output, of another encoder than the archive, audio outside of a folder.
    """
    try:
        enrolled = load_index(embeddings_dir)
    except StoreError as error:
        raise DiarError(
            f"--known_speakers: {error}. Enrol people like this: put their audio into FOLDER/NAME/, then "
            "run stage 1 on it (--input_dir FOLDER --output_dir KNOWN), and give KNOWN here"
        ) from None
    if enrolled.metadata["model_sha256"] != archive.metadata["model_sha256"]:
        raise DiarError(
            f"--known_speakers {embeddings_dir} was made with {enrolled.metadata['model']}, the archive with "
            f"{archive.metadata['model']}; run stage 1 on the enrolment audio with the same --model"
        )
    rows = [i for i in range(len(enrolled)) if enrolled.status[i] == OK]
    if not rows:
        raise DiarError(f"--known_speakers {embeddings_dir} holds no usable recording")
    names = []
    for row in rows:
        label = enrolled.listed(row).label
        name, slash, _ = enrolled.recording_id[row].partition("/")
        if label is not None:
            name = label
        elif not slash:
            raise DiarError(
                f"--known_speakers: {name} lies in no folder with the person's name: NAME/{name}, and has no "
                "label in a manifest"
            )
        names.append(name)
    narrow_band = np.array([is_narrow(enrolled.row(row).bandwidth) for row in rows])
    return KnownSpeakers(names, enrolled.embedding[rows], enrolled.speech_seconds[rows], narrow_band)
