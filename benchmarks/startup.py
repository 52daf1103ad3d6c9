"""How long each command takes to start, warm and cold, and which imports take longest: one Markdown table.

    python benchmarks/startup.py
    python benchmarks/startup.py --against ../before --minutes 4
    python benchmarks/startup.py --commands help import --cold pyc --rounds 5

Every command runs on one file of 30 s (AMI; --audio takes another), so nearly all of its time is its start;
`diar diarize` also on ten. Stage 2 reads what stage 1 stored of the one file. Columns:

    seconds      from the command to its end: the median of the rounds, the least and the greatest in brackets
    CPU          seconds of all its processes, user and system: medians
    own          seconds without those that stage 1 calls working, and without those of a Python that imports
                 torch and is stopped at once (its orderly end would take half a second more)
    imports      seconds of all imports by `python -X importtime`, which slows them down; then the packages
                 that take most, each without what it imports of others

Kinds: "warm" follows a run of the same command. "pages" follows `echo 1 > /proc/sys/vm/drop_caches` (root):
files come from the disk. Where that is refused, a line says so. "no .pyc" has an empty PYTHONPYCACHEPREFIX:
Python compiles every module, as at the first run after an installation that compiled none.

First comes a run for the imports, which warms, then a warm round, a cold one of each kind, and warm ones up
to --rounds. With --minutes nothing starts after the first warm round that would not end in time. Two
checkouts take turns. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from running import ROOT, adopt_orphans, children_seconds
from startup_table import Measured, print_head, print_row

DROP = Path("/proc/sys/vm/drop_caches")
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
WARM, PAGES, NO_PYC = "warm", "pages", "no .pyc"
TEN = 10  # files
STARTED = time.monotonic()


@dataclass(frozen=True)
class Place:
    """Where a command of a checkout finds its input, and leaves its output."""

    root: Path
    audio: Path  # a folder with one file
    ten: Path  # a folder with ten
    embeddings: Path  # of stage 1, ready
    out: Path  # does not exist


@dataclass(frozen=True)
class Command:
    """What is run, whether it imports torch, and whether its imports are listed."""

    title: str
    arguments: Callable[[Place], list[str]]
    torch: bool = False
    imports: bool = True


def _detect(task: str) -> Command:
    def arguments(place: Place) -> list[str]:
        files = ["--embeddings_dir", str(place.embeddings), "--output_dir", str(place.out)]
        return [str(place.root / "detect_boundaries.py"), *files, "--task", task]

    return Command(f"detect --task {task}", arguments)


def _extract(place: Place) -> list[str]:
    files = ["--input_dir", str(place.audio), "--output_dir", str(place.out)]
    return [str(place.root / "extract_embeddings_multigpu.py"), *files]


def _diarize(audio: Path, place: Place) -> list[str]:
    return ["-m", "diar", "diarize", str(audio), "-o", str(place.out)]


def _python(code: str) -> Callable[[Place], list[str]]:
    return lambda place: ["-c", code]


COMMANDS = {
    "python": Command("python -c pass", _python("pass"), imports=False),
    "torch": Command(
        "import torch, without the end", _python("import os, torch; os._exit(0)"), imports=False
    ),
    "import": Command("import diar", _python("import diar")),
    "help": Command("diar --help", lambda place: ["-m", "diar", "--help"]),
    "turns": _detect("turns"),
    "files": _detect("files"),
    "all": _detect("all"),
    "stage1": Command("stage 1, one file of 30 s", _extract, torch=True),
    "diarize": Command("diar diarize, the same", lambda place: _diarize(place.audio, place), torch=True),
    "ten": Command("diar diarize, ten such files", lambda place: _diarize(place.ten, place), True, False),
}
Rows = dict[tuple[str, str], dict[str, Measured]]  # of (command, kind), by side


def main() -> None:
    """Print the table."""
    options = parse()
    adopt_orphans()
    roots = {"before": options.against, "after": ROOT} if options.against else {"": ROOT}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        files = [options.audio] * TEN if options.audio else excerpts(options.shared)
        for name, some in (("audio", files[:1]), ("ten", files)):
            (work / name).mkdir()
            for number, file in enumerate(some):
                (work / name / f"{number}{file.suffix}").symlink_to(file.resolve())
        audio, ten = work / "audio", work / "ten"
        places = {
            side: Place(root.resolve(), audio, ten, work / f"embeddings{side}", work / "out")
            for side, root in roots.items()
        }
        for place in places.values() if {"turns", "files", "all"} & set(options.commands) else ():
            run(_extract(replace(place, out=place.embeddings)), place.root)
        print_rows(options, list(places), Measuring(options, places).measure())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="measure this one, too, as before")
    parser.add_argument("--audio", type=Path, help="[excerpts of AMI in --shared]")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=[*COMMANDS], help="[all]")
    parser.add_argument("--cold", nargs="*", choices=("pages", "pyc", "none"), default=["pages"])
    parser.add_argument("--rounds", type=int, default=5, help="[5]")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after about so long")
    return parser.parse_args()


def excerpts(shared: Path) -> list[Path]:
    """Return the first ten excerpts of AMI."""
    found = sorted((shared / "data" / "ami").glob("*.wav"))[:TEN]
    if len(found) < TEN:
        raise SystemExit(f"no ten files of audio in {shared}/data/ami; give --audio FILE or --shared FOLDER")
    return found


class Measuring:
    """All runs of all commands, as far as there is time.

    Args:
        options: of the command line.
        places: by side.
    """

    def __init__(self, options: argparse.Namespace, places: dict[str, Place]) -> None:
        self._options, self._places = options, places
        self._deadline = STARTED + 60 * options.minutes
        self._lasts: dict[str, float] = {}  # seconds that a command lasted, all sides together
        self._rows: Rows = {}

    def measure(self) -> Rows:
        """Return what was measured."""
        names = self._options.commands
        if any(COMMANDS[name].torch for name in names) and "torch" not in names:
            names = ["torch", *names]
        for name in names:
            self._list_imports(name)
        for number in range(self._options.rounds):
            for kind in (WARM, *self._cold()) if number == 0 else (WARM,):
                for name in names:
                    if (kind == WARM and number == 0) or self._in_time(name):
                        self._round(name, kind, number)
        return self._rows

    def _cold(self) -> Iterator[str]:
        if "pages" in self._options.cold:
            if not drop_pages():
                print(
                    "/proc/sys/vm/drop_caches is refused: rows of cold pages keep what other programs use.\n"
                )
            yield PAGES
        if "pyc" in self._options.cold:
            yield NO_PYC

    def _in_time(self, name: str) -> bool:
        """Return whether a round that takes as long as the last one would end in time."""
        return time.monotonic() + self._lasts[name] <= self._deadline

    def _measured(self, name: str, kind: str, side: str) -> Measured:
        return self._rows.setdefault((name, kind), {}).setdefault(side, Measured())

    def _list_imports(self, name: str) -> None:
        print(f"imports: {COMMANDS[name].title}", file=sys.stderr)
        flags = ["-X", "importtime"] if COMMANDS[name].imports else []
        for side, place in self._places.items():
            with fresh(place, WARM) as (new, environment):
                told = run([*flags, *COMMANDS[name].arguments(new)], place.root, environment)
            self._measured(name, WARM, side).imports = imports(told)

    def _round(self, name: str, kind: str, number: int) -> None:
        """Run a command once on each side; the sides take turns in being first."""
        print(f"{kind}: {COMMANDS[name].title}", file=sys.stderr)
        begun = time.monotonic()
        for side in self._places if number % 2 == 0 else reversed(self._places):
            with fresh(self._places[side], kind) as (place, environment):
                before, start = children_seconds(), time.perf_counter()
                run(COMMANDS[name].arguments(place), place.root, environment)
                seconds = time.perf_counter() - start
                measured = self._measured(name, kind, side)
                measured.seconds.append(seconds)
                measured.cpu.append(children_seconds() - before)
                measured.without_work.append(seconds - working_seconds(place.out))
        self._lasts[name] = time.monotonic() - begun


def drop_pages() -> bool:
    """Drop the page cache; return whether that is permitted."""
    os.sync()
    try:
        DROP.write_text("1")
    except OSError:
        return False
    return True


@contextmanager
def fresh(place: Place, kind: str) -> Iterator[tuple[Place, dict[str, str]]]:
    """Make a run cold if `kind` is; yield its place, without output, and its environment."""
    with (
        tempfile.TemporaryDirectory() as out,
        tempfile.TemporaryDirectory() if kind == NO_PYC else nullcontext("") as compiled,
    ):
        if kind == PAGES:
            drop_pages()
        environment = {"PYTHONPYCACHEPREFIX": compiled} if compiled else {}
        yield replace(place, out=Path(out) / "out"), environment


def run(arguments: list[str], root: Path, environment: dict[str, str] | None = None) -> str:
    """Run Python on the checkout `root`; return its standard error. SystemExit if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(root), **(environment or {})}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}: {' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stderr


def working_seconds(out: Path) -> float:
    """Return the seconds in which stage 1 worked, without imports, networks and listing; 0 without it."""
    for folder in (out, out / "embeddings"):
        if (folder / "extraction_stats.json").is_file():
            told = json.loads((folder / "extraction_stats.json").read_text())
            return float(told["this_run"]["working_seconds"])
    return 0.0


def imports(told: str) -> Counter[str]:
    """Return the seconds of imports by package; a module that workers import, too, counts once."""
    seconds: Counter[str] = Counter()
    seen = set()
    for line in told.splitlines():
        if (found := IMPORT.match(line)) and found[2] not in seen:
            seen.add(found[2])
            seconds[found[2].split(".")[0]] += int(found[1]) / 1e6
    return seconds


def print_rows(options: argparse.Namespace, sides: list[str], rows: Rows) -> None:
    """Print the table of the commands that were asked for."""
    print_head(sides)
    for (name, kind), measured in sorted(rows.items(), key=lambda row: [*COMMANDS].index(row[0][0])):
        if name in options.commands and all(one.seconds for one in measured.values()):
            torch = rows.get(("torch", kind), {}).get(sides[-1]) if COMMANDS[name].torch else None
            print_row(COMMANDS[name].title, kind, {side: measured[side] for side in sides}, torch)


if __name__ == "__main__":
    main()
