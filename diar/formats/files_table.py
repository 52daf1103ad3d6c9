"""The table of files, one row a recording: `files.csv`, and the source of folders and plot."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

from diar.formats.spreadsheet import cell

FILES_NAME = "files.csv"
NOT_USED = -1
NO_SPEECH = "no_speech"  # `odd` of a file in which nobody speaks


@dataclass(frozen=True)
class FileTable:
    """All n recordings in the order of the result's positions."""

    path: list[str]  # recording ids
    url: list[str]  # where stage 1 read the audio
    segment: np.ndarray  # (n,) position in DetectionResult.segments, NOT_USED without embedding or speech
    speaker: list[str]  # "" without embedding or speech
    odd: list[str]  # "", "foreign", "unclear" or "no_speech"
    similarity: np.ndarray  # (n,) cosine to the rest of its segment, NaN where it is in none
    across: np.ndarray  # (n,) cosine of the files before to those from here on, NaN at a sequence's start

    def __len__(self) -> int:
        return len(self.path)


def to_csv(table: FileTable) -> str:
    """Format `position,path,segment,speaker,odd,similarity`; fields that are not known are empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["position", "path", "segment", "speaker", "odd", "similarity"])
    rows = zip(table.path, table.segment, table.speaker, table.odd, table.similarity, strict=True)
    for position, (path, segment, speaker, odd, similarity) in enumerate(rows):
        if segment == NOT_USED:
            writer.writerow([position, cell(path), "", "", odd, ""])
        else:
            writer.writerow([position, cell(path), segment + 1, cell(speaker), odd, f"{similarity:.4f}"])
    return text.getvalue()
