"""A small result and its table, as stage 2 would make them."""

from pathlib import Path

import numpy as np

from diar.outputs.files_table import FileTable
from diar.outputs.result_json import Boundary, DetectionResult, NotUsed, OddFile, Segment, Speaker

NAMES = ["a/1.wav", "a/1.mp3", 'a/line\nbreak, "quoted" 😀.wav', "b/1.wav", "b/2.wav", "b/bad.wav"]


def make_result() -> DetectionResult:
    return DetectionResult(
        program="diar 0.0",
        input="/archive",
        embeddings_dir="E",
        parameters={"segment_size": "auto"},
        model={"model": "m"},
        recordings=6,
        segments=[
            Segment(1, "speaker_001", "", 0, 3, NAMES[0], NAMES[2], 3, 0.8),
            Segment(2, "speaker_002", "", 3, 5, NAMES[3], NAMES[4], 2, 0.7),
        ],
        boundaries=[Boundary(3, NAMES[2], NAMES[3], None, 4.2, 0.6, "changepoint")],
        speakers=[Speaker("speaker_001", [1], 3), Speaker("speaker_002", [2], 2)],
        odd_files=[OddFile(1, NAMES[1], 1, "speaker_001", "foreign", 0.97, 0.1, "speaker_002", 0.8)],
        not_used=[NotUsed(NAMES[5], "undecodable", "no audio")],
        thresholds={"penalty": 1.5},
        warnings=["look here"],
    )


def make_table(root: Path) -> FileTable:
    return FileTable(
        path=NAMES,
        url=[str(root / name) for name in NAMES],
        segment=np.array([0, 0, 0, 1, 1, -1]),
        speaker=["speaker_001"] * 3 + ["speaker_002"] * 2 + [""],
        odd=["", "foreign", "", "", "", ""],
        similarity=np.array([0.8, 0.1, 0.9, 0.7, 0.7, np.nan]),
        across=np.array([np.nan, 0.9, 0.5, 0.1, 0.9, np.nan]),
    )


def make_audio(root: Path) -> None:
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
