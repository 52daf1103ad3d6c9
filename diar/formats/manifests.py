"""Manifests for other toolkits: Lhotse, NeMo, Kaldi. Times count from the start of the audio file.

- Lhotse: recordings and supervisions, JSON lines (lhotse.readthedocs.io, "Representing a corpus").
- NeMo: JSON lines for diarization, a line a recording, and for speaker recognition, a line a turn.
- Kaldi: a data directory, sorted as in the C locale, without blanks in ids ("Data preparation").
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from diar import storage
from diar.formats.rttm import rttm_id
from diar.records import MIXED, Turn

_DECIMALS = 3
_PLAIN_WAV = (".wav", ".wave")


@dataclass(frozen=True)
class ListedRecording:
    """A recording that manifests list; it may be a part of a file."""

    recording_id: str
    file_id: str  # of the file; `recording_id` where it is all of it
    url: str  # of the file
    sample_rate: int  # of the file
    channels: int  # of the audio track that was read
    offset: float  # seconds of the file before the recording starts
    duration: float
    turns: Sequence[Turn]  # on the file's clock
    channel: str = "mix"  # what was read: `mix`, the number of a channel, or `each`
    audio_track: int = 0
    rttm: str | None = None  # a file with the turns on the file's clock

    @property
    def end(self) -> float:
        """Return where the recording ends, on the file's clock."""
        return self.offset + self.duration

    def channel_of(self, turn: Turn) -> int | None:
        """Return the channel in which a turn is heard; None: in the mix of all."""
        if turn.channel != MIXED:
            return turn.channel
        if self.channel.isdecimal():
            return int(self.channel)
        return 0 if self.channels == 1 else None


def lhotse_recording(one: ListedRecording, end: float) -> dict[str, Any]:
    """Return Lhotse's recording: the whole file, which ends at `end` seconds."""
    channels = list(range(max(one.channels, 1)))
    kind = "url" if storage.local_path(one.url) is None else "file"
    return {
        "id": one.file_id,
        "sources": [{"type": kind, "channels": channels, "source": one.url}],
        "sampling_rate": one.sample_rate,
        "num_samples": round(end * one.sample_rate),
        "duration": round(end * one.sample_rate) / max(one.sample_rate, 1),
        "channel_ids": channels,
    }


def lhotse_supervisions(one: ListedRecording) -> Iterator[dict[str, Any]]:
    """Yield Lhotse's supervisions, one a turn."""
    for number, (turn, start, duration) in enumerate(_timed(one.turns)):
        channel = one.channel_of(turn)
        yield {
            "id": f"{one.recording_id}-{number:06d}",
            "recording_id": one.file_id,
            "start": start,
            "duration": duration,
            "channel": list(range(one.channels)) if channel is None else channel,
            "speaker": turn.speaker,
        }


def nemo_recording(one: ListedRecording) -> dict[str, Any]:
    """Return a line of NeMo's manifest for diarization."""
    return {
        "audio_filepath": one.url,
        "offset": round(one.offset, _DECIMALS),
        "duration": round(one.duration, _DECIMALS),
        "label": "infer",
        "text": "-",
        "num_speakers": len({turn.speaker for turn in one.turns}) or None,
        "rttm_filepath": one.rttm,
        "uem_filepath": None,
    }


def nemo_turns(one: ListedRecording) -> Iterator[dict[str, Any]]:
    """Yield the lines of NeMo's manifest for speaker recognition, one a turn."""
    for turn, start, duration in _timed(one.turns):
        yield {
            "audio_filepath": one.url,
            "offset": start,
            "duration": duration,
            "label": turn.speaker,
        }


def _timed(turns: Sequence[Turn]) -> Iterator[tuple[Turn, float, float]]:
    """Yield turns with start and duration in milliseconds, as in RTTM; what rounds to nothing is left out."""
    for turn in turns:
        start, end = round(turn.start, _DECIMALS), round(turn.end, _DECIMALS)
        if end > start:
            yield turn, start, round(end - start, _DECIMALS)


class KaldiDirectory:
    """The files of a Kaldi data directory; they are kept in memory, because Kaldi needs them sorted.

    An utterance is a turn. Its id begins with its speaker's, so that both have one order. A file whose
    channels are heard apart is one Kaldi recording a channel.
    """

    def __init__(self) -> None:
        self._wav: dict[str, str] = {}
        self._segments: list[tuple[str, str]] = []  # utterance and `recording start end`
        self._speaker: list[tuple[str, str]] = []  # utterance and speaker
        self._end: dict[str, float] = {}
        self._channels: dict[str, str] = {}

    def add(self, one: ListedRecording) -> None:
        """Add a recording and its turns."""
        for turn in one.turns:
            channel = turn.channel if turn.channel != MIXED else None
            recording = rttm_id(one.file_id) + ("" if channel is None else f"-channel{channel}")
            start, end = (round(1000 * seconds) for seconds in (turn.start, turn.end))
            if end <= start:
                continue
            speaker = _kaldi_speaker(turn.speaker)
            utterance = f"{speaker}-{recording}-{start:08d}-{end:08d}"
            self._segments.append((utterance, f"{recording} {start / 1000:.3f} {end / 1000:.3f}"))
            self._speaker.append((utterance, speaker))
            self._end[recording] = max(one.end, self._end.get(recording, 0.0))
            self._wav[recording] = _kaldi_source(one, one.channel_of(turn))
            if channel is not None:
                self._channels[recording] = f"{rttm_id(one.file_id)} {chr(ord('A') + channel % 26)}"

    def files(self) -> dict[str, str]:
        """Return the texts by file name."""
        held: dict[str, list[str]] = {}
        for utterance, speaker in sorted(self._speaker, key=_bytewise):
            held.setdefault(speaker, []).append(utterance)
        texts = {
            "wav.scp": _lines(self._wav.items()),
            "segments": _lines(self._segments),
            "utt2spk": _lines(self._speaker),
            "reco2dur": _lines((recording, f"{end:.3f}") for recording, end in self._end.items()),
            "spk2utt": _lines((speaker, " ".join(own)) for speaker, own in held.items()),
        }
        if self._channels:
            texts["reco2file_and_channel"] = _lines(self._channels.items())
        return texts


def _kaldi_speaker(name: str) -> str:
    """Return a name whose characters all sort after `-`, which ends it in utterance ids; others are `=XX`."""
    return "".join(c if c > "-" and c != "=" and c.isprintable() else _escaped(c) for c in name)


def _escaped(character: str) -> str:
    return "".join(f"={byte:02X}" for byte in character.encode(errors="surrogateescape"))


def _kaldi_source(one: ListedRecording, channel: int | None) -> str:
    """Return a path, or a command that writes one channel as WAV."""
    path = one.url if storage.local_path(one.url) is None else str(storage.local_path(one.url))
    plain = path.lower().endswith(_PLAIN_WAV) and one.channels == 1 and " " not in path
    if plain and storage.local_path(one.url) is not None:
        return path
    mono = "-ac 1" if channel is None else f"-af 'pan=mono|c0=c{channel}'"
    source = f"ffmpeg -nostdin -v error -i {shlex.quote(path)} -map 0:a:{one.audio_track} {mono}"
    return f"{source} -f wav -c:a pcm_s16le - |"


def _lines(pairs: Any) -> str:
    return "".join(f"{key} {value}\n" for key, value in sorted(pairs, key=_bytewise))


def _bytewise(pair: tuple[str, str]) -> bytes:
    """Return what the C locale sorts by."""
    return pair[0].encode(errors="surrogateescape")
