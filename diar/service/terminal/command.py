"""`diar live`."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from diar.errors import EXIT_OK, DiarError, explain
from diar.extras import require
from diar.formats.rttm import write_rttm
from diar.options.command import run_command
from diar.options.terminal import as_written, shown
from diar.records import Turn
from diar.service.terminal.config import LiveConfig
from diar.service.terminal.display import Display, summary

DESCRIPTION = """\
Send audio to `diar serve` as it is spoken, and show who speaks when in this terminal: a file at the pace of a
clock, or raw samples from stdin. Lines may be followed by corrections of earlier ones. If the connection is
lost, the session goes on over the next one."""

EPILOG = """\
examples:
  diar live meeting.wav
  diar live meeting.wav --words
  diar live meeting.mp3 --pace 0 --rttm meeting.rttm
  arecord -t raw -f S16_LE -r 16000 -c 1 | diar live -
  diar live call.wav --url wss://diar.example.com/v1/live --token_file token --json"""


def main(arguments: Sequence[str], prog: str = "diar live") -> int:
    """Run `diar live` and return the exit code."""
    return run_command(_live, LiveConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _live(config: LiveConfig) -> int:
    require("websockets", "service", "`diar live`")  # the client does
    try:
        ended, names = asyncio.run(_run(config))
    except KeyboardInterrupt:
        return EXIT_OK
    if not config.as_json:
        print("\n".join(summary(ended, names)))
    if config.rttm is not None:
        write_rttm(config.rttm, _turns(config.audio, ended, names))
    return EXIT_OK


async def _run(config: LiveConfig) -> tuple[dict[str, Any], dict[str, str]]:
    from diar.service.terminal.client import LiveClient

    audio, rate, channels = _source(config)
    opening = {
        "format": "pcm_s16le",
        "sample_rate": rate,
        "channels": channels,
        "max_speakers": config.max_speakers,
        **({"words": True, "language": config.language} if config.words else {}),
    }
    display = Display()

    def show(event: dict[str, Any]) -> None:
        if config.as_json:
            print(json.dumps(event, ensure_ascii=False), flush=True)
            return
        for line in display.lines(event):
            _write(line)
        if sys.stdout.isatty():
            terminal = as_written(sys.stdout)
            terminal.write(f"\r\x1b[2K{shown(display.now()[:100])}")
            terminal.flush()

    client = LiveClient(config.url, opening, show, _headers(config.token_file), _tls(config))
    ended = await client.run(audio)
    return ended, {**display.names, **ended["names"]}


def _write(line: str) -> None:
    clear = "\r\x1b[2K" if sys.stdout.isatty() else ""
    print(f"{clear}{shown(line)}", file=as_written(sys.stdout), flush=True)


def _source(config: LiveConfig) -> tuple[AsyncIterator[bytes], int, int]:
    from diar.service.terminal.source import play, raw, read_file

    if config.audio == "-":
        return raw(sys.stdin.buffer, config.sample_rate, config.channels), config.sample_rate, config.channels
    samples, rate = read_file(config.audio)
    return play(samples, rate, config.pace), rate, 1


def _headers(token_file: Path | None) -> dict[str, str]:
    if token_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {token_file.read_text().strip()}"}
    except OSError as error:
        raise DiarError(f"`token_file`: {explain(error)}") from None


def _tls(config: LiveConfig) -> ssl.SSLContext | None:
    if not config.url.startswith("wss:"):
        return None
    try:
        context = ssl.create_default_context(cafile=config.ca)
        if config.certificate is not None:
            context.load_cert_chain(config.certificate)
    except (OSError, ssl.SSLError) as error:
        raise DiarError(f"`ca`, `certificate`: {explain(error)}") from None
    return context


def _turns(recording: str, ended: dict[str, Any], names: dict[str, str]) -> list[Turn]:
    name = "stdin" if recording == "-" else Path(recording).stem
    return [
        Turn(name, turn["start"], turn["end"], names.get(turn["speaker"], f"speaker_{turn['speaker']}"))
        for turn in ended["turns"]
    ]
