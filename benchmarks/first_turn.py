"""From `git clone` to the first turn on screen, as README says it: seconds of each step, one Markdown table.

    python benchmarks/first_turn.py --audio meeting.wav
    python benchmarks/first_turn.py --audio meeting.wav --pip     # pip alone, as where there is a GPU

Steps: `git clone` of this repository; the installation, by `launch/install.sh` or by `pip install
".[service]"` in a new environment; `diar serve --insecure` until it is ready, which fetches the weights into
an empty cache; `diar live FILE`, at the pace of a clock, until its first line is on the screen. The last row
is the second of the recording at which somebody speaks first, which no program can do without; it is that of
FILE.rttm where there is one. What pip has in its cache already is not fetched again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from live_server import free_port
from running import ROOT

from diar.formats.rttm import read_rttm

OWN = ("DIAR_", "VIRTUAL_ENV", "PYTHON")  # how variables begin that a new user does not have
INSTALLATIONS = {False: "launch/install.sh", True: "pip install"}


def environment(home: Path) -> dict[str, str]:
    """Return that of a new user, whose weights are not there yet."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return {**kept, "DIAR_CACHE": str(home / "cache")}


def install(clone: Path, by_pip: bool, given: Mapping[str, str]) -> None:
    """Install the service."""
    if not by_pip:
        call = ["bash", "-c", "source launch/install.sh; install_diar service"]
        subprocess.run(call, cwd=clone, env=given, check=True)
        return
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=clone, env=given, check=True)
    pip = [".venv/bin/python", "-m", "pip", "install", "--quiet", ".[service]"]
    subprocess.run(pip, cwd=clone, env=given, check=True)


def until(process: subprocess.Popen[str], found: Callable[[str], bool], lines: str) -> None:
    """Wait for a line of a process; SystemExit if it ends before."""
    stream = getattr(process, lines)
    for line in stream:
        if found(line):
            return
    raise SystemExit(f"{process.args} ended before")


def steps(audio: Path, by_pip: bool, folder: Path) -> dict[str, float]:
    """Do all steps; return the seconds of each."""
    clone, given, taken = folder / "diar", environment(folder), {}
    began = time.monotonic()

    def note(step: str) -> None:
        nonlocal began
        taken[step] = time.monotonic() - began
        began = time.monotonic()

    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    note("git clone")
    install(clone, by_pip, given)
    note(f"installation ({INSTALLATIONS[by_pip]})")
    port, program = free_port(), clone / ".venv/bin/diar"
    how = {"cwd": clone, "env": given, "text": True}
    with subprocess.Popen(
        [program, "serve", "--insecure", "--port", str(port)], stderr=subprocess.PIPE, **how
    ) as server:
        until(server, lambda line: "ready:" in line, "stderr")
        note("diar serve is ready, weights fetched")
        address = f"ws://127.0.0.1:{port}/v1/live"
        call = [program, "live", str(audio.resolve()), "--url", address]
        with subprocess.Popen(call, stdout=subprocess.PIPE, **how) as client:
            until(client, lambda line: bool(line.strip()), "stdout")
            note("first line of diar live")
            client.kill()
        server.kill()
    return taken


def first_speech(audio: Path) -> float | None:
    """Return the second at which somebody speaks first; None if it is not known."""
    truth = audio.with_suffix(".rttm")
    if not truth.exists():
        return None
    return min(turn.start for turns in read_rttm(truth).values() for turn in turns)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True, help="a conversation")
    parser.add_argument("--pip", action="store_true", help="install by pip alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        taken = steps(given.audio, given.pip, Path(folder))
    print("| step | seconds |\n|---|---|")
    for step, seconds in {**taken, "all": sum(taken.values())}.items():
        print(f"| {step} | {seconds:.1f} |")
    speech = first_speech(given.audio)
    print(f"| of these, silence before the first turn | {'–' if speech is None else f'{speech:.1f}'} |")


if __name__ == "__main__":
    main()
