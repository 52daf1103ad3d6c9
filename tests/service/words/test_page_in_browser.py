"""The page shows what is said, in Chromium; skipped where `playwright` or a Chromium is missing."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.commands import RATE
from tests.service.recognition import needs_recogniser, serving_words

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright (pip install playwright)")
pytestmark = needs_recogniser
PATIENCE = 60_000  # milliseconds, on a busy machine


def test_a_file_is_shown_with_its_words(live_models: Any, talk: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / "talk.wav"
    sf.write(file, talk, RATE)
    options = {"job_workers": 0, "insecure": True}
    with playwright.sync_playwright() as running, serving_words(live_models, tmp_path, options) as server:
        program = shutil.which("chromium") or running.chromium.executable_path
        if not Path(program).exists():
            pytest.skip("no Chromium (playwright install chromium)")
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 1100})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"http://{server.address}/")
        assert page.is_hidden("#transcript-part")
        page.click("summary")
        page.check("#words")
        page.select_option("#pace", "4")
        page.set_input_files("#file", str(file))
        page.wait_for_selector("#transcript li .said", timeout=PATIENCE)
        page.locator("#status", has_text="has ended").wait_for(timeout=PATIENCE)
        said = page.locator("#transcript li")
        assert {text.split(":")[2].strip() for text in said.all_inner_texts()}, "paragraphs with words"
        assert page.locator("#transcript .who").first.inner_text().startswith("Speaker ")
        with page.expect_download() as download:
            page.click("#json")
        result = json.loads(Path(download.value.path()).read_text())
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/live-words.png")
        browser.close()
    assert len(result["words"]) > 8 and {word["speaker"] for word in result["words"]} >= {"Speaker 1"}
    assert not problems
