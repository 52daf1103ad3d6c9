"""Options of `diar verify` and `diar purge`."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import field_validator, model_validator

from diar.options.base import CommandConfig, option
from diar.options.keys import KEY_HELP

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdwmy])")
_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800, "m": 30 * 86_400, "y": 365 * 86_400}


class VerifyConfig(CommandConfig):
    """Whether an output is what was written, and hangs together."""

    environment_prefix: ClassVar[str] = "DIAR_VERIFY_"

    place: str = option(..., "verify", "output_dir of stage 1 or 2, or of `diar diarize`", positional=True)
    embeddings_dir: str | None = option(
        None, "verify", "stage 1's output, which a result is compared with; default: the one that it names"
    )
    repair: bool = option(
        False,
        "verify",
        "set damaged recordings to be done again by the next run of stage 1, and remove what killed runs "
        "left; nothing that diar did not write is removed",
    )
    encryption_key: str | None = option(None, "output", KEY_HELP, metavar="SOURCE")
    as_json: bool = option(False, "output", "print everything that was found as JSON", alias="json")


class PurgeConfig(CommandConfig):
    """Recordings that are removed from all outputs."""

    environment_prefix: ClassVar[str] = "DIAR_PURGE_"

    place: tuple[str, ...] = option(
        ...,
        "purge",
        "all outputs that hold them: output_dir of stage 1, of stage 2, of `diar diarize`",
        positional=True,
    )
    recording: tuple[str, ...] = option((), "purge", "ids of recordings", several=True, metavar="ID")
    person: tuple[str, ...] = option(
        (),
        "purge",
        "names of people: every recording in which one of them speaks, or which is labelled with the name",
        several=True,
        metavar="NAME",
    )
    older_than: str | None = option(
        None,
        "purge",
        "recordings whose audio was last changed longer ago than that: 36h, 90d, 6w, 18m (of 30 days), 2y",
        metavar="AGE",
    )
    encryption_key: str | None = option(None, "run", KEY_HELP, metavar="SOURCE")
    dry_run: bool = option(False, "run", "list what would go, remove nothing")
    as_json: bool = option(
        False, "run", "print what was removed, and the search for what is left, as JSON", alias="json"
    )

    @field_validator("place", "recording", "person", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Take a string of YAML or the environment for one value."""
        return (value,) if isinstance(value, str) else value

    @field_validator("older_than")
    @classmethod
    def _check_age(cls, value: str | None) -> str | None:
        if value is not None and not _AGE.fullmatch(value.strip().lower()):
            raise ValueError("a number and one of h, d, w, m, y is needed, such as 90d")
        return value

    @model_validator(mode="after")
    def _check_asked(self) -> PurgeConfig:
        if not (self.recording or self.person or self.older_than):
            raise ValueError("say what is to go: --recording, --person or --older_than")
        return self

    @property
    def seconds(self) -> float | None:
        """`older_than` in seconds."""
        match = None if self.older_than is None else _AGE.fullmatch(self.older_than.strip().lower())
        return None if match is None else float(match[1]) * _SECONDS[match[2]]


class RekeyConfig(CommandConfig):
    """Encrypted outputs that get another key."""

    environment_prefix: ClassVar[str] = "DIAR_REKEY_"

    place: tuple[str, ...] = option(
        ..., "rekey", "outputs: output_dir of stage 1, of stage 2, of `diar diarize`", positional=True
    )
    new_key: str = option(
        ..., "rekey", "the key from now on: file:PATH, env:NAME or command:WORDS", metavar="SOURCE"
    )
    old_key: str = option(..., "rekey", "the key until now, in the same form", metavar="SOURCE")

    @field_validator("place", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Take a string of YAML or the environment for one value."""
        return (value,) if isinstance(value, str) else value
