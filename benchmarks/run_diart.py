"""diart 0.9.2 on labelled recordings, with the weights of this project: RTTM files for `diar score der`.

    ENVIRONMENT/bin/python benchmarks/run_diart.py WAV_DIR OUT_DIR --segmentation pytorch_model.bin \\
        --embedding campplus.onnx [--latency 0.5 1] [--delta_new 1.0]

Runs in an environment of its own, where `pip install pyannote.audio==4.0.7 onnxruntime rx` and
`pip install --no-deps diart==0.9.2` were called. OUT_DIR/LATENCY-DELTA/NAME.rttm is what diart had told
LATENCY seconds after each moment. Everything is its own: overlap-aware embeddings, clustering, aggregation
and thresholds (`tau_active`, `rho_update` of its defaults), on chunks of 5 s every 0.5 s. Networks run once
for all settings. diart 0.9.2 is older than torchaudio 2.9 and pyannote.audio 4, and loads audio and
models in ways they no longer have: the names it imports are put in place here, and models are opened here.
"""

from __future__ import annotations

import argparse
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

warnings.filterwarnings("ignore")
import torchaudio  # noqa: E402

torchaudio.set_audio_backend = lambda name: None  # files are read here
for _name, _members in {
    "torchaudio.functional": ("resample",),
    "torchaudio.io": ("StreamReader",),
    "torchaudio.transforms": ("Resample", "MFCC"),
    "sounddevice": (),
    "websocket_server": ("WebsocketServer",),
}.items():
    _module = sys.modules.setdefault(_name, types.ModuleType(_name))
    for _member in _members:
        if not hasattr(_module, _member):
            setattr(_module, _member, type(_member, (), {}))
import rx.core  # noqa: E402, F401 - before diart, which asks for it by another way
from diart import SpeakerDiarization, SpeakerDiarizationConfig  # noqa: E402
from diart.models import EmbeddingModel, PowersetAdapter, SegmentationModel  # noqa: E402
from pyannote.audio import Model  # noqa: E402
from pyannote.audio.pipelines.speaker_verification import (  # noqa: E402
    ONNXWeSpeakerPretrainedSpeakerEmbedding,
)
from pyannote.core import Annotation, SlidingWindow, SlidingWindowFeature  # noqa: E402

RATE, DURATION, STEP, BATCH = 16_000, 5.0, 0.5, 8
PATCH = 0.05  # seconds between turns that diart's own sink joins


class Kept:
    """A network of diart's whose answers for the chunks of a file are computed once."""

    def __init__(self, compute: object) -> None:
        self._compute, self._answers, self._place = compute, [], 0

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the answer for the chunks that come next."""
        if self._place == len(self._answers):
            self._answers.append(self._compute(*inputs))  # type: ignore[operator]
        self._place += 1
        return self._answers[self._place - 1]

    def rewind(self, forget: bool = False) -> None:
        """Begin with the first chunk again, of another file if all is forgotten."""
        self._place = 0
        if forget:
            self._answers = []


def chunks(samples: np.ndarray, latency: float) -> list[SlidingWindowFeature]:
    """Return what diart's file source and its buffer make of samples (n,), padded as they do."""
    right = np.zeros(round((latency - STEP) * RATE), np.float32)
    left = np.zeros(max(0, round(DURATION * RATE) - len(samples) - len(right)), np.float32)
    whole = np.concatenate([left, samples, right])
    whole = np.pad(whole, (0, -len(whole) % round(STEP * RATE)))
    found = []
    for start in range(0, len(whole) - round(DURATION * RATE) + 1, round(STEP * RATE)):
        window = SlidingWindow(start=start / RATE, duration=1 / RATE, step=1 / RATE)
        found.append(SlidingWindowFeature(whole[start : start + round(DURATION * RATE), None], window))
    return found


def diarize(pipeline: SpeakerDiarization, pieces: list[SlidingWindowFeature]) -> Annotation:
    """Return all that a pipeline tells of chunks."""
    told = Annotation()
    for start in range(0, len(pieces), BATCH):
        for part, _ in pipeline(pieces[start : start + BATCH]):
            told.update(part)
    return told.support(PATCH)


def pipelines(given: argparse.Namespace) -> dict[str, SpeakerDiarization]:
    """Return one pipeline for each latency and threshold; all share the networks."""
    segmentation = Model.from_pretrained(str(given.segmentation))
    embedding = ONNXWeSpeakerPretrainedSpeakerEmbedding(str(given.embedding))
    made = {}
    for latency in given.latency:
        for delta in given.delta_new:
            config = SpeakerDiarizationConfig(
                SegmentationModel(lambda: PowersetAdapter(segmentation)),
                EmbeddingModel(lambda: embedding),
                DURATION,
                STEP,
                latency,
                delta_new=delta,
                device=torch.device("cpu"),
            )
            made[f"{latency:g}-{delta:g}"] = SpeakerDiarization(config)
    return made


def write(file: Path, name: str, told: Annotation) -> None:
    """Write turns as RTTM."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.duration:.3f} <NA> <NA> {label} <NA> <NA>\n"
        for turn, _, label in told.itertracks(yield_label=True)
    ]
    file.write_text("".join(lines))


def main() -> None:
    """Run all settings on all files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--segmentation", type=Path, required=True)
    parser.add_argument("--embedding", type=Path, required=True)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--delta_new", type=float, nargs="+", default=[1.0], help="diart's default is 1.0")
    given = parser.parse_args()
    made = pipelines(given)
    first = next(iter(made.values()))
    networks = {name: Kept(getattr(first, name)) for name in ("segmentation", "embedding")}
    for file in sorted(given.source.glob("*.wav")):
        samples = sf.read(file, dtype="float32")[0]
        began, pieces = time.process_time(), {one: chunks(samples, one) for one in given.latency}
        for network in networks.values():
            network.rewind(forget=True)
        for name, pipeline in sorted(made.items(), key=lambda item: -item[1].config.latency):
            pipeline.reset()
            for part, network in networks.items():
                network.rewind()
                setattr(pipeline, part, network)
            write(
                given.out / name / f"{file.stem}.rttm",
                file.stem,
                diarize(pipeline, pieces[pipeline.config.latency]),
            )
        print(
            f"{file.stem}: {len(samples) / RATE:.0f} s, {time.process_time() - began:.0f} s of CPU",
            flush=True,
        )


if __name__ == "__main__":
    main()
