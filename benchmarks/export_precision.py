"""Precisions of exported files: size, speed, EER of turns, frames alike, DER; one Markdown table.

    python benchmarks/export_precision.py --audio FOLDER [--calibration_dir FOLDER] [--model campplus-zh-en]
        [--segmentation segmentation-3.0] [--precisions fp32,fp16,int8,int8-static] [--write FILE]

FOLDER holds NAME.wav and NAME.rttm at the networks' rate. EER: cosines between turns of one speaker alone of
at least 2 s, all recordings together; speakers of two recordings count as two people. Cosine: the smallest of
a turn to that in fp32. Frames: share with the speakers of fp32, in seg_windows of 10 s. CPU: seconds of one
core a second of audio, the least of three runs that take turns. DER: of `diar.diarize` with that file in
the place of the one network, everything else by torch in fp32 (of an fp32 file it is torch's); of an encoder
the part `trunk`, as front end and pooling stay in fp32. Ranges of int8-static are measured on
`--calibration_dir`, by default on the same recordings, which flatters them. --write gets how far the DER
moves, as `diar/export/measured.yaml` has it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf
import yaml
from export_der import error_rate, with_segmentation, with_trunk

from diar.cli import main as diar_main
from diar.detect.training.verification import of_vectors
from diar.export.runtime import OnnxNetwork
from diar.formats.rttm import read_rttm

RATE = 16_000
TRUNK = ("--part", "trunk")
LEAST, WINDOW, RUNS = 2.0, 10, 3  # seconds of a turn, of a seg_window; runs of each file


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--calibration_dir", type=Path)
    parser.add_argument("--model", default="campplus-zh-en")
    parser.add_argument("--segmentation", default="segmentation-3.0")
    parser.add_argument("--precisions", default="fp32,fp16,int8,int8-static")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--only_der", action="store_true", help="no EER, cosines, seconds")
    parser.add_argument("--files", type=Path, help="where exported files are kept; those there are used")
    options = parser.parse_args(arguments)
    precisions = options.precisions.split(",")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.files or Path(temporary)
        for precision in precisions:
            export(options, precision, folder)
        rates = error_rates(options, precisions, folder)
        if not options.only_der:
            report(options, precisions, folder, rates)
    if options.write is not None:
        write_moves(options, rates)


def report(options: argparse.Namespace, precisions: list[str], folder: Path, rates: dict[str, float]) -> None:
    """Print the table."""
    turns, speakers = turns_of(options.audio)
    print(
        "| file | MB | EER % | least cosine | frames alike % | DER % | CPU |\n" + "|---" * 7 + "|", flush=True
    )
    encoders = files(folder, options.model, precisions)
    report_encoders(encoders, rates, turns, np.array(speakers))
    report_segmentation(files(folder, options.segmentation, precisions), rates, options.audio)


def export(options: argparse.Namespace, precision: str, folder: Path) -> None:
    """Write the files of one precision."""
    if (folder / f"{options.model}.trunk{ending(precision)}.onnx").exists():
        return
    both = options.model if precision == "fp16" else f"{options.model},{options.segmentation}"
    command = ["export", "--precision", precision, "--output_dir", str(folder), "--overwrite"]
    if precision == "int8-static":
        command += ["--calibration_dir", str(options.calibration_dir or options.audio)]
    if diar_main([*command, "--model", both]) or diar_main([*command, "--model", options.model, *TRUNK]):
        raise SystemExit(f"{precision} could not be exported")


def ending(precision: str) -> str:
    """Return what a file's name has before `.onnx`."""
    return "" if precision == "fp32" else f".{precision}"


def error_rates(options: argparse.Namespace, precisions: list[str], folder: Path) -> dict[str, float]:
    """Return the DER in % with each file in place of its network, by the file's stem; fp32's is torch's."""
    encoder, segmentation = with_trunk(options.model, None), with_segmentation(options.segmentation, None)
    by_torch = error_rate(options.audio, encoder, segmentation)
    rates = {options.model: by_torch, options.segmentation: by_torch}
    print(f"DER by torch: {by_torch:.2f} %", flush=True)
    for precision in precisions:
        if precision == "fp32":
            continue
        trunk = folder / f"{options.model}.trunk{ending(precision)}.onnx"
        whole = folder / f"{options.segmentation}{ending(precision)}.onnx"
        found = error_rate(options.audio, with_trunk(options.model, trunk), segmentation)
        rates[f"{options.model}{ending(precision)}"] = found
        print(f"{options.model} in {precision}: {found:.2f} %", flush=True)
        if whole.exists():
            found = error_rate(options.audio, encoder, with_segmentation(options.segmentation, whole))
            rates[whole.stem] = found
            print(f"{options.segmentation} in {precision}: {found:.2f} %", flush=True)
    return rates


