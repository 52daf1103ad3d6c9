"""Networks with a CTC head, of the package transformers: wav2vec 2.0, HuBERT, WavLM, w2v-BERT, Parakeet.

Graves et al., "Connectionist temporal classification", 2006: the likeliest symbol of each frame; repetitions
and blanks fall away. A word lasts from the first frame of its first symbol to the last frame of its last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch

from diar.asr.recogniser import RATE, Identity, Language
from diar.records import Word

_WORD_START = "▁"  # of SentencePiece
_SHORTEST = RATE // 10  # samples; convolutions need some


class TransformersCtc:
    """One network on one device.

    Args:
        network: on its device.
        processor: its feature extractor and its tokenizer.
        name: what results call it.
        sha256: of the weights.
        precision: of the network.
    """

    def __init__(self, network: Any, processor: Any, name: str, sha256: str, precision: str) -> None:
        self._network, self._extractor = network, processor.feature_extractor
        self._symbols = Symbols.of(processor.tokenizer, network.config.pad_token_id)
        # Without a mask, silence behind a shorter piece changes its normalisation: one piece at once
        self._masked = bool(getattr(self._extractor, "return_attention_mask", False))
        self.languages = None  # its folder does not say
        self.identity = Identity("transformers", name, sha256, {"precision": precision})

    def detect(self, pieces: Sequence[np.ndarray]) -> Language | None:
        """Return None: a CTC head writes one alphabet and tells no language."""
        return None

    def recognise(
        self, pieces: Sequence[np.ndarray], language: str | None, overlapped: Sequence[bool] | None = None
    ) -> list[list[Word]]:
        """Return the words of each piece; all pieces are one batch if the network masks what is padded."""
        padded = [np.pad(piece, (0, max(_SHORTEST - len(piece), 0))) for piece in pieces]
        batches = [padded] if self._masked else [[piece] for piece in padded]
        found = [frames for batch in batches for frames in self._frames(batch)]
        return [
            self._symbols.words(symbols, probabilities, step, len(piece) / RATE)
            for (symbols, probabilities, step), piece in zip(found, pieces, strict=True)
        ]

    def _frames(self, pieces: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Yield of each piece the likeliest symbol of each frame, its probability, and seconds a frame."""
        inputs = self._extractor(pieces, sampling_rate=RATE, padding=True, return_tensors="pt").to(
            self._network.device
        )
        tensors = {
            name: value.to(self._network.dtype) if value.is_floating_point() else value
            for name, value in inputs.items()
        }
        with torch.inference_mode():
            logits = self._network(**tensors).logits.float()
        probabilities, symbols = (array.cpu().numpy() for array in logits.softmax(dim=-1).max(dim=-1))
        step = self._step("input_values" in tensors, max(map(len, pieces)), symbols.shape[1])
        for row, piece in enumerate(pieces):
            own = min(round(len(piece) / RATE / step), symbols.shape[1])
            yield symbols[row, :own], probabilities[row, :own], step

    def _step(self, from_samples: bool, samples: int, frames: int) -> float:
        """Return seconds a frame: by the network's own ratio if it hears samples, else by counting."""
        ratio = getattr(self._network.config, "inputs_to_logits_ratio", None)
        return float(ratio / RATE if from_samples and ratio else samples / RATE / max(frames, 1))


@dataclass(frozen=True)
class Symbols:
    """What the symbols of a CTC head mean."""

    tokens: dict[int, str]  # those that are written
    blank: int
    delimiter: int | None  # the symbol between words; None where words begin with `▁`
    lower: bool

    @classmethod
    def of(cls, tokenizer: Any, blank: int) -> Symbols:
        """Read them from a tokenizer of transformers."""
        names = {number: name for name, number in tokenizer.get_vocab().items()}
        mark = getattr(tokenizer, "word_delimiter_token", None)
        delimiter = None if mark is None else int(tokenizer.convert_tokens_to_ids(mark))
        silent = {int(n) for n in tokenizer.all_special_ids} | {blank}
        if delimiter is not None:
            silent -= {delimiter}
        written = {number: name for number, name in names.items() if number not in silent}
        return cls(written, blank, delimiter, bool(getattr(tokenizer, "do_lower_case", False)))

    def words(
        self, symbols: np.ndarray, probabilities: np.ndarray, step: float, seconds: float
    ) -> list[Word]:
        """Return the words of one piece.

        Args:
            symbols: (frames,) the likeliest of each.
            probabilities: (frames,) theirs.
            step: seconds a frame.
            seconds: of the piece.
        """
        words: list[Word] = []
        for spoken in self._spoken(symbols.tolist()):
            text = "".join(self.tokens[symbol] for symbol, _, _ in spoken).replace(_WORD_START, "")
            first, end = spoken[0][1], spoken[-1][2]
            heard = np.concatenate([probabilities[start:stop] for _, start, stop in spoken])
            if text.strip():
                times = min(first * step, seconds), min(end * step, seconds)
                said = text.lower() if self.lower else text
                words.append(Word(*times, said.strip(), float(heard.mean())))
        return words

    def _spoken(self, symbols: list[int]) -> Iterator[list[tuple[int, int, int]]]:
        """Yield of each word its symbols, each with its first frame and the frame after its last."""
        word: list[tuple[int, int, int]] = []
        position = 0
        for symbol, run in groupby(symbols):
            start, position = position, position + len(list(run))
            begins = self.tokens.get(symbol, "").startswith(_WORD_START)
            if word and (symbol == self.delimiter or begins):
                yield word
                word = []
            if symbol in self.tokens and symbol not in (self.delimiter, self.blank):
                word.append((symbol, start, position))
        if word:
            yield word
