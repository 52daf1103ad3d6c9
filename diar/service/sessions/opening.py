"""The first message of a session: what audio comes, and what is wanted of it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from diar.online.settings import LiveSettings
from diar.service.problems import Problem

FORMATS = ("pcm_s16le", "pcm_f32le", "webm", "ogg")
OTHER_NAMES = {
    "s16le": "pcm_s16le",
    "f32le": "pcm_f32le",
    "opus": "webm",
    "webm_opus": "webm",
    "ogg_opus": "ogg",
}
NARROW_RATE = 9_400  # Hz
LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000
MIX = "mix"
_LANGUAGE = re.compile("[a-z]{2,3}")
MOST_SPEAKERS, LONGEST_CORRECTION = 64, 120  # people, seconds
SCHEMA = {  # of the API's description
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "format": {"enum": FORMATS},
        "sample_rate": {"type": "integer", "minimum": LOWEST_RATE, "maximum": HIGHEST_RATE},
        "channels": {"type": "integer", "minimum": 1},
        "channel": {"type": "string", "pattern": r"^(mix|\d)$"},
        "max_speakers": {"type": "integer", "minimum": 1, "maximum": MOST_SPEAKERS},
        "correction_seconds": {"type": "number", "minimum": 0, "maximum": LONGEST_CORRECTION},
        "words": {"type": "boolean"},
        "language": {"type": "string", "pattern": "^[a-z]{2,3}$"},
    },
}


@dataclass(frozen=True)
class Opening:
    """What audio a session gets.

    Attributes:
        format: of the binary messages.
        sample_rate: Hz; a container (`webm`, `ogg`) tells its own.
        channels: in each moment, interleaved.
        channel: which is listened to: `mix`, or a number from 0.
        max_speakers: most speakers; None = any number.
        correction_seconds: for so long a turn may change; None = the default.
        words: what is said is recognised, too.
        language: of the words; None = found.
    """

    format: str = "pcm_s16le"
    sample_rate: int = 16_000
    channels: int = 1
    channel: str = MIX
    max_speakers: int | None = None
    correction_seconds: float | None = None
    words: bool = False
    language: str | None = None

    @property
    def contained(self) -> bool:
        """Whether the audio comes in a container, which tells rate and channels."""
        return self.format in ("webm", "ogg")

    @property
    def narrow_band(self) -> bool:
        """Whether there can be no sound above 4.7 kHz, as over a telephone."""
        return not self.contained and self.sample_rate <= NARROW_RATE

    def settings(self, hop: float) -> LiveSettings:
        """Return the settings of the stream."""
        settings = LiveSettings(hop=hop, max_speakers=self.max_speakers, narrow_band=self.narrow_band)
        if self.correction_seconds is None:
            return settings
        return replace(settings, correction_seconds=self.correction_seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; words only where they are wanted, as replicas without them read it."""
        plain = asdict(self)
        if not self.words:
            del plain["words"], plain["language"]
        return plain

    @classmethod
    def of(cls, fields: dict[str, Any], most_channels: int) -> Opening:
        """Check what a client sent.

        Raises:
            Problem: bad_request, with the field and what it may be.
        """
        unknown = set(fields) - set(cls.__dataclass_fields__)
        if unknown:
            raise Problem(
                "bad_request", f"unknown field {min(unknown)!r}; known: {', '.join(cls.__dataclass_fields__)}"
            )
        given = {name: value for name, value in fields.items() if value is not None}
        if "format" in given:
            given["format"] = OTHER_NAMES.get(str(given["format"]).lower(), given["format"])
            _one_of("format", given["format"], FORMATS)
        _whole("sample_rate", given, LOWEST_RATE, HIGHEST_RATE)
        _whole("channels", given, 1, most_channels)
        _whole("max_speakers", given, 1, MOST_SPEAKERS)
        _seconds("correction_seconds", given, 0, LONGEST_CORRECTION)
        _words(given)
        opening = cls(**{**given, "channel": str(given.get("channel", MIX))})
        _check_channel(opening)
        return opening


@dataclass(frozen=True)
class Resuming:
    """A client that comes back.

    Attributes:
        session: its identifier.
        last_seq: of the last event that it has; None = it has none.
        position: seconds of the session at which the audio begins that it sends now; None = where the
            server's ends.
        opening: of the audio that comes now; None = as before.
    """

    session: str
    last_seq: int | None
    position: float | None
    opening: Opening | None


def first_message(text: str, most_channels: int) -> Opening | Resuming:
    """Return what a client wants; raises Problem `bad_request`."""
    fields = parse_object(text)
    kind = fields.pop("type", "start")
    if kind == "start":
        return Opening.of(fields, most_channels)
    if kind != "resume":
        raise Problem("bad_request", f"the first message has the type 'start' or 'resume', found {kind!r}")
    session, last_seq, position = (fields.pop(name, None) for name in ("session", "last_seq", "position"))
    if not isinstance(session, str):
        raise Problem("bad_request", "a 'resume' names the 'session'")
    if last_seq is not None and (not isinstance(last_seq, int) or isinstance(last_seq, bool) or last_seq < 0):
        raise Problem("bad_request", "'last_seq' is a whole number from 0")
    checked = {} if position is None else {"position": position}
    _seconds("position", checked, 0, 1e7)
    return Resuming(session, last_seq, position, Opening.of(fields, most_channels) if fields else None)


def parse_object(text: str) -> dict[str, Any]:
    """Return a JSON object; raises Problem `bad_request` for anything else."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem("bad_request", f"this is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Problem("bad_request", f"a JSON object is needed, found {type(fields).__name__}")
    return fields


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise Problem("bad_request", f"'{name}' is one of {', '.join(known)}; found {value!r}")


def _whole(name: str, given: dict[str, Any], least: int, most: int) -> None:
    value = given.get(name, least)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Problem("bad_request", f"'{name}' is a whole number from {least} to {most}; found {value!r}")


def _seconds(name: str, given: dict[str, Any], least: float, most: float) -> None:
    value = given.get(name, least)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise Problem("bad_request", f"'{name}' is seconds from {least:g} to {most:g}; found {value!r}")


def _words(given: dict[str, Any]) -> None:
    words, language = given.get("words", False), given.get("language")
    if not isinstance(words, bool):
        raise Problem("bad_request", f"'words' is true or false; found {words!r}")
    if language is None:
        return
    if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
        raise Problem("bad_request", f"'language' is a code such as en; found {language!r}")
    if not words:
        raise Problem("bad_request", "'language' is that of words: give 'words', too")


def _check_channel(opening: Opening) -> None:
    channel = opening.channel
    if channel == MIX:
        return
    if (
        not (channel.isascii() and channel.isdecimal())
        or len(channel) > 2
        or int(channel) >= opening.channels
    ):
        raise Problem("bad_request", f"'channel' is 'mix' or a number below 'channels'; found {channel!r}")
