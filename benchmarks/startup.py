"""How long each command takes to start, cold and warm, and which imports take longest: one Markdown table.

    python benchmarks/startup.py
    python benchmarks/startup.py --against ../before --rounds 5
    python benchmarks/startup.py --commands help import --cold none

Every command runs on one file of 30 s (AMI; --audio takes another), so nearly all of its time is its start.
Stage 2 reads what stage 1 stored of that file. Columns:

    seconds      from the command to its end: the median of --rounds, the least and the greatest in brackets
    own          seconds without those that stage 1 calls working, and without those of a Python that imports
                 torch and is stopped at once (its orderly end would take half a second more)
    imports      seconds of all imports by `python -X importtime`, which slows them down; then the packages
                 that take most, each without what it imports of others

Kinds: "warm" follows a run of the same command. "pages" follows `echo 1 > /proc/sys/vm/drop_caches`: files
come from the disk. Where that is not permitted, a line says so. "no .pyc" has an empty PYTHONPYCACHEPREFIX:
Python compiles every module, as at the first run after an installation that compiled none. Both cold kinds
take --cold_rounds. Two checkouts take turns. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from running import ROOT

DROP = Path("/proc/sys/vm/drop_caches")
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
LARGEST = 4  # packages that are named
WARM, PAGES, NO_PYC = "warm", "pages", "no .pyc"


@dataclass(frozen=True)
class Place:
    """Where a command of a checkout finds its input, and leaves its output."""

    root: Path
    audio: Path  # a folder with one file
    embeddings: Path  # of stage 1, ready
    out: Path  # does not exist


@dataclass(frozen=True)
class Command:
    """What is run, and whether it imports torch."""

    title: str
    arguments: Callable[[Place], list[str]]
    torch: bool = False


@dataclass
class Measured:
    """The runs of a command, and the seconds of its imports by package."""

    seconds: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    imports: Counter[str] = field(default_factory=Counter)


def _detect(task: str) -> Command:
    def arguments(place: Place) -> list[str]:
        files = ["--embeddings_dir", str(place.embeddings), "--output_dir", str(place.out)]
        return [str(place.root / "detect_boundaries.py"), *files, "--task", task]

    return Command(f"detect --task {task}", arguments)


def _extract(place: Place) -> list[str]:
    files = ["--input_dir", str(place.audio), "--output_dir", str(place.out)]
    return [str(place.root / "extract_embeddings_multigpu.py"), *files]


def _diarize(place: Place) -> list[str]:
    return ["-m", "diar", "diarize", *map(str, sorted(place.audio.iterdir())), "-o", str(place.out)]


COMMANDS = {
    "python": Command("python -c pass", lambda place: ["-c", "pass"]),
    "torch": Command("import torch, without the end", lambda place: ["-c", "import os, torch; os._exit(0)"]),
    "import": Command("import diar", lambda place: ["-c", "import diar"]),
    "help": Command("diar --help", lambda place: ["-m", "diar", "--help"]),
    "turns": _detect("turns"),
    "files": _detect("files"),
    "all": _detect("all"),
    "stage1": Command("stage 1, one file of 30 s", _extract, torch=True),
    "diarize": Command("diar diarize, the same", _diarize, torch=True),
}


def main() -> None:
    """Print the table."""
    options = parse()
    roots = {"before": options.against, "after": ROOT} if options.against else {"": ROOT}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        audio = options.audio or first_file(options.shared)
        (work / "audio").mkdir()
        (work / "audio" / audio.name).symlink_to(audio.resolve())
        places = {
            side: Place(root.resolve(), work / "audio", work / f"embeddings{side}", work / "out")
            for side, root in roots.items()
        }
        for place in places.values() if {"turns", "files", "all"} & set(options.commands) else ():
            run(_extract(replace_out(place, place.embeddings)), place.root)
        print_table(options, list(places), dict(measure_all(options, places)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="measure this one, too, as before")
    parser.add_argument("--audio", type=Path, help="[the first 30 s of AMI in --shared]")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=[*COMMANDS], help="[all]")
    parser.add_argument("--cold", nargs="*", choices=("pages", "pyc", "none"), default=["pages", "pyc"])
    parser.add_argument("--rounds", type=int, default=5, help="[5]")
    parser.add_argument("--cold_rounds", type=int, default=1, help="[1]")
    return parser.parse_args()


def first_file(shared: Path) -> Path:
    """Return the first excerpt of AMI."""
    found = sorted((shared / "data" / "ami").glob("*.wav"))
    if not found:
        raise SystemExit(f"no audio in {shared}/data/ami; give --audio FILE or --shared FOLDER")
    return found[0]


def replace_out(place: Place, out: Path) -> Place:
    return Place(place.root, place.audio, place.embeddings, out)


def measure_all(
    options: argparse.Namespace, places: dict[str, Place]
) -> Iterator[tuple[tuple[str, str], dict[str, Measured]]]:
    """Yield ((command, kind), measured by side)."""
    for kind, rounds in kinds(options):
        spent = 0.0
        if any(COMMANDS[name].torch for name in options.commands):
            one = {"": next(iter(places.values()))}  # torch is the same in all checkouts
            spent = statistics.median(measure("torch", kind, rounds, one, 0.0)[""].seconds)
        for name in options.commands:
            print(f"{kind}: {COMMANDS[name].title}", file=sys.stderr)
            yield (name, kind), measure(name, kind, rounds, places, spent)


def kinds(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Yield the kinds to measure, with their rounds."""
    yield WARM, options.rounds
    if "pages" in options.cold:
        if os.access(DROP, os.W_OK) and drop_pages():
            yield PAGES, options.cold_rounds
        else:
            print("The page cache cannot be dropped here: no rows of cold pages.\n")
    if "pyc" in options.cold:
        yield NO_PYC, options.cold_rounds


