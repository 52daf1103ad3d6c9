"""Audio that static eight-bit ranges are measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from diar.errors import explain
from diar.export.errors import ExportError
from diar.export.graph.parts import Part

_SECONDS, _MOST_PIECES = 10.0, 32
_SUFFIXES = {".wav", ".flac"}


def calibration_inputs(part: Part, folder: Path, sample_rate: int) -> list[dict[str, np.ndarray]]:
    """Return inputs of a part, made of pieces of 10 s, at most 32, spread over a folder's WAV and FLAC files.

    Raises:
        ExportError: no such file, one at another rate or unreadable, or a part that takes something else than
            samples or features.
    """
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not files:
        raise ExportError(f"`calibration_dir={folder}` holds no WAV or FLAC file")
    pieces = islice(_pieces(_spread(files), sample_rate), _MOST_PIECES)
    made = [inputs_of(part, piece[None]) for piece in pieces]
    if not made:
        raise ExportError(f"`calibration_dir={folder}`: no file lasts {_SECONDS:g} s")
    return made


def _spread(files: Sequence[Path]) -> list[Path]:
    """Return the files in another order: those of which pieces are taken first lie all over the folder."""
    step = max(1, len(files) // _MOST_PIECES)
    return [file for first in range(step) for file in files[first::step]]


def _pieces(files: Sequence[Path], sample_rate: int) -> Iterator[np.ndarray]:
    """Yield the first piece of each file, then the second, …; no more files are read than are asked for."""
    left, number = list(files), 0
    while left:
        longer = []
        for file in left:
            piece = _piece(file, number, sample_rate)
            if piece is not None:
                longer.append(file)
                yield piece
        left, number = longer, number + 1


def inputs_of(part: Part, waveform: np.ndarray) -> dict[str, np.ndarray]:
    """Return a part's inputs for (batch, samples), with masks of everything.

    Raises:
        ExportError: a part that takes something else than samples or features.
    """
    made: dict[str, np.ndarray] = {}
    frames = 1
    if part.front_end is not None:
        with torch.inference_mode():
            fbank = part.front_end(torch.from_numpy(waveform)).numpy()
        frames = fbank.shape[1]
        if "fbank" in part.inputs:
            made["fbank"] = fbank
    if "waveform" in part.inputs:
        made["waveform"] = waveform
    if "masks" in part.inputs:
        made["masks"] = np.ones((len(waveform), 1, frames), np.float32)
    if set(made) != set(part.inputs):
        raise ExportError(f"`part={part.name}` cannot be calibrated; waveform, fbank and trunk can")
    return made


def _piece(file: Path, number: int, sample_rate: int) -> np.ndarray | None:
    """Return 10 s of a file's first channel, None after its end."""
    length = int(_SECONDS * sample_rate)
    try:
        with sf.SoundFile(file) as audio:
            if audio.samplerate != sample_rate:
                raise ExportError(f"{file} is at {audio.samplerate} Hz; calibrate with {sample_rate} Hz")
            if audio.frames < (number + 1) * length:
                return None
            audio.seek(number * length)
            return np.ascontiguousarray(audio.read(length, dtype="float32", always_2d=True)[:, 0])
    except sf.LibsndfileError as error:
        raise ExportError(f"{file} cannot be read: {explain(error)}") from None
