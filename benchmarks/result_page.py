"""The page of a large result, or of a long recording: seconds to write, sizes, how fast a browser is with it.

    python benchmarks/result_page.py [--recordings 10000] [--turns 50] [--browser /usr/bin/chromium]
    python benchmarks/result_page.py --hours 3 --words 10000

The result is made up: conversations of two to five of a thousand people; or one recording of six people with
words. The browser's part needs `playwright` and a Chromium; without them it is left out, as the table says.
Medians of five tries; of tasks that block the page (longer than 50 ms), all that a phase had in one try.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from page_samples import make_long, make_result

from diar.formats.html.words_text import WORDS_SCRIPT
from diar.outputs.page.write import write_page

TRIES = 5


def written(folder: str) -> tuple[Path, float, float]:
    """Write the page; return its path, the seconds, and this process's peak memory in MB."""
    start = time.perf_counter()
    page = write_page(folder)
    seconds = time.perf_counter() - start
    return page, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def median_seconds(action: Callable[[], Any]) -> float:
    """Return the median of TRIES runs."""
    spent = []
    for _ in range(TRIES):
        start = time.perf_counter()
        action()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


@contextmanager
def chromium_page(program: str) -> Iterator[Any]:
    """Open a page of 1300 × 900 in Chromium."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser.new_page(viewport={"width": 1300, "height": 900})
        browser.close()


def in_browser(page_path: Path, program: str) -> Iterator[tuple[str, str]]:
    """Yield what a person waits for, measured in Chromium."""
    with chromium_page(program) as page:
        open_page = lambda: page.goto(page_path.as_uri(), wait_until="load")  # noqa: E731
        yield "open, until loaded", f"{median_seconds(open_page):.2f} s"
        yield "first paint", f"{page.evaluate(PAINT) / 1000:.2f} s"
        for what, script in ACTIONS.items():
            timed = TIMED.replace("ACTION", script)  # the page's policy allows no eval
            yield what, f"{statistics.median(page.evaluate(timed) for _ in range(TRIES)):.0f} ms"
        yield "JavaScript heap", f"{page.evaluate('performance.memory.usedJSHeapSize') / 1e6:.0f} MB"


def listening(page_path: Path, program: str) -> Iterator[tuple[str, str]]:
    """Yield what a reader of the long recording waits for, and how long the page is blocked."""
    with chromium_page(program) as page:
        page.add_init_script(OBSERVED)
        page.goto(page_path.as_uri(), wait_until="load")
        page.wait_for_function(BUILT)
        yield "open, until all words are there", f"{page.evaluate('performance.now()') / 1000:.2f} s"
        yield "blocked while it opens", blocked(page)
        yield "paragraphs", f"{page.evaluate('recordingView.transcript.items.length'):,}"
        for what, act in PHASES.items():
            act(page)
            yield f"blocked: {what}", blocked(page)
        yield "JavaScript heap", f"{page.evaluate('performance.memory.usedJSHeapSize') / 1e6:.0f} MB"


def blocked(page: Any) -> str:
    """Return number and longest of the tasks above 50 ms since the last call."""
    page.wait_for_timeout(300)
    tasks = page.evaluate("blocking.splice(0)")
    return f"{len(tasks)} tasks, {max(tasks):.0f} ms" if tasks else "never 50 ms"


def scroll(page: Any) -> None:
    """Turn the wheel through the whole transcript and back."""
    page.mouse.move(700, 600)
    height = page.evaluate("element('transcript').scrollHeight")
    for direction in (1, -1):
        for _ in range(60):
            page.mouse.wheel(0, direction * height / 60)
            page.wait_for_timeout(16)


def seek(page: Any) -> None:
    """Click along the whole recording."""
    for share in (0.9, 0.1, 0.5, 0.99, 0.3):
        page.evaluate(f"recordingView.seek({share} * recordingView.duration)")
        page.wait_for_timeout(100)


def search(page: Any) -> None:
    """Search a frequent word and go from hit to hit."""
    page.fill("#find", "the")
    page.wait_for_timeout(400)
    for _ in range(10):
        page.press("#find", "Enter")


def play(page: Any) -> None:
    """Listen for three seconds at triple speed."""
    page.evaluate("recordingView.player.speed(3); recordingView.player.hear(100)")
    page.wait_for_timeout(3000)
    page.evaluate("recordingView.player.pause()")


def rename(page: Any) -> None:
    """Give a person another name."""
    page.evaluate("naming.set(0, 'Ann Baker'); naming.changed()")


PHASES = {"scroll": scroll, "seek": seek, "search": search, "play": play, "rename": rename}
OBSERVED = """window.blocking = [];
new PerformanceObserver(list => blocking.push(...list.getEntries().map(one => one.duration)))
  .observe({type: "longtask", buffered: true});"""
BUILT = """() => recordingView.transcript.words
  && recordingView.transcript.items.length === recordingView.transcript.parts.length"""


PAINT = """new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime))
  .observe({type: "paint", buffered: true}))"""
TIMED = """async () => {
  const start = performance.now();
  ACTION;
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""
ACTIONS = {
    "sort by length": "tables.get('recordings').sortBy(tables.get('recordings').columns[3])",
    "sort by name": "tables.get('recordings').sortBy(tables.get('recordings').columns[0])",
    "search": "const t = tables.get('recordings'); t.haystack = null; t.words = ['call_0012']; t.arrange();"
    "t.words = []; t.arrange()",
    "next 50 rows": "const t = tables.get('recordings'); t.page++; t.fill()",
    "one person's": "const t = tables.get('recordings'); t.showPerson(3); t.person = null; t.arrange()",
    "scroll to the end": "scrollTo(0, document.body.scrollHeight)",
}


def table(folder: Path, browser: str, *, listens: bool) -> list[tuple[str, str]]:
    """Write the page and measure it."""
    with get_context("spawn").Pool(1) as alone:
        page, seconds, peak = alone.apply(written, (str(folder),))
    rows = [("write", f"{seconds:.2f} s"), ("peak memory of it", f"{peak:.0f} MB")]
    rows.append(("page", f"{page.stat().st_size / 1e6:.2f} MB"))
    scripts = sum(path.stat().st_size for path in folder.rglob(WORDS_SCRIPT))
    rows += [("words beside it", f"{scripts / 1e6:.2f} MB")] if scripts else []
    try:
        rows += (listening if listens else in_browser)(page, browser)
    except ImportError as error:
        rows.append(("browser", f"not measured: {error}"))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=50, help="of a recording")
    parser.add_argument("--hours", type=float, default=3.0, help="of the long recording")
    parser.add_argument("--words", type=int, help="of one long recording, in place of many")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--keep", type=Path, help="make the result in this folder and leave it there")
    parser.add_argument("--folders", action="store_true", help="a folder a recording, not of the first alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        begun = time.perf_counter()
        folder = options.keep or Path(temporary) / "result"
        if options.words is None:
            title = f"{options.recordings:,} recordings of {options.turns} turns"
            make_result(folder, options.recordings, options.turns, folders=options.folders)
        else:
            title = f"{options.words:,} words in {options.hours:g} hours"
            make_long(folder, options.hours, options.words)
        print(f"made in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        rows = table(folder, options.browser, listens=options.words is not None)
    print(title)
    for what, value in rows:
        print(f"  {what:32} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
