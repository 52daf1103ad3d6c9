"""Reading and listening in Chromium; skipped where `playwright` or a Chromium is missing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diar.formats.names import read_names
from diar.outputs.page.write import write_page
from tests.outputs.browsers import chromium, open_page
from tests.outputs.spoken_sample import HOSTILE, write_result

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright (pip install playwright)")

WAIT = 10_000  # ms that anything may take on a busy machine
BLOCKED = (
    1_000  # ms that a task may block the page on a busy machine; benchmarks/result_page.py tells the usual
)
NAME = "calls/</script><script>alert(1)</script>.wav"
SAID = [
    (1.0, 4.0, "person_0001", "Good morning, everybody; this is Ann."),
    (4.5, 7.0, HOSTILE, "</script><img src=x onerror=alert(2)> said Bob."),
    (8.0, 12.0, "person_0001", "Then let us begin with the first point."),
    (12.5, 13.0, "person_0003", "Fine."),
]
OTHER = [(0.5, 2.0, "person_0003", "It is good to be here.")]
LENGTH = 20.0
OBSERVED = """window.blocking = [];
new PerformanceObserver(list => blocking.push(...list.getEntries().map(one => one.duration)))
  .observe({type: "longtask", buffered: true});"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("spoken") / "a result #1 %41"
    write_result(root, {NAME: (SAID, LENGTH), "b.wav": (OTHER, 5.0), "silence.wav": ([], 5.0)})
    write_page(str(root))
    return root


def time(page: Any) -> float:
    return page.evaluate("recordingView.player.time")


def test_a_recording_is_heard_read_and_searched(browser: Any, result: Path) -> None:
    said: list[str] = []
    page = open_page(browser, result / "index.html", said, viewport={"width": 1300, "height": 900})
    page.set_default_timeout(WAIT)
    page.get_by_role("link", name="calls/").click()
    words = page.get_by_label("What was said")
    playwright.expect(words.locator("li")).to_have_count(4)
    assert words.locator("p").all_inner_texts() == [text for *_, text in SAID]
    assert words.locator("bdi").all_inner_texts() == [who for _, _, who, _ in SAID]
    assert page.get_by_role("heading", level=2).inner_text() == NAME
    slider, play = page.get_by_role("slider", name="Position"), page.locator("#play")
    page.wait_for_function("() => recordingView.player.ready")
    page.keyboard.press("Space")
    page.wait_for_function("() => recordingView.player.time > 1.2")
    playwright.expect(play).to_have_attribute("aria-label", "Pause")
    assert "0:0" in slider.get_attribute("aria-valuetext")
    assert words.locator("[aria-current]").inner_text().split()[0] == "0:01"
    page.wait_for_function("() => [...CSS.highlights.get('word')].join() === 'morning,'")
    assert page.locator(".near .playhead").evaluate("e => e.getBoundingClientRect().x") > 300
    page.keyboard.press("k")
    page.wait_for_function("() => !recordingView.player.playing")
    playwright.expect(play).to_have_attribute("aria-label", "Play")  # told by an event, a little later

    box = words.locator("p").nth(2).bounding_box()
    page.mouse.click(box["x"] + 60, box["y"] + box["height"] / 2)  # the second word
    page.wait_for_function("() => recordingView.player.playing")
    assert 8.4 < time(page) < 12
    page.keyboard.press("Space")
    words.get_by_role("button").nth(3).click()
    assert time(page) >= 12.5
    page.wait_for_function("() => recordingView.player.playing")
    page.keyboard.press("k")
    lanes = page.locator("#near")
    lanes.click(position={"x": lanes.bounding_box()["width"] * 11 / LENGTH, "y": 10})
    assert 8.0 <= time(page) < 11  # the start of the turn
    page.keyboard.press("k")
    for key, wanted in (("ArrowLeft", -5), ("ArrowRight", 5)):
        before = time(page)
        page.keyboard.press(key)
        assert time(page) == pytest.approx(before + wanted, abs=0.1)
    page.keyboard.press("ArrowDown")
    assert time(page) == pytest.approx(12.5, abs=0.01)

    page.keyboard.press("/")
    page.keyboard.type("US begin")
    playwright.expect(page.locator("#found")).to_have_text("1 of 1")
    assert page.evaluate("[...CSS.highlights.get('hit')].join()") == "us begin"
    assert time(page) == pytest.approx(9.0, abs=0.01)
    page.fill("#find", "nowhere")
    playwright.expect(page.locator("#found")).to_have_text("not found")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("]")
    playwright.expect(page.get_by_role("heading", level=2)).to_have_text("b.wav")
    playwright.expect(words.locator("p")).to_have_text("It is good to be here.")
    page.keyboard.press("]")
    playwright.expect(page.locator("#no-words")).to_be_visible()
    page.keyboard.press("Escape")
    playwright.expect(page.get_by_role("heading", level=1)).to_be_visible()
    playwright.expect(page.get_by_role("link", name="silence.wav")).to_be_focused()
    assert page.evaluate("document.querySelectorAll('img, script:not([id]):not(:last-of-type)').length") == 0
    assert said == []
    page.close()


