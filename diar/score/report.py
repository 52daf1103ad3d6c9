"""A diarization score as a table, as JSON, and as a page with pictures (report_page.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import diar
from diar import storage
from diar.score.amounts import Amounts
from diar.score.der import DiarizationScore
from diar.score.recording import RecordingScore, ScoreError
from diar.wording import counted

_WORST = 5
HEADS = (
    "DER %", "miss %", "FA %", "conf %", "speech s", "miss s", "FA s", "conf s",
    "JER %", "speakers", "ovl prec %", "ovl rec %",
)  # fmt: skip


def to_text(score: DiarizationScore) -> str:
    """Return what was scored, a line for each recording and one for all of them."""
    rows = [(s.recording, cells(s.amounts)) for s in score.recordings]
    rows.append((_pooled_name(score), cells(score.pooled)))
    widths = [max(len(head), *(len(cells[i]) for _, cells in rows)) for i, head in enumerate(HEADS)]
    name_width = max(len("recording"), *(len(name) for name, _ in rows))

    def line(name: str, cells: Sequence[str]) -> str:
        return f"{name:{name_width}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))

    lines = [line(name, cells) for name, cells in rows]
    rule = "-" * len(lines[-1])
    heading = [score.options.describe(), line("recording", HEADS)]
    return "\n".join([*heading, *lines[:-1], rule, lines[-1], counts(score.pooled)])


def to_json(score: DiarizationScore) -> str:
    """Return every figure: rates as shares (null where there is nothing to divide by), times in seconds."""
    options = score.options
    document = {
        "program": f"diar {diar.__version__}",
        "options": {
            "collar_each_side": options.collar,
            "skip_overlap": options.skip_overlap,
            "uem": options.uem,
            "description": options.describe(),
        },
        "pooled": _figures(score.pooled),
        "recordings": [
            {"recording": s.recording, **_figures(s.amounts), "speaker_mapping": s.mapping}
            for s in score.recordings
        ],
        "warnings": score.warnings,
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def check_report(folder: Path | None, page: str, figures: str) -> None:
    """Refuse to write a report over the page of something else, such as a result of stage 2.

    Args:
        folder: that is asked for, if any.
        page: name of the report's page.
        figures: name of the file that every report of this kind has beside its page.

    Raises:
        ScoreError: the folder has such a page, and not of such a report.
    """
    if folder is not None and (folder / page).exists() and not (folder / figures).exists():
        raise ScoreError(
            f"`report={folder}` has an {page} that is not of such a report and would be overwritten; "
            "give another folder"
        )


def write_report(score: DiarizationScore, folder: Path, reference: str, hypothesis: str) -> Path:
    """Write index.html, its pictures and der.json to `folder`; return the page's path.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    from diar.plots.style import number_names
    from diar.score.breakdown_plot import draw_breakdown
    from diar.score.report_page import BREAKDOWN_NAME, JSON_NAME, PAGE_NAME, report_page, timeline_name
    from diar.score.timeline_plot import draw_timeline

    folder.mkdir(parents=True, exist_ok=True)
    worst = worst_first(score.recordings)[:_WORST]
    options = score.options.describe()
    files = {BREAKDOWN_NAME: draw_breakdown(score.recordings, score.pooled, options)}
    numbers = number_names(turn.speaker for one in score.recordings for turn in one.hypothesis)
    for rank, recording in enumerate(worst, start=1):
        files[timeline_name(rank)] = draw_timeline(recording, options, numbers)
    files[JSON_NAME] = (to_json(score) + "\n").encode("utf-8", "surrogateescape")
    files[PAGE_NAME] = report_page(score, worst, reference, hypothesis).render()
    for rank in range(len(worst) + 1, _WORST + 1):  # left by an earlier report with more recordings
        (folder / timeline_name(rank)).unlink(missing_ok=True)
    for name, data in files.items():
        storage.write_bytes_atomic(storage.local_url(str(folder / name)), data)
    return folder / PAGE_NAME


def worst_first(scores: Sequence[RecordingScore]) -> list[RecordingScore]:
    """Return the recordings with an error by falling DER; those without reference speech come first."""
    wrong = [score for score in scores if score.amounts.errors > 0]

    def rank(score: RecordingScore) -> tuple[float, float, str]:
        der = score.amounts.der
        return (-der if der is not None else float("-inf"), -score.amounts.errors, score.recording)

    return sorted(wrong, key=rank)


def cells(amounts: Amounts) -> tuple[str, ...]:
    """Return the columns of `HEADS`."""
    parts = (amounts.miss, amounts.false_alarm, amounts.confusion)
    shares = [part / amounts.speech if amounts.speech > 0 else None for part in parts]
    return (
        *map(_percent, (amounts.der, *shares)),
        *(f"{seconds:.2f}" for seconds in (amounts.speech, *parts)),
        _percent(amounts.jer),
        f"{amounts.hypothesis_speakers}/{amounts.reference_speakers}",
        _percent(amounts.overlap_precision),
        _percent(amounts.overlap_recall),
    )


def counts(pooled: Amounts) -> str:
    """Return in words how well speakers were counted."""
    return (
        f"speaker count: right in {pooled.exact_counts:,} of {counted(pooled.recordings, 'recording')} "
        f"({_percent(pooled.count_accuracy)} %), off by {pooled.mean_count_error or 0.0:.2f} on average"
    )


def _figures(amounts: Amounts) -> dict[str, float | None]:
    rates = {
        "der": amounts.der,
        "jer": amounts.jer,
        "speaker_count_error": amounts.mean_count_error,
        "speaker_count_accuracy": amounts.count_accuracy,
        "overlap_precision": amounts.overlap_precision,
        "overlap_recall": amounts.overlap_recall,
    }
    figures: dict[str, float | None] = {**rates, **asdict(amounts)}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in figures.items()}


def _pooled_name(score: DiarizationScore) -> str:
    return f"pooled ({len(score.recordings)})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"
