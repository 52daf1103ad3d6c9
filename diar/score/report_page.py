"""A diarization score as a page that opens in a browser."""

from __future__ import annotations

from collections.abc import Sequence

import diar
from diar.formats.html.document import Page
from diar.formats.html.elements import (
    Section,
    facts,
    link,
    notes,
    pairs_table,
    paragraph,
    picture,
    plain_table,
    subheading,
    table_place,
)
from diar.formats.html.tables import Column, DataTable
from diar.score.amounts import Amounts
from diar.score.der import DiarizationScore
from diar.score.plot_parts import rates, summary
from diar.score.recording import RecordingScore
from diar.score.report import HEADS, cells, counts

PAGE_NAME, JSON_NAME, BREAKDOWN_NAME = "index.html", "der.json", "der_breakdown.png"
_MOST_ROWS = 50_000  # of recordings in the page; all of them are in der.json
_KEY = (
    "DER = (miss + FA + conf) / reference speech; FA: false alarm; conf: the wrong speaker; JER: Jaccard "
    "error rate, a mean over reference speakers; ovl: precision and recall of overlapped speech; –: nothing "
    "to divide by."
)


def timeline_name(rank: int) -> str:
    """Return the name of the picture of a recording, 1 = the worst."""
    return f"timeline_{rank}.png"


def report_page(
    score: DiarizationScore, worst: Sequence[RecordingScore], reference: str, hypothesis: str
) -> Page:
    """Return the page; `worst` are the recordings that have a picture, the worst first."""
    program = f"diar {diar.__version__}"
    scored = [
        ("reference", reference),
        ("hypothesis", hypothesis),
        ("scored", score.options.describe()),
        ("program", f"{program}, arithmetic by pyannote.metrics"),
    ]
    return Page(
        title="Diarization against the reference",
        program=program,
        head=notes(score.warnings) + facts(_figures(score.pooled)),
        sections=[
            Section("all", "All recordings together", _pooled(score)),
            Section("recordings", "Every recording", _recordings_note(score) + table_place("recordings")),
            Section("worst", _worst_heading(len(worst)), _worst(worst)),
            Section("scored", "What was scored", pairs_table("What was compared, and how", scored)),
        ],
        tables=[_recordings(score)],
    )


def _figures(pooled: Amounts) -> list[tuple[str, str]]:
    return [
        ("DER", _percent(pooled.der)),
        ("JER", _percent(pooled.jer)),
        *zip(("miss", "false alarm", "confusion"), map(_percent, rates(pooled)), strict=True),
        ("right number of speakers", f"{pooled.exact_counts} of {pooled.recordings}"),
        ("scored", f"{pooled.scored:,.1f} s"),
    ]


def _pooled(score: DiarizationScore) -> str:
    table = plain_table("All recordings together", HEADS, [cells(score.pooled)])
    key = paragraph(_KEY) + f"<p>All figures: {link(JSON_NAME)}.</p>"
    drawn = picture(BREAKDOWN_NAME, "DER of every recording, divided into miss, false alarm and confusion")
    return table + paragraph(f"{counts(score.pooled)}.") + key + drawn


def _worst_heading(count: int) -> str:
    return f"The worst {count} recordings" if count > 1 else "The worst recording"


def _worst(worst: Sequence[RecordingScore]) -> str:
    if not worst:
        return paragraph("None has an error.")
    return "".join(
        subheading(f"{rank}. {recording.recording}")
        + picture(
            timeline_name(rank),
            f"{recording.recording}, reference above hypothesis: {summary(recording.amounts)}",
        )
        for rank, recording in enumerate(worst, start=1)
    )


def _recordings_note(score: DiarizationScore) -> str:
    total = len(score.recordings)
    if total <= _MOST_ROWS:
        return ""
    return notes([f"This page shows the first {_MOST_ROWS:,} of {total:,} recordings, by name."])


def _recordings(score: DiarizationScore) -> DataTable:
    shown = score.recordings[:_MOST_ROWS]
    amounts = [recording.amounts for recording in shown]
    shares = [rates(one) if one.speech > 0 else (None, None, None) for one in amounts]
    share_titles = ("Miss", "False alarm", "Confusion")
    columns = [
        Column("Recording", "path", [recording.recording for recording in shown]),
        Column("DER", "share", [one.der for one in amounts], decimals=2),
        *(
            Column(title, "share", [share[part] for share in shares], decimals=2)
            for part, title in enumerate(share_titles)
        ),
        Column("Speech, s", "number", [one.speech for one in amounts], decimals=2, minor=True),
        Column("JER", "share", [one.jer for one in amounts], decimals=2, minor=True),
        Column("Speakers found", "number", [one.hypothesis_speakers for one in amounts], minor=True),
        Column("Speakers there", "number", [one.reference_speakers for one in amounts], minor=True),
        Column(
            "Overlap precision", "share", [one.overlap_precision for one in amounts], decimals=2, minor=True
        ),
        Column("Overlap recall", "share", [one.overlap_recall for one in amounts], decimals=2, minor=True),
    ]
    return DataTable("recordings", "recording", "recordings", columns, order=(1, True))


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"