def drop_pages() -> bool:
    """Drop the page cache; return whether that is permitted."""
    os.sync()
    try:
        DROP.write_text("1")
    except OSError:
        return False
    return True


def measure(name: str, kind: str, rounds: int, places: dict[str, Place], torch: float) -> dict[str, Measured]:
    """Run a command `rounds` times on each side in turns, and once more for its imports."""
    command = COMMANDS[name]
    measured = {side: Measured() for side in places}
    for number in range(rounds + (kind == WARM)):
        for side in places if number % 2 == 0 else reversed(places):
            with fresh(places[side], kind) as (place, environment):
                start = time.perf_counter()
                run(command.arguments(place), place.root, environment)
                seconds = time.perf_counter() - start
                if number == 0 and kind == WARM:
                    continue  # it only warms
                measured[side].seconds.append(seconds)
                other = torch * command.torch + working_seconds(place.out)
                measured[side].own.append(seconds - other)
    for side in places if kind == WARM else ():
        with fresh(places[side], kind) as (place, environment):
            told = run(["-X", "importtime", *command.arguments(place)], place.root, environment)
            measured[side].imports = imports(told)
    return measured


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
        yield replace_out(place, Path(out) / "out"), environment


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


def print_table(
    options: argparse.Namespace, sides: list[str], rows: dict[tuple[str, str], dict[str, Measured]]
) -> None:
    titles = [f"{side} {title}".strip() for title in ("seconds", "own", "imports") for side in sides]
    print(f"| command | kind | {' | '.join(titles)} | largest imports, s |")
    print("|" + "---|" * (3 + len(titles)))
    for (name, kind), measured in sorted(rows.items(), key=lambda row: options.commands.index(row[0][0])):
        of = [measured[side] for side in sides]
        cells = [spread(one.seconds) for one in of]
        cells += [f"{statistics.median(one.own):.2f}" if COMMANDS[name].torch else "" for one in of]
        cells += [f"{one.imports.total():.2f}" if one.imports else "" for one in of]
        print(f"| {COMMANDS[name].title} | {kind} | {' | '.join(cells)} | {largest(sides, of)} |")


def spread(seconds: list[float]) -> str:
    if len(seconds) == 1:
        return f"{seconds[0]:.2f}"
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def largest(sides: list[str], measured: list[Measured]) -> str:
    """Name the packages whose imports take most, on each side."""
    told = []
    for side, one in zip(sides, measured, strict=True):
        named = [f"{package} {seconds:.2f}" for package, seconds in one.imports.most_common(LARGEST)]
        if named:
            told.append(f"{side}: {', '.join(named)}" if side else ", ".join(named))
    return "; ".join(told)


if __name__ == "__main__":
    main()
