"""People whose voices are known, from folders of audio."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from diar.api.encoder import Encoder, Segmentation
from diar.api.errors import ArgumentError, AudioError
from diar.api.voice import embed
from diar.detect.linking.known import KnownSpeakers
from diar.detect.observations import is_narrow


def enrol(
    folder: str | os.PathLike[str],
    encoder: Encoder | None = None,
    segmentation: Segmentation | None = None,
    parameter: str = "folder",
) -> KnownSpeakers:
    """Enrol people: FOLDER/NAME/*, each file a recording of that one person.

    Args:
        folder: with a folder a person, which has the person's name.
        encoder, segmentation: as for `diar.embed`.
        parameter: what the caller calls `folder`, for messages.

    Raises:
        ArgumentError: no such folder, or no audio in it; a file that gives no embedding.
    """
    files = [file for file in sorted(Path(folder).glob("*/*")) if file.is_file() and file.name[0] != "."]
    if not files:
        raise ArgumentError(f"`{parameter}={folder}` holds no audio: put that of each person into NAME/")
    try:
        voices = [embed(file, encoder=encoder, segmentation=segmentation) for file in files]
    except AudioError as error:
        raise ArgumentError(f"`{parameter}`: {error}") from None
    return KnownSpeakers(
        [file.parent.name for file in files],
        np.stack([voice.vector for voice in voices]),
        np.array([voice.speech_seconds - voice.overlap_seconds for voice in voices]),
        np.array([is_narrow(voice.stored.recording.bandwidth) for voice in voices]),
    )
