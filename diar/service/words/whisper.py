"""Whisper for live words: speech of a few seconds is heard with half of the silence after it.

Whisper is trained on half minutes, and takes as long for five seconds as for thirty. With a quarter of a
minute in all it errs no more on pieces of up to ten seconds, and takes a third of the time (decision 077).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diar.asr.faster_whisper import FasterWhisper
from diar.asr.open import open_recogniser
from diar.asr.recogniser import Recogniser
from diar.models.weights.hub import resolve

SHORT = 10.0  # seconds of a piece up to which the short context does
FRAMES = 1_500  # of 10 ms, of the short context


class LiveWhisper(FasterWhisper):
    """A Whisper of CTranslate2 that hears short pieces with less silence.

    Args:
        folder, name, given: see `FasterWhisper`.
        short: seconds of a piece that gets the short context.
        frames: of 10 ms, of that context.
    """

    def __init__(
        self, folder: Path, name: str, *, short: float = SHORT, frames: int = FRAMES, **given: Any
    ) -> None:
        super().__init__(folder, name, **given)
        from faster_whisper import BatchedInferencePipeline

        class ShortContext(BatchedInferencePipeline):
            def forward(
                self, features: Any, tokenizer: Any, chunks_metadata: list[dict[str, Any]], options: Any
            ) -> Any:
                if max(float(chunk["duration"]) for chunk in chunks_metadata) <= short:
                    features = features[..., :frames]
                return super().forward(features, tokenizer, chunks_metadata, options)

        self._batched = ShortContext(self._model)


def open_live(asr: str, device: str, threads: int) -> Recogniser:
    """Open a recogniser for live words: greedy, since each hypothesis is soon replaced.

    Raises:
        DiarError: as `diar.asr.open.open_recogniser`.
    """
    folder = resolve(asr, "asr")
    if not (folder / "model.bin").is_file():
        return open_recogniser(asr, device=device, threads=threads, beam_size=1)
    return LiveWhisper(folder, folder.name, device=device, threads=threads, beam_size=1)
