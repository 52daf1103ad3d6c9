"""A Chromium for tests; those skip where `playwright` or the browser is missing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def chromium() -> Iterator[Any]:
    """Open a browser that may play sound without a click."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright (pip install playwright)")
    with playwright.sync_playwright() as running:
        program = (
            shutil.which("chromium") or shutil.which("google-chrome") or running.chromium.executable_path
        )
        if not Path(program).exists():
            pytest.skip("no Chromium (playwright install chromium)")
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        opened = running.chromium.launch(executable_path=program, args=arguments)
        yield opened
        opened.close()


def open_page(browser: Any, path: Path, said: list[str], **options: Any) -> Any:
    """Open a file; what the page says, asks for from elsewhere or wants to tell goes to `said`."""
    page = browser.new_page(**options)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
    page.on(
        "request",
        lambda request: said.append(request.url) if not request.url.startswith(("file:", "blob:")) else None,
    )
    page.goto(path.as_uri())
    return page
