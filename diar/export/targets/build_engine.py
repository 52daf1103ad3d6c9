#!/usr/bin/env python3
"""Build a TensorRT engine of an ONNX file that `diar export --format tensorrt` wrote.

    python build_engine.py MODEL.onnx [--profile MODEL.profile.json] [--workspace_gigabytes 4]

Needs an NVIDIA GPU, its driver and the package tensorrt (8.6 or later), nothing of diar. Precisions are those
of the file. The engine lies beside it; its name has the GPU, the version of TensorRT and the file's checksum,
since an engine runs on what it was built for only. An engine that is there is not built again. What was timed
is kept in timing.cache beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

Profile = dict[str, dict[str, list[int]]]  # input → min, opt, max → shape
_BOUNDS = ("min", "opt", "max")


def main(arguments: list[str] | None = None) -> int:
    """Build the engine unless it is there; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--profile", type=Path, help="shapes; default: MODEL.profile.json")
    parser.add_argument("--workspace_gigabytes", type=float, default=4.0)
    options = parser.parse_args(arguments)
    profile = read_profile(options.profile or options.model.with_suffix(".profile.json"))
    try:
        import tensorrt
    except ImportError as error:
        logging.error("error: the package tensorrt cannot be imported (%s): pip install tensorrt", error)
        return 2
    engine = options.model.with_name(engine_name(options.model, gpu(), tensorrt.__version__))
    if not engine.exists():
        build(tensorrt, options.model, profile, engine, round(options.workspace_gigabytes * 2**30))
    logging.info("%s", engine)
    return 0


def read_profile(file: Path) -> Profile:
    """Read the shapes of all inputs.

    Raises:
        ValueError: a bound is missing, or min, opt and max do not ascend.
    """
    profile: Profile = json.loads(file.read_text())
    for name, bounds in profile.items():
        if set(bounds) != set(_BOUNDS):
            raise ValueError(f"{file}: {name} needs min, opt and max, and has {', '.join(bounds)}")
        for sizes in zip(*(bounds[bound] for bound in _BOUNDS), strict=True):
            if list(sizes) != sorted(sizes) or sizes[0] < 1:
                raise ValueError(f"{file}: {name}: sizes {sizes} do not ascend from 1 or more")
    return profile


def engine_name(model: Path, device: str, version: str) -> str:
    """Return MODEL.GPU.trtVERSION.CHECKSUM.engine."""
    checksum = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    return f"{model.stem}.{re.sub(r'[^A-Za-z0-9]+', '-', device)}.trt{version}.{checksum}.engine"


def gpu() -> str:
    """Return name and compute capability of the first GPU, as nvidia-smi tells them."""
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: no NVIDIA GPU can be asked: {error}")
    return found.stdout.splitlines()[0].strip()


def build(tensorrt: Any, model: Path, profile: Profile, engine: Path, workspace: int) -> None:
    """Build and write an engine; exit with the parser's errors where the graph cannot be read."""
    log = tensorrt.Logger(tensorrt.Logger.WARNING)
    builder = tensorrt.Builder(log)
    # Strongly typed: a node computes in the precision that the file gives it
    flag = tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(flag))
    parser = tensorrt.OnnxParser(network, log)
    if not parser.parse(model.read_bytes()):
        sys.exit("error: " + "; ".join(str(parser.get_error(n)) for n in range(parser.num_errors)))
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, workspace)
    shapes = builder.create_optimization_profile()
    for name, bounds in profile.items():
        shapes.set_shape(name, *(tuple(bounds[bound]) for bound in _BOUNDS))
    config.add_optimization_profile(shapes)
    timing = engine.with_name("timing.cache")
    cache = config.create_timing_cache(timing.read_bytes() if timing.exists() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    built = builder.build_serialized_network(network, config)
    if built is None:
        sys.exit("error: TensorRT built no engine; its messages above say why")
    unfinished = engine.with_name(f"{engine.name}.unfinished")
    unfinished.write_bytes(bytes(built))
    unfinished.replace(engine)
    timing.write_bytes(bytes(config.get_timing_cache().serialize()))


if __name__ == "__main__":
    sys.exit(main())
