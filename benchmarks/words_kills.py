"""Words of an archive with `kill -9` at random moments, beside those of an undisturbed run.

    python benchmarks/words_kills.py [--embeddings E] [--kills 5] [--seed 1] [--asr whisper-tiny.en]

Without `--embeddings` a demo archive is made and extracted. The whole process group is killed, launcher and
workers alike, at a random moment after it has stored its first batch; the same command then goes on.
Printed: a line a kill, with what was stored then; at the end, whether the words' files are the same byte for
byte, and how many batches were recognised twice. A recognised batch is stored as a new file, so a second one
would show as another inode under the same name; a watcher looks 50 times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from folder_watcher import LOOK, Watcher
from measure import ROOT

_STORED = ("shards/*.pq", "partial/*/*.json")  # files of shards and batches


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--embeddings", type=Path, help="of stage 1; default: of a demo")
    parser.add_argument("--files", type=int, default=24, help="of the demo [24]")
    parser.add_argument("--kills", type=int, default=5, help="[5]")
    parser.add_argument("--seed", type=int, default=1, help="of the moments [1]")
    parser.add_argument("--asr", default="whisper-tiny.en", help="[whisper-tiny.en]")
    parser.add_argument("--beam_size", default="1", help="[1]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        embeddings = options.embeddings or make_embeddings(work, options.files)
        plain, disturbed = (copy(embeddings, work / name) for name in ("plain", "disturbed"))
        told = ["--asr", options.asr, "--device", "cpu", "--beam_size", options.beam_size]
        begun = time.monotonic()
        run(plain, told).wait()
        seconds = time.monotonic() - begun
        batches = statistics(plain)["this_run"]["batches"]["recognised"]
        print(f"undisturbed: {batches} batches in {seconds:.1f} s, {statistics(plain)['words']} words")
        with Watcher(disturbed / "_words", _STORED) as watcher:
            kill_again_and_again(disturbed, told, options.kills, seconds, random.Random(options.seed))
            left = stored(disturbed)
            run(disturbed, told).wait()
        report(plain, disturbed, watcher, batches, left)


def make_embeddings(work: Path, files: int) -> Path:
    """Make a demo and extract it."""
    diar = [sys.executable, "-m", "diar"]
    quiet = {"check": True, "cwd": ROOT, "capture_output": True}
    subprocess.run([*diar, "demo", str(work / "demo"), "--files", str(files)], **quiet)
    call = [
        "extract",
        "--input_dir",
        str(work / "demo/audio"),
        "--output_dir",
        str(work / "E"),
        "--device",
        "cpu",
    ]
    subprocess.run([*diar, *call], **quiet)
    return work / "E"


def copy(embeddings: Path, target: Path) -> Path:
    """Copy an extraction without its words."""
    return Path(shutil.copytree(embeddings, target, ignore=shutil.ignore_patterns("_words")))


def run(embeddings: Path, told: list[str]) -> subprocess.Popen[bytes]:
    """Start `diar words` as a process group of its own."""
    call = [sys.executable, "-m", "diar", "words", "--embeddings_dir", str(embeddings), *told]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(call, cwd=ROOT, start_new_session=True, **quiet)


def kill_again_and_again(
    embeddings: Path, told: list[str], kills: int, seconds: float, moments: random.Random
) -> None:
    """Start the command and kill its process group, `kills` times."""
    for number in range(1, kills + 1):
        before, process = stored_names(embeddings), run(embeddings, told)
        while process.poll() is None and stored_names(embeddings) <= before:
            time.sleep(LOOK)
        time.sleep(moments.uniform(0, 0.5) * seconds / kills)
        state = "killed" if process.poll() is None else "had ended by itself"
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shards = len(list((embeddings / "_words/shards").glob("*.pq")))
        print(f"run {number}: {state}; {shards} shards done, {stored(embeddings)} batches stored")


def stored_names(embeddings: Path) -> set[str]:
    """Return the names of stored batches and finished shards."""
    words = embeddings / "_words"
    return {str(file) for pattern in _STORED for file in words.glob(pattern)}


def stored(embeddings: Path) -> int:
    """Count the batches that an interrupted run has stored of unfinished shards."""
    return len(list((embeddings / "_words/partial").glob("*/*.json")))


def statistics(embeddings: Path) -> dict:
    """Return the figures of the last run that ended."""
    found: dict = json.loads((embeddings / "_words/words_stats.json").read_text())
    return found


def report(plain: Path, disturbed: Path, watcher: Watcher, batches: int, left: int) -> None:
    """Print what must hold; fail if it does not."""
    expected, found = (
        {file.name: file.read_bytes() for file in (one / "_words/shards").glob("*.pq")}
        for one in (plain, disturbed)
    )
    last = statistics(disturbed)["this_run"]["batches"]
    twice, again = watcher.twice(".json"), watcher.twice(".pq")
    same = sum(found.get(name) == content for name, content in expected.items())
    print(
        f"last run: {last['recognised']} batches recognised, {last['resumed']} of {left} stored ones resumed"
    )
    seen = sum(name.endswith(".json") for name in watcher.seen)
    print(f"batches seen: {seen} of {batches}; recognised twice: {twice}")
    print(f"files of words: {same} of {len(expected)} the same byte for byte; written twice: {again}")
    if twice or again or expected != found or last["resumed"] != left:
        sys.exit("not the same as undisturbed")


if __name__ == "__main__":
    main()
