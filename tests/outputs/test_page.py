"""The page of a result that is larger than a page should be, or damaged."""

from pathlib import Path

import pytest

from diar.formats.html.tables import Names
from diar.outputs.page import turns_part
from diar.outputs.page.kept import KeptRows
from diar.outputs.page.rttm_lines import RttmLines, spoken_turns
from diar.outputs.page.write import write_page
from tests.outputs.page_sample import write_turns
from tests.pages import read_page


def test_rows_that_need_a_look_are_kept_first() -> None:
    kept: KeptRows[int] = KeptRows(4)
    for row in range(20):
        if kept.wants(row % 7 == 6):
            kept.add(row, row % 7 == 6)
    assert kept.rows == [0, 1, 6, 13]
    assert "4 of 20 files" in kept.note("files", "files.csv")[0]


def test_lines_of_recordings_are_taken_in_their_order() -> None:
    lines = [
        f"SPEAKER {name} 1 {at}.000 1.000 <NA> <NA> Ann%20B <NA> <NA>\n" for name, at in ("a1", "a0", "c2")
    ]
    with_one_name = RttmLines([*lines[:1], *lines[:2], *lines[2:]])
    assert len(with_one_name.take("a", 1)) == 1
    assert with_one_name.take("b", 9) == []
    assert spoken_turns(with_one_name.take("a", 9), 0.5) == [(0.5, 1.5, "Ann B"), (-0.5, 0.5, "Ann B")]
    assert len(with_one_name.take("c", 9)) == 1
    assert with_one_name.take("c", 9) == []


def test_a_large_result_says_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_part, "MOST_RECORDINGS", 300)
    monkeypatch.setattr(turns_part, "MOST_TURNS", 500)
    write_turns(tmp_path, recordings=1_000, turns=4)
    page = read_page(write_page(str(tmp_path)))
    assert "300 of 1,000 recordings" in page.text
    assert "recordings 1,000 " in page.text
    statuses = page.column("recordings", "Status")
    assert (len(statuses), statuses.count("undecodable")) == (300, 10)
    assert sum(len(text) > 0 for text in page.column("recordings", "Who spoke when")) == 500 // 4
    assert "have no timeline here" in page.text


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("recordings.csv", "status", "state"), ("all.rttm", " 1.5", " one"), ("speakers.csv", ",3,", ",three,")],
)
def test_a_damaged_table_is_a_warning(tmp_path: Path, name: str, old: str, new: str) -> None:
    write_turns(tmp_path, recordings=5, turns=3)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert "is damaged" in read_page(write_page(str(tmp_path))).text
    assert turns_part.read_turns(tmp_path / "nowhere", Names()) is None
