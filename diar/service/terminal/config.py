"""Options of `diar live`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from diar.options.base import CommandConfig, option


class LiveConfig(CommandConfig):
    """A file or stdin to a live session."""

    environment_prefix: ClassVar[str] = "DIAR_LIVE_"

    audio: str = option(
        ..., "audio", "file to play, or - for raw 16 bit samples on stdin", positional=True, metavar="FILE"
    )
    sample_rate: int = option(16_000, "audio", "Hz of raw samples on stdin", ge=8_000, le=48_000)
    channels: int = option(1, "audio", "channels of raw samples on stdin", ge=1, le=64)
    pace: float = option(
        1.0, "audio", "times real time at which a file is played; 0 = as fast as it is taken", ge=0
    )
    max_speakers: int | None = option(None, "audio", "most speakers", ge=1, le=64)
    words: bool = option(False, "audio", "show what is said, too, where the server recognises words")
    language: str | None = option(None, "audio", "of the words, such as en; default: the server finds it")

    url: str = option("ws://127.0.0.1:8000/v1/live", "server", "of the server; wss:// over TLS")
    token_file: Path | None = option(
        None, "server", "file with the token; the variable DIAR_LIVE_TOKEN_FILE names it, too"
    )
    ca: Path | None = option(None, "server", "PEM file of the authority of the server's certificate")
    certificate: Path | None = option(None, "server", "PEM file with the client's certificate and key")

    as_json: bool = option(False, "output", "print every event as one line of JSON", alias="json")
    rttm: Path | None = option(None, "output", "write the final turns there", metavar="FILE")
