"""A recording as one signal, or as one signal a channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import tee

import numpy as np

from diar.archive.audio_file import AudioFile
from diar.archive.audio_tracks import AUTO
from diar.archive.channels import choice as channels
from diar.archive.channels.choice import ChannelChoice, choose_channels
from diar.archive.channels.crosstalk import Leakage
from diar.archive.channels.spectra import Spectra, spectra
from diar.archive.decoders.decode import AudioStream, Reader, open_reader
from diar.archive.decoders.frames import FrameReader
from diar.archive.decoders.soundfile import SoundfileReader
from diar.archive.glimpses import ffmpeg_glimpses, places, soundfile_glimpses
from diar.archive.recording import Recording
from diar.records import MIXED

# Takes blocks (2, n) of a call and their rate; gives them, each as long, without echo
Cancel = Callable[[Iterable[np.ndarray], int], Iterator[np.ndarray]]


class ChannelStreams:
    """A recording that is being decoded: iterate once over blocks (signals, n) float32 at the wanted rate.

    Attributes:
        numbers: the channel of each signal, from 0; (MIXED,) where there is one signal.
        channel: `mix`, the number of a channel, or `each`.
        source_rate, channels, audio_start, audio_track, audio_tracks: as in `AudioStream`.
    """

    def __init__(
        self,
        streams: list[AudioStream],
        choice: ChannelChoice,
        leakage: Leakage | None,
        cancel: Cancel | None = None,
    ) -> None:
        first = streams[0]
        self.numbers = tuple(range(len(streams))) if choice.name == channels.EACH else (MIXED,)
        self.channel = choice.name
        self.source_rate, self.channels = first.source_rate, first.channels
        self.audio_start = first.audio_start
        self.audio_track, self.audio_tracks = first.audio_track, first.audio_tracks
        self._streams, self._leakage = streams, leakage
        self._cancel = cancel if len(streams) == 2 else None  # each channel is the other's reference
        self._note = [choice.note] if choice.note else []

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Gaps of all signals, as in `AudioStream`."""
        return sorted({gap for stream in self._streams for gap in stream.gaps})

    @property
    def warnings(self) -> list[str]:
        """Why the signals were chosen, and warnings of all signals, as in `AudioStream`."""
        return list(
            dict.fromkeys([*self._note, *(one for stream in self._streams for one in stream.warnings)])
        )

    def share(self, samples: int) -> float:
        """Return the share of the recording that `samples` are, as in `AudioStream`."""
        return self._streams[0].share(samples)

    def __iter__(self) -> Iterator[np.ndarray]:
        if len(self._streams) == 1:
            yield from (block[None] for block in self._streams[0])
            return
        rate = self._streams[0].rate
        for number, (block, clean) in enumerate(self._without_echo(rate)):
            yield clean if self._leakage is None else self._leakage.remove(block, rate, number, clean)

    def _without_echo(self, rate: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield blocks (channels, n) of several channels, as they are and without echo."""
        blocks = (np.stack(own) for own in zip(*self._streams, strict=True))
        if self._cancel is None:
            yield from ((block, block) for block in blocks)
        else:
            given, kept = tee(blocks)
            yield from zip(kept, self._cancel(given, rate), strict=True)


@contextmanager
def open_channels(
    recording: Recording,
    rate: int,
    channel: str = channels.AUTO,
    track: str = AUTO,
    file: AudioFile | None = None,
    cancel: Cancel | None = None,
) -> Iterator[ChannelStreams]:
    """Open a recording for decoding block by block.

    Args:
        recording: a file or a part of one.
        rate: Hz wanted.
        channel: `auto`, `mix` (mean of all channels), `each`, or a channel's number, `0` = first.
        track: `auto`, the number of an audio track, or a language tag; see `choose_track`.
        file: its content, where that is at hand; else it is looked for at the recording's URL.
        cancel: takes the echo from two channels that are read apart; it is not asked elsewhere.

    Raises:
        DecodeError: see there for its kinds; iterating may raise it, too.
    """
    file = file or AudioFile.find(recording.url)
    with ExitStack() as opened:
        reader = _open(opened, file, track)
        looked = channel in (channels.AUTO, channels.EACH) and reader.channels > 1
        seen = _look(file, reader, recording) if looked else None
        if channel != channels.AUTO:
            choice = ChannelChoice.asked(channel, reader.channels)
        elif seen is None:
            choice = ChannelChoice.asked(channels.MIX, reader.channels)
        else:
            choice = choose_channels(seen, reader.layout)
        # Each channel has a decoder of its own; they go in step
        more = [_open(opened, file, str(reader.track.number)) for _ in choice.read[1:]]
        for one in [reader, *more]:
            if isinstance(one, FrameReader) and channel == channels.AUTO:
                one.replaces = True  # nobody asked for that channel
        streams = [
            AudioStream(file, one, recording, rate, read)
            for one, read in zip([reader, *more], choice.read, strict=True)
        ]
        leakage = Leakage.of(seen) if seen is not None and len(streams) > 1 else None
        yield ChannelStreams(streams, choice, leakage, cancel)


def _open(opened: ExitStack, file: AudioFile, track: str) -> Reader:
    reader = open_reader(file, track)
    opened.enter_context(reader)
    return reader


def _look(file: AudioFile, reader: Reader, recording: Recording) -> Spectra | None:
    """Return spectra of a few seconds from several places, all channels; None if nothing can be read."""
    start, seconds = recording.offset, recording.duration
    # With another reader: some take the first packets to open a file and do not give them again
    with open_reader(file, str(reader.track.number)) as other:
        if seconds is None:
            seconds = other.header_seconds() - start
        if seconds <= 0:  # the header does not tell
            seconds = channels.PLACES * channels.SECONDS
        wanted = places(start, start + seconds, channels.PLACES, channels.SECONDS)
        if isinstance(other, SoundfileReader):
            return spectra(soundfile_glimpses(other.sound, wanted))
    return spectra(ffmpeg_glimpses(file, reader.track.number, wanted))
