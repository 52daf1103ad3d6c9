"""The page of a large result: seconds to write it, its size, and how fast a browser is with it.

    python benchmarks/result_page.py [--recordings 10000] [--turns 50] [--browser /usr/bin/chromium]

The result is made up: conversations of two to five of a thousand people. The browser's part needs
`playwright` and a Chromium; without them it is left out and the table says so. Medians of five tries.
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
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from diar.formats.speech_time import measure
from diar.formats.turns_json import Clustering, RecordingTurns, describe_speakers
from diar.outputs.page.write import write_page
from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals
from diar.outputs.turns import ArchiveTurns, RecordingFiles, write_recording
from diar.records import Turn

TRIES = 5


def conversation(number: int, turns: int, people: int) -> RecordingTurns:
    """Return a made-up recording; every fiftieth has a warning, every hundredth is silent."""
    rng = np.random.default_rng(number)
    name = f"archive of calls/year_{2000 + number % 20}/day_{number % 365:03d}/call_{number:06d}.wav"
    who = [f"person_{1 + p:04d}" for p in rng.choice(people, rng.integers(2, 6), replace=False)]
    starts = np.cumsum(rng.uniform(0.5, 6.0, 0 if number % 100 == 99 else turns))
    lengths = rng.uniform(0.4, 6.0, len(starts))
    spoken = [
        Turn(name, float(start), float(start + length), who[rng.integers(len(who))])
        for start, length in zip(starts, lengths, strict=True)
    ]
    amounts = measure(spoken)
    return RecordingTurns(
        program="diar benchmark",
        recording_id=name,
        path=f"/data/{name}",
        duration=float(starts[-1]) + 10 if len(starts) else 5.0,
        speech_seconds=amounts.speech,
        overlap_seconds=amounts.overlap,
        speakers=describe_speakers(spoken, amounts, local={}, similarity={}, confidence={}),
        turns=spoken,
        exclusive=None,
        clustering=Clustering("iterative", "auto", None),
        parameters={"task": "turns"},
        thresholds={"onset": 0.5},
        model={"model": "made up"},
        warnings=["no speech found" if not len(starts) else "made up"] if number % 50 == 49 else [],
    )


def make_result(folder: Path, recordings: int, turns: int, people: int = 1_000, *, folders: bool) -> None:
    """Write what `task=turns` writes; with `folders`, a folder for each recording, not only the first."""
    results = (conversation(number, turns, people) for number in range(recordings))
    totals, first = SpeakerTotals(), conversation(0, turns, people)
    with ArchiveTurns(str(folder), [first.recording_id], exclusive=False) as archive:
        for number, result in enumerate(results):
            if folders or number == 0:
                write_recording(str(folder), result, RecordingFiles(labels=True, timeline=False))
            archive.add(result)
            totals.add(result)
        names = sorted(totals.seconds)
        known, centroid = np.zeros(len(names), bool), np.zeros((len(names), 4), np.float32)
        archive.write_speakers(ArchiveSpeakers.of(totals, names, names, known, centroid), {})


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


def in_browser(page_path: Path, program: str) -> Iterator[tuple[str, str]]:
    """Yield what a person waits for, measured in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        open_page = lambda: page.goto(page_path.as_uri(), wait_until="load")  # noqa: E731
        yield "open, until loaded", f"{median_seconds(open_page):.2f} s"
        yield "first paint", f"{page.evaluate(PAINT) / 1000:.2f} s"
        for what, script in ACTIONS.items():
            timed = TIMED.replace("ACTION", script)  # the page's policy allows no eval
            yield what, f"{statistics.median(page.evaluate(timed) for _ in range(TRIES)):.0f} ms"
        yield "JavaScript heap", f"{page.evaluate('performance.memory.usedJSHeapSize') / 1e6:.0f} MB"
        browser.close()


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


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=50, help="of a recording")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--keep", type=Path, help="make the result in this folder and leave it there")
    parser.add_argument("--folders", action="store_true", help="a folder a recording, not of the first alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        begun = time.perf_counter()
        folder = options.keep or Path(temporary) / "result"
        make_result(folder, options.recordings, options.turns, folders=options.folders)
        print(f"made in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        with get_context("spawn").Pool(1) as alone:
            page, seconds, peak = alone.apply(written, (str(folder),))
        rows = [("write", f"{seconds:.2f} s"), ("peak memory of it", f"{peak:.0f} MB")]
        rows.append(("page", f"{page.stat().st_size / 1e6:.1f} MB"))
        try:
            rows += in_browser(page, options.browser)
        except ImportError as error:
            rows.append(("browser", f"not measured: {error}"))
    print(f"{options.recordings:,} recordings of {options.turns} turns")
    for what, value in rows:
        print(f"  {what:20} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
