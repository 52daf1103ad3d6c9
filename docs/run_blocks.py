"""Run the command blocks of README, CONTRIBUTING and docs.

    python docs/run_blocks.py                   # all pages, some minutes
    python docs/run_blocks.py README.md docs/python.md

Each page runs from top to bottom in a folder of its own, with a small archive, E and R made of it by both
stages, and the files that blocks name. `python benchmarks/…` measures for hours; its options are compared
with its --help. NOT_RUN has what does not run, and why. The exit code is 1 if a block fails.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from diar.demo.archive import synthesise_archive

ROOT = Path(__file__).resolve().parent.parent
# How a command begins, and why it is not run
NOT_RUN = {
    "bash launch/": "installs into .venv, or is the suite",
    "source .venv/bin/activate": "the Python that runs this stands for it",
    "pip install": "changes the environment",
    "python -m pytest": "is the suite",
    "python docs/generate_options.py": "writes into the repository; a test compares what it makes",
    "python docs/run_blocks.py": "is this",
    "sbatch": "needs a Slurm cluster",
    "AUDIO_DIR=/archive RESULT_DIR=/results docker": "needs Docker",
    "kubectl": "needs a Kubernetes cluster",
    "diar serve": "serves until it is stopped; tests/service starts it",
    "diar live": "needs a server; tests/service plays to one",
    "diar stream": "needs a broker; tests/connectors/kafka starts two",
    "arecord": "needs a microphone",
    "openssl rand": "makes a secret",
    "curl": "needs a server",
    "diar purge E R --person anna": "nobody in the archive is called anna",
    "diar diarize meeting.wav -o OUT --segmentation BUT-FIT/": "fetches weights from Hugging Face",
    "diar plan --input_dir /archive --gpus 0,1": "needs two GPUs",
    "diar extract --input_dir AUDIO --output_dir E --pipeline": "needs weights behind an account",
    "diar extract --input_dir AUDIO --output_dir E_B": "needs weights of a second encoder",
    "diar fuse --first E_A --second E_B": "needs an extraction by a second encoder",
    "diar tune": "needs more labelled recordings than the demo has; tests/jobs/tune runs it",
    "diar detect --embeddings_dir E --output_dir R --config T": "needs what `diar tune` writes",
    "diar train norm": "needs twenty people",
    "diar detect --embeddings_dir E --output_dir R3": "needs a cohort of twenty people",
}
BENCHMARK = "python benchmarks/"
FENCE = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINKED = ("benchmarks", "docs", "extract_embeddings_multigpu.py", "detect_boundaries.py", "README.md")
RAN, CHECKED, LEFT_OUT, FAILED = "ran", "options checked", "not run", "FAILED"


@dataclass(frozen=True)
class Block:
    """A Python block, or one command of a bash block."""

    page: str
    fence: int  # number of the fenced block on the page
    line: int
    language: str
    text: str

    @property
    def reason(self) -> str:
        """Why it is not run; empty if it is."""
        return not_run(self.text) if self.language == "bash" else ""


@dataclass(frozen=True)
class Outcome:
    """What became of a block."""

    block: Block
    result: str
    told: str  # why it is not run, or how it failed
    seconds: float


def not_run(command: str) -> str:
    """Return why a command is not run; empty if it is."""
    return next((why for start, why in NOT_RUN.items() if command.startswith(start)), "")


def pages() -> list[Path]:
    """Return the pages that have blocks."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in order, those of bash command by command."""
    text, found = page.read_text(encoding="utf-8"), []
    for number, fence in enumerate(FENCE.finditer(text)):
        line = text.count("\n", 0, fence.start()) + 2
        for offset, command in _commands(fence[2]) if fence[1] == "bash" else [(0, fence[2])]:
            found.append(Block(page.name, number, line + offset, fence[1], command))
    return found


def _commands(script: str) -> Iterator[tuple[int, str]]:
    """Yield the commands of a bash block with the number of their line; a backslash joins lines."""
    parts: list[str] = []
    for number, line in enumerate(script.splitlines()):
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            command = " ".join(parts).strip()
            if command and not command.startswith("#"):
                yield number - len(parts) + 1, command
            parts = []


def prepare(folder: Path) -> None:
    """Make an archive, what both stages make of it, and the other files that blocks name."""
    demo, archive = folder / "demo", folder / "archive"
    synthesise_archive(demo, speakers=2, files_per_speaker=8, conversations=1)
    talk = next((demo / "audio").rglob("*_conversation.wav"))
    one, two, *block = sorted((demo / "audio" / "part_0").glob("?.wav"))[:6]
    places = {one: "a.wav", two: "b.wav", talk: "meeting.wav"}
    places |= {path: f"dataset1/speaker1/audio{number}.wav" for number, path in enumerate(block, 1)}
    for source, place in places.items():
        (archive / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, archive / place)
    _write_call(one, block[-1], archive / "call.wav")
    _write_labels(
        demo, {str(path.relative_to(demo / "audio")): place for path, place in places.items()}, folder
    )
    for name in ("a.wav", "b.wav", "meeting.wav", "call.wav"):
        shutil.copy(archive / name, folder / name)
    (folder / "people" / "gustave").mkdir(parents=True)
    shutil.copy(two, folder / "people" / "gustave" / "1.wav")
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for command in (
        "diar extract --input_dir /archive --output_dir E --workers 1",
        "diar detect --embeddings_dir E --output_dir R --task all",
        "cp -r E OUT",
    ):
        failure = run_bash(command, folder)
        if failure:
            raise RuntimeError(f"{command}: {failure}")


