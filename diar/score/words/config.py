"""Options of `diar score words`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from diar.options.base import CommandConfig, option


class ScoreWordsConfig(CommandConfig):
    """Words with speakers against a reference."""

    environment_prefix: ClassVar[str] = "DIAR_SCORE_WORDS_"

    reference: Path = option(
        ..., "input", "true words with speakers: SegLST, STM, words.json", positional=True, metavar="FILE"
    )
    hypothesis: Path = option(
        ..., "input", "found words: a file, or a result of `diar words`", positional=True, metavar="FILE|DIR"
    )
    normalise: str = option(
        "basic", "scoring", "of both: basic = lower case without punctuation; none = as they are written"
    )
    as_json: bool = option(False, "output", "print the figures as JSON", alias="json")
