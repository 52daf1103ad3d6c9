"""The segmentation network on the newest seg_windows of streams, on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from diar.embedding.speech.band_excess import band_excess
from diar.embedding.speech.detector import ComputedSpeech, LocalActivity, SpeechDetector
from diar.embedding.transfer import HostCopy
from diar.models.segmentation.pyannet import PyanNet
from diar.online.hearing.front import Filters, Front
from diar.online.hearing.together import Together

_TOGETHER = 4  # seg_windows in one pass of the LSTM; more are no faster


class HopDetector:
    """A detector that hears several streams at once, each as if it were alone.

    Args:
        detector: with the network for hops, a PyanNet, on the CPU.
    """

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        self._network = cast(PyanNet, detector.network)
        self._filters = Filters(self._network.sincnet, detector.levels)
        lstm = self._network.lstm
        self._dtype = next(lstm.parameters()).dtype
        self._remembered = Together(lambda features: lstm(features)[0], _TOGETHER)

    @property
    def block(self) -> int:
        """Samples of the blocks that a `Front` filters."""
        return self._filters.block

    def warm_up(self) -> None:
        """Let the LSTM see as many whole seg_windows as go together."""
        frames = self._network.num_frames(self._detector.window)
        self._remembered.warm_up(torch.zeros(1, frames, self._network.lstm.input_size, dtype=self._dtype))

    def front(self) -> Front:
        """Return what a new stream keeps of its filtered blocks."""
        return self._filters.front(self._detector.window)

    def hear(
        self, fronts: Sequence[Front], windows: Sequence[tuple[np.ndarray, int, int]]
    ) -> list[LocalActivity]:
        """Return who speaks in one seg_window of each stream.

        Args:
            fronts: of the streams.
            windows: samples, `begin` and `start` as `Front.hear` takes them.
        """
        heard = [
            front.hear(torch.from_numpy(samples), begin, start)
            for front, (samples, begin, start) in zip(fronts, windows, strict=True)
        ]
        hidden = self._remembered([features.transpose(1, 2).to(self._dtype) for features, _ in heard])
        return [
            self._told(own, levels, len(samples) + begin - start)
            for own, (_, levels), (samples, begin, start) in zip(hidden, heard, windows, strict=True)
        ]

    def _told(self, hidden: Tensor, levels: Tensor, samples: int) -> LocalActivity:
        """Return who speaks in one seg_window of so many samples."""
        powerset, detector = self._network.powerset, self._detector
        output = self._network.aligned(self._network.output(hidden))
        probability, active = powerset.soft(output).clamp(0, 1), powerset.hard(output)
        speech = powerset.speech(output)
        excess = band_excess(levels[..., : speech.shape[1]], speech, detector.geometry.step_seconds)
        computed = ComputedSpeech(
            detector,
            torch.empty(1, samples),
            np.zeros(1, np.int64),
            samples,
            HostCopy(probability.unsqueeze(1)),
            HostCopy(active.unsqueeze(1)),
            HostCopy(speech),
            HostCopy(excess),
        )
        local = computed.told(None).local
        assert local is not None
        return local
