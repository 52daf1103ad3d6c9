"""What a caller may give as audio: a path, a URL, a waveform, an open file."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile as sf

from diar import storage
from diar.api.errors import ArgumentError
from diar.archive.audio_file import RATES, AudioFile
from diar.archive.recording import Recording

_UNNAMED = "audio"  # id of what has no file name
_MOST_CHANNELS = 64  # of a waveform; more is a waveform lying on its side
# Sample types as libsndfile stores them; floats are full scale at ±1, integers at their type's limits
_SUBTYPES = {"float32": "FLOAT", "float64": "DOUBLE", "int16": "PCM_16", "int32": "PCM_32"}


class Tensor(Protocol):
    """A PyTorch tensor; named here so that PyTorch need not be imported."""

    def detach(self) -> Any:
        """Return it without gradients."""


Audio = str | os.PathLike[str] | np.ndarray | Tensor | BinaryIO


@dataclass(frozen=True)
class GivenAudio:
    """One recording to read."""

    recording: Recording
    file: AudioFile | None  # its content, where that is at hand


def is_waveform(audio: Any) -> bool:
    """Whether it is samples, which do not tell their rate."""
    return isinstance(audio, np.ndarray) or _is_tensor(audio)


def find_source(audio: Audio, sample_rate: int | None, parameter: str = "audio") -> GivenAudio:
    """Return the recording that `audio` stands for.

    Args:
        audio: a path or URL; a waveform (samples,) or (channels, samples), NumPy or PyTorch; a binary file.
        sample_rate: Hz, of a waveform.
        parameter: what the caller calls `audio`, for messages.

    Raises:
        ArgumentError: none of these, or without what belongs to it.
        DecodeError: an open file without content.
    """
    if is_waveform(audio):
        content = _wave_file(_samples(audio, parameter), _checked_rate(sample_rate, parameter))
        return _in_memory(_UNNAMED, content)
    if sample_rate is not None:
        raise ArgumentError(
            f"`sample_rate` belongs to a waveform; `{parameter}` is a file, which tells its own"
        )
    if isinstance(audio, str | os.PathLike):
        url = storage.local_url(os.fspath(audio))
        return GivenAudio(Recording(_file_name(url), url, size=0, mtime=0.0), None)
    if hasattr(audio, "read"):
        return _in_memory(_file_name(_name_of(audio)), _content(audio, parameter))
    raise ArgumentError(
        f"`{parameter}` is a {type(audio).__name__}; give a path, a URL, a waveform (NumPy or PyTorch) or a "
        "file opened with 'rb'"
    )


def _is_tensor(audio: Any) -> bool:
    return type(audio).__module__.partition(".")[0] == "torch" and hasattr(audio, "detach")


def _in_memory(name: str, content: bytes) -> GivenAudio:
    file = AudioFile.of_bytes(name, content)
    return GivenAudio(Recording(name, name, size=file.size, mtime=0.0), file)


def _checked_rate(sample_rate: int | None, parameter: str) -> int:
    if sample_rate is None:
        raise ArgumentError(f"`sample_rate` is missing: `{parameter}` is a waveform; give its rate in Hz")
    if int(sample_rate) != sample_rate or int(sample_rate) not in RATES:
        raise ArgumentError(
            f"`sample_rate={sample_rate}`; whole Hz from {RATES.start} to {RATES.stop - 1} are needed"
        )
    return int(sample_rate)


def _samples(audio: Any, parameter: str) -> np.ndarray:
    """Return a waveform as (channels, samples) in a type of `_SUBTYPES`."""
    samples = _from_tensor(audio) if _is_tensor(audio) else audio
    if samples.dtype.kind == "f" and samples.dtype.name not in _SUBTYPES:
        samples = samples.astype(np.float32)
    if samples.dtype.name not in _SUBTYPES:
        raise ArgumentError(f"`{parameter}` is a waveform of {samples.dtype}; float or int16 is needed")
    if samples.ndim not in (1, 2):
        raise ArgumentError(
            f"`{parameter}` has shape {samples.shape}; (samples,) or (channels, samples) is needed"
        )
    samples = np.atleast_2d(samples)
    if not samples.size:
        raise ArgumentError(f"`{parameter}` has shape {samples.shape}, so it holds no samples")
    if len(samples) > _MOST_CHANNELS:
        raise ArgumentError(
            f"`{parameter}` has shape {samples.shape}, so it would be {len(samples)} channels; "
            "(channels, samples) is needed: transpose it"
        )
    return samples


def _from_tensor(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    samples: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return samples


def _wave_file(samples: np.ndarray, rate: int) -> bytes:
    """Write samples (channels, n) as a WAV file of more than 4 GB if need be: then all is read in one way."""
    content = io.BytesIO()
    sf.write(content, samples.T, rate, format="W64", subtype=_SUBTYPES[samples.dtype.name])
    return content.getvalue()


def _content(file: Any, parameter: str) -> bytes:
    content = file.read()
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ArgumentError(
            f"`{parameter}` gives {type(content).__name__} where bytes are needed; open it with 'rb'"
        )
    return bytes(content)


def _name_of(file: Any) -> str:
    """Return the name of an open file; some have a number instead."""
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else _UNNAMED


def _file_name(url: str) -> str:
    """Return the last part of a path or URL: the recording's id."""
    path = storage.local_path(url)
    if path is None:
        return url.partition("::")[0].rstrip("/").rpartition("/")[2] or _UNNAMED
    return Path(os.fsencode(path.name).decode(errors="backslashreplace")).name or _UNNAMED
