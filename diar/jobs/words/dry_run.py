"""`diar words --dry_run`: what would be recognised."""

from __future__ import annotations

from diar.jobs.words.config import WordsConfig
from diar.jobs.words.prepare import open_shards
from diar.store.reader import load_index
from diar.wording import counted, duration


def print_dry_run(config: WordsConfig) -> None:
    """Print the amount of speech and what is left to do."""
    index = load_index(config.embeddings_dir)
    order, totals = open_shards(config)
    speech = float(index.speech_seconds.sum())
    print(f"{counted(len(index), 'recording')}, {duration(speech)} of speech in {config.embeddings_dir}")
    before, left = counted(totals.files_before, "recording"), counted(len(order), "shard")
    print(f"recognised already: {before}; {left} left")
    source = f"words: {config.words}" if config.words is not None else f"recogniser: {config.asr}"
    print(source if config.result is None else f"{source}; formats: {', '.join(config.format)}")
