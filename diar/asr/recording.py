"""The words of one signal of a recording: cut, recognised in batches, placed in time, cleaned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar

import numpy as np

from diar.align.cleaning import Cleaned, clean
from diar.asr.pieces import Piece, Samples, cut
from diar.asr.recogniser import RATE, Language, Recogniser
from diar.intervals import running_seconds
from diar.records import MIXED, Word

T = TypeVar("T")
_LOOP = re.compile(r"(.{2,12}?)\1{7,}")  # pah-pah-pah-pah-pah-pah-pah-pah in one word
_OVERLAP = 0.02  # share of a piece in which people speak at once
_LANGUAGE_PIECES = 4  # the first two minutes of speech tell the language

Remember = Callable[[int, Callable[[], list[Word]]], list[Word]]  # batch number, how to recognise it


@dataclass(frozen=True)
class Heard:
    """What was recognised in one signal."""

    cleaned: Cleaned
    language: Language | None
    seconds: float  # of audio that the recogniser heard


def recognise_signal(
    blocks: Iterable[np.ndarray],
    speech: np.ndarray,
    recogniser: Recogniser,
    *,
    batch: int,
    overlap: np.ndarray | None = None,
    language: Language | None = None,
    channel: int = MIXED,
    remember: Remember = lambda _, recognise: recognise(),
) -> Heard:
    """Recognise one signal.

    Args:
        blocks: its samples at 16 kHz, (n,) float32 each, from its start.
        speech: (n, 2) seconds where anybody speaks.
        recogniser: hears the words.
        batch: pieces that are recognised at once.
        overlap: (n, 2) seconds where several speak; None = not known.
        language: of the recording; None = the recogniser tells.
        channel: that the words are heard in.
        remember: is asked for the words of each batch, and how they would be recognised; a resumed run
            returns what it has stored.
    """
    words: list[Word] = []
    heard = 0.0
    all_pieces = cut(Samples(blocks, RATE), speech)
    if language is None and (first := list(islice(all_pieces, _LANGUAGE_PIECES))):
        language = recogniser.detect([piece.samples for piece in first])
        all_pieces = chain(first, all_pieces)
    for number, pieces in enumerate(_batches(all_pieces, batch)):
        code = None if language is None else language.code
        overlapped = None if overlap is None else [has_overlap(piece, overlap) for piece in pieces]
        words += remember(number, lambda: _recognise(pieces, recogniser, code, overlapped, channel))  # noqa: B023 - at once
        heard += sum(len(piece.samples) for piece in pieces) / RATE
    return Heard(clean(sorted(words, key=lambda word: word.start), speech), language, heard)


def has_overlap(piece: Piece, overlap: np.ndarray) -> bool:
    """Return whether people speak at once in much of a piece, given (n, 2) seconds where they do."""
    seconds = np.diff(running_seconds(overlap, piece.intervals), axis=1).sum()
    return bool(seconds >= _OVERLAP * (piece.intervals[:, 1] - piece.intervals[:, 0]).sum())


def _recognise(
    pieces: list[Piece],
    recogniser: Recogniser,
    language: str | None,
    overlapped: list[bool] | None,
    channel: int,
) -> list[Word]:
    found = recogniser.recognise([piece.samples for piece in pieces], language, overlapped)
    return [
        placed for piece, words in zip(pieces, found, strict=True) for placed in _place(piece, words, channel)
    ]


def _place(piece: Piece, words: list[Word], channel: int) -> Iterator[Word]:
    """Yield the words of a piece in seconds of the recording."""
    if not words:
        return
    times = piece.in_recording(np.array([(word.start, word.end) for word in words]).ravel()).reshape(-1, 2)
    for word, (start, end) in zip(words, times.tolist(), strict=True):
        text = _LOOP.sub(r"\1", word.text).strip("-") or word.text
        yield replace(word, text=text, start=start, end=max(start, end), channel=channel)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
