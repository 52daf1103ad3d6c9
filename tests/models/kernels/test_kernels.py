"""Our kernels against torch: on the CPU by Triton's interpreter, and on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from diar.models.encoders.campplus import CAMPPlus
from diar.models.encoders.planes import convolve_relu
from diar.models.encoders.resnet import ResNet34
from diar.models.inference import Trunk
from diar.models.kernels import available
from diar.models.segmentation.sincnet import SincNet

ON_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
FILE = str(Path(__file__).with_name("by_interpreter.py"))


def test_on_the_cpu_by_the_interpreter():
    """Triton must be imported with the variable set, so this takes a process of its own."""
    pytest.importorskip("triton", reason="Triton comes with PyTorch for NVIDIA GPUs; `pip install triton`")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", FILE],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


@pytest.mark.gpu
@ON_A_GPU
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("encoder", [CAMPPlus, ResNet34])
def test_a_trunk_on_a_gpu(encoder, precision, monkeypatch):
    torch.manual_seed(4)
    trunk = Trunk(encoder(feat_dim=80, embed_dim=192).eval(), 80, precision).cuda()
    fbank = torch.randn(3, 437, 80, device="cuda")
    with torch.inference_mode():
        found = trunk(fbank)
        monkeypatch.setattr(available, "run_on", lambda device: False)
        monkeypatch.setattr("diar.models.encoders.planes.HALF", ())
        expected = trunk(fbank)
    cosine = F.cosine_similarity(found.flatten(1), expected.flatten(1))
    assert cosine.min() > (0.9999 if precision == "fp16" else 0.999)


@pytest.mark.gpu
@ON_A_GPU
def test_sincnet_on_a_gpu(monkeypatch):
    network = SincNet(10).cuda()
    waveform = torch.randn(5, 1, 160000, device="cuda")
    with torch.inference_mode():
        found = network(waveform)
        monkeypatch.setattr(available, "run_on", lambda device: False)
        expected = network(waveform)
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=1e-2)  # later layers are in TF32


def test_convolve_relu():
    torch.manual_seed(5)
    conv, x = torch.nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 9, 11)
    shortcut = torch.randn(2, 4, 9, 11)
    identity = torch.nn.Identity()
    torch.testing.assert_close(convolve_relu(conv, identity, x), F.relu(conv(x)))
    torch.testing.assert_close(convolve_relu(conv, identity, x, shortcut), F.relu(conv(x) + shortcut))
