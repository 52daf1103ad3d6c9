"""The page of a score of words: the figures of the JSON, names only as text."""

import json
from pathlib import Path

import pytest

from tests.commands import run_diar
from tests.pages import read_page

pytest.importorskip("meeteval", reason="scoring words needs meeteval")

NAMES = ["<img src=x onerror=alert(1)>", "</script>.wav", "silence"]


def item(session: str, speaker: str, start: float, words: str) -> dict:
    return {
        "session_id": session,
        "speaker": speaker,
        "start_time": start,
        "end_time": start + 3,
        "words": words,
    }


def test_the_page_holds_the_figures(tmp_path: Path) -> None:
    true = [
        item(name, who, at, "good morning to you") for name in NAMES[:2] for at, who in ((0, "A"), (4, "B"))
    ]
    found = [item(NAMES[0], "x", 0, "good morning to you"), item(NAMES[0], "x", 4, "good evening to you")]
    for name, items in (("truth.json", true), ("found.json", found)):
        (tmp_path / name).write_text(json.dumps(items))
    places = (tmp_path / "truth.json", tmp_path / "found.json")
    done = run_diar("score", "words", *places, "--report", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    assert f"report, to be opened in a browser: {tmp_path / 'page/index.html'}" in done.stderr
    page = read_page(tmp_path / "page/index.html")
    page.check_alone()
    figures = json.loads((tmp_path / "page/words_score.json").read_text())
    assert page.column("recordings", "Recording") == NAMES[:2]
    for column, name in (("WER", "wer"), ("cpWER", "cpwer"), ("WDER", "wder"), ("Errors", "errors")):
        shown = page.column("recordings", column)
        assert shown == [one[name] and round(one[name], 6) for one in figures["recordings"]]
    assert f"WER {100 * figures['pooled']['wer']:.2f} %" in page.text
    assert f"1 recording without hypothesis: all of their words count as deleted ({NAMES[1]})" in page.text
