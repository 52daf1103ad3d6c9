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
        self._exact: dict[
            tuple[int, ...], bool
        ] = {}  # by shape of a batch: it gives what each one alone does

    @property
    def block(self) -> int:
        """Samples of the blocks that a `Front` filters."""
        return self._filters.block

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
        hidden = self._remembered([features.transpose(1, 2) for features, _ in heard])
        return [
            self._told(own, levels, len(samples) + begin - start)
            for own, (_, levels), (samples, begin, start) in zip(hidden, heard, windows, strict=True)
        ]

    def _remembered(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the output of the LSTM, (1, frames, hidden), for features (1, frames, 60) of each window."""
        lstm = self._network.lstm
        found: dict[int, Tensor] = {}
        for length in sorted({own.shape[1] for own in features}):
            numbers = [number for number, own in enumerate(features) if own.shape[1] == length]
            for part in np.array_split(numbers, -(-len(numbers) // _TOGETHER)):
                given = torch.cat([features[number] for number in part]).to(next(lstm.parameters()).dtype)
                found.update(zip(part.tolist(), self._run(given).split(1), strict=True))
        return [found[number] for number in range(len(features))]

    def _run(self, features: Tensor) -> Tensor:
        """Return the LSTM's output for features (batch, frames, 60), the same as for each one alone.

        Whether a batch gives the same bits depends on the processor; it is tried once for each shape.
        """
        lstm, shape = self._network.lstm, tuple(features.shape)
        if len(features) == 1 or self._exact.get(shape, True):
            hidden: Tensor = lstm(features)[0]
            if len(features) == 1 or shape in self._exact:
                return hidden
        alone = torch.cat([lstm(own)[0] for own in features.split(1)])
        if shape not in self._exact:
            self._exact[shape] = torch.equal(hidden, alone)
        return alone

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
