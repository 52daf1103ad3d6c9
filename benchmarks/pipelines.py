"""Speed of stage 1 and 2 with a pipeline of pyannote.audio, × real time, and of pyannote.audio itself.

    python benchmarks/pipelines.py --audio ../shared/data/ami/trn05.wav
    python benchmarks/pipelines.py --audio A.wav --seconds 60 --pipeline DIR --pyannote ENV/bin/python

Without --pipeline a folder with made-up weights is used: they compute as long as trained ones. Rows: the
pipeline with --pipeline_sees seg_windows and chunks, and the defaults (segmentation-3.0, CAM++). Stage 1 is
run by one worker with --threads; its time is that of its work, without start and models. Stage 2 is the whole
command. pyannote.audio is timed without imports and models.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import soundfile as sf
from running import ROOT, detect, extract

_PYANNOTE = """
import os, sys, time
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
import soundfile, torch
from pyannote.audio import Pipeline
torch.set_num_threads(int(sys.argv[3]))
pipeline = Pipeline.from_pretrained(sys.argv[1])
samples, rate = soundfile.read(sys.argv[2], dtype="float32")
start = time.perf_counter()
pipeline({"waveform": torch.from_numpy(samples)[None], "sample_rate": rate, "uri": "audio"})
print(time.perf_counter() - start)
"""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True, help="one file")
    parser.add_argument("--seconds", type=float, default=60.0, help="of it, from its beginning")
    parser.add_argument("--pipeline", help="folder or Hugging Face id; default: made-up weights")
    parser.add_argument("--pyannote", type=Path, help="python that has pyannote.audio 4")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        audio = folder / "audio" / "talk.wav"
        audio.parent.mkdir()
        info = sf.info(options.audio)
        samples, rate = sf.read(
            options.audio, frames=round(options.seconds * info.samplerate), dtype="float32", always_2d=True
        )
        sf.write(audio, samples.mean(axis=1), rate)
        seconds = len(samples) / rate
        pipeline = options.pipeline or _made_up(folder / "made-up")
        print(f"{options.audio.name}, {seconds:g} s, {options.threads} thread(s), {os.cpu_count()} cores")
        print("| networks | stage 1, × real time | stage 2, s |")
        print("|---|---|---|")
        own = ("--pipeline", pipeline)
        rows: dict[str, Sequence[str]] = {
            "pipeline, seg_windows": own,
            "pipeline, chunks": (*own, "--pipeline_sees", "chunks"),
            "defaults": (),
        }
        for name, given in rows.items():
            work, second = _ours(audio.parent, folder / name.replace(", ", "-"), given, options.threads)
            print(f"| {name} | {seconds / work:.1f} | {second:.1f} |", flush=True)
        if options.pyannote is not None:
            theirs = _pyannote(options.pyannote, pipeline, audio, options.threads)
            print(f"| pyannote.audio (both stages) | {seconds / theirs:.1f} | |")


def _made_up(folder: Path) -> str:
    sys.path.insert(0, str(ROOT))
    from tests.models.pipelines.pipeline_folder import write_folder

    return str(write_folder(folder))


def _ours(audio: Path, out: Path, given: Sequence[str], threads: int) -> tuple[float, float]:
    """Return the seconds of stage 1's work, and of stage 2's command."""
    fixed = ("--device", "cpu", "--workers", "1", "--threads", threads)
    extract(audio, out / "E", (*fixed, *given))
    told = json.loads((out / "E" / "extraction_stats.json").read_text())
    second = detect(out / "E", out / "R", ("--task", "turns", "--no_plot", "--processes", "1"))
    return float(told["this_run"]["working_seconds"]), second.seconds


def _pyannote(python: Path, pipeline: str, audio: Path, threads: int) -> float:
    call = [python, "-W", "ignore", "-c", _PYANNOTE, pipeline, audio, str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"pyannote.audio failed:\n{done.stderr}")
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
