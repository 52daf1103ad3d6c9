"""A second segmentation network, asked where the first hears nobody although there is sound.

The networks miss different things. segmentation-3.0 misses laughter and far voices, which its forerunner of
2022 hears; the forerunner bridges pauses and takes music for speech. So the second network is asked only
about sound well above the noise floor that the first one calls silence, which is rare in clean talk, and the
opinions of both are averaged (decision 053).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from diar.embedding.speech.seg_windows import window_frames
from diar.embedding.speech.silence import lasting
from diar.models.device import place
from diar.models.encoders.base import ModelError
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.packed import PackedPyanNet
from diar.models.segmentation.pyannet import PyanNet

STEP = 2.0  # most seconds between two of its windows
_DOUBT = 0.4  # probability of speech by the first network below which …
_LOUD = 5.0  # … and dB above the floor from which …
_LEAST_SECONDS = 0.2  # … for so long the second is asked
_WEIGHT = 0.7  # of the second in the mean of both in logits …
_BIAS = 0.2  # … to which this is added: there is sound, after all
_CLIP = 0.005  # probabilities nearer to 0 and 1 say no more
_WINDOWS_AT_ONCE = {"cuda": 384, "cpu": 12}


class _Question(NamedTuple):
    """What the second network is asked about equally long chunks."""

    samples: torch.Tensor  # (batch, samples), on the device
    first: np.ndarray  # (batch, frames) probability of speech by the first network
    asked: np.ndarray  # (batch, windows) bool
    starts: np.ndarray  # (windows,) sample of the chunk at which each seg_window starts
    seen: np.ndarray  # (windows, frames) frames of the chunk that each seg_window sees
    size: int  # samples of a seg_window

    def windows(self) -> list[torch.Tensor]:
        """Return the samples (size,) of each seg_window that is asked about."""
        places = ((item, self.starts[window]) for item, window in np.argwhere(self.asked))
        return [self.samples[item, start : start + self.size] for item, start in places]

    def runs(self) -> Iterator[tuple[torch.Tensor, list[int], int]]:
        """Yield the part of a chunk (1, samples) that seg_windows cover without a gap, their starts, size."""
        for item, asked in enumerate(self.asked):
            starts = self.starts[asked]
            for run in np.split(starts, np.flatnonzero(np.diff(starts) > self.size) + 1):
                if len(run):
                    part = self.samples[item : item + 1, run[0] : run[-1] + self.size]
                    yield part, (run - run[0]).tolist(), self.size


class SecondOpinion:
    """The second network on one device.

    Args:
        model: with the frames of the first network.
        device: where it computes; `device.place` verifies it.
        everywhere: ask it about all seg_windows.

    Raises:
        ModelError: another network than PyanNet.
    """

    def __init__(self, model: SegmentationModel, device: torch.device, *, everywhere: bool) -> None:
        if not isinstance(model.network, PyanNet):
            raise ModelError(f"`second_segmentation={model.name}`: only a PyanNet gives a second opinion")
        self._network = place(model.network, device)
        self._frames = model.network.frames
        self._window = model.seg_window_samples
        self._step = round(STEP * model.sample_rate)
        self._everywhere = everywhere
        self._at_once = _WINDOWS_AT_ONCE[device.type]
        self._packed = PackedPyanNet(self._network, self._at_once * self._window)
        # The host waits for the answer; it comes before what the GPU has queued for the next pass
        self._stream = torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None

    def speech(self, samples: torch.Tensor, first: np.ndarray, excess: np.ndarray) -> np.ndarray:
        """Return the probability of speech by both networks, (batch, frames).

        Args:
            samples: (batch, samples) of the chunks, on the device.
            first: (batch, frames) probability of speech by the first network.
            excess: (batch, frames) dB above the noise floor.
        """
        return self.speech_of([(samples, first, excess)])[0]

    def speech_of(self, groups: Sequence[tuple[torch.Tensor, np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        """Return what `speech` returns for each group of equally long chunks; all are asked about at once."""
        questions = [self._question(*group) for group in groups]
        said = iter(self._run(questions))
        return [
            self._both(question, [next(said) for _ in range(question.asked.sum())]) for question in questions
        ]

    def _question(self, samples: torch.Tensor, first: np.ndarray, excess: np.ndarray) -> _Question:
        size = min(self._window, samples.shape[1])
        starts = window_frames(samples.shape[1], size, self._step, self._frames.step)
        seen = starts[:, None] + np.arange(self._frames.num_frames(size))
        seen = np.minimum(seen, first.shape[1] - 1)  # seg_windows of another length may end a frame later
        asked = self._asked(first, excess, seen)
        return _Question(samples, first, asked, starts * self._frames.step, seen, size)

    def _both(self, question: _Question, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Return the probability of speech by both networks, (batch, frames)."""
        first, seen = question.first, question.seen
        if not answers:
            return first
        from scipy.special import expit  # takes 0.1 s to import; clean speech raises no question

        total, times = np.zeros_like(first), np.zeros_like(first)
        for (item, window), said in zip(np.argwhere(question.asked), answers, strict=True):
            total[item, seen[window]] += said
            times[item, seen[window]] += 1
        windows = np.bincount(seen.ravel(), minlength=first.shape[1])
        complete = (times == windows) & (times > 0)  # near its end a seg_window is less reliable
        second = np.divide(total, times, out=np.zeros_like(total), where=complete)
        both = expit((1 - _WEIGHT) * _logit(first) + _WEIGHT * _logit(second) + _BIAS)
        return np.where(complete, both, first)

    def _asked(self, first: np.ndarray, excess: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return (batch, windows) bool: the seg_windows that the second network is asked about."""
        if self._everywhere:
            return np.ones((len(first), len(seen)), bool)
        least = round(_LEAST_SECONDS / self._frames.step_seconds)
        doubt = lasting((first < _DOUBT) & (excess > _LOUD), least)
        return np.asarray(doubt[:, seen].any(axis=-1))

    def _run(self, questions: Sequence[_Question]) -> list[np.ndarray]:
        """Return the probability of speech (frames,) in each seg_window that is asked about."""
        found: list[np.ndarray] = []
        with torch.cuda.stream(self._stream):
            for output in self._outputs(questions):
                found.extend(self._network.powerset.speech(output).float().cpu().numpy())
        return found

    def _outputs(self, questions: Sequence[_Question]) -> Iterator[torch.Tensor]:
        """Yield the aligned output of the network for all seg_windows in turn, (n, frames, classes).

        On a GPU, filtering once a chunk would cost more memory traffic than it saves.
        """
        asked = [question for question in questions if question.asked.any()]
        if not asked:
            return
        several = len({question.size for question in asked}) > 1
        if asked[0].samples.device.type == "cpu":
            runs = [self._network.features_of_windows(*run) for question in asked for run in question.runs()]
            if several:
                outputs = self._packed.of_features([one for run in runs for one in run])
                yield from (output.unsqueeze(0) for output in outputs)
            else:
                for features in torch.cat(runs).split(self._at_once):
                    yield self._network.aligned(self._network.classify(features))
            return
        windows = [window for question in asked for window in question.windows()]
        if several:
            yield from (output.unsqueeze(0) for output in self._packed(windows))
        else:
            for part in range(0, len(windows), self._at_once):
                together = torch.stack(windows[part : part + self._at_once])
                yield self._network.aligned(self._network(together))


def _logit(probability: np.ndarray) -> np.ndarray:
    from scipy.special import logit

    return np.asarray(logit(np.clip(probability, _CLIP, 1 - _CLIP)))
