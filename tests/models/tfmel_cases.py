"""Audio and settings with which our `tfmel` is compared with the public code and its kept numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
import yaml

from diar.models.tfmel import TfMelSettings, stored_buffers
from tests.models.cases import CASES, build

RATE = 16000
PUBLIC = {  # tfmel_args of WeSpeaker's redimnet2_lm.yaml
    **{"n_mels": 72, "hop_length": 160, "win_length": 400, "n_fft": 512, "f_min": 20, "f_max": 7600},
    **{"do_preemph": True, "norm_signal": True, "do_spec_aug": False, "eps": 1.0e-8},
}
# case → resample_rate and tfmel_args
FRONT_ENDS: dict[str, tuple[int, dict[str, Any]]] = {
    "public": (RATE, PUBLIC),
    "defaults": (RATE, {}),
    "plain": (RATE, PUBLIC | {"do_preemph": False, "norm_signal": False, "eps": 1.0e-6}),
    "telephone": (8000, {"n_mels": 40, "hop_length": 80, "win_length": 200, "n_fft": 256, "f_max": 3800}),
    "coarse": (RATE, PUBLIC | {"hop_length": 250, "win_length": 512, "n_fft": 1024, "f_min": 60}),
}
SPEECH = ("librispeech", 0, 8000, 20000)  # folder, number of the file in it, first and last sample
EMBEDDED = 16239  # samples that give a multiple of four frames, and are none of the step


def signal(samples: int = 12077) -> np.ndarray:
    """(samples,) float32: a gliding voice with an offset, noise in pauses, digital silence at the end."""
    rng, time = np.random.default_rng(7), np.arange(samples) / RATE
    pitch = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.3 * time)) / RATE
    voice = sum(np.sin(k * pitch) / k for k in range(1, 30)) * np.maximum(0, np.sin(2 * np.pi * 2.1 * time))
    made = 0.05 * voice + 0.01 + 1e-3 * rng.standard_normal(samples)
    made[-samples // 10 :] = 0
    return made.astype(np.float32)


def speech(shared_dir: Path) -> np.ndarray:
    """(samples,) float32 of a real utterance."""
    folder, number, first, last = SPEECH
    file = sorted((shared_dir / "data" / folder).glob("*/*.flac"))[number]
    samples, _ = sf.read(file, start=first, stop=last, dtype="float32")
    return np.asarray(samples)


def write_directory(folder: Path, case: str = "ReDimNet2B0", **changed: torch.Tensor) -> Path:
    """A model directory as WeSpeaker's training writes it: constants of the front end, and a classifier."""
    architecture, model_args = CASES[case]
    config = {
        "model": architecture,
        "model_args": model_args | {"pooling_func": "ASTP"},
        "dataset_args": {
            **{"frontend": "tfmel", "resample_rate": RATE, "tfmel_args": PUBLIC, "cmvn": False},
            **{"spec_aug": False, "speed_perturb": False, "num_frms": 600},
        },
    }
    buffers = stored_buffers(TfMelSettings(RATE, PUBLIC["n_mels"], norm_signal=True))
    state = build(case).state_dict() | buffers | {"projection.weight": torch.zeros(9, 192)} | changed
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save(state, folder / "avg_model.pt")
    return folder
