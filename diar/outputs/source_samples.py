"""The samples of a file as they are: all channels, at the file's rate, without conversion.

WAV, AIFF, FLAC and their relatives are read exactly. What only FFmpeg decodes (MP3, AAC, video, damaged
files) becomes 24-bit PCM, which holds lossless codecs of up to 24 bits exactly. Both count time as stage 1
did, by the same decoders; gaps in a damaged file are zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import soundfile as sf

from diar.archive.audio_file import BLOCK_SAMPLES, AudioFile, DecodeError
from diar.archive.decoders.raw import open_by_ffmpeg
from diar.archive.decoders.soundfile import SoundfileReader

# Coding that libsndfile reads → coding of a WAV file without loss; all others become PCM_24
_SUBTYPES = {
    **{name: name for name in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")},
    **dict.fromkeys(("ALAC_16", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "VOX_ADPCM"), "PCM_16"),
    "PCM_S8": "PCM_U8",
    "ALAC_32": "PCM_32",
}
_DTYPES = {"FLOAT": "float32", "DOUBLE": "float64"}  # all others as int32, full scale = 32 bits


class SourceSamples:
    """One audio file; `blocks` reads it once.

    Attributes:
        rate: Hz.
        channels: of the file.
        subtype: libsndfile's name of a WAV coding that holds `blocks` without loss.
    """

    def __init__(self, url: str, track: int = 0) -> None:
        """Read the file's header.

        Args:
            url: of the file.
            track: which of its audio tracks.

        Raises:
            DecodeError: it is missing, unreadable or holds no audio.
        """
        self._file = AudioFile.find(url)
        self._track = str(track)
        self._native = SoundfileReader.try_open(self._file)
        with self._native or open_by_ffmpeg(self._file, self._track) as reader:
            self.rate, self.channels = reader.rate, reader.channels
        self.subtype = "PCM_24"
        if self._native is not None:
            self.subtype = _SUBTYPES.get(self._native.sound.subtype, "PCM_24")
        self.dtype = _DTYPES.get(self.subtype, "int32")

    def blocks(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yield samples [start, stop) in blocks (n, channels) of `dtype`; end early where the file does.

        Raises:
            DecodeError: FFmpeg cannot decode it.
        """
        position = start
        if self._native is not None:
            self._unread = True
            for block in self._native_blocks(start, stop):
                position += len(block)
                yield block
            if position >= stop or not self._unread:
                return
        try:
            yield from self._decoded_blocks(position, stop)
        except DecodeError:
            if position == start:
                raise  # else libsndfile has read all that lies before the damage

    def _native_blocks(self, start: int, stop: int) -> Iterator[np.ndarray]:
        size = max(1, BLOCK_SAMPLES // self.channels)
        reader = SoundfileReader.try_open(self._file)
        if reader is None:
            return
        with self._file.reading(), reader:
            sound = reader.sound
            try:
                if start:
                    sound.seek(min(start, sound.frames))
                while start < stop:
                    block = sound.read(min(size, stop - start), dtype=self.dtype, always_2d=True)
                    if not len(block):
                        self._unread = start < reader.held or reader.more_follows()
                        return
                    start += len(block)
                    yield block
            except sf.LibsndfileError:
                return  # damaged from here on

    def _decoded_blocks(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yield blocks of all channels, by one decoder a channel: a decoder reads one channel at a time."""
        with ExitStack() as stack:
            readers = [
                stack.enter_context(open_by_ffmpeg(self._file, self._track)) for _ in range(self.channels)
            ]
            streams = [reader.blocks(start, stop, channel) for channel, reader in enumerate(readers)]
            for block in zip(*streams, strict=True):
                yield self._converted(np.column_stack(block))

    def _converted(self, samples: np.ndarray) -> np.ndarray:
        """Convert float32 in ±1 to `dtype`; what is not finite becomes zero."""
        if self.dtype != "int32":
            return samples.astype(self.dtype)
        scaled = np.round(np.nan_to_num(samples.astype(np.float64), posinf=0, neginf=0) * 2.0**31)
        return np.clip(scaled, -(2**31), 2**31 - 1).astype(np.int32)
