"""What denoising does to turns, voices and words: one Markdown table.

    python benchmarks/enhancement.py --audio FOLDER --words SETS/clean --work WORK [--shared ../shared]
        [--enhance gtcrn] [--conditions clean,tel,room,broadcast,noise] [--asr whisper-tiny.en]
        [--only harbour,interview]

Both folders hold conversations NAME.wav and NAME.rttm; that of `--words` truth.seglst.json, too, as
words_synthesis.py writes it, of which `--only` names those to recognise. tools/degrade.py of the shared
folder makes the telephone (tel), room and broadcast versions; `noise` is white noise at 5 dB. WORK keeps what
was made; what stays there is not made again.

DER: stages 1 and 2 with their defaults, no collar, overlap scored, with the denoiser before none, one or both
networks. EER: cosines between turns of one speaker alone of at least 2 s (12 a speaker at most), cut from
recordings that were enhanced whole. WER: that of `diar words` without and with the denoiser, on speech that
was found without it. Shift: samples that the enhanced recording lies behind. CPU: seconds of one core a
second of audio that the denoiser takes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile as sf
from running import call, detect, error_rate, extract
from scipy.signal import correlate

import diar
from diar.detect.training.verification import of_vectors
from diar.enhance.denoiser import Denoiser
from diar.enhance.open import open_denoiser
from diar.formats.rttm import read_rttm

RATE = 16_000
MODES = {"none": (), "segmentation": ("--enhance_for", "segmentation")}
MODES |= {"embedding": ("--enhance_for", "embedding"), "both": ("--enhance_for", "both")}
LEAST, MOST_TURNS = 2.0, 12  # seconds of a turn, turns of a speaker in a recording
SNR = 5.0  # dB
TRUTH = "truth.seglst.json"


def make_condition(name: str, audio: Path, work: Path, shared: Path) -> Path:
    """Return the folder of a condition."""
    folder = work / name
    if folder.is_dir():
        return folder
    if name in ("tel", "room", "broadcast"):
        if not (work / "degraded").is_dir():
            call(shared / "tools" / "degrade.py", audio, work / "degraded")
        shutil.copytree(work / "degraded" / name, folder)
        return folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for file in sorted(audio.glob("*.wav")):
        samples, rate = sf.read(file, dtype="float32")
        if name == "noise":
            noise = rng.standard_normal(len(samples))
            samples = samples + noise * np.sqrt(np.mean(samples**2) / 10 ** (SNR / 10))
            samples = 0.7 * samples / np.abs(samples).max()
        sf.write(folder / file.name, samples, rate, subtype="PCM_16")
        shutil.copy(file.with_suffix(".rttm"), folder)
    return folder


def enhanced(folder: Path, given: argparse.Namespace, denoise: Denoiser) -> tuple[Path, float, list[int]]:
    """Return a folder's enhanced recordings, CPU seconds a second of audio, and the shifts in samples."""
    made, seconds, spent, shifts = given.work / f"{folder.name}-{given.enhance}", 0.0, 0.0, []
    made.mkdir(exist_ok=True)
    for file in sorted(folder.glob("*.wav")):
        samples, rate = sf.read(file, dtype="float32")
        if rate != RATE:
            import soxr

            samples = soxr.resample(samples, rate, RATE)
        began = time.process_time()
        clean = denoise(samples)
        spent += time.process_time() - began
        seconds += len(samples) / RATE
        shifts.append(shift(samples, clean))
        sf.write(made / file.name, clean, RATE, subtype="PCM_16")
        shutil.copy(file.with_suffix(".rttm"), made)
    return made, spent / seconds, shifts


def shift(before: np.ndarray, after: np.ndarray) -> int:
    """Return by how many samples a signal lies behind another, by the peak of their correlation."""
    size = min(len(before), 20 * RATE)
    found = correlate(after[:size], before[:size], mode="full", method="fft")
    return int(found.argmax()) - (size - 1)


