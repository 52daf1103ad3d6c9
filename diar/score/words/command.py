"""`diar score words`."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from diar.connectors.mlflow.files import result_files
from diar.connectors.mlflow.tracking import Tracking, run_tracked
from diar.errors import EXIT_OK
from diar.formats.matching import match_names
from diar.formats.words.document import WORDS_NAME
from diar.formats.words.reading import read_words
from diar.options.command import run_command
from diar.options.places import check_writable, folder_of
from diar.records import Word
from diar.score.der import some
from diar.score.report import check_report
from diar.score.tracked import REPORT_FILES, numbers
from diar.score.words.config import ScoreWordsConfig
from diar.score.words.rates import NORMALISATIONS, WordErrors, WordsScoreError, score_words
from diar.score.words.report_page import JSON_NAME, PAGE_NAME
from diar.wording import counted

DESCRIPTION = """\
Words with speakers against a reference: word error rate (WER), the same with speakers (cpWER), and the share
of words with a wrong speaker (WDER), of each recording and of all together."""

EPILOG = """\
Recordings are matched by name, with or without folders and suffix. One without hypothesis has all its words
deleted; one without reference is not scored.

examples:
  diar score words OUT/truth.seglst.json R
  diar score words OUT/truth.seglst.json R --report REPORT
  diar score words --reference truth.stm --hypothesis words.json --normalise none --json"""


def main(arguments: Sequence[str], prog: str = "diar score words") -> int:
    """Run `diar score words` and return the exit code."""

    def run(config: ScoreWordsConfig) -> int:
        return run_tracked(
            config, "score words", partial(_score, config), lambda text: print(text, file=sys.stderr)
        )

    return run_command(run, ScoreWordsConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _score(config: ScoreWordsConfig, tracking: Tracking) -> int:
    if config.normalise not in NORMALISATIONS:
        raise WordsScoreError(f"`normalise={config.normalise}`: it is {' or '.join(NORMALISATIONS)}")
    check_writable("report", str(config.report or ""))
    check_report(config.report, PAGE_NAME, JSON_NAME)
    check_writable("metrics_file", folder_of(config.metrics_file))
    reference, found = _read(config.reference), _read(config.hypothesis)
    hypothesis = {meant: found[name] for name, meant in match_names(reference, found).items()}
    scores = score_words(reference, hypothesis, NORMALISATIONS[config.normalise])
    warnings = _warnings(reference, hypothesis)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(to_json(scores, config.normalise) if config.as_json else to_text(scores))
    tracking.figures(numbers(_figures(sum(scores.values(), WordErrors()))))
    if config.report is None:
        tracking.artifacts([("words_score.json", to_json(scores, config.normalise).encode())])
    else:
        _write_report(config, config.report, scores, warnings)
        tracking.artifacts(result_files(config.report, REPORT_FILES))
    if config.metrics_file is not None:
        _write_metrics(sum(scores.values(), WordErrors()), config)
    return EXIT_OK


def _warnings(reference: Collection[str], hypothesis: Collection[str]) -> list[str]:
    """Return what is said of recordings that only one side has."""
    lost = [name for name in reference if name not in hypothesis]
    extra = sorted(name for name in hypothesis if name not in reference)
    groups = (
        (lost, "without hypothesis: all of their words count as deleted"),
        (extra, "without reference: not scored"),
    )
    return [f"{counted(len(names), 'recording')} {what} ({some(names)})" for names, what in groups if names]


def _write_metrics(pooled: WordErrors, config: ScoreWordsConfig) -> None:
    from diar.connectors.prometheus.families import WORDS_SCORE
    from diar.connectors.prometheus.scoring import now, write_scores

    figures = {
        "diar_wer": pooled.wer,
        "diar_cpwer": pooled.cpwer,
        "diar_wder": pooled.wder,
        "diar_words_score_words": float(pooled.words),
        "diar_words_score_time_seconds": now(),
    }
    name = config.metrics_set or config.reference.stem
    write_scores(str(config.metrics_file), WORDS_SCORE, name, figures)


def _write_report(
    config: ScoreWordsConfig, folder: Path, scores: Mapping[str, WordErrors], warnings: list[str]
) -> None:
    from diar.score.words.report_page import write_words_report

    scored = {
        "reference": str(config.reference),
        "hypothesis": str(config.hypothesis),
        "normalised": config.normalise,
    }
    page = write_words_report(folder, scores, to_json(scores, config.normalise), scored, warnings)
    print(f"report, to be opened in a browser: {page}", file=sys.stderr)


def _read(path: Path) -> dict[str, list[Word]]:
    """Read the words of a file, or of all recordings of a result.

    Raises:
        WordsScoreError: the file does not name its recordings, or there are none.
    """
    files = sorted(path.rglob(WORDS_NAME)) if path.is_dir() else [path]
    found: dict[str, list[Word]] = {}
    for file in files:
        for recording, words in read_words(file).recordings.items():
            found[recording or file.stem] = words
    if not found:
        raise WordsScoreError(f"{path} holds no words; `diar words` writes {WORDS_NAME}")
    return found


def to_text(scores: Mapping[str, WordErrors]) -> str:
    """Return a line a recording, and one for all of them."""
    rows = {**scores, f"all {len(scores)}": sum(scores.values(), WordErrors())}
    width = max(len("recording"), *map(len, rows))
    lines = [f"{'recording':{width}}  words   WER %  cpWER %  WDER %  without speaker"]
    for name, own in rows.items():
        rates = f"{_percent(own.wer):>6}  {_percent(own.cpwer):>7}  {_percent(own.wder):>6}"
        lines.append(f"{name:{width}}  {own.words:5}  {rates}  {own.without_speaker:15}")
    return "\n".join(lines)


def _percent(rate: float) -> str:
    """Return a share in %, – where there was nothing to divide by."""
    return "–" if rate != rate else f"{100 * rate:.2f}"


def to_json(scores: Mapping[str, WordErrors], normalise: str) -> str:
    """Return every figure; rates as shares."""
    pooled = sum(scores.values(), WordErrors())
    document = {
        "normalise": normalise,
        "pooled": _figures(pooled),
        "recordings": [{"recording": name, **_figures(own)} for name, own in scores.items()],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _figures(own: WordErrors) -> dict[str, float | int | None]:
    rates = {"wer": own.wer, "cpwer": own.cpwer, "wder": own.wder}
    return {**{name: rate if rate == rate else None for name, rate in rates.items()}, **vars(own)}
