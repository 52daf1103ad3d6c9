"""Whisper by CTranslate2 (faster-whisper): int8 on CPUs, half precision on GPUs, pieces in batches.

Radford et al., "Robust speech recognition via large-scale weak supervision", 2022. Greedy or beam search at
temperature 0 only: sampling again at higher temperatures would give other words at every run.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diar.asr.errors import RecognitionError
from diar.asr.recogniser import RATE, Identity, Language
from diar.errors import explain
from diar.extras import require
from diar.letters import goes_on
from diar.models.weights.checksum import file_sha256
from diar.records import Word

ENGINE = "faster-whisper"
_PRECISIONS = {"cpu": "int8", "cuda": "float16"}
_FRAME = RATE // 100  # samples; `seek` counts whole ones, rounded down
_SHORTEST = RATE // 10  # samples; Whisper's features need some
_NO_DOUBT = 0.9  # mean probability of a language, at which no further piece is asked
_MOST_COMPRESSED = 2.4  # OpenAI's `compression_ratio_threshold`: a text beyond it repeats itself


def likeliest(pieces: Iterable[Mapping[str, float]]) -> Language:
    """Return the language of the highest mean probability.

    Args:
        pieces: probability by language, of each piece that is asked; asked as long as there is doubt.
    """
    sums: dict[str, float] = defaultdict(float)
    for number, probabilities in enumerate(pieces, 1):
        for code, probability in probabilities.items():
            sums[code] += probability
        likely = max(sums, key=lambda code: sums[code])
        if sums[likely] / number >= _NO_DOUBT:
            break
    return Language(likely, sums[likely] / number)


class FasterWhisper:
    """One Whisper model on one device.

    Args:
        folder: a CTranslate2 model: model.bin, config.json, tokenizer.json, vocabulary.
        name: what results call it.
        device: `cpu`, `cuda` or `cuda:N`.
        threads: of the CPU.
        precision: CTranslate2's `compute_type`; None = int8 on a CPU, float16 on a GPU.
        beam_size: 1 = greedy.

    Raises:
        RecognitionError: the extra is missing, or the folder holds no such model.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        device: str = "cpu",
        threads: int = 1,
        precision: str | None = None,
        beam_size: int = 1,
    ) -> None:
        whisper = require("faster_whisper", "words", "this recogniser", RecognitionError)
        kind, _, number = device.partition(":")
        precision = precision or _PRECISIONS.get(kind, "default")
        try:
            self._model = whisper.WhisperModel(
                str(folder),
                device=kind,
                device_index=int(number or 0),
                compute_type=precision,
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise RecognitionError(
                f"{folder} cannot be opened as a model of {ENGINE}: {explain(error)}"
            ) from None
        self._batched = whisper.BatchedInferencePipeline(self._model)
        self._beam_size = beam_size
        self.languages = frozenset(self._model.supported_languages)
        settings = {"beam_size": beam_size, "precision": precision, "timestamps": "in overlap"}
        self.identity = Identity(ENGINE, name, file_sha256(folder / "model.bin"), settings)

    def detect(self, pieces: Sequence[np.ndarray]) -> Language | None:
        """Return the likeliest language of the pieces.

        The library itself believes the first piece that gives one a probability of a half.
        """
        if not self._model.model.is_multilingual:
            return Language("en")
        return likeliest(dict(self._model.detect_language(piece)[2]) for piece in pieces)

    def recognise(
        self, pieces: Sequence[np.ndarray], language: str | None, overlapped: Sequence[bool] | None = None
    ) -> list[list[Word]]:
        """Return the words of each piece; pieces with overlap are one batch, the others another.

        Whisper writes timestamps in overlap: without them it skips sentences there, with them it skips some
        elsewhere. A piece in which it went round in circles is heard once more the other way.
        """
        asked = [True] * len(pieces) if overlapped is None else list(overlapped)
        found = self._batches(pieces, language, asked)
        looped = [place for place, words in enumerate(found) if compression(words) > _MOST_COMPRESSED]
        again = self._batches([pieces[n] for n in looped], language, [not asked[n] for n in looped])
        for place, words in zip(looped, again, strict=True):
            if compression(words) < compression(found[place]):
                found[place] = words
        return found

    def _batches(
        self, pieces: Sequence[np.ndarray], language: str | None, asked: Sequence[bool]
    ) -> list[list[Word]]:
        """Return the words of each piece; those that are `asked` for timestamps are a batch of their own."""
        found: list[list[Word]] = [[] for _ in pieces]
        for timestamps in (False, True):
            places = [place for place, own in enumerate(asked) if own == timestamps]
            batch = [pieces[place] for place in places]
            for place, words in zip(places, self._batch(batch, language, timestamps), strict=True):
                found[place] = words
        return found

    def _batch(
        self, pieces: Sequence[np.ndarray], language: str | None, timestamps: bool
    ) -> list[list[Word]]:
        if not pieces:
            return []
        padded = [np.pad(piece, (0, max(_SHORTEST - len(piece), 0))) for piece in pieces]
        ends = np.cumsum([len(piece) for piece in padded])
        starts = ends - [len(piece) for piece in padded]
        half = 0.5 / RATE  # the library rounds times down to samples
        clips = [
            {"start": start / RATE + half, "end": end / RATE + half}
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
        segments, _ = self._batched.transcribe(
            np.concatenate(padded),
            language=language,
            beam_size=self._beam_size,
            temperature=0.0,
            word_timestamps=True,
            vad_filter=False,
            without_timestamps=not timestamps,
            clip_timestamps=clips,
            batch_size=len(pieces),
        )
        found: list[list[Word]] = [[] for _ in pieces]
        try:
            for segment in segments:
                piece = int(np.searchsorted(starts, (segment.seek + 1) * _FRAME, "right")) - 1
                found[piece] += whole_words(segment.words or (), float(starts[piece]) / RATE)
        except RuntimeError as error:  # of CTranslate2
            if "out of memory" not in str(error):
                raise
            raise RecognitionError(
                f"the GPU has no memory for {len(pieces)} half minutes at once; give a smaller `batch`"
            ) from None
        return found


def compression(words: Sequence[Word]) -> float:
    """Return by what factor zlib shortens the text: how much of it is repetition (openai/whisper)."""
    text = " ".join(word.text for word in words).encode()
    return len(text) / len(zlib.compress(text))


def whole_words(words: Sequence[Any], start: float) -> list[Word]:
    """Return the words of a segment, in seconds from its piece's start; empty ones are left out.

    In languages without blanks the library times each token: those of one word of another script are joined.
    """
    found: list[Word] = []
    for one in words:
        text, begin, end = one.word.strip(), float(one.start) - start, float(one.end) - start
        if text and found and goes_on(found[-1].text, one.word):
            least = min(found[-1].probability or 0.0, float(one.probability))
            found[-1] = replace(found[-1], end=max(end, 0.0), text=found[-1].text + text, probability=least)
        elif text:
            found.append(Word(max(begin, 0.0), max(end, 0.0), text, float(one.probability)))
    return found
