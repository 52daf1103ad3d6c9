"""Reading PCM files and FLAC through libsndfile: several times faster than FFmpeg.

In these formats every sample's place is certain, and libsndfile reports damage. In MP3 and Ogg it drops
damaged packets silently, and the audio after them comes too early (docs/decisions/003-decoders.md).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import soundfile as sf

from diar.archive.audio_file import BLOCK_SAMPLES, RATES, AudioFile, Channels, Note, pick_channel
from diar.archive.audio_tracks import TrackChoice
from diar.archive.decoders.pcm_extent import UNTOLD, Extent, find_extent
from diar.archive.decoders.raw_frames import kind_in_riff
from diar.archive.decoders.tags import FileBytes

log = logging.getLogger(__name__)

# First bytes of WAV (RIFF, RIFX, RF64), Wave64, AIFF, AU, CAF, NIST Sphere, FLAC
_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff", b"NIST_1A", b"fLaC")
SUFFIXES = (".wav", ".wave", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".sph", ".flac")
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's answer for a FLAC stream that does not tell its length
_HEADER = 512  # bytes beside the samples that may be the header alone
_ROUNDING = 0.005  # seconds that do not matter
_JOINT = 1 << 17  # bytes that libFLAC may have read ahead
_FLAC = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # a header with its stream information
_Source = bytes | int | BinaryIO
_WIDTHS = {  # bytes of an uncompressed sample
    **{"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4},
    **{"FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1},
}
_CUT_SHORT = re.compile(r"data : (\d+) \(should be (\d+)\)")  # libsndfile's remark: header, file


class _Spliced:
    """A file object for libsndfile: `head`, then bytes [start, end) of another file."""

    def __init__(self, handle: BinaryIO, head: bytes, start: int, end: int) -> None:
        self._handle, self._head = handle, head
        self._shift = start - len(head)
        self._size = end - self._shift
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place, as in any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the place, as in any file."""
        return self._position

    def read(self, count: int = -1) -> bytes:
        """Read bytes, as in any file."""
        position = self._position
        stop = self._size if count < 0 else min(self._size, position + count)
        content = self._head[position:stop]
        if stop > position + len(content):
            self._handle.seek(position + len(content) + self._shift)
            content += self._handle.read(stop - position - len(content))
        self._position += len(content)
        return content


