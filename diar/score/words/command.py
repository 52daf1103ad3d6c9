"""`diar score words`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from diar.errors import EXIT_OK
from diar.formats.words.document import WORDS_NAME
from diar.formats.words.reading import read_words
from diar.options.command import run_command
from diar.records import Word
from diar.score.words.config import ScoreWordsConfig
from diar.score.words.rates import NORMALISATIONS, WordErrors, WordsScoreError, score_words

DESCRIPTION = """\
Words with speakers against a reference: word error rate (WER), the same with speakers (cpWER), and the share
of words with a wrong speaker (WDER), of each recording and of all together."""

EPILOG = """\
Recordings are matched by name. One without hypothesis has all its words deleted; one without reference is not
scored.

examples:
  diar score words OUT/truth.seglst.json R
  diar score words --reference truth.stm --hypothesis words.json --normalise none --json"""


def main(arguments: Sequence[str], prog: str = "diar score words") -> int:
    """Run `diar score words` and return the exit code."""
    return run_command(_score, ScoreWordsConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _score(config: ScoreWordsConfig) -> int:
    if config.normalise not in NORMALISATIONS:
        raise WordsScoreError(f"`normalise={config.normalise}`: it is {' or '.join(NORMALISATIONS)}")
    reference, hypothesis = _read(config.reference), _read(config.hypothesis)
    scores = score_words(reference, hypothesis, NORMALISATIONS[config.normalise])
    for recording in reference:
        if recording not in hypothesis:
            print(f"warning: {recording} has no words in {config.hypothesis}", file=sys.stderr)
    print(to_json(scores, config.normalise) if config.as_json else to_text(scores))
    return EXIT_OK


def _read(path: Path) -> dict[str, list[Word]]:
    """Read the words of a file, or of all recordings of a result.

    Raises:
        WordsScoreError: the file does not name its recordings, or there are none.
    """
    files = sorted(path.rglob(WORDS_NAME)) if path.is_dir() else [path]
    found: dict[str, list[Word]] = {}
    for file in files:
        for recording, words in read_words(file).items():
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
        rates = f"{100 * own.wer:6.2f}  {100 * own.cpwer:7.2f}  {100 * own.wder:6.2f}"
        lines.append(f"{name:{width}}  {own.words:5}  {rates}  {own.without_speaker:15}")
    return "\n".join(lines)


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
