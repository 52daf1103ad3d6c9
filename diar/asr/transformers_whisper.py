"""Whisper by the package transformers; times of words from its cross-attention (dynamic time warping)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutput

from diar.asr.attention_times import token_starts
from diar.asr.recogniser import RATE, Identity, Language
from diar.letters import is_written_without_blanks
from diar.records import Word

_FRAME = 0.02  # seconds of the encoder's frames
_INCOMPLETE = "\ufffd"  # what the tokenizer writes for a part of a character
_NO_WORDS = " -–—…♪♫"  # what stands for itself and is no word


class TransformersWhisper:
    """One Whisper on one device; greedy or beam search at temperature 0.

    Args:
        network: on its device, with eager attention.
        processor: its feature extractor and its tokenizer.
        name: what results call it.
        sha256: of the weights.
        precision: of the network.
        beam_size: 1 = greedy.
    """

    def __init__(
        self, network: Any, processor: Any, name: str, sha256: str, precision: str, beam_size: int
    ) -> None:
        self._network, self._beams = network, beam_size
        self._extractor, self._tokenizer = processor.feature_extractor, processor.tokenizer
        self._settings = network.generation_config
        self._silent = set(self._tokenizer.all_special_ids)
        self._languages = _languages(network.generation_config)
        self.languages = frozenset(self._languages or {"en"})
        self._heads = getattr(self._settings, "alignment_heads", None) or _later_heads(network.config)
        settings = {"beam_size": beam_size, "precision": precision}
        self.identity = Identity("transformers", name, sha256, settings)

    def detect(self, pieces: Sequence[np.ndarray]) -> Language | None:
        """Return the likeliest language by the mean over the pieces."""
        if not self._languages:
            return Language("en")
        return self._likeliest(self._encode(pieces))

    def recognise(
        self, pieces: Sequence[np.ndarray], language: str | None, overlapped: Sequence[bool] | None = None
    ) -> list[list[Word]]:
        """Return the words of each piece; all pieces are one batch."""
        if not pieces:
            return []
        with torch.inference_mode():
            heard = self._encode(pieces)
            asked = {}
            if self._languages:
                asked = {"language": language or self._likeliest(heard).code, "task": "transcribe"}
            written = self._network.generate(
                encoder_outputs=BaseModelOutput(heard),
                num_beams=self._beams,
                do_sample=False,
                return_timestamps=False,
                **asked,
            )
            prompt = self._prompt(**asked)
            return [
                self._words(
                    prompt, [t for t in tokens if t not in self._silent], one[None], len(piece) / RATE
                )
                for tokens, one, piece in zip(written.tolist(), heard, pieces, strict=True)
            ]

    def _likeliest(self, heard: torch.Tensor) -> Language:
        begin = torch.full((len(heard), 1), self._settings.decoder_start_token_id, device=heard.device)
        with torch.inference_mode():
            logits = self._network(encoder_outputs=BaseModelOutput(heard), decoder_input_ids=begin).logits
        codes = list(self._languages)
        shares = logits[:, -1, list(self._languages.values())].float().softmax(dim=-1).mean(dim=0)
        return Language(codes[int(shares.argmax())], float(shares.max()))

    def _encode(self, pieces: Sequence[np.ndarray]) -> torch.Tensor:
        """Return (pieces, frames, width) what the encoder hears."""
        features = self._extractor(list(pieces), sampling_rate=RATE, return_tensors="pt")["input_features"]
        with torch.inference_mode():
            encoder = self._network.get_encoder()
            heard: torch.Tensor = encoder(features.to(self._network.device, self._network.dtype))[0]
        return heard

    def _prompt(self, language: str | None = None, task: str | None = None) -> list[int]:
        """Return the tokens before the text."""
        settings, prompt = self._settings, [self._settings.decoder_start_token_id]
        if language is not None:
            prompt += [self._languages[language], settings.task_to_id[task]]
        return [*prompt, settings.no_timestamps_token_id]

    def _words(self, prompt: list[int], tokens: list[int], heard: torch.Tensor, seconds: float) -> list[Word]:
        """Return the words of one piece, which the network reads once more to see when it says them."""
        if not tokens:
            return []
        read = torch.tensor([[*prompt, *tokens]], device=heard.device)
        found = self._network(
            encoder_outputs=BaseModelOutput(heard), decoder_input_ids=read, output_attentions=True
        )
        before = len(prompt) - 1  # the row that foretells the first token
        shares = found.logits[0, before:-1].float().softmax(dim=-1).cpu().numpy()
        probabilities = shares[np.arange(len(tokens)), tokens]
        frames = max(min(round(seconds / _FRAME), heard.shape[1]), 1)
        attention = torch.stack([found.cross_attentions[layer][0, head] for layer, head in self._heads])
        starts = token_starts(attention[..., :frames].float().cpu().numpy(), before) * _FRAME
        return [
            Word(
                min(float(starts[first]), seconds),
                min(float(starts[stop]), seconds),
                text,
                float(probabilities[first:stop].mean()),
            )
            for text, first, stop in self._texts(tokens)
        ]

    def _texts(self, tokens: list[int]) -> Iterator[tuple[str, int, int]]:
        """Yield each word with its first token, and the one after the last of its letters.

        A word begins with a blank. Where no blanks are written, each character is one. A full stop lasts as
        long as the pause behind it, so it does not count.
        """
        text, first, stop = "", 0, 0
        pending: list[int] = []  # tokens of a character that is not complete
        for position, token in enumerate(tokens):
            pending.append(token)
            part = self._tokenizer.decode(pending)
            if part.endswith(_INCOMPLETE):
                continue
            begins = position + 1 - len(pending)
            if _begins_word(text, part):
                yield text.strip(), first, stop
                text = ""
            if not text.strip():
                first = begins
            if not text.strip() or any(map(str.isalnum, part)):
                stop = position + 1
            text, pending = text + part, []
        if text.strip(_NO_WORDS):
            yield text.strip(), first, stop


def _languages(settings: Any) -> dict[str, int]:
    """Return the tokens of the languages by code; empty for a model of English alone."""
    known = getattr(settings, "lang_to_id", None) if getattr(settings, "is_multilingual", True) else None
    return {name.strip("<|>"): token for name, token in (known or {}).items()}


def _later_heads(config: Any) -> list[tuple[int, int]]:
    """Return all heads of the later half of the decoder, as openai/whisper takes where none are known."""
    layers, heads = config.decoder_layers, config.decoder_attention_heads
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


def _begins_word(text: str, part: str) -> bool:
    """Return whether `part` begins another word than `text`: with a blank, or without, as its script does."""
    if part[:1].isspace():
        return bool(text.strip(_NO_WORDS))
    return is_written_without_blanks(part[:1]) and any(c.isalnum() for c in text)
