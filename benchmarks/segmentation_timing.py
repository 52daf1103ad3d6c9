"""How early or late the segmentation network is, as a Markdown table.

    python benchmarks/segmentation_timing.py --shared ../shared
    python benchmarks/segmentation_timing.py --shared ../shared --lead_seconds 0 0

Windows of labelled speech go through the network. Wherever its probability of speech crosses one half, the
distance to the nearest reference boundary is taken if it is below a quarter of a second; negative means that
the network is early. Conventions about pauses move beginnings and ends in opposite directions; an error in
time moves both in the same direction. The last column, the mean of both medians, is therefore what
`lead_seconds` of a segmentation model has to correct.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from pyannote.core import Segment, Timeline

from diar.formats.rttm import read_turns
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import PyanNet, open_segmentation_dir
from diar.models.weights.hub import resolve
from diar.records import Turn

ROOT = Path(__file__).resolve().parent.parent
SETS = {
    "AMI, 10 × 30 s": None,
    "simulated, default": "",
    "simulated, seed 77": "--seed 77 --set 2:120 1:200 3:400 6:900 12:1200 20:1500",
}
FIFTHS = 5
FARTHEST = 0.25  # seconds
AT_ONCE = 24  # windows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--segmentation", default="segmentation-3.0")
    parser.add_argument("--window_seconds", type=float, nargs="+", default=[10.0, 5.0, 20.0])
    parser.add_argument("--lead_seconds", type=float, nargs=2, help="in place of the model's own")
    parser.add_argument("--simulate", help="options of simulate_conversations.py: only these conversations")
    options = parser.parse_args()
    model = open_segmentation_dir(resolve(options.segmentation))
    if options.lead_seconds:
        first, last = options.lead_seconds
        model.network.lead_seconds = (first, last)
    print("| set | window | boundaries | beginnings, by fifths of the window, ms | ends | mean of both |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():
        sets = SETS if options.simulate is None else {options.simulate: options.simulate}
        for name, make in sets.items():
            audio = options.shared / "data" / "ami" if make is None else Path(temporary) / name
            if make is not None:
                tool = options.shared / "tools" / "simulate_conversations.py"
                call = [sys.executable, str(tool), str(audio), *make.split()]
                subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
            for seconds in options.window_seconds:
                print(row(name, audio, seconds, model), flush=True)


def row(name: str, audio: Path, seconds: float, model: SegmentationModel) -> str:
    found: list[tuple[int, float, float]] = []  # +1 beginning or -1 end, place in the window 0 … 1, error
    references = read_turns(audio)
    for file in sorted(audio.glob("*.wav")):
        turns = references[file.stem]
        true = {sign: boundaries(turns, sign) for sign in (1, -1)}
        samples, rate = sf.read(file, dtype="float32")
        for start, probability in windows(samples, round(seconds * rate), model.network):
            for sign, at in crossings(probability):
                time = start / rate + model.network.frames.center(at)
                errors = time - true[sign]
                error = errors[np.abs(errors).argmin()]
                if abs(error) < FARTHEST:
                    found.append((sign, at / len(probability), error))
    sign, place, error = np.array(found).T
    fifth = (place * FIFTHS).astype(int)
    medians = [
        [1000 * np.median(error[(sign == side) & (fifth == part)]) for part in range(FIFTHS)]
        for side in (1, -1)
    ]
    cells = [" ".join(f"{value:+.0f}" for value in values) for values in (*medians, np.mean(medians, axis=0))]
    return f"| {name} | {seconds:g} s | {len(found)} | " + " | ".join(cells) + " |"


def boundaries(turns: list[Turn], sign: int) -> np.ndarray:
    """Return the seconds at which speech of anybody begins (+1) or ends (-1)."""
    spoken = Timeline(Segment(turn.start, turn.end) for turn in turns).support()
    return np.array([segment.start if sign == 1 else segment.end for segment in spoken])


def windows(samples: np.ndarray, length: int, network: PyanNet) -> Iterator[tuple[int, np.ndarray]]:
    """First sample and probability of speech in each frame, of windows that overlap by half."""
    starts = range(0, len(samples) - length + 1, length // 2)
    for first in range(0, len(starts), AT_ONCE):
        some = starts[first : first + AT_ONCE]
        batch = torch.from_numpy(np.stack([samples[start : start + length] for start in some]))
        log_probs = network.aligned(network(batch))
        yield from zip(some, network.powerset.speech(log_probs).numpy(), strict=True)


def crossings(probability: np.ndarray) -> Iterator[tuple[int, float]]:
    """Yield where the probability (frames,) crosses one half, in frames, and in which direction."""
    above = probability > 0.5
    for frame in np.flatnonzero(above[1:] != above[:-1]):
        low, high = probability[frame : frame + 2]
        yield (1 if high > low else -1), frame + (0.5 - low) / (high - low)


if __name__ == "__main__":
    main()
