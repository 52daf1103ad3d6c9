"""A score of words as a page that opens in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import diar
from diar import storage
from diar.formats.html.document import Page
from diar.formats.html.elements import Section, facts, link, notes, pairs_table, paragraph, table_place
from diar.formats.html.tables import Column, DataTable
from diar.score.words.rates import WordErrors

PAGE_NAME, JSON_NAME = "index.html", "words_score.json"
_MOST_ROWS = 50_000  # of recordings in the page; all of them are in the JSON
_KEY = (
    "WER: errors of all words in the order of their times, whoever said them, by words of the reference. "
    "cpWER: the same of each speaker's words, under the best assignment of speakers. WDER: recognised words "
    "with a wrong speaker, by recognised words. –: nothing to divide by."
)


def write_words_report(
    folder: Path,
    scores: Mapping[str, WordErrors],
    figures: str,
    scored: Mapping[str, str],
    warnings: list[str],
) -> Path:
    """Write the page and `figures`, all of them as JSON; return the page's path.

    Args:
        folder: is made where it is missing.
        scores: by recording.
        figures: JSON text.
        scored: what was compared, and how: names and values.
        warnings: about all of it.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {JSON_NAME: (figures + "\n").encode("utf-8", "surrogateescape")}
    files[PAGE_NAME] = words_page(scores, scored, warnings).render()
    for name, data in files.items():
        storage.write_bytes_atomic(storage.local_url(str(folder / name)), data)
    return folder / PAGE_NAME


def words_page(scores: Mapping[str, WordErrors], scored: Mapping[str, str], warnings: list[str]) -> Page:
    """Return the page; `scored` says what was compared, and how."""
    pooled = sum(scores.values(), WordErrors())
    program = f"diar {diar.__version__}"
    key = paragraph(_KEY) + f"<p>All figures: {link(JSON_NAME)}.</p>"
    if len(scores) > _MOST_ROWS:
        warnings = [*warnings, f"This page shows the first {_MOST_ROWS:,} of {len(scores):,} recordings."]
    return Page(
        title="Words against the reference",
        program=program,
        head=notes(warnings) + facts(_figures(pooled)),
        sections=[
            Section("recordings", "Every recording", key + table_place("recordings")),
            Section(
                "scored",
                "What was scored",
                pairs_table("What was compared, and how", [*scored.items(), ("program", program)]),
            ),
        ],
        tables=[_recordings(scores)],
    )


def _figures(pooled: WordErrors) -> list[tuple[str, str]]:
    rates = {"WER": pooled.wer, "cpWER": pooled.cpwer, "WDER": pooled.wder}
    return [
        *((name, "–" if rate != rate else f"{100 * rate:.2f} %") for name, rate in rates.items()),
        ("words of the reference", f"{pooled.words:,}"),
        ("found", f"{pooled.hypothesis:,}"),
        ("without speaker", f"{pooled.without_speaker:,}"),
    ]


def _recordings(scores: Mapping[str, WordErrors]) -> DataTable:
    names = list(scores)[:_MOST_ROWS]
    own = [scores[name] for name in names]
    columns = [
        Column("Recording", "path", names),
        Column("WER", "share", [_known(one.wer) for one in own], decimals=2),
        Column("cpWER", "share", [_known(one.cpwer) for one in own], decimals=2),
        Column("WDER", "share", [_known(one.wder) for one in own], decimals=2),
        Column("Words", "number", [one.words for one in own]),
        Column("Found", "number", [one.hypothesis for one in own], minor=True),
        Column("Errors", "number", [one.errors for one in own], minor=True),
        Column("With speakers", "number", [one.cp_errors for one in own], minor=True),
        Column("Wrong speaker", "number", [one.wrong_speaker for one in own], minor=True),
        Column("Without speaker", "number", [one.without_speaker for one in own], minor=True),
    ]
    return DataTable("recordings", "recording", "recordings", columns, order=(2, True))


def _known(rate: float) -> float | None:
    return None if rate != rate else rate