def turns(folder: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    """Yield speaker, samples and sample rate of turns in which nobody else speaks."""
    for file in sorted(folder.glob("*.wav")):
        samples, rate = sf.read(file, dtype="float32")
        (told,) = read_rttm(file.with_suffix(".rttm")).values()
        count: dict[str, int] = {}
        for turn in told:
            others = [
                one for one in told if one is not turn and one.start < turn.end and turn.start < one.end
            ]
            if turn.end - turn.start < LEAST or others or count.get(turn.speaker, 0) == MOST_TURNS:
                continue
            count[turn.speaker] = count.get(turn.speaker, 0) + 1
            yield turn.speaker, samples[round(turn.start * rate) : round(turn.end * rate)], rate


def equal_error_rate(folder: Path) -> float:
    """Return the EER in percent of all pairs of turns."""
    encoder = diar.open_encoder(device="cpu")
    speakers, vectors = [], []
    for speaker, samples, rate in turns(folder):
        voice = diar.embed(samples, sample_rate=rate, encoder=encoder, segmentation="none")
        vectors.append(voice.vector)
        speakers.append(speaker)
    unit = np.stack(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return 100 * of_vectors(unit, np.array(speakers))


def word_error_rates(name: str, given: argparse.Namespace) -> list[str]:
    """Return the WER in percent of `diar words` without and with the denoiser, as cells."""
    work = given.work / "words"
    audio = work / "chosen"
    if not audio.is_dir():
        choose(given.words, given.only.split(",") if given.only else None, audio)
    folder = make_condition(name, audio, work, given.shared)
    found = [work / f"{stage}-{name}" for stage in "ER"]
    if not found[1].is_dir():
        extract(folder, found[0], ("--device", "cpu"))
        detect(found[0], found[1], ("--task", "turns"))
    return [f"{word_error_rate(found, audio, enhance, given):.1f}" for enhance in ("none", given.enhance)]


def choose(words: Path, only: Sequence[str] | None, folder: Path) -> None:
    """Copy the conversations named, or all, with their true words."""
    folder.mkdir(parents=True)
    truth = json.loads((words / TRUTH).read_text())
    for file in sorted(words.glob("*.wav")):
        if only is None or file.stem in only:
            shutil.copy(file, folder)
            shutil.copy(file.with_suffix(".rttm"), folder)
    kept = [item for item in truth if (folder / item["session_id"]).is_file()]
    (folder / TRUTH).write_text(json.dumps(kept))


def word_error_rate(found: list[Path], audio: Path, enhance: str, given: argparse.Namespace) -> float:
    """Return the WER in percent of `diar words`, on what stages 1 and 2 found without a denoiser."""
    out = found[0].with_name(f"W-{found[0].name}-{enhance}")
    if not (out / "done").is_file():
        shutil.rmtree(out, ignore_errors=True)
        for place, name in zip(found, "ER", strict=True):
            shutil.copytree(place, out / name, symlinks=True)
        places = ("--embeddings_dir", out / "E", "--result", out / "R", "--device", "cpu")
        call("-m", "diar", "words", *places, "--asr", given.asr, "--enhance", enhance)
        (out / "done").touch()
    told = call("-m", "diar", "score", "words", audio / TRUTH, out / "R", "--json")
    return 100 * float(json.loads(told)["pooled"]["wer"])


def der(folder: Path, mode: str, given: argparse.Namespace) -> float:
    """Return the DER in percent with the denoiser before the networks that `mode` names."""
    name = f"{folder.name}-{mode}" if mode == "none" else f"{folder.name}-{given.enhance}-{mode}"
    embeddings, result = given.work / f"E-{name}", given.work / f"R-{name}"
    options = ("--device", "cpu", *(("--enhance", given.enhance, *MODES[mode]) if mode != "none" else ()))
    if not result.is_dir():
        extract(folder, embeddings, options)
        detect(embeddings, result, ("--task", "turns"))
    return error_rate(folder, result)


def turns_and_voices(name: str, given: argparse.Namespace, denoise: Denoiser) -> list[str]:
    """Return the cells of DER, EER, shift and cost."""
    folder = make_condition(name, given.audio, given.work, given.shared)
    clean, cpu, shifts = enhanced(folder, given, denoise)
    rates = [der(folder, mode, given) for mode in MODES]
    rates += [equal_error_rate(one) for one in (folder, clean)]
    return [*(f"{rate:.1f}" for rate in rates), str(max(map(abs, shifts))), f"{cpu:.3f}"]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, help="conversations of turns and voices")
    parser.add_argument("--words", type=Path, help="conversations whose words are known")
    parser.add_argument("--only", help="of the latter: names, such as harbour,interview")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--enhance", default="gtcrn")
    parser.add_argument("--conditions", default="clean,tel,room,broadcast,noise")
    parser.add_argument("--asr", default="whisper-tiny.en")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    denoise = open_denoiser(given.enhance)
    assert denoise is not None
    titles = ("condition", "DER, none", *list(MODES)[1:], "EER, none", "enhanced", "shift", "CPU")
    titles += ("WER, none", "enhanced")
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|", flush=True)
    for name in given.conditions.split(","):
        cells = ["–"] * 8 if given.audio is None else turns_and_voices(name, given, denoise)
        cells += ["–"] * 2 if given.words is None else word_error_rates(name, given)
        print(f"| {' | '.join([name, *cells])} |", flush=True)


if __name__ == "__main__":
    main()