class SoundfileReader:
    """Reads one file; a context manager.

    Attributes:
        sound: the file as libsndfile sees it.
        rate: Hz.
        channels: of the file.
        layout: names of the channels; empty, because libsndfile does not tell.
        track: the only one, with a note if another was wanted.
        held: samples that can be read; more than the header counts if the file holds more.
        promised: samples that the header counts; more than `held` if the file was cut.
        begin: sample at which the audio begins, always 0.
        gaps: always empty; reading ends at the first damage.
        notes: what is unusual.
    """

    begin = 0

    def __init__(
        self, file: AudioFile, sound: sf.SoundFile, source: _Source, cut_off: int, notes: list[Note]
    ) -> None:
        self._file = file
        self._source = source
        self.sound = sound
        self.rate: int = sound.samplerate
        self.channels: int = sound.channels
        self.layout: tuple[str, ...] = ()
        self.track = TrackChoice()
        self.held: int = sound.frames
        self.promised: int = sound.frames + cut_off
        self.gaps: list[tuple[int, int]] = []
        self.notes = notes

    @classmethod
    def try_open(cls, file: AudioFile) -> SoundfileReader | None:
        """Open `file`; return None if FFmpeg should read it."""
        if not file.head.startswith(_MAGIC) or kind_in_riff(file) is not None:
            return None
        try:
            source = _source(file)
            sound = _opened(file, source)
            remark = _CUT_SHORT.search(sound.extra_info)
            cut_off = _cut_off(sound.frames, int(remark[1]), int(remark[2])) if remark else 0
            sound, notes = _with_all_it_holds(file, sound, sure=remark is None)
        except sf.LibsndfileError as error:
            log.debug("%s: libsndfile: %s", file.url, error)
            return None
        usable = 0 < sound.frames < _UNKNOWN_FRAMES and sound.samplerate in RATES
        if not usable or sound.subtype.startswith("MPEG"):  # never completed, damaged, or MP3 in a WAV
            sound.close()
            return None
        return cls(file, sound, source, cut_off, notes)

    def __enter__(self) -> SoundfileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sound.close()

    def more_follows(self) -> bool:
        """Return whether another FLAC file was joined to the end, where libsndfile stops without notice."""
        source = self._source
        if self.sound.format != "FLAC" or isinstance(source, bytes):
            return False
        read = os.lseek(source, 0, os.SEEK_CUR) if isinstance(source, int) else source.tell()
        with self._file.open() as handle:
            handle.seek(max(8, read - _JOINT))
            before = b""
            while block := handle.read(_JOINT):
                if _FLAC.search(before + block):
                    self.notes.append(
                        Note("part", None, "it consists of several FLAC files that were joined")
                    )
                    return True
                before = block[-8:]
        return False

    def header_seconds(self) -> float:
        """Return the seconds by the header."""
        return self.held / self.rate

    def blocks(self, start: int, stop: int | None, channel: Channels) -> Iterator[np.ndarray]:
        """Yield samples [start, stop) of `pick_channel`'s choice, in blocks (n,) float32.

        The blocks end early at the end of the file and at damage.
        """
        size = max(1, BLOCK_SAMPLES // self.channels)
        position = start
        try:
            if start:
                self.sound.seek(start)
            while stop is None or position < stop:
                wanted = size if stop is None else min(size, stop - position)
                block = self.sound.read(wanted, dtype="float32", always_2d=True)
                if not len(block):
                    return
                position += len(block)
                yield pick_channel(block.T, channel)
        except sf.LibsndfileError as error:
            log.debug("%s: libsndfile at sample %d: %s", self.sound.name, position, error)


def _source(file: AudioFile) -> _Source:
    """Return what libsndfile opens: a name, a file descriptor that tells how far it has read, or bytes."""
    if not isinstance(file.content, Path):
        return file.open()
    if file.head.startswith(b"fLaC"):
        return os.open(file.content, os.O_RDONLY | os.O_CLOEXEC)
    return os.fsencode(file.content)


def _opened(file: AudioFile, source: _Source) -> sf.SoundFile:
    """Open a file by libsndfile; without the bytes behind the samples if libsndfile fails at those."""
    try:
        return sf.SoundFile(source)
    except sf.LibsndfileError:
        with file.open() as handle:
            extent = find_extent(FileBytes(handle, block=4096), noisy=False)
        if extent is None or extent.start == extent.counted:
            raise
        return sf.SoundFile(_Spliced(file.open(), b"", 0, extent.counted))


def _with_all_it_holds(file: AudioFile, sound: sf.SoundFile, sure: bool) -> tuple[sf.SoundFile, list[Note]]:
    """Return the file opened with all its samples, also those that its header does not count, and notes."""
    width = _WIDTHS.get(sound.subtype, 0) * sound.channels
    told = sure and width and file.size - sound.frames * width <= _HEADER
    if told or sound.format == "FLAC" or sound.samplerate not in RATES:
        return sound, []
    with file.open() as handle:
        data = FileBytes(handle, block=4096)
        extent = find_extent(data, noisy=not width)
        if extent is None or extent.end == extent.start or not _agree(extent, sound.frames, width):
            return sound, []
        header = bytearray(data.at(0, extent.start))
    if extent.left_out:
        text = f"{extent.left_out} bytes behind the samples that its header counts do not look like audio"
        return sound, [Note("header", None, text + ": left out")]
    whole = _reopened(file, sound, header, extent, width)
    counted = (extent.counted - extent.start) / (extent.end - extent.start) * whole.frames
    if abs(whole.frames - sound.frames) <= _ROUNDING * sound.samplerate:
        whole.close()
        return sound, []
    sound.close()
    more = (whole.frames - counted) / whole.samplerate
    if extent.counted == extent.start:
        return whole, [Note("header", None, "its header does not tell how long it is: read to its end")]
    counts = f"its header counts {counted / whole.samplerate:.2f} s, the file holds {more:.2f} s more"
    return whole, [Note("header", None, counts + ": read to its end")]


def _agree(extent: Extent, frames: int, width: int) -> bool:
    """Return whether libsndfile's number of `frames` is what the header was found to count."""
    counted = extent.counted - extent.start
    return not width or not counted or counted // width == frames


def _reopened(
    file: AudioFile, sound: sf.SoundFile, header: bytearray, extent: Extent, width: int
) -> sf.SoundFile:
    """Open the samples of an extent as raw PCM; compressed samples with a corrected header."""
    if width:
        source = _Spliced(file.open(), b"", extent.start, extent.end)
        endian = "BIG" if _is_big_endian(sound) else "LITTLE"
        return sf.SoundFile(source, "r", sound.samplerate, sound.channels, sound.subtype, endian, "RAW")
    field = extent.size_field
    size = min(extent.end - extent.start, 0xFFFF_FFFE)
    header[field] = size.to_bytes(field.stop - field.start, "big" if extent.endian == "big" else "little")
    return sf.SoundFile(_Spliced(file.open(), bytes(header), extent.start, extent.end))


def _is_big_endian(sound: sf.SoundFile) -> bool:
    by_format = sound.format in ("AIFF", "AU", "CAF") if sound.endian == "FILE" else False
    return by_format or sound.endian == "BIG"


def _cut_off(frames: int, claimed: int, there: int) -> int:
    """Return how many samples fewer a WAV holds than its header claims; `claimed` and `there` are bytes."""
    return round(frames * (claimed - there) / there) if there < claimed < UNTOLD else 0
