"""Two recordings of 24 hours, WAV and MP3, through both stages: time, and memory of each process.

    python benchmarks/long_file.py                                  # 24 hours each, of speech-like noise
    python benchmarks/long_file.py --hours 2 --speech ../shared/data/ami --keep /tmp/day

A recording repeats those in --speech (any audio files) one after the other; without it, noise with the pauses
and levels of speech. Two workers take a recording each.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import tempfile
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile as sf
from measure import measure
from sample_audio import RATE, SUFFIXES, speech_like

from diar.archive.decoders.decode import decode
from diar.archive.listing import list_recordings


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--kinds", nargs="+", choices=SUFFIXES, default=["wav", "mp3"])
    parser.add_argument("--speech", type=Path, help="folder of recordings to make the day of")
    parser.add_argument("--keep", type=Path, help="work here and keep it, in place of a temporary folder")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="for stage 1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        audio = folder / "audio"
        if not audio.exists():
            make_day(audio, options.kinds, options.hours, options.speech)
        fixed = ("--workers", len(options.kinds), "--threads", 1)
        arguments = ("--input_dir", audio, "--output_dir", folder / "embeddings", *fixed, *options.options)
        rows = [("stage 1", measure("extract_embeddings_multigpu.py", *arguments))]
        arguments = ("--embeddings_dir", folder / "embeddings", "--output_dir", folder / "result")
        rows.append(("stage 2, turns", measure("detect_boundaries.py", "--task", "turns", *arguments)))
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"\n{' and '.join(options.kinds)} of {options.hours} h, {machine}\n")
    print("| step | seconds | × real time, all together | peak MiB, one process | exit code |")
    print("|---|---|---|---|---|")
    for step, measured in rows:
        speed = 3600 * options.hours * len(options.kinds) / measured.seconds
        peak = measured.peak_process / 2**20
        print(f"| {step} | {measured.seconds:.0f} | {speed:.0f} | {peak:.0f} | {measured.returncode} |")


def make_day(folder: Path, kinds: list[str], hours: float, speech: Path | None) -> None:
    """Write one file of each kind; RF64 where a WAV exceeds 4 GB."""
    folder.mkdir(parents=True)
    samples = pieces(speech)
    for kind in kinds:
        # Encoded pieces may be joined; to encode 24 hours takes ten minutes
        write = write_joined if kind == "mp3" else write_whole
        write(folder / f"day.{kind}", kind, samples, hours * 3600)


def write_whole(path: Path, kind: str, samples: list[np.ndarray], seconds: float) -> None:
    """Repeat the pieces until there are so many seconds."""
    container, subtype = SUFFIXES[kind]
    container = "RF64" if kind == "wav" else container
    missing = round(seconds * RATE)
    with sf.SoundFile(path, "w", RATE, 1, subtype, format=container) as file:
        for piece in cycle(samples):
            file.write(piece[:missing])
            missing -= min(missing, len(piece))
            if not missing:
                return


def write_joined(path: Path, kind: str, samples: list[np.ndarray], seconds: float) -> None:
    """Do the same with each piece encoded once; the file may be longer by up to a piece."""
    container, subtype = SUFFIXES[kind]
    encoded = []
    for piece in samples:
        buffer = io.BytesIO()
        sf.write(buffer, piece, RATE, format=container, subtype=subtype)
        encoded.append((buffer.getvalue(), len(piece) / RATE))
    with path.open("wb") as file:
        for content, duration in cycle(encoded):
            file.write(content)
            seconds -= duration
            if seconds <= 0:
                return


def pieces(speech: Path | None) -> list[np.ndarray]:
    """Return the pieces of audio that are repeated."""
    if speech is None:
        return [speech_like(60.0, seed) for seed in range(10)]
    return [decode(recording, RATE).samples for recording in list_recordings(str(speech)).recordings]


if __name__ == "__main__":
    main()
