"""What a machine with a GPU needs beside an ONNX file to build a TensorRT engine of it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from diar.export.graph.parts import Part
from diar.storage import write_bytes_atomic

SCRIPT = "build_engine.py"
_SHORTEST, _USUAL = 1.0, 10.0  # seconds of the smallest shapes, and of those that are tuned for
_MOST_SPEAKERS = 32
_WHICH_GPU = ("nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader")
_WHICH_VERSION = ("trtexec", "--help")  # its first line has it
_SAVE = "--saveEngine"


@dataclass(frozen=True)
class Shapes:
    """The largest inputs that an engine takes."""

    batch: int
    seconds: float


def write_tensorrt_files(part: Part, file: Path, largest: Shapes, sample_rate: int) -> list[Path]:
    """Write the shapes, the script that builds an engine, and a command line of `trtexec`; return the files.

    Args:
        part: that `file` holds.
        file: ONNX.
        largest: of batch and length; the engine is tuned for batches of a quarter of that, and 10 s.
        sample_rate: Hz.
    """
    profile = shape_profile(part, largest, sample_rate)
    shapes, script = file.with_suffix(".profile.json"), file.with_name(SCRIPT)
    command = file.with_suffix(".trtexec.sh")
    write_bytes_atomic(str(shapes), (json.dumps(profile, indent=1) + "\n").encode())
    write_bytes_atomic(str(script), Path(__file__).with_name(SCRIPT).read_bytes())
    write_bytes_atomic(str(command), trtexec_line(file, profile).encode())
    return [shapes, script, command]


def shape_profile(part: Part, largest: Shapes, sample_rate: int) -> dict[str, dict[str, list[int]]]:
    """Return min, opt and max shapes of each input, by name."""
    usual = min(_USUAL, largest.seconds)
    bounds = {
        "min": (1, min(_SHORTEST, largest.seconds), 1),
        "opt": (max(1, largest.batch // 4), usual, 3),
        "max": (largest.batch, largest.seconds, _MOST_SPEAKERS),
    }
    profile: dict[str, dict[str, list[int]]] = {}
    for name, tensor in part.example.items():
        profile[name] = {}
        for bound, (batch, seconds, speakers) in bounds.items():
            sizes = {"batch": batch, "speakers": speakers, **part.lengths(int(seconds * sample_rate))}
            axes = part.axes[name]
            profile[name][bound] = [
                sizes[axes[axis]] if axis in axes else size for axis, size in enumerate(tensor.shape)
            ]
    return profile


def trtexec_line(file: Path, profile: dict[str, dict[str, list[int]]]) -> str:
    """Return a shell script that builds the engine by `trtexec`, named as `build_engine.py` names it."""
    words = ["trtexec", f"--onnx={file.name}", "--stronglyTyped"]
    for bound in ("min", "opt", "max"):
        shapes = ",".join(f"{name}:{'x'.join(map(str, sizes[bound]))}" for name, sizes in profile.items())
        words.append(f"--{bound}Shapes={shapes}")
    words.append("--timingCacheFile=timing.cache")
    name, stem = shlex.quote(file.name), shlex.quote(file.stem)
    return f"""\
#!/bin/sh
# An engine runs on the GPU, and by the version of TensorRT, that it was built for: its name has both
set -eu
cd "$(dirname "$0")"
gpu=$({shlex.join(_WHICH_GPU)} | head -n 1 | tr -cs 'A-Za-z0-9\\n' '-')
version=$({shlex.join(_WHICH_VERSION)} | sed -n 's/.*TensorRT v\\([0-9]*\\).*/\\1/p' | head -n 1)
engine={stem}.$gpu.trt$version.$(sha256sum {name} | cut -c 1-12).engine
if [ ! -e "$engine" ]; then
  {shlex.join(words)} {_SAVE}="$engine.unfinished"
  mv "$engine.unfinished" "$engine"
fi
echo "$engine"
"""