def _write_call(one: Path, other: Path, path: Path) -> None:
    """Write a call of two sides, who talk one after the other."""
    import numpy as np
    import soundfile as sf

    (left, rate), (right, _) = (sf.read(side) for side in (one, other))
    sides = np.zeros((len(left) + len(right), 2))
    sides[: len(left), 0], sides[len(left) :, 1] = left, right
    sf.write(path, sides, rate)


def _write_labels(demo: Path, places: dict[str, str], folder: Path) -> None:
    """Write truth.csv (whose file) and the folders REF and RTTM (who speaks when) of the archive."""
    with (demo / "truth.csv").open(newline="") as table:
        speakers = {
            places[row["path"]]: row["speaker"] for row in csv.DictReader(table) if row["path"] in places
        }
    lines = [f"{path},{speaker}" for path, speaker in sorted({**speakers, "call.wav": "both"}.items())]
    (folder / "truth.csv").write_text("\n".join(["path,speaker", *lines]) + "\n", encoding="utf-8")
    turns = [line.split(" ") for line in (demo / "truth.rttm").read_text(encoding="utf-8").splitlines()]
    kept = [[kind, places[name], *rest] for kind, name, *rest in turns if name in places]
    for name in ("REF", "RTTM"):
        (folder / name).mkdir()
        (folder / name / "truth.rttm").write_text("".join(f"{' '.join(turn)}\n" for turn in kept))


def run_page(page: Path, prepared: Path, folder: Path) -> Iterator[Outcome]:
    """Run a page in `folder`, which becomes a copy of `prepared`."""
    shutil.copytree(prepared, folder, symlinks=True, ignore=shutil.ignore_patterns("archive", "demo"))
    (folder / "archive").symlink_to(prepared / "archive")  # where E was read
    names: dict[str, object] = {}
    for _, blocks in groupby(blocks_of(page), key=lambda block: block.fence):
        for name in ("E", "R"):  # as they were: what an earlier block did with them is not expected
            if (prepared / name).is_dir():
                shutil.rmtree(folder / name)
                shutil.copytree(prepared / name, folder / name, symlinks=True)
        for block in blocks:
            start = time.perf_counter()
            result, told = _run(block, folder, names)
            yield Outcome(block, result, told, time.perf_counter() - start)


def _run(block: Block, folder: Path, names: dict[str, object]) -> tuple[str, str]:
    if block.reason:
        return LEFT_OUT, block.reason
    if block.text.startswith(BENCHMARK):
        unknown = unknown_options(block.text)
        return (FAILED, f"no such options: {unknown}") if unknown else (CHECKED, "")
    failure = run_python(block, folder, names) if block.language == "python" else run_bash(block.text, folder)
    return (FAILED, failure) if failure else (RAN, "")


def unknown_options(command: str) -> list[str]:
    """Return the options of a benchmark's command that its --help does not know."""
    words = shlex.split(command, comments=True)
    done = subprocess.run(
        [sys.executable, *words[1:2], "--help"],
        cwd=ROOT,
        env=_environment(ROOT),
        capture_output=True,
        text=True,
    )
    return [word for word in words[2:] if word.startswith("--") and f"{word} " not in f"{done.stdout} "]


def run_python(block: Block, folder: Path, names: dict[str, object]) -> str:
    """Run a block after those before it; return how it failed."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block.text, f"{block.page}:{block.line}", "exec"), names)
    except Exception:
        return traceback.format_exc(limit=-1)
    finally:
        os.chdir(before)
    return ""


def run_bash(command: str, folder: Path) -> str:
    """Run a command; return how it failed."""
    here = re.sub(r"(?<= )/archive\b", str((folder / "archive").resolve()), command)
    done = subprocess.run(
        ["bash", "-c", here], cwd=folder, env=_environment(folder), capture_output=True, text=True
    )
    return "" if done.returncode == 0 else f"exit code {done.returncode}: {done.stderr[-3000:]}"


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `diar`, `python` and `torchrun` are those of this Python."""
    tools = folder / "bin"
    if folder != ROOT and not tools.is_dir():
        tools.mkdir()
        for name, module in (("python", ""), ("diar", "-m diar ")):
            (tools / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module}"$@"\n')
            (tools / name).chmod(0o755)
    search = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": search, "PYTHONPATH": str(ROOT)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pages that are named, or all; print a line a block."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path, help="default: all")
    chosen = parser.parse_args(arguments).pages or pages()
    counts = dict.fromkeys((RAN, CHECKED, LEFT_OUT, FAILED), 0)
    with tempfile.TemporaryDirectory() as temporary:
        prepared = Path(temporary) / "prepared"
        prepare(prepared)
        for page in chosen:
            for outcome in run_page(page, prepared, Path(temporary) / page.stem):
                counts[outcome.result] += 1
                print(line_of(outcome), flush=True)
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    return 1 if counts[FAILED] else 0


def line_of(outcome: Outcome) -> str:
    """Return one line for the terminal, more where a block failed."""
    block = outcome.block
    first = block.text.strip().splitlines()[0]
    told = f" ({outcome.told})" if outcome.told else ""
    return f"{block.page}:{block.line}  {outcome.result}{told}  {outcome.seconds:.1f} s  {first}"


if __name__ == "__main__":
    sys.exit(main())
