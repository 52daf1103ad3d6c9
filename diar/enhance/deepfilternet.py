"""DeepFilterNet3: gains for bands, then a filter over frames for the lower bins; by ONNX Runtime on the CPU.

H. Schröter et al., "DeepFilterNet: Perceptually motivated real-time speech enhancement", Interspeech 2023. It
works at 48 kHz in frames of 20 ms every 10 ms, and sees two frames ahead. The published networks keep their
recurrent state to themselves, so a signal goes through them in sections of twenty seconds, each with the
eight before it as context: blocks of any size give the same.
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import numpy as np
import soxr

from diar.enhance.errors import EnhancementError
from diar.enhance.sessions import open_session
from diar.errors import explain

RATE, NETWORK_RATE = 16_000, 48_000
ARCHIVE = "denoiser.tar.gz"  # as it is published
_FILES = ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")  # in it, in any folder
_MOST_BYTES = 100_000_000  # of one of them
_FFT, _HOP = 960, 480  # samples at 48 kHz
_BANDS, _BINS, _ORDER, _AHEAD = (
    32,
    96,
    5,
    2,
)  # of gains; of the filter, its frames, and those after the middle
_LEAST_BINS = 2  # of a band
_KEEP = 0.99  # of the running means that features are normalised by, from frame to frame
_SECTION, _CONTEXT = 2_000, 800  # frames
_SINE = np.sin(np.pi * (np.arange(_FFT) + 0.5) / _FFT)
_WINDOW = np.sin(0.5 * np.pi * _SINE**2).astype(np.float32)  # Vorbis's; its squares add up to one
_SCALE = np.float32(2 * _HOP / _FFT**2)  # of the spectrum that features are made of


class DeepFilterNet:
    """The networks; several threads may use them.

    Args:
        file: the archive of the networks.
        threads: of the CPU.

    Raises:
        EnhancementError: ONNX Runtime is missing, or the file holds no such networks.
    """

    def __init__(self, file: Path, threads: int = 1) -> None:
        files = _read(file).items()
        sessions = [open_session(content, f"{file}: {name}", threads) for name, content in files]
        self._encoder, self._bands, self._filter = sessions
        if {one.name for one in self._encoder.get_inputs()} != {"feat_erb", "feat_spec"}:
            raise EnhancementError(f"{file} holds no DeepFilterNet3")
        self.edges = np.concatenate([[0], np.cumsum(band_widths())])

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (n,) float32 at 16 kHz without noise: as many, each at its place."""
        stream = self.stream()
        told = np.concatenate([stream.push(samples), stream.finish()])
        return told[: len(samples)]

    def stream(self) -> DeepFilterNetStream:
        """Return what enhances audio that comes in blocks."""
        return DeepFilterNetStream(self)

    def gains_and_filters(self, bands: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return gains (frames, 32) and filters (frames, 96, 5) complex of features.

        Args:
            bands: (frames, 32) float32.
            bins: (frames, 96) complex64.
        """
        planes = np.stack([bins.real, bins.imag])[None].astype(np.float32)
        given = {"feat_erb": bands[None, None].astype(np.float32), "feat_spec": planes}
        e0, e1, e2, e3, inner, c0, _ = self._encoder.run(None, given)
        (gains,) = self._bands.run(None, {"emb": inner, "e3": e3, "e2": e2, "e1": e1, "e0": e0})
        filters = self._filter.run(["coefs"], {"emb": inner, "c0": c0})[0]
        pairs = np.asarray(filters, np.float32).reshape(len(bands), _BINS, _ORDER, 2)
        return gains.reshape(len(bands), _BANDS), pairs[..., 0] + 1j * pairs[..., 1]


class DeepFilterNetStream:
    """The state of one signal. What comes out is what `DeepFilterNet` makes of the whole, 20 s later."""

    def __init__(self, networks: DeepFilterNet) -> None:
        self._networks = networks
        self._up = soxr.ResampleStream(RATE, NETWORK_RATE, 1, "float32")
        self._down = soxr.ResampleStream(NETWORK_RATE, RATE, 1, "float32")
        self._kept = np.zeros(_FFT - _HOP, np.float32)  # samples whose frames are not complete
        self._spectra = np.zeros(
            (0, _FFT // 2 + 1), np.complex64
        )  # from `_CONTEXT` frames before the section on
        self._bands = np.zeros((0, _BANDS), np.float32)
        self._bins = np.zeros((0, _BINS), np.complex64)
        self._band_mean = np.linspace(-60, -90, _BANDS)
        self._bin_mean = np.linspace(1e-3, 1e-4, _BINS)
        self._context = 0  # frames before the section
        self._tail = np.zeros(_HOP, np.float32)
        self._first = True

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples (n,) float32 at 16 kHz; return those that are complete, from where the last ended."""
        self._hear(np.asarray(self._up.resample_chunk(samples.astype(np.float32, copy=False)), np.float32))
        made = []
        while len(self._spectra) - self._context >= _SECTION + _AHEAD:
            made.append(self._section(_SECTION))
        return self._told(np.concatenate(made) if made else np.zeros(0, np.float32), last=False)

    def finish(self) -> np.ndarray:
        """Return the rest, with samples after the end of the signal."""
        rest = np.asarray(self._up.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)
        self._hear(np.concatenate([rest, np.zeros((_AHEAD + 2) * _HOP, np.float32)]))
        left = len(self._spectra) - self._context - _AHEAD
        made = []
        while left > 0:
            made.append(self._section(min(left, _SECTION)))
            left -= _SECTION
        return self._told(np.concatenate(made) if made else np.zeros(0, np.float32), last=True)

    def _told(self, made: np.ndarray, *, last: bool) -> np.ndarray:
        return np.asarray(self._down.resample_chunk(made, last=last), np.float32)

    def _hear(self, samples: np.ndarray) -> None:
        """Add the frames that samples at 48 kHz complete."""
        samples = np.concatenate([self._kept, samples])
        count = max(0, (len(samples) - _FFT) // _HOP + 1)
        self._kept = samples[count * _HOP :]
        if not count:
            return
        frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[::_HOP][:count]
        spectra = (np.fft.rfft(frames * _WINDOW) * _SCALE).astype(np.complex64)
        self._spectra = np.concatenate([self._spectra, spectra])
        self._bands = np.concatenate([self._bands, self._band_features(spectra)])
        self._bins = np.concatenate([self._bins, self._bin_features(spectra[:, :_BINS])])

    def _band_features(self, spectra: np.ndarray) -> np.ndarray:
        edges = self._networks.edges
        power = np.add.reduceat(spectra.real**2 + spectra.imag**2, edges[:-1], axis=1) / np.diff(edges)
        level = 10 * np.log10(power + 1e-10)
        for frame in level:
            self._band_mean = frame * (1 - _KEEP) + self._band_mean * _KEEP
            frame -= self._band_mean
        return (level / 40).astype(np.float32)

    def _bin_features(self, spectra: np.ndarray) -> np.ndarray:
        features, size = spectra.copy(), np.abs(spectra)
        for frame, own in zip(features, size, strict=True):
            self._bin_mean = own * (1 - _KEEP) + self._bin_mean * _KEEP
            frame /= np.sqrt(self._bin_mean)
        return features

    def _section(self, count: int) -> np.ndarray:
        """Return samples at 48 kHz of the next `count` frames; keep the context of those behind them."""
        begin, end = self._context, self._context + count
        # What the networks say after frame t is of frame t - 2: they have seen two more
        gains, filters = self._networks.gains_and_filters(
            self._bands[: end + _AHEAD], self._bins[: end + _AHEAD]
        )
        gains, filters = gains[begin + _AHEAD :], filters[begin + _AHEAD :]
        clean = self._spectra[begin:end] * np.repeat(gains, np.diff(self._networks.edges), axis=1)
        low = self._spectra[:, :_BINS]
        padded = np.concatenate([np.zeros((max(0, _AHEAD - begin), _BINS), np.complex64), low])
        first = begin - _AHEAD + max(0, _AHEAD - begin)  # of the frames that the first one is filtered from
        clean[:, :_BINS] = sum(
            padded[first + k : first + k + count] * filters[:, :, k] for k in range(_ORDER)
        )
        drop = max(0, end - _CONTEXT)
        self._spectra, self._bands = self._spectra[drop:], self._bands[drop:]
        self._bins = self._bins[drop:]
        self._context = end - drop
        return self._joined(clean)

    def _joined(self, spectra: np.ndarray) -> np.ndarray:
        """Return the samples of frames, which overlap by half; the first frame begins before the signal."""
        made = np.fft.irfft(spectra / _SCALE, n=_FFT).astype(np.float32) * _WINDOW
        heads = made[:, :_HOP]
        heads[0] += self._tail
        heads[1:] += made[:-1, _HOP:]
        self._tail = made[-1, _HOP:].copy()
        begin, self._first = int(self._first), False
        return heads[begin:].reshape(-1)


def _read(file: Path) -> dict[str, bytes]:
    """Return the networks' files by name, in the order of `_FILES`; nothing is unpacked to disk."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in _FILES and member.isfile() and member.size <= _MOST_BYTES:
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    found[name] = content.read()
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise EnhancementError(f"{file} cannot be read: {explain(error)}") from None
    if missing := [name for name in _FILES if name not in found]:
        raise EnhancementError(f"{file} holds no DeepFilterNet3: it lacks {', '.join(missing)}")
    return {name: found[name] for name in _FILES}


def band_widths() -> np.ndarray:
    """Return the bins of each band: equally wide on the ERB scale, two at least.

    B. Moore and B. Glasberg, "A model of loudness perception applied to cochlear hearing loss", Auditory
    Neuroscience, 1997; summed as DeepFilterNet sums them.
    """
    top = 9.265 * np.log1p(NETWORK_RATE / 2 / (24.7 * 9.265))
    borders = 24.7 * 9.265 * (np.exp(top * np.arange(1, _BANDS + 1) / _BANDS / 9.265) - 1)
    widths, before, over = np.zeros(_BANDS, np.int64), 0, 0
    for band, border in enumerate(np.round(borders / (NETWORK_RATE / _FFT)).astype(int).tolist()):
        wanted = border - before - over
        widths[band] = max(wanted, _LEAST_BINS)
        over, before = max(0, _LEAST_BINS - wanted), border
    widths[-1] += _FFT // 2 + 1 - widths.sum()
    return widths
