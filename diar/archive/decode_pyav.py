"""Reading all other formats, and damaged files, through FFmpeg (PyAV).

Packets are decoded one by one. One that cannot be decoded is left out, and what follows is placed by its
timestamp: the time between is filled with zeros and reported as a gap.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, cast

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.packet import Packet

from diar.archive.audio_file import BLOCK_SAMPLES, RATES, AudioFile, pick_channel

log = logging.getLogger(__name__)

# A timestamp may be this far from where the samples before it end: containers round, recorders' clocks drift
JUMP = 0.1  # seconds
# All gaps of a file together are at most this many seconds and ten times what was decoded (a microphone that
# is muted may send nothing for hours); a timestamp further on is a broken clock, not lost audio
_LONGEST_GAP = 3600.0
_DEMUX_ERRORS = 100  # in a row, before the rest of the file is given up
_PROBED = 100  # packets from which a duration is extrapolated
_SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg, NumPy
# No timestamps in the file: FFmpeg counts the packets it finds, so lost time is judged by lost bytes
_UNTIMED = frozenset({"mp3", "aac", "amr", "amrnb", "amrwb", "ac3"})


class _Bytes:
    """Only what FFmpeg needs of a file. Without its name, which need not be valid UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


class PyavReader:
    """Reads the (best) audio track of one file; a context manager.

    Attributes:
        rate: Hz, of the first frame; Opus is always 48000.
        channels: of the first frame.
        promised: samples that the file's header or index counts, None where it only guesses.
        gaps: [start, stop) in samples of what was filled with zeros so far.
    """

    def __init__(self, file: AudioFile) -> None:
        """Open and decode the first frame.

        Raises:
            DecodeError: `undecodable`, `no_audio`, `empty`, `missing`, `unreadable`.
        """
        self.gaps: list[tuple[int, int]] = []
        self._file = file
        self._handle = file.open()
        try:
            with file.reading():
                self._open()
        except BaseException:
            self._handle.close()
            raise

    def _open(self) -> None:
        try:
            # The whitelist keeps playlists from making FFmpeg open other files or addresses
            options = {"protocol_whitelist": "none"}
            if _is_adts(self._file.head):  # the parser would count positions without the bytes it skips
                options["fflags"] = "noparse"
            source = _Bytes(self._handle)
            self._container = av.open(source, "r", metadata_errors="ignore", options=options)
        except FFmpegError as error:
            reason = f"not audio in a known format ({error.strerror})"
            raise self._file.error("undecodable", reason) from error
        stream = self._container.streams.best("audio")
        if stream is None:
            kinds = ", ".join(sorted({other.type for other in self._container.streams})) or "nothing"
            raise self._file.error("no_audio", f"no audio track in it, only {kinds}")
        if stream.codec_context is None:
            raise self._file.error("undecodable", "FFmpeg has no decoder for its audio track")
        self._stream = stream
        stream.codec_context.thread_count = 1  # whoever decodes many files decides how many at a time
        if stream.codec_context.name == "flac":  # else a frame with a wrong checksum passes as noise
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self._errors = self._filled = 0
        self._untimed = self._container.format.name in _UNTIMED
        self._damaged = False  # since the last frame
        self._lost_bytes = 0  # between the last good packets
        self._good_bytes = self._good_samples = 0
        self._good_until: int | None = None  # where in the file the last good packet ends
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None and self._errors:
            raise self._file.error("undecodable", f"none of its {self._errors} audio packets can be decoded")
        if first is None:
            raise self._file.error("empty", "holds no audio samples")
        self.rate: int = first.sample_rate
        self.channels: int = first.layout.nb_channels
        if self.rate not in RATES:
            raise self._file.error("undecodable", f"sample rate {self.rate} Hz cannot be true")
        self._frames = itertools.chain([first], self._frames)
        self._origin = self._start_time(first)
        self.promised = self._count()

    def __enter__(self) -> PyavReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
        self._handle.close()

    def header_seconds(self) -> float:
        """Duration, seconds: by the container's header, else judged by the bytes of the first packets."""
        if self._container.duration:
            return self._container.duration / av.time_base
        for _ in itertools.islice(self._frames, _PROBED):
            pass
        return self._container.size * self._good_samples / (max(1, self._good_bytes) * self.rate)

    def blocks(self, start: int, stop: int | None, channel: int | None) -> Iterator[np.ndarray]:
        """Samples [start, stop) of one channel or (None) of the mean, in blocks (n,) float32.

        Raises:
            DecodeError: `bad_channel`, if the number of channels falls on the way.
        """
        waiting: list[np.ndarray] = []
        count = position = 0
        for piece in self._pieces(channel):
            first, last = max(0, start - position), len(piece) if stop is None else max(0, stop - position)
            position += len(piece)
            if len(piece := piece[first:last]):
                waiting.append(piece)
                count += len(piece)
            if count * self.channels >= BLOCK_SAMPLES:
                yield np.concatenate(waiting)
                waiting, count = [], 0
            if stop is not None and position >= stop:
                break
        if waiting:
            yield np.concatenate(waiting)

    def _pieces(self, channel: int | None) -> Iterator[np.ndarray]:
        """The track from its start, gaps filled, in pieces (n,) float32 without a hole between them."""
        position = 0
        resamplers: dict[int, soxr.ResampleStream] = {}
        for frame in self._frames:
            missing = self._missing_before(frame, position)
            if missing:
                self.gaps.append((position, position + missing))
                self._filled += missing
                position += missing
                for _ in range(missing // BLOCK_SAMPLES):
                    yield np.zeros(BLOCK_SAMPLES, np.float32)
                yield np.zeros(missing % BLOCK_SAMPLES, np.float32)
            samples = self._samples(frame, channel)
            if frame.sample_rate != self.rate:  # a chain of streams
                if frame.sample_rate not in resamplers:
                    resamplers[frame.sample_rate] = soxr.ResampleStream(frame.sample_rate, self.rate, 1)
                samples = resamplers[frame.sample_rate].resample_chunk(samples)
            position += len(samples)
            yield samples

    def _missing_before(self, frame: AudioFrame, position: int) -> int:
        """Samples lost between `position`, where the last frame ended, and this frame."""
        if self._untimed:
            lost_bytes, self._lost_bytes = self._lost_bytes, 0
            lost_frames = lost_bytes * self._good_samples / (max(1, self._good_bytes) * frame.samples)
            return round(lost_frames) * frame.samples
        damaged, self._damaged = self._damaged, False
        time = frame.time
        if time is None or self._origin is None:
            return 0
        jump = round((time - self._origin) * self.rate) - position
        most = _LONGEST_GAP * self.rate + 10 * (position - self._filled) - self._filled
        if not -JUMP * self.rate <= jump <= most:
            self._origin = time - position / self.rate  # the clock starts anew
            return 0
        return max(0, jump) if damaged or jump > JUMP * self.rate else 0

    def _samples(self, frame: AudioFrame, channel: int | None) -> np.ndarray:
        """(n,) float32 in ±1 of one frame."""
        channels = frame.layout.nb_channels
        if channel is not None and channel >= channels:
            raise self._file.error("bad_channel", f"only {channels} channels in a later part of it")
        # Not to_ndarray(), which reads beyond the frame from 8 planes on
        kind = _SAMPLE_TYPES[frame.format.name.removesuffix("p")]
        if frame.format.is_planar:
            planes: list[Any] = list(frame.planes[:channels])
            values = np.stack([np.frombuffer(plane, kind, frame.samples) for plane in planes])
        else:
            plane: Any = frame.planes[0]
            values = np.frombuffer(plane, kind, frame.samples * channels).reshape(-1, channels).T
        samples = values.astype(np.float32, copy=False)
        if kind == "u1":
            samples = (samples - np.float32(128)) / np.float32(128)
        elif values.dtype.kind == "i":
            samples = samples / np.float32(2.0 ** (8 * values.dtype.itemsize - 1))
        return pick_channel(samples, channel)

    def _decode(self) -> Iterator[AudioFrame]:
        for packet in self._packets():
            try:
                frames = cast(list[AudioFrame], packet.decode())
            except FFmpegError as error:
                log.debug("%s: packet at %s: %s", self._file.url, packet.pts, error)
                self._errors += 1
                self._damaged = True
                continue
            self._note_good(packet, frames)
            for frame in frames:
                if frame.samples:
                    yield frame

    def _note_good(self, packet: Packet, frames: list[AudioFrame]) -> None:
        if packet.pos is not None and packet.size:
            if self._good_until is not None:
                self._lost_bytes += max(0, packet.pos - self._good_until)
            self._good_until = packet.pos + packet.size
        if frames:
            self._good_bytes += packet.size
            self._good_samples += sum(frame.samples for frame in frames)

    def _packets(self) -> Iterator[Packet]:
        errors_in_a_row = 0
        while errors_in_a_row < _DEMUX_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    errors_in_a_row = 0
                    yield packet
            except FFmpegError as error:
                log.debug("%s: container: %s", self._file.url, error)
                errors_in_a_row += 1
                self._errors += 1
                self._damaged = True
            else:
                return

    def _start_time(self, first: AudioFrame) -> float | None:
        """Timestamp of sample 0, seconds: the first frame's, unless what came before it was lost."""
        time = first.time
        if time is None or self._stream.start_time is None or self._stream.time_base is None:
            return time
        start = float(self._stream.start_time * self._stream.time_base)
        return start if JUMP < time - start <= _LONGEST_GAP else time

    def _count(self) -> int | None:
        """Samples by the index of an MP4, or by the LAME tag of an MP3 (known by the delay it gives)."""
        stream, name = self._stream, self._container.format.name
        counted = name.startswith("mov") or (name == "mp3" and (stream.start_time or 0) > 0)
        if not counted or stream.duration is None or stream.time_base is None:
            return None
        return round(float(stream.duration * stream.time_base) * self.rate)


def _is_adts(head: bytes) -> bool:
    """Whether a file starts with a frame of raw AAC."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
