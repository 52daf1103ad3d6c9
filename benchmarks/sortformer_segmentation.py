"""The Sortformer (Nemotron 3 Diarization) beside transformers: Markdown tables of agreement and speed.

    python benchmarks/sortformer_segmentation.py --parity [--audio FILE.wav,…]
    python benchmarks/sortformer_segmentation.py [--seconds 32,30.4,16] [--rounds 3]

With --parity: the tiny networks of the tests, at several lengths and batches; the largest differences of
log-odds and of probabilities. With --audio also the largest difference of the front end on those files.

Without: the published sizes with random weights, the same for both. Rounds alternate: ours, theirs; each is
from samples to log-odds. Theirs has one chunk that holds the whole seg_window, so that its cache stays empty.

All is computed by one thread, as each worker of stage 1 does, and CPU seconds are counted, which a busy
machine changes least; the lowest of the rounds counts. `cpu`: of one seg_window. `audio on 2 cores`: × real
time of audio in chunks of 30 s, with seg_windows at most half of one apart, by two workers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import soundfile as sf
import torch
from wavlm_segmentation import CHUNK, RATE, cpu_seconds, windows_of_a_chunk

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from diar.models.open import open_segmentation
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.sortformer.mels import LogMels
from diar.models.segmentation.sortformer.network import Sortformer
from diar.models.segmentation.sortformer.opening import joined
from diar.models.segmentation.sortformer.settings import MelSettings, SortformerSettings
from tests.models.cases import filled
from tests.models.segmentation.sortformer import cases, oracles, test_parity

PUBLISHED = cases.changed(
    cases.EIGHT,
    audio_config={
        **{"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 31},
        **{"num_attention_heads": 8, "num_key_value_heads": 8},
    },
    head_config={"audio_hidden_size": 512, "hidden_size": 192},
)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables line by line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", default="32,30.4,16", help="of a seg_window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parity", action="store_true")
    parser.add_argument("--audio", help="files at 16 kHz for the front end")
    options = parser.parse_args(arguments)
    if oracles.missing() is not None:
        parser.exit(2, f"{oracles.missing()}\n")
    torch.set_num_threads(1)
    if options.parity:
        print_parity()
        for file in options.audio.split(",") if options.audio else []:
            print_front(Path(file))
        return
    print_speed([float(one) for one in options.seconds.split(",")], options.rounds)


def print_parity() -> None:
    """Print how far the tiny networks are from theirs."""
    shown = ", ".join(f"{batch} × {seconds:g} s" for batch, seconds in test_parity.ALL)
    print(f"| network | {shown}: log-odds | probabilities | standard deviation of log-odds |")
    print("|---|---|---|---|")
    for name, (config, settings) in cases.CASES.items():
        theirs, front = oracles.network(config), oracles.extractor(settings)
        with tempfile.TemporaryDirectory() as folder:
            theirs.load_state_dict(cases.write(Path(folder), name))
            ours = open_segmentation(folder).network
        assert isinstance(ours, Sortformer)
        worst, likely, spread = 0.0, 0.0, 0.0
        for batch, seconds in test_parity.ALL:
            waveform = cases.waveforms(batch, seconds)
            expected = oracles.log_odds(theirs, front, waveform)
            with torch.inference_mode():
                found = ours.log_odds(waveform)
            worst = max(worst, largest(found, expected))
            likely = max(likely, largest(found.sigmoid(), expected.sigmoid()))
            spread = max(spread, float(expected.std(dim=1).mean()))
        print(f"| {name} | {worst:.1e} | {likely:.1e} | {spread:.2f} |", flush=True)


def print_front(file: Path) -> None:
    """Print how far the front end is from theirs on the first 32 s of a file."""
    samples, rate = sf.read(file, frames=32 * RATE, dtype="float32")
    if rate != RATE or samples.ndim != 1:
        raise SystemExit(f"{file}: one channel at {RATE} Hz is needed")
    waveform = torch.from_numpy(samples[None])
    expected = oracles.inputs(oracles.extractor(cases.FRONT), waveform)["input_features"]
    difference = largest(LogMels(MelSettings())(waveform), expected)
    print(f"front end, {file.name}, {len(samples) / RATE:g} s: {difference:.1e}", flush=True)


def print_speed(lengths: list[float], rounds: int) -> None:
    """Print what a seg_window of each length takes with the published sizes."""
    print(f"torch {torch.__version__}, one thread, fp32\n")
    print("| hears, s | parameters, M | largest difference | cpu | their cpu | audio on 2 cores |")
    print("|---|---|---|---|---|---|", flush=True)
    theirs, front = oracles.network(PUBLISHED), oracles.extractor(cases.FRONT)
    theirs.load_state_dict(filled(theirs.state_dict()))
    settings = SortformerSettings()
    ours = Sortformer(settings).eval().requires_grad_(False)
    given = theirs.state_dict()
    ours.load_state_dict({name: joined(given, name) for name in ours.state_dict()})
    million = sum(parameter.numel() for parameter in ours.parameters()) / 1e6
    for seconds in lengths:
        waveform = cases.waveforms(1, seconds)
        with torch.inference_mode():
            difference = largest(ours.log_odds(waveform), oracles.log_odds(theirs, front, waveform))
            best = other = float("inf")
            for _ in range(rounds):
                best = min(best, cpu_seconds(partial(ours.log_odds, waveform)))
                other = min(other, cpu_seconds(partial(oracles.log_odds, theirs, front, waveform)))
        model = SegmentationModel("", ours, replace(settings, seg_window_seconds=seconds), "")
        spent = windows_of_a_chunk(model) * best  # on a chunk
        cells = [f"{seconds:g}", f"{million:.1f}", f"{difference:.1e}", f"{best:.2f}", f"{other:.2f}"]
        print(f"| {' | '.join([*cells, f'{2 * CHUNK / spent:.1f}'])} |", flush=True)


def largest(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference."""
    return float((found - expected).abs().max())


if __name__ == "__main__":
    main()
