"""Kokoro-82M by ONNX Runtime: phonemes and a style in, 24 kHz out.

Hexgrad, "Kokoro-82M", 2025; StyleTTS 2: Li et al., NeurIPS 2023. A style is a vector for each number of
phonemes; voices are weighted sums of styles, which `config.yaml` beside the weights names. Further voices are
those played faster or slower, which multiplies all frequencies and the tempo by a factor, as of a vocal tract
that is shorter or longer (speed perturbation: Ko et al., Interspeech 2015).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from diar.errors import explain
from diar.extras import require
from diar.voices.phonemes import Phonemizer
from diar.voices.synthesizer import NothingToSpeakError, SynthesisError, Text, checked_texts

_RUNS = {  # numbers of the model's symbols: the first of each run of them
    1: ";:,.!?",
    9: '—…"()“” \u0303ʣʥʦʨᵝꭧAI',
    31: "O",
    33: "Q",
    35: "ST",
    39: "W",
    41: "Yᵊabcdef",
    50: "hijklmnopqrstuvwxyzɑɐɒæ",
    75: "βɔɕç",
    80: "ɖðʤə",
    85: "ɚɛɜ",
    90: "ɟ",
    92: "ɡ",
    99: "ɥ",
    101: "ɨɪʝ",
    110: "ɯɰŋɳɲɴø",
    118: "ɸθœ",
    123: "ɹ",
    125: "ɾɻ",
    128: "ʁɽʂʃʈʧ",
    135: "ʊʋ",
    138: "ʌɣɤ",
    142: "χʎ",
    147: "ʒʔ",
    156: "ˈˌː",
    162: "ʰ",
    164: "ʲ",
    169: "↓",
    171: "→↗↘",
    177: "ᵻ",
}
_SYMBOLS = {symbol: first + place for first, run in _RUNS.items() for place, symbol in enumerate(run)}
_MOST = 510  # phonemes at once
_PAUSES = {".": 0.25, "!": 0.25, "?": 0.25, "…": 0.25}  # seconds after a part of a long text; else …
_SHORT_PAUSE = 0.1
_AUDIBLE, _MARGIN = 0.01, 0.02  # of the loudest 10 ms; seconds kept around what is heard


class _Scaled(BaseModel):
    model_config = ConfigDict(extra="forbid")

    of: str  # a voice
    played: float = Field(ge=0.7, le=1.4)  # times as fast as that voice


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sample_rate: int
    language: str
    voices: dict[str, dict[str, float]]
    scaled: dict[str, _Scaled] = {}
    apart: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_that_there_are(self) -> _Config:
        known = {*self.voices, *self.scaled}
        missing = {*(one.of for one in self.scaled.values())} - {*self.voices} | {*self.apart} - known
        if missing or len(known) < len(self.voices) + len(self.scaled):
            raise ValueError(f"voices that there are not, or twice: {', '.join(sorted(missing))}")
        return self


class Kokoro:
    """The network; one text at a time.

    Args:
        folder: with config.yaml, kokoro.onnx and voices.npz, as `diar models fetch kokoro-82m` leaves it.
        threads: of the CPU; the same number gives the same samples on one machine.

    Raises:
        SynthesisError: ONNX Runtime or espeak-ng is missing, or the folder holds no such model.
    """

    licence = "Apache-2.0"

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.name = f"kokoro ({folder.name})"
        config = _read_config(folder)
        self.rate, self._language = config.sample_rate, config.language
        self._styles = _mix(folder / "voices.npz", config.voices)
        self._scaled = config.scaled
        self.voices = (*self._styles, *self._scaled)
        self.apart = config.apart
        self._session = _open(folder / "kokoro.onnx", threads)
        self._phonemizer = Phonemizer()

    def close(self) -> None:
        """End the process that makes phonemes."""
        self._phonemizer.close()

    def speak(self, texts: Sequence[Text]) -> Iterator[np.ndarray]:
        """Yield (samples,) float32 of each text, without silence around it; see `Synthesizer`."""
        for one in checked_texts(texts, self.voices):
            phonemes = self._phonemizer(one.text, self._language)
            parts = [part for part in split(phonemes, _MOST) if symbols(part)]
            if not parts:
                raise NothingToSpeakError(f"there is nothing to speak in {one.text!r}")
            yield np.concatenate(list(self._parts(parts, one)))

    def _parts(self, parts: Sequence[str], text: Text) -> Iterator[np.ndarray]:
        scaled = self._scaled.get(text.voice)
        voice, factor = (text.voice, 1.0) if scaled is None else (scaled.of, scaled.played)
        for number, part in enumerate(parts):
            known = symbols(part)
            inputs = {
                "tokens": np.array([[0, *known, 0]], np.int64),
                "style": self._styles[voice][min(len(known), _MOST) - 1],
                "speed": np.array([text.speed], np.float32),
            }
            spoken = np.asarray(self._session.run(None, inputs)[0], np.float32).ravel()
            yield played(without_silence(spoken, self.rate), factor)
            if number + 1 < len(parts):
                pause = _PAUSES.get(part.rstrip('"”)')[-1:], _SHORT_PAUSE)
                yield np.zeros(round(pause * self.rate), np.float32)


def symbols(phonemes: str) -> list[int]:
    """Return the numbers of phonemes that the model knows."""
    return [_SYMBOLS[one] for one in phonemes if one in _SYMBOLS]


def split(phonemes: str, most: int) -> list[str]:
    """Cut phonemes into parts of at most `most`: behind a sentence, else a clause, else a word."""
    rest, parts = phonemes, []
    while len(rest) > most:
        head = rest[: most + 1]
        for mark in (r"[.!?…][\"”)]*\s", r"[;:,—][\"”)]*\s", r"\s"):
            ends = [found.end() for found in re.finditer(mark, head)]
            if ends:
                break
        cut = ends[-1] if ends else most
        parts.append(rest[:cut].strip())
        rest = rest[cut:]
    return [*parts, rest.strip()]


def played(samples: np.ndarray, factor: float) -> np.ndarray:
    """Return samples (n,) played `factor` times as fast: (n / factor,) at the same rate."""
    return samples if factor == 1 else np.asarray(soxr.resample(samples, factor, 1, "HQ"), np.float32)


def without_silence(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return samples (n,) from 20 ms before they are first heard to 20 ms after they are last."""
    size = rate // 100
    frames = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    heard = np.flatnonzero(level > _AUDIBLE * level.max())
    if not len(heard):
        raise SynthesisError("the synthesizer made no sound")
    margin = round(_MARGIN * rate)
    return samples[max(0, heard[0] * size - margin) : (heard[-1] + 1) * size + margin]


def _read_config(folder: Path) -> _Config:
    try:
        return _Config.model_validate(yaml.safe_load((folder / "config.yaml").read_text("utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SynthesisError(f"{folder} holds no Kokoro model: {explain(error)}") from None


def _mix(file: Path, voices: Mapping[str, Mapping[str, float]]) -> dict[str, np.ndarray]:
    """Return (510, 1, 256) of each voice."""
    try:
        with np.load(file, allow_pickle=False) as styles:
            return {name: _sum(styles, parts) for name, parts in voices.items()}
    except (OSError, ValueError, KeyError) as error:
        raise SynthesisError(f"{file} does not hold the styles of these voices: {explain(error)}") from None


def _sum(styles: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    return np.asarray(np.sum([weight * styles[style] for style, weight in weights.items()], 0, np.float32))


def _open(file: Path, threads: int) -> Any:
    onnxruntime = require("onnxruntime", "voices", "Kokoro", SynthesisError)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has many
        raise SynthesisError(f"{file} cannot be opened: {explain(error)}") from None
