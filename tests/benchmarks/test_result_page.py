"""benchmarks/result_page.py: what it makes is a result with a page that holds all of it."""

from pathlib import Path

import page_samples
import result_page

from tests.pages import read_page


def test_the_made_up_result_has_a_whole_page(tmp_path: Path) -> None:
    result_page.make_result(tmp_path, 100, 4, folders=False)
    path, seconds, peak = result_page.written(str(tmp_path))
    page = read_page(path)
    page.check_alone()
    assert page.column("recordings", "Turns") == [4] * 99 + [0]
    assert page.column("remarks", "What") == ["no speech", "warning"]
    assert seconds > 0
    assert peak > path.stat().st_size / 2**20


def test_the_long_recording_has_words_and_audio(tmp_path: Path) -> None:
    page_samples.make_long(tmp_path, 0.05, 200)
    path, _, _ = result_page.written(str(tmp_path))
    page = read_page(path)
    page.check_alone()
    assert page.column("recordings", "Words") == ["yes"]
    assert page.column("recordings", "Length") == [180.0]
    assert Path(page.column("recordings", "Audio")[0]).stat().st_size == 2 * 8_000 * 180 + 44
    assert (tmp_path / "recordings/board meeting.wav/words.js").read_text().count('"So"') == 200 // 20
