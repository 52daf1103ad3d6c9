"""Reading MP3, ADTS AAC, AC-3 and AMR files, which have no timestamps: time is counted in frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.error import FFmpegError

from diar.archive.audio_file import AudioFile, DecodeError, Note
from diar.archive.audio_tracks import AUTO, only_track
from diar.archive.decoders.frame_headers import AAC, AC3, AMR_NB, AMR_WB, MP3, Kind, mp3_rate
from diar.archive.decoders.frames import FrameReader, Timed
from diar.archive.decoders.pyav import JUMP, LONGEST_GAP, PyavReader
from diar.archive.decoders.raw_frames import Break, RawFrames, kind_at, kind_in_riff
from diar.archive.decoders.tags import FileBytes, identify_bytes, skip_tags

log = logging.getLogger(__name__)

_BY_FFMPEG_NAME = {"mp3": MP3, "aac": AAC, "ac3": AC3, "eac3": AC3, "amrnb": AMR_NB, "amrwb": AMR_WB}
_DECODER_DELAY = 529  # samples by which every MP3 decoder is late
_PROBED = 100  # frames from which a duration is extrapolated
_LOOK = 256  # bytes that identify the beginning of a file
_MORE = 4 * 1152  # samples by which a part may exceed the count of its tag
_PARTIAL = 4096  # bytes at either end of a file that may be a part of a frame
_USUAL_AT_ENDS = frozenset({"ID3v1", "ID3v2", "APE", "Lyrics3", "AMR header", "padding", "a RIFF header"})
_AMR_RATES = {"amrnb": 8_000, "amrwb": 16_000}


def open_by_ffmpeg(file: AudioFile, track: str = AUTO) -> FrameReader:
    """Open a reader of any format that FFmpeg decodes; `track` as for `choose_track`.

    Raises:
        DecodeError: as PyavReader.
    """
    kind = _sniffed(file)
    if kind is not None:
        return RawReader(file, kind, track)
    try:
        reader = PyavReader(file, track)
    except DecodeError as error:
        if error.kind not in ("undecodable", "no_audio") or (kind := _found(file)) is None:
            raise
        return RawReader(file, kind, track)
    kind = _BY_FFMPEG_NAME.get(reader.format)
    if kind is None or not _holds(file, kind):
        return reader
    reader.__exit__(None, None, None)
    return RawReader(file, kind, track)


def _sniffed(file: AudioFile) -> Kind | None:
    """Return the kind of frames at the start of a file, behind tags and other bytes that are no audio."""
    with file.open() as handle, file.reading():
        data = FileBytes(handle, block=1 << 14)
        start = skip_tags(data, 0)
        kind = kind_at(data, start) or kind_in_riff(file)
        if kind is not None or start >= data.size:
            return kind
        name = identify_bytes(data, start, min(data.size, start + _LOOK))[0].name
        is_container = name is not None and name.endswith(("header", "page"))
        is_odd = name is not None or start > 0  # a tag may count too much
        return _behind_foreign_data(data) if is_odd and not is_container else None


def _found(file: AudioFile) -> Kind | None:
    """Return the kind of frames in a file in which FFmpeg finds no audio."""
    with file.open() as handle, file.reading():
        return _behind_foreign_data(FileBytes(handle))


def _behind_foreign_data(data: FileBytes) -> Kind | None:
    for kind in (AMR_WB, AMR_NB, MP3, AAC, AC3):
        start = RawFrames(data, kind).begin(search=True)
        if start and identify_bytes(data, 0, start)[0].name is not None:
            return kind
    return None


def _holds(file: AudioFile, kind: Kind) -> bool:
    with file.open() as handle, file.reading():
        return RawFrames(FileBytes(handle), kind).begin(search=True) is not None


@dataclass
class _Part:
    """One of several joined files, as the tag in its first frame describes it.

    Attributes:
        start: sample of the whole file at which the part begins.
        rate: Hz of the counts below.
        delay: samples before the audio, by the encoder and the decoder together.
        count: samples of audio.
        total: samples in its frames.
        bytes: of the part; 0 if not known.
        decoded: samples so far.
        whole: whether nothing was lost so far.
    """

    start: int = 0
    rate: int = 1
    delay: int = 0
    count: int | None = None
    total: int = 0
    bytes: int = 0
    decoded: int = 0
    whole: bool = True

    def audio_in(self, samples: int) -> tuple[int, int | None]:
        """Return [first, last) of the next `samples` that are audio."""
        begin, self.decoded = self.decoded, self.decoded + samples
        first = min(samples, max(0, self.delay - begin))
        if self.count is None or not self.whole or begin >= self.total:
            return first, None
        return first, max(first, min(samples, self.delay + self.count - begin))


class RawReader(FrameReader):
    """Reads a file without timestamps: whole frames one after another, tags and foreign data left out."""

    def __init__(self, file: AudioFile, kind: Kind, track: str = AUTO) -> None:
        self._kind = kind
        self.track = only_track(file, track)
        super().__init__(file)

    def header_seconds(self) -> float:
        """Return the seconds by the tag in the first frame, else by the size of the first frames."""
        part, size = self._part, self._raw.data.size - self._start
        if part.count is not None:
            seconds = part.count / self.rate
            return seconds * max(1.0, size / part.bytes) if part.bytes else seconds
        samples = sum(frame.samples for frame, _ in zip(self._frames, range(_PROBED), strict=False))
        return size * samples / (max(1, self._raw.good_bytes) * self.rate)

    def _decode(self) -> Iterator[AudioFrame]:
        self._raw = RawFrames(FileBytes(self._handle), self._kind)
        self._part = _Part()
        self._lost = 0  # frames since the last good one
        start = self._raw.begin(search=True)
        if start is None:
            raise self._file.error("undecodable", "no frames of audio in it")
        self._start = start
        decoder, key = self._decoder(), None
        for item in self._raw.iterate(start):
            if isinstance(item, Break):
                self._note(item)
                continue
            if item.key != key:  # a decoder would give the first frame of another stream the old rate
                decoder, key = self._decoder(), item.key
            part = _part_in(item.content) if self._kind is MP3 else None
            if part is not None:
                self._begin_part(part)
                continue
            try:
                frames = decoder.decode(av.Packet(item.content))
            except FFmpegError as error:
                log.debug("%s: frame %d: %s", self._file.url, self._raw.good_frames, error)
                self._errors += 1
                self._lost += 1
                continue
            yield from (frame for frame in frames if frame.samples)

    def _decoder(self) -> AudioCodecContext:
        codec = self._kind.codec
        decoder = av.CodecContext.create(codec, "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.thread_count = 1
        if codec in _AMR_RATES:
            decoder.sample_rate = _AMR_RATES[codec]
            decoder.layout = "mono"
        return decoder

    def _timeline(self) -> Iterator[Timed]:
        for frame in self._frames:
            samples, part = frame.samples, self._part
            missing, self._lost = self._lost * samples * self.rate // frame.sample_rate, 0
            missing = min(missing, LONGEST_GAP * self.rate + 10 * self._position)
            part.whole = part.whole and not missing
            part.decoded += missing * part.rate // self.rate
            yield Timed(frame, missing, *part.audio_in(samples))

    @property
    def promised(self) -> int | None:  # type: ignore[override]
        """Samples until the end of the last of the joined files, if its first frame counts them."""
        part = self._part
        if part.count is None or part.decoded > part.total + _MORE:
            return None
        return part.start + round(part.count * self.rate / part.rate)

    def _begin_part(self, part: _Part) -> None:
        if self._position:
            end = self.promised
            if end is not None and end - self._position > JUMP * self.rate:
                missing = (end - self._position) / self.rate
                text = f"the last {missing:.2f} s of the file that was joined to the next one are missing"
                self.notes.append(Note("cut", self._position, text))
            self.notes.append(Note("part", self._position, "another file that was joined to it begins"))
            part.start = self._position
        self._part = part

    def _note(self, found: Break) -> None:
        self._lost += found.lost
        named = [span for span in found.spans if span.name is not None or not found.lost]
        names = {span.name: None for span in named}
        usual = (found.at_start or found.at_end) and not set(names) - _USUAL_AT_ENDS
        size = sum(span.size for span in named)
        if usual or not named or (None in names and size < _PARTIAL and (found.at_start or found.at_end)):
            return
        what = ", ".join(name or "unknown bytes" for name in names)
        text = f"{size} bytes that are no audio ({what}) were left out"
        self.notes.append(Note("foreign", self._position, text))


def _part_in(content: bytes) -> _Part | None:
    """Return the part that begins with a frame, if the frame holds a Xing, Info or VBRI tag and no audio."""
    mpeg1, mono = content[1] & 0x18 == 0x18, content[3] & 0xC0 == 0xC0
    place = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))
    if content[36:40] == b"VBRI":
        return _Part()
    if content[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(content[place + 4 : place + 8], "big")
    numbers = [int.from_bytes(content[p : p + 4], "big") for p in range(place + 8, place + 16, 4)]
    frames = numbers.pop(0) if flags & 1 else 0
    size = numbers.pop(0) if flags & 2 else 0
    encoder = place + 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2
    part = _Part(rate=mp3_rate(content), bytes=size)
    if not frames or content[encoder : encoder + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return part
    delays = int.from_bytes(content[encoder + 21 : encoder + 24], "big")
    part.total = frames * (1152 if mpeg1 else 576)
    part.delay = (delays >> 12) + _DECODER_DELAY
    part.count = max(0, part.total - (delays >> 12) - (delays & 0xFFF))
    return part
