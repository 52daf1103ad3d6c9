"""The page of ten thousand recordings in Chromium; skipped where `playwright` or a Chromium is missing."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diar.outputs.page.write import write_page
from tests.outputs.browsers import chromium, open_page
from tests.outputs.page_sample import write_turns

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright (pip install playwright)")

RECORDINGS = 10_000
SECONDS = 3.0  # that an action may take on a busy machine; 0.1 is usual
SIZES = {"desktop": (1300, 900), "phone": (390, 800)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write_turns(folder, recordings=RECORDINGS, turns=20)
    start = time.perf_counter()
    page = write_page(str(folder))
    assert time.perf_counter() - start < 30
    assert page.stat().st_size < 5e6
    return page


@pytest.mark.parametrize("size", SIZES)
def test_ten_thousand_recordings_stay_fluid(browser: Any, written: Path, size: str) -> None:
    width, height = SIZES[size]
    said: list[str] = []
    page = open_page(browser, written, said, viewport={"width": width, "height": height})
    page.set_default_timeout(1_000 * SECONDS)
    recordings = page.locator('[data-table="recordings"]')
    status, names = recordings.get_by_role("status"), recordings.locator("tbody th")
    assert status.inner_text() == "1–50 of 10,000 recordings"

    recordings.get_by_role("button", name="Recording", exact=True).click()
    assert recordings.locator('[aria-sort="ascending"]').inner_text().startswith("Recording")
    assert names.first.inner_text() == "part_0/call_000000.wav"
    recordings.get_by_role("button", name="Recording", exact=True).click()
    assert names.first.inner_text() == "part_6/call_009995.wav"
    recordings.get_by_role("button", name="Next").click()
    assert status.inner_text() == "51–100 of 10,000 recordings"

    recordings.get_by_role("searchbox").fill("CALL_0012 part_1")
    playwright.expect(status).to_have_text("14 recordings found among 10,000")
    found = [number for number in range(1_200, 1_300) if number % 7 == 1]
    assert names.all_inner_texts() == [f"part_1/call_{number:06d}.wav" for number in reversed(found)]
    names.first.locator("xpath=..").get_by_role("button", name="details").press("Enter")
    lanes = recordings.locator("canvas.lanes")
    assert "person_" in lanes.get_attribute("aria-label")
    assert lanes.evaluate("c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)")

    page.locator('[data-table="people"] tbody button').first.click()
    playwright.expect(status).to_contain_text("recordings found among 10,000")
    recordings.get_by_role("button", name="show all").click()
    page.locator('[data-table="remarks"]').get_by_role("button", name="call_000099").click()
    playwright.expect(status).to_have_text("1 recording found among 10,000")
    assert "no audio, 1 <byte>" in recordings.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    start = time.perf_counter()
    page.mouse.move(width / 2, height / 2)
    page.mouse.wheel(0, 5_000)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert time.perf_counter() - start < SECONDS
    assert said == []
    page.close()
