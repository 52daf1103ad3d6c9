"""What a machine with a GPU gets: shapes that fit each other, a command line, a script."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.export.targets import build_engine
from diar.export.targets.tensorrt_files import trtexec_line

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def test_shapes_script_and_command_line(small_model_dir: Path, tmp_path: Path) -> None:
    arguments = [
        "export",
        "--model",
        str(small_model_dir),
        "--format",
        "tensorrt",
        "--output_dir",
        str(tmp_path),
    ]
    assert main([*arguments, "--max_batch", "8", "--max_seconds", "20"]) == EXIT_OK
    model = tmp_path / f"{small_model_dir.name}.onnx"
    profile = build_engine.read_profile(model.with_suffix(".profile.json"))
    assert profile["waveform"] == {"min": [1, 16000], "opt": [2, 160000], "max": [8, 320000]}
    assert profile["masks"] == {"min": [1, 1, 98], "opt": [2, 3, 998], "max": [8, 32, 1998]}
    line = model.with_suffix(".trtexec.sh").read_text()
    assert "--maxShapes=waveform:8x320000,masks:8x32x1998" in line and "--stronglyTyped" in line
    if importlib.util.find_spec("tensorrt") is None:
        alone = [sys.executable, "-I", str(tmp_path / "build_engine.py"), str(model)]
        ended = subprocess.run(alone, capture_output=True, text=True)
        assert ended.returncode == EXIT_ERROR and "pip install tensorrt" in ended.stderr


def test_the_command_line_names_an_engine_and_builds_it_once(
    small_exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NVIDIA's programs need a GPU; two that write what they are asked stand in for them."""
    model, programs = tmp_path / "a b.onnx", tmp_path / "programs"
    model.write_bytes((small_exported / "small.trunk.onnx").read_bytes())
    programs.mkdir()
    for name, text in (
        ("nvidia-smi", 'echo "NVIDIA H100 80GB HBM3, 9.0"'),
        (
            "trtexec",
            'echo "&&&& RUNNING TensorRT.trtexec [TensorRT v101300] # trtexec"\n'
            'for one in "$@"; do case "$one" in --saveEngine=*) echo "$@" >> "${one#*=}";; esac; done',
        ),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    script = tmp_path / "a b.trtexec.sh"
    profile = {"fbank": {"min": [1, 98, 16], "opt": [4, 998, 16], "max": [16, 3198, 16]}}
    script.write_text(trtexec_line(model, profile))
    for _ in range(2):
        told = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True, cwd="/")
    name = told.stdout.splitlines()[-1]
    assert name == build_engine.engine_name(model, "NVIDIA H100 80GB HBM3, 9.0", "101300")
    (asked,) = (tmp_path / name).read_text().splitlines()
    assert "--onnx=a b.onnx" in asked and "--optShapes=fbank:4x998x16" in asked
    assert [file.name for file in tmp_path.glob("*.engine*")] == [name]


def test_engines_are_named_by_what_they_run_on(tmp_path: Path) -> None:
    model = tmp_path / "a.onnx"
    model.write_bytes(b"one")
    name = build_engine.engine_name(model, "NVIDIA H100 80GB HBM3, 9.0", "10.3.0")
    assert name.startswith("a.NVIDIA-H100-80GB-HBM3-9-0.trt10.3.0.")
    model.write_bytes(b"two")
    assert build_engine.engine_name(model, "NVIDIA H100 80GB HBM3, 9.0", "10.3.0") != name


def test_shapes_that_do_not_ascend_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"waveform": {"min": [1, 2], "opt": [4, 1], "max": [8, 9]}}))
    with pytest.raises(ValueError, match="do not ascend"):
        build_engine.read_profile(file)
    file.write_text(json.dumps({"waveform": {"min": [1, 2]}}))
    with pytest.raises(ValueError, match="needs min, opt and max"):
        build_engine.read_profile(file)
