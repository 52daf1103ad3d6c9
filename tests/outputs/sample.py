"""Small results, as stage 2 would make them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from diar.formats.files_table import FileTable
from diar.formats.result_json import Boundary, DetectionResult, NotUsed, OddFile, Segment, Speaker
from diar.formats.speech_time import measure
from diar.formats.turns_json import Clustering, RecordingTurns, describe_speakers
from diar.records import Turn

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


def make_turns(recording_id: str = "a/talk 1.wav", path: str = "/archive/a/talk 1.wav") -> RecordingTurns:
    """Two speakers in 12 seconds, half a second of overlap, one of them with a difficult name."""
    spans = [(0.5, 3.25, "speaker_001"), (2.75, 6.0, 'Ann "A" Ö'), (8.0, 11.125, "speaker_001")]
    turns = [Turn(recording_id, start, end, speaker) for start, end, speaker in spans]
    amounts = measure(turns)
    return RecordingTurns(
        program="diar 0.0",
        recording_id=recording_id,
        path=path,
        duration=12.0,
        speech_seconds=amounts.speech,
        overlap_seconds=amounts.overlap,
        speakers=describe_speakers(
            turns,
            amounts,
            local={"speaker_001": "1", 'Ann "A" Ö': "2"},
            similarity={"speaker_001": 0.75},
            confidence={"speaker_001": 0.9},
        ),
        turns=turns,
        exclusive=[replace(turns[0], end=3.0), replace(turns[1], start=3.0), turns[2]],
        clustering=Clustering("ahc", "vbx", None, "no PLDA for these embeddings"),
        parameters={"clustering": "vbx"},
        thresholds={"clustering": 0.6},
        model={"model": "m", "model_sha256": "00"},
        warnings=["look here"],
    )