def write_moves(options: argparse.Namespace, rates: dict[str, float]) -> None:
    """Write by how many points the DER of each precision is more than that of fp32."""
    moves = {
        name: {
            stem.removeprefix(f"{name}."): round(rate - rates[name], 2)
            for stem, rate in rates.items()
            if stem.startswith(f"{name}.")
        }
        for name in (options.model, options.segmentation)
    }
    options.write.write_text(yaml.safe_dump(moves, sort_keys=False))


def files(folder: Path, name: str, precisions: list[str]) -> dict[Path, OnnxNetwork]:
    """Return the files of a network, opened, fp32 first."""
    stems = [f"{name}{ending(precision)}" for precision in precisions]
    there = [file for stem in stems if (file := folder / f"{stem}.onnx").exists()]  # fp16: encoders only
    return {file: OnnxNetwork(file) for file in there}


def report_encoders(
    encoders: dict[Path, OnnxNetwork],
    rates: dict[str, float],
    turns: list[np.ndarray],
    speakers: np.ndarray,
) -> None:
    """Print a line a file."""
    seconds = {file: [0.0] * RUNS for file in encoders}
    made: dict[Path, np.ndarray] = {}
    for run in range(RUNS):
        for file, network in encoders.items():
            began = time.process_time()
            made[file] = np.concatenate([embed(network, turn) for turn in turns])
            seconds[file][run] = time.process_time() - began
    heard = sum(map(len, turns)) / RATE
    reference = next(iter(made.values()))
    for file, voices in made.items():
        cosine = float((voices * reference).sum(axis=1).min())
        rate = 100 * of_vectors(voices, speakers)
        cells = [f"{rate:.2f}", f"{cosine:.6f}", "–", f"{rates[file.stem]:.2f}"]
        row(file, cells, min(seconds[file]) / heard)


def embed(network: OnnxNetwork, turn: np.ndarray) -> np.ndarray:
    """Return (1, dimensions) of unit length."""
    masks = np.ones((1, 1, 1 + (len(turn) - 400) // 160), np.float32)
    voice = network({"waveform": turn[None], "masks": masks})[0][:, 0]
    return voice / np.linalg.norm(voice)


def report_segmentation(networks: dict[Path, OnnxNetwork], rates: dict[str, float], audio: Path) -> None:
    """Print a line a file."""
    recordings = [sf.read(file, dtype="float32")[0] for file in sorted(audio.glob("*.wav"))]
    size = WINDOW * RATE
    windows = [
        one[start : start + size][None] for one in recordings for start in range(0, len(one) - size + 1, size)
    ]
    seconds = {file: [0.0] * RUNS for file in networks}
    found: dict[Path, np.ndarray] = {}
    for run in range(RUNS):
        for file, network in networks.items():
            began = time.process_time()
            found[file] = np.concatenate([network({"waveform": window})[1][0] for window in windows])
            seconds[file][run] = time.process_time() - began
    reference = next(iter(found.values()))
    for file, speakers in found.items():
        alike = 100 * float((speakers == reference).all(axis=1).mean())
        cells = ["–", "–", f"{alike:.3f}", f"{rates[file.stem]:.2f}"]
        row(file, cells, min(seconds[file]) / (len(windows) * WINDOW))


def row(file: Path, cells: list[str], cpu: float) -> None:
    """Print a line of the table."""
    size = file.stat().st_size / 1e6
    print(f"| {file.stem} | {size:.1f} | {' | '.join(cells)} | {cpu:.4f} |", flush=True)


def turns_of(folder: Path) -> tuple[list[np.ndarray], list[str]]:
    """Return the samples of turns in which one speaker talks alone, and whose they are."""
    samples, speakers = [], []
    for file in sorted(folder.glob("*.wav")):
        audio, rate = sf.read(file, dtype="float32")
        if rate != RATE:
            raise SystemExit(f"{file} is at {rate} Hz, not {RATE}")
        turns = [turn for own in read_rttm(file.with_suffix(".rttm")).values() for turn in own]
        for turn in turns:
            others = [one for one in turns if one.speaker != turn.speaker]
            alone = all(one.end <= turn.start or one.start >= turn.end for one in others)
            if alone and turn.end - turn.start >= LEAST:
                samples.append(audio[int(turn.start * RATE) : int(turn.end * RATE)])
                speakers.append(f"{file.stem} {turn.speaker}")
    return samples, speakers


if __name__ == "__main__":
    main()
