"""Options of `diar voices make` and `diar voices list`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from diar.options.base import CommandConfig, option, refuse_void

ESPEAK = "espeak"  # the synthesizer that needs no weights
_PEOPLE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_WHO = (
    "kokoro-82m, a folder of such weights, espeak (fast, robotic), or a server's address, http://host:8880/v1"
)


def is_server(synthesizer: str) -> bool:
    """Return whether a synthesizer is the address of a server."""
    return synthesizer.startswith(("http://", "https://"))


class ListVoicesConfig(CommandConfig):
    """The voices of a synthesizer."""

    environment_prefix: ClassVar[str] = "DIAR_VOICES_LIST_"

    synthesizer: str = option("kokoro-82m", "voices", _WHO, positional=True)


class MakeVoicesConfig(CommandConfig):
    """Labelled conversations of synthetic voices."""

    environment_prefix: ClassVar[str] = "DIAR_VOICES_MAKE_"

    out: Path = option(..., "output", "folder to write to; it must not hold audio/ yet", positional=True)
    seed: int = option(0, "output", "another seed, other conversations", ge=0)

    synthesizer: str = option("kokoro-82m", "voices", _WHO)
    voices: tuple[str, ...] = option(
        (), "voices",
        "to choose from; default those that are told apart (`diar voices list`), of espeak all; a server's "
        "must be named",
        metavar="NAME,NAME",
    )  # fmt: skip
    server_model: str = option("tts-1", "voices", "what a server calls its model")
    threads: int = option(1, "voices", "of the CPU, for Kokoro", ge=1, le=256)

    conversations: int = option(1, "talk", "how many", ge=1, le=100_000)
    minutes: float = option(5.0, "talk", "of each, about", gt=0, le=600)
    people: str = option("2-4", "talk", "in each: a number, or the least and the most, such as 2-4")
    overlap: float = option(
        0.3, "talk", "share of the changes of speaker in which the next begins early", ge=0, le=1
    )
    backchannels: float = option(
        0.1, "talk", "share of long sentences in which a listener says something short", ge=0, le=1
    )
    script: Path | None = option(
        None, "talk", "text of the conversations, lines of NAME: what they say; default: made up"
    )

    files: int = option(
        0, "archive", "so many of each person, a sentence each, in blocks, in place of conversations", ge=0
    )
    odd: float = option(
        0.0, "archive", "share of the files that are of somebody else than their block", ge=0, le=0.5
    )

    room: Literal["none", "office", "meeting", "hall"] = option(
        "none", "sound", "around one far microphone: RT60 of 0.35, 0.6 or 1.2 s"
    )
    noise: float | None = option(None, "sound", "dB that pink noise is below the speech", ge=-20, le=80)
    telephone: bool = option(False, "sound", "narrow band: 300 to 3400 Hz, 8 kHz, µ-law")

    @field_validator("voices", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("people", mode="before")
    @classmethod
    def _a_range(cls, value: Any) -> str:
        value = str(value)
        if not _PEOPLE.fullmatch(value):
            raise ValueError("a number, or two with a - between them")
        return value

    @model_validator(mode="after")
    def _nothing_void(self) -> MakeVoicesConfig:
        """Refuse what another option makes void."""
        refuse_void(self, self._void())
        return self

    def _void(self) -> dict[str, str]:
        """Return the options that do nothing, each with the reason."""
        void: dict[str, str] = {}
        if self.files:
            reason = "with --files, which makes an archive in place of conversations"
            names = ("conversations", "minutes", "overlap", "backchannels", "script")
            void |= dict.fromkeys(names, reason)
        else:
            void["odd"] = "without --files"
        if self.script is not None:
            reason = "with --script, which says who speaks and how long"
            void |= dict.fromkeys(("people", "minutes"), reason)
        if not is_server(self.synthesizer):
            void["server_model"] = "without a server (--synthesizer http://…)"
        if is_server(self.synthesizer) or self.synthesizer == ESPEAK:
            void["threads"] = "without Kokoro, which computes with them"
        return void

    @property
    def least_and_most(self) -> tuple[int, int]:
        """How many people a conversation has."""
        least, most = _PEOPLE.fullmatch(self.people).groups()  # type: ignore[union-attr]
        return int(least), int(most or least)
