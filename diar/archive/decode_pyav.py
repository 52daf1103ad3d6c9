"""Reading all other formats, and damaged files, through FFmpeg (PyAV).

Packets are decoded one by one. One that cannot be decoded is left out, and what follows is placed by its
timestamp: the time between is filled with zeros and reported as a gap.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from types import TracebackType
from typing import cast

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.packet import Packet

from diar.archive.audio_file import BLOCK_SAMPLES, RATES, AudioFile, Channels, Nameless, pick_channel
from diar.archive.audio_tracks import AUTO, choose_track
from diar.archive.frame_samples import frame_samples

log = logging.getLogger(__name__)

# A timestamp may be this far from where the samples before it end: containers round, recorders' clocks drift
JUMP = 0.1  # seconds
# All gaps of a file together are at most this many seconds and ten times what was decoded (a microphone that
# is muted may send nothing for hours); a timestamp further on is a broken clock, not lost audio
_LONGEST_GAP = 3600.0
_DEMUX_ERRORS = 100  # in a row, before the rest of the file is given up
_PROBED = 100  # packets from which a duration is extrapolated
# No timestamps in the file: FFmpeg counts the packets it finds, so lost time is judged by lost bytes
_UNTIMED = frozenset({"mp3", "aac", "amr", "amrnb", "amrwb", "ac3"})


class PyavReader:
    """Reads one audio track of a file; a context manager.

    Attributes:
        rate: Hz, of the first frame; Opus is always 48000.
        channels: of the first frame.
        layout: names of the channels, such as FL, FR, FC, LFE; empty where the file names none.
        track: which audio track, of how many, and why.
        promised: samples that the file's header or index counts, None where it only guesses.
        gaps: [start, stop) in samples of what was filled with zeros so far.
    """

    def __init__(self, file: AudioFile, track: str = AUTO) -> None:
        """Open and decode the first frame; `track` as for `choose_track`.

        Raises:
            DecodeError: `undecodable`, `no_audio`, `empty`, `missing`, `unreadable`, `bad_track`.
        """
        self.gaps: list[tuple[int, int]] = []
        self._file = file
        self._handle = file.open()
        try:
            with file.reading():
                self._open(track)
        except BaseException:
            self._handle.close()
            raise

    def _open(self, track: str) -> None:
        try:
            # The whitelist keeps playlists from making FFmpeg open other files or addresses
            options = {"protocol_whitelist": "none"}
            if _is_adts(self._file.head):  # the parser would count positions without the bytes it skips
                options["fflags"] = "noparse"
            source = Nameless(self._handle)
            self._container = av.open(source, "r", metadata_errors="ignore", options=options)
        except FFmpegError as error:
            reason = f"not audio in a known format ({error.strerror})"
            raise self._file.error("undecodable", reason) from error
        if not self._container.streams.audio:
            kinds = ", ".join(sorted({other.type for other in self._container.streams})) or "nothing"
            raise self._file.error("no_audio", f"no audio track in it, only {kinds}")
        self.track = choose_track(self._container, self._file, track)
        stream = self._container.streams.audio[self.track.number]
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
        self.layout = tuple(channel.name for channel in first.layout.channels)
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

    def blocks(self, start: int, stop: int | None, channel: Channels) -> Iterator[np.ndarray]:
        """Samples [start, stop) of `pick_channel`'s choice, in blocks (n,) float32.

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

    def _pieces(self, channel: Channels) -> Iterator[np.ndarray]:
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

    def _samples(self, frame: AudioFrame, channel: Channels) -> np.ndarray:
        """(n,) float32 in ±1 of one frame."""
        channels = frame.layout.nb_channels
        if channel is not None and int(np.max(channel)) >= channels:
            raise self._file.error("bad_channel", f"only {channels} channels in a later part of it")
        return pick_channel(frame_samples(frame), channel)

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
