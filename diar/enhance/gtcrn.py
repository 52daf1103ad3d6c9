"""GTCRN: a causal network that masks the noise of each frame's spectrum, by ONNX Runtime on the CPU.

Rong et al., "GTCRN: a speech enhancement model requiring ultralow computational resources",
ICASSP 2024. A frame of 32 ms every 16 ms; analysis and synthesis by the root of a Hann window, whose squares
add up to one at this hop, so that what the network leaves alone comes back as it was, and where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diar.enhance.errors import EnhancementError
from diar.enhance.sessions import open_session

RATE = 16_000
_FFT, _HOP = 512, 256  # samples
# What the network keeps from frame to frame: of its convolutions, attention over time, and recurrent layers
_STATES = {
    "conv_cache": (2, 1, 16, 16, 33),
    "tra_cache": (2, 3, 1, 1, 16),
    "inter_cache": (2, 1, 33, 16),
}
_WINDOW = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)


class Gtcrn:
    """The network; several threads may use one.

    Args:
        file: its weights, ONNX.
        threads: of the CPU, in a frame.

    Raises:
        EnhancementError: ONNX Runtime is missing, or the file is no such network.
    """

    def __init__(self, file: Path, threads: int = 1) -> None:
        self._session: Any = open_session(file, str(file), threads)
        if {one.name for one in self._session.get_inputs()} != {"mix", *_STATES}:
            raise EnhancementError(f"{file} is no GTCRN that goes frame by frame")

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (n,) float32 at 16 kHz without noise: as many, each at its place."""
        stream = self.stream()
        told = np.concatenate([stream.push(samples), stream.finish()])
        return told[: len(samples)]

    def stream(self) -> GtcrnStream:
        """Return what enhances audio that comes in blocks."""
        return GtcrnStream(self._session)


class GtcrnStream:
    """The state of one signal. What comes out is what `Gtcrn` makes of the whole, 256 samples later."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._states = {name: np.zeros(shape, np.float32) for name, shape in _STATES.items()}
        self._kept = np.zeros(_HOP, np.float32)  # samples whose frames are not complete
        self._tail = np.zeros(_HOP, np.float32)  # the second half of the last frame
        self._first = True  # the first frame begins before the signal, and half of it is dropped

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples (n,) float32 at 16 kHz; return those that are complete, from where the last ended."""
        samples = np.concatenate([self._kept, samples.astype(np.float32, copy=False)])
        count = max(0, (len(samples) - _HOP) // _HOP)
        self._kept = samples[count * _HOP :]
        if not count:
            return np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[::_HOP][:count]
        spectra = np.fft.rfft(frames * _WINDOW).astype(np.complex64)
        made = np.fft.irfft(self._masked(spectra), n=_FFT).astype(np.float32) * _WINDOW
        heads = made[:, :_HOP]
        heads[0] += self._tail
        heads[1:] += made[:-1, _HOP:]
        self._tail = made[-1, _HOP:].copy()
        begin, self._first = int(self._first), False
        return heads[begin:].reshape(-1)

    def finish(self) -> np.ndarray:
        """Return the rest, with up to 511 samples after the end of the signal."""
        return self.push(np.zeros(2 * _HOP, np.float32))

    def _masked(self, spectra: np.ndarray) -> np.ndarray:
        """Return spectra (frames, bins) complex without noise; the network goes from frame to frame."""
        found = np.empty_like(spectra)
        mix = np.empty((1, _FFT // 2 + 1, 1, 2), np.float32)
        for number, spectrum in enumerate(spectra):
            mix[0, :, 0, 0], mix[0, :, 0, 1] = spectrum.real, spectrum.imag
            clean, *states = self._session.run(None, {"mix": mix, **self._states})
            self._states = dict(zip(_STATES, states, strict=True))
            found[number] = clean[0, :, 0, 0] + 1j * clean[0, :, 0, 1]
        return found
