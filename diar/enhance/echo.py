"""Echo cancellation: what one side of a two-channel call holds of the other is taken away.

Each channel is the reference of the other. A filter of a third of a second predicts the echo; it is adapted
in the frequency domain, in partitions (Soo and Pang, "Multidelay block frequency domain adaptive filter",
IEEE TASSP 38, 1990). The step of each bin is that of a Kalman filter (Enzner and Vary, "Frequency-domain
adaptive Kalman filter for acoustic echo control in hands-free telephones", Signal Processing 86, 2006; in
partitions: Kuech et al., ICASSP 2014): while the near side talks, the error is large and the filter rests.
Nothing has to decide that both talk.

A reference must not hold the echo of the channel that it helps, or the filter would predict the channel's own
voice from its echo. So each channel's reference is the other one without echo.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

_BLOCK = 0.032  # seconds
_PARTITIONS = 10  # blocks of the filter
_ROUNDS = 2  # in a block: the second has references without echo
_KEPT = 0.999  # of the filter, from one block to the next; what is lost makes room for another path
_UNSURE = 0.02  # variance of the filter's bins before anything was heard
_TOLD = 0.2  # of what a block would tell of a bin, were the partitions of a voice not alike
_SLOW = 0.5  # of the error's power, kept from block to block
_CONTINUES = 0.7  # of the powers that tell whether the filter helps
_TINY = 1e-10


class EchoCanceller:
    """Both sides of one call. What comes out is as many samples, each at its place, up to a block later.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        self._size = 1 << round(np.log2(_BLOCK * rate))
        bins = self._size + 1
        self._kept = np.zeros((2, 0), np.float32)  # samples that make no block yet
        self._before = np.zeros((2, self._size), np.float32)
        self._sent = np.zeros((2, _PARTITIONS, bins), np.complex64)  # of the references, the latest first
        self._filter = np.zeros_like(self._sent)
        self._variance = np.full(self._sent.shape, _UNSURE, np.float32)
        self._error = np.zeros((2, bins), np.float32)  # power
        self._powers = np.zeros((2, 2), np.float32)  # of each channel, and of what is left of it
        self._share = np.ones(2, np.float32)  # of the predicted echo that is taken away
        self._count = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples (2, n) float32; return those that are complete, (2, m), from where the last ended."""
        samples = np.concatenate([self._kept, samples], axis=1)
        whole = samples.shape[1] // self._size * self._size
        self._kept = samples[:, whole:]
        made = np.empty((2, whole), np.float32)
        for start in range(0, whole, self._size):
            block = samples[:, start : start + self._size]
            made[:, start : start + self._size] = self._without_echo(block)
        return made

    def finish(self) -> np.ndarray:
        """Return the rest, with up to a block after the end of the signal."""
        return self.push(np.zeros((2, -self._kept.shape[1] % self._size), np.float32))

    def _without_echo(self, heard: np.ndarray) -> np.ndarray:
        """Return a block (2, size) without the echo that the filters predict; adapt them.

        Where a filter adds more than it takes away, its echo stays.
        """
        size = self._size
        self._sent = np.roll(self._sent, 1, axis=1)
        echo = np.zeros_like(heard)
        for _ in range(_ROUNDS):
            sent = (heard - self._share[:, None] * echo)[::-1]
            self._sent[:, 0] = np.fft.rfft(np.concatenate([self._before, sent], axis=1))
            echo = np.fft.irfft((self._filter * self._sent).sum(axis=1))[:, size:].astype(np.float32)
        self._before = sent
        left = heard - echo
        self._adapt(np.fft.rfft(np.pad(left, [(0, 0), (size, 0)])).astype(np.complex64))
        powers = np.stack([np.square(heard).mean(axis=1), np.square(left).mean(axis=1)])
        self._powers += (1 - _CONTINUES) * (powers - self._powers)
        share = np.where(self._powers[1] > self._powers[0], np.float32(0), np.float32(1))
        ramp = np.linspace(0, 1, size, endpoint=False, dtype=np.float32)
        by = self._share[:, None] + (share - self._share)[:, None] * ramp
        self._share = share
        return np.asarray(heard - by * echo)

    def _adapt(self, error: np.ndarray) -> None:
        """Move the filters by what is left, (2, bins), as far as it can come from the reference."""
        power = np.square(error.real) + np.square(error.imag)
        self._error = np.maximum(power, _SLOW * self._error + (1 - _SLOW) * power)
        sent = np.square(self._sent.real) + np.square(self._sent.imag)
        expected = (self._variance * sent).sum(axis=1) + self._error
        gain = self._variance / (expected[:, None] + _TINY)
        self._filter += gain * self._sent.conj() * error[:, None]
        self._constrain(self._count % _PARTITIONS)
        found = np.square(self._filter.real) + np.square(self._filter.imag)
        self._variance *= _KEPT**2 * (1 - _TOLD * gain * sent)
        self._variance += (1 - _KEPT**2) * found
        self._count += 1

    def _constrain(self, partition: int) -> None:
        """Let one partition be a block long, as all have to be: one after the other is enough."""
        taps = np.fft.irfft(self._filter[:, partition])
        taps[:, self._size :] = 0
        self._filter[:, partition] = np.fft.rfft(taps)


def without_echo(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Yield the blocks (2, n) of a call, each as long as it was, without what one side holds of the other."""
    canceller, sizes = EchoCanceller(rate), deque[int]()
    made = np.zeros((2, 0), np.float32)
    for block in blocks:
        sizes.append(block.shape[1])
        made = np.concatenate([made, canceller.push(block)], axis=1)
        while sizes and made.shape[1] >= sizes[0]:
            size = sizes.popleft()
            yield made[:, :size]
            made = made[:, size:]
    made = np.concatenate([made, canceller.finish()], axis=1)
    for size in sizes:
        yield made[:, :size]
        made = made[:, size:]
