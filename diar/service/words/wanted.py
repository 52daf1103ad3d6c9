"""Whether this server can give the words that somebody asks for."""

from __future__ import annotations

from diar.service.config import ServeConfig
from diar.service.problems import Problem

ENGLISH_ONLY = ".en"  # how Whisper's models end that know no other language


def check_words(config: ServeConfig, language: str | None) -> None:
    """Raise Problem if this server recognises no words, or not in that language."""
    if not config.asr:
        raise Problem("not_found", "this server recognises no words (`asr` is empty)")
    if language not in (None, "en") and config.asr.endswith(ENGLISH_ONLY):
        raise Problem("bad_request", f"{config.asr} knows English only: leave 'language' out, or give en")