def test_a_person_is_renamed_and_the_names_are_saved(browser: Any, result: Path, tmp_path: Path) -> None:
    said: list[str] = []
    page = open_page(browser, result / "index.html", said)
    page.set_default_timeout(WAIT)
    page.get_by_role("link", name="calls/").click()
    words, dialog = page.get_by_label("What was said"), page.get_by_role("dialog")
    for name, complaint in (
        ("", "not empty"),
        (HOSTILE, "does not merge"),
        ("person_0042", "number of another"),
    ):
        page.get_by_role("button", name="rename person_0001").click()
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_role("button", name="Rename").click()
        assert complaint in dialog.get_by_role("alert").inner_text()
        dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="rename person_0001").click()
    dialog.get_by_label("Name").fill("</bdi><script>alert(3)</script>")
    dialog.get_by_label("Name").press("Enter")
    assert words.locator("bdi").first.inner_text() == "</bdi><script>alert(3)</script>"
    page.reload()
    playwright.expect(page.locator("#names-told")).to_have_text("1 name is given in this browser only.")
    playwright.expect(page.locator("#lane-names bdi").first).to_have_text("</bdi><script>alert(3)</script>")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save names.json").click()
    path = tmp_path / "names.json"
    download.value.save_as(path)
    names = read_names(str(path))
    renamed = {"person_0001": HOSTILE, "person_0002": "</bdi><script>alert(3)</script>"}
    assert names.names == renamed  # the sample's ids are in the order of the alphabet
    spoken = {start: who for start, _, who, _ in SAID}
    for person, moment in names.heard.items():
        start = max(at for at in spoken if at <= moment.time)
        assert (moment.recording, spoken[start]) == (
            NAME,
            HOSTILE if person == "person_0001" else "person_0001",
        )
    page.get_by_role("button", name="Forget them").click()
    assert words.locator("bdi").first.inner_text() == "person_0001"
    assert said == []
    page.close()


def test_audio_that_is_not_there_can_be_chosen(browser: Any, result: Path, tmp_path: Path) -> None:
    said: list[str] = []
    moved = tmp_path / "moved"
    shutil.copytree(result, moved, ignore=shutil.ignore_patterns("audio"))
    shutil.rmtree(moved / "audio", ignore_errors=True)
    page_file = moved / "index.html"
    text = page_file.read_text(encoding="utf-8")
    page_file.write_text(
        text.replace(json.dumps(str(result.resolve() / "audio"))[1:-1], "/nowhere"), encoding="utf-8"
    )
    page = open_page(browser, page_file, said)
    page.set_default_timeout(WAIT)
    page.evaluate("location.hash = addressOf('b.wav')")
    playwright.expect(page.locator("#notice")).to_contain_text("The audio is not at /nowhere/b.wav")
    page.get_by_label("Audio of this recording").set_input_files(result / "audio/b.wav")
    page.wait_for_function("() => recordingView.player.ready")
    playwright.expect(page.locator("#notice")).to_be_hidden()
    page.keyboard.press("k")
    page.wait_for_function("() => recordingView.player.time > 0.3")
    assert all("ERR_FILE_NOT_FOUND" in message for message in said)
    page.close()


def test_a_part_of_a_file_is_played_within_its_bounds(browser: Any, tmp_path: Path) -> None:
    said: list[str] = []
    write_result(tmp_path, {"part.wav": (OTHER, 3.0)}, offset=10.0)
    write_page(str(tmp_path))
    page = open_page(browser, tmp_path / "index.html", said)
    page.set_default_timeout(WAIT)
    page.wait_for_function("() => recordingView.player.ready")
    assert page.evaluate("element('audio').duration") == 14
    assert page.evaluate("element('audio').currentTime") == 10
    page.evaluate("recordingView.player.hear(2.5)")
    page.wait_for_function("() => recordingView.player.wanted === false")
    assert 13.0 <= page.evaluate("element('audio').currentTime") < 13.9
    assert said == []
    page.close()


def test_three_hours_and_ten_thousand_words_stay_fluid(browser: Any, tmp_path: Path) -> None:
    turns = [
        (10.8 * i, 10.8 * i + 10, f"person_{1 + i * 7 % 5:04d}", " ".join(["so it goes on."] * 3))
        for i in range(1_000)
    ]
    write_result(tmp_path, {"long.wav": (turns, 10_800.0)}, audio=False)
    write_page(str(tmp_path))
    said: list[str] = []
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.add_init_script(OBSERVED)
    page = open_page(context, tmp_path / "index.html", said)
    page.set_default_timeout(3 * WAIT)
    assert page.inner_text("#recording-name") == "long.wav"  # the only one is shown at once
    words = page.locator("#transcript")  # roles of so many words would be found slowly
    page.wait_for_function("() => recordingView.transcript.items.length === 1_000")
    page.mouse.move(600, 700)
    for _ in range(20):
        page.mouse.wheel(0, words.evaluate("e => e.scrollHeight") / 20)
        page.wait_for_timeout(16)
    page.wait_for_function("() => element('transcript').scrollTop > 20_000")
    for seconds in (10_000, 50, 6_000):
        page.evaluate(f"recordingView.seek({seconds})")
        page.wait_for_timeout(50)
        shown = words.locator("[aria-current]")
        assert shown.evaluate(
            "e => { const a = e.getBoundingClientRect(), b = e.parentElement.getBoundingClientRect();"
            " return a.bottom > b.top && a.top < b.bottom; }"
        )
    page.fill("#find", "on so")
    page.wait_for_function("() => element('found').textContent.endsWith('of 2,999')")
    assert max(page.evaluate("blocking"), default=0) < BLOCKED
    assert page.evaluate("document.documentElement.scrollWidth") <= 1300
    assert all("ERR_FILE_NOT_FOUND" in message for message in said)
    context.close()
