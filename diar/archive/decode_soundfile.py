"""Reading PCM files and FLAC through libsndfile: several times faster than FFmpeg.

Only these: there every sample's place is certain, and libsndfile says when it meets damage. In MP3 and Ogg it
drops damaged packets silently, so that all that follows comes too early (docs/decisions/003-decoders.md).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile as sf

from diar.archive.audio_file import BLOCK_SAMPLES, RATES, AudioFile, Channels, pick_channel
from diar.archive.audio_tracks import TrackChoice

log = logging.getLogger(__name__)

# First bytes of WAV (RIFF, RIFX, RF64), Wave64, AIFF, AU, CAF, NIST Sphere, FLAC
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff", b"NIST_1A", b"fLaC")
SUFFIXES = (".wav", ".wave", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".sph", ".flac")
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's answer for a FLAC stream that does not tell
_PLACEHOLDER = 0x7FFF_0000  # data sizes from here are what streaming writers put in, not a promise
_CUT_SHORT = re.compile(r"data : (\d+) \(should be (\d+)\)")  # libsndfile's remark: header, file


class SoundfileReader:
    """Reads one file; a context manager.

    Attributes:
        rate: Hz.
        channels: of the file.
        layout: names of the channels, empty: libsndfile does not tell.
        track: the only one, and what is to be said of it.
        held: samples that libsndfile expects to read.
        promised: samples that the header counts, more than `held` if the file was cut.
        gaps: always empty; reading ends at the first damage.
    """

    def __init__(self, sound: sf.SoundFile) -> None:
        self._sound = sound
        self.rate: int = sound.samplerate
        self.channels: int = sound.channels
        self.layout: tuple[str, ...] = ()
        self.track = TrackChoice()
        self.held: int = sound.frames
        self.promised: int = sound.frames + _cut_off(sound)
        self.gaps: list[tuple[int, int]] = []

    @classmethod
    def try_open(cls, file: AudioFile) -> SoundfileReader | None:
        """Open `file`, or None where FFmpeg should read it."""
        if not file.head.startswith(_MAGIC):
            return None
        try:
            source = os.fsencode(file.content) if isinstance(file.content, Path) else file.open()
            sound = sf.SoundFile(source)
        except sf.LibsndfileError as error:
            log.debug("%s: libsndfile: %s", file.url, error)
            return None
        if not 0 < sound.frames < _UNKNOWN_FRAMES or sound.samplerate not in RATES:
            sound.close()  # the header was never completed, or is damaged
            return None
        return cls(sound)

    def __enter__(self) -> SoundfileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sound.close()

    def header_seconds(self) -> float:
        """Duration by the header, seconds."""
        return self.held / self.rate

    def blocks(self, start: int, stop: int | None, channel: Channels) -> Iterator[np.ndarray]:
        """Samples [start, stop) of `pick_channel`'s choice, in blocks (n,) float32.

        Ends early at the end of the file and at damage.
        """
        size = max(1, BLOCK_SAMPLES // self.channels)
        position = start
        try:
            if start:
                self._sound.seek(start)
            while stop is None or position < stop:
                wanted = size if stop is None else min(size, stop - position)
                block = self._sound.read(wanted, dtype="float32", always_2d=True)
                if not len(block):
                    return
                position += len(block)
                yield pick_channel(block.T, channel)
        except sf.LibsndfileError as error:
            log.debug("%s: libsndfile at sample %d: %s", self._sound.name, position, error)


def _cut_off(sound: sf.SoundFile) -> int:
    """Samples by which the data of a WAV is shorter than its header says."""
    remark = _CUT_SHORT.search(sound.extra_info)
    if remark is None:
        return 0
    claimed, there = int(remark[1]), int(remark[2])
    return round(sound.frames * (claimed - there) / there) if there < claimed < _PLACEHOLDER else 0
