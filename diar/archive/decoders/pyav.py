"""Reading all other formats, and damaged files, through FFmpeg (PyAV).

Packets are decoded one by one. A packet that cannot be decoded is left out; the next one is placed by its
timestamp, and the time between is filled with zeros and reported as a gap. Time 0 is the start of the file,
not of its audio (docs/decisions/050-bytes-headers-clocks.md). `raw` reads files without timestamps.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Any, cast

import av
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.stream import Disposition

from diar.archive.audio_file import AudioFile, Nameless, Note
from diar.archive.audio_tracks import AUTO, choose_track
from diar.archive.decoders.frames import FrameReader, Timed

log = logging.getLogger(__name__)

# A timestamp may be this far from the end of the samples before it: containers round, recorders' clocks drift
JUMP = 0.1  # seconds
# All gaps of a file together are at most this many seconds plus ten times the decoded audio (a muted
# microphone may send nothing for hours); a timestamp further on is a broken clock, not lost audio
LONGEST_GAP = 3600
_DEMUX_ERRORS = 100  # in a row, after which the rest of the file is given up
_ZERO_BASED = ("mov", "matroska")  # containers whose clock starts at 0; other clocks start anywhere
_LATE = ("mpeg", "mpegts")  # containers whose header does not tell of tracks that begin late
_PATIENCE = {"probesize": "200000000", "analyzeduration": "600000000"}  # bytes, microseconds


class PyavReader(FrameReader):
    """Reads one audio track of a file with timestamps."""

    def __init__(self, file: AudioFile, track: str = AUTO) -> None:
        """Open and decode the first frame; `track` as for `choose_track`.

        Raises:
            DecodeError: `undecodable`, `no_audio`, `empty`, `missing`, `unreadable`, `bad_track`.
        """
        self._wanted = track
        super().__init__(file)

    def _open(self) -> None:
        self._container = self._opened({})
        if not self._container.streams.audio and self._container.format.name in _LATE:
            self._container.close()
            self._handle.seek(0)
            self._container = self._opened(_PATIENCE)
        if not self._container.streams.audio:
            kinds = ", ".join(sorted({other.type for other in self._container.streams})) or "nothing"
            raise self._file.error("no_audio", f"no audio track in it, only {kinds}")
        self.track = choose_track(self._container, self._file, self._wanted)
        stream = self._container.streams.audio[self.track.number]
        if stream.codec_context is None:
            raise self._file.error("undecodable", "FFmpeg has no decoder for its audio track")
        self._stream = stream
        stream.codec_context.thread_count = 1  # the caller decides how many files are decoded at once
        if stream.codec_context.name == "flac":  # otherwise a frame with a wrong checksum gives noise
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self._filled = 0
        self._first_packet: float | None = None  # its timestamp, seconds
        self._damaged = False  # since the last frame
        self.format: str = self._container.format.name  # FFmpeg's name of the container
        if self.format == "wav" and stream.codec_context.name.startswith("mp"):
            self.format = "mp3"  # with a header in front

    def _opened(self, options: dict[str, str]) -> av.container.InputContainer:
        try:
            # Without this, a playlist could make FFmpeg open other files or addresses
            options = {"protocol_whitelist": "none", **options}
            return av.open(Nameless(self._handle), "r", metadata_errors="ignore", options=options)
        except FFmpegError as error:
            reason = f"not audio in a known format ({error.strerror})"
            raise self._file.error("undecodable", reason) from error

    def _take_first(self, first: AudioFrame | None) -> None:
        super()._take_first(first)
        assert first is not None
        self._place(first)
        self.promised = self._count()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
        super().__exit__(kind, error, trace)

    def header_seconds(self) -> float:
        """Return the seconds by the container's header, else 0."""
        return (self._container.duration or 0) / av.time_base

    def _place(self, first: AudioFrame) -> None:
        """Find the file's start on its clock, and how much later the audio begins."""
        self._origin = time = first.time  # of sample 0, seconds
        if time is None:
            return
        start = self._first_packet if self._errors else None
        if start is not None and JUMP < time - start <= LONGEST_GAP:
            time = start  # audio before the first frame was lost
        others = [_start_of(other) for other in self._container.streams if _has_clock(other, self._stream)]
        zero = min([time, *(other for other in others if other is not None)])
        if self.format.startswith(_ZERO_BASED):
            zero = min(zero, 0.0)
        if time - zero > LONGEST_GAP:
            self.notes.append(Note("clock", None, f"its clock starts at {time - zero:.0f} s, taken for 0"))
            zero = time
        self.begin = round((time - zero) * self.rate)
        self._origin = zero

    def _timeline(self) -> Iterator[Timed]:
        for frame in self._frames:
            missing = self._missing_before(frame)
            self._filled += missing
            yield Timed(frame, missing)

    def _missing_before(self, frame: AudioFrame) -> int:
        """Return the samples lost between the last frame and this one."""
        damaged, self._damaged = self._damaged, False
        time, position = frame.time, self._position
        if time is None or self._origin is None:
            return 0
        jump = round((time - self._origin) * self.rate) - position
        decoded = position - self.begin - self._filled
        most = LONGEST_GAP * self.rate + 10 * decoded - self._filled
        if not -JUMP * self.rate <= jump <= most:
            if position > self.begin:
                step = f"the file's clock jumps by {jump / self.rate:+.2f} s: taken for a new start"
                self.notes.append(Note("jump", position, step))
            self._origin = time - position / self.rate  # the clock starts anew
            return 0
        return max(0, jump) if damaged or jump > JUMP * self.rate else 0

    def _decode(self) -> Iterator[AudioFrame]:
        self._open()
        for packet in self._packets():
            try:
                frames = cast(list[AudioFrame], packet.decode())
            except FFmpegError as error:
                log.debug("%s: packet at %s: %s", self._file.url, packet.pts, error)
                self._errors += 1
                self._damaged = True
                continue
            for frame in frames:
                if frame.samples:
                    yield frame

    def _packets(self) -> Iterator[av.Packet]:
        errors_in_a_row = 0
        while errors_in_a_row < _DEMUX_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    errors_in_a_row = 0
                    if self._first_packet is None and packet.pts is not None:
                        self._first_packet = float(packet.pts * packet.time_base)
                    yield packet
            except FFmpegError as error:
                log.debug("%s: container: %s", self._file.url, error)
                errors_in_a_row += 1
                self._errors += 1
                self._damaged = True
            else:
                return

    def _count(self) -> int | None:
        """Return the samples from the file's start by the index of an MP4; None for other containers."""
        stream = self._stream
        if not self.format.startswith("mov") or stream.duration is None or stream.time_base is None:
            return None
        return self.begin + round(float(stream.duration * stream.time_base) * self.rate)


def _start_of(stream: Any) -> float | None:
    """Return the timestamp in seconds at which a track starts."""
    known = stream.start_time is not None and stream.time_base is not None
    return float(stream.start_time * stream.time_base) if known else None


def _has_clock(stream: Any, read: Any) -> bool:
    """Return whether another track than `read` tells where the file starts: no cover picture, no text."""
    moving = stream.type in ("audio", "video") and not stream.disposition & Disposition.attached_pic
    return moving and stream.index != read.index
