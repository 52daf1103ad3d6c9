"""Stage 1 by ONNX Runtime gives what it gives by torch, and says which it was."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from diar.cli import main
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.export.backend import open_trunk
from diar.export.errors import ExportError
from diar.export.providers import execution_providers
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.features import FbankSettings, cmn
from diar.models.inference import Trunk
from diar.models.open import open_encoder
from diar.models.packing import Packing
from diar.service.computing.engine import ServiceEngine
from diar.service.config import ServeConfig
from diar.store.reader import read_tracks
from tests.commands import RATE
from tests.export.test_command import cosines
from tests.models.cases import CASES, build, num_mel_bins

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def test_packed_chunks_give_the_frames_of_torch(tiny_model_dir: Path) -> None:
    assert_frames_of_torch(open_encoder(str(tiny_model_dir)))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["ReDimNetB0", "ReDimNet2B0"])
def test_packed_chunks_of_networks_with_attention(case: str) -> None:
    front_end = FbankSettings(num_mel_bins=num_mel_bins(case))
    assert_frames_of_torch(SpeakerModel(case, build(case), front_end, "0" * 64, CASES[case][0]))


def assert_frames_of_torch(model: SpeakerModel) -> None:
    """ONNX Runtime gives torch's frames, for chunks that are packed and for rows."""
    encoder, mels = model.encoder, model.fbank.num_mel_bins
    ours = open_trunk(model, torch.device("cpu"), backend="onnx", provider="cpu", threads=1)
    assert ours.engine == "ONNX Runtime, CPUExecutionProvider"
    theirs = Trunk(encoder, mels)
    packing = Packing([211, 100, 57, 33], 220, encoder.reach, encoder.align or encoder.frame_stride)
    fbank = torch.randn(packing.rows, packing.length, mels, generator=torch.Generator().manual_seed(0))
    packed = fbank.clone()
    for place in packing.places:
        own = packed[place.row : place.row + 1, place.start : place.end]
        own.copy_(cmn(own))
    packing.zero_gaps(packed, 1)
    with torch.inference_mode():
        for rows, given in ((packed, packing), (cmn(fbank), None)):
            found, expected = ours(rows, given), theirs(rows, given)
            if given is not None:
                found, expected = packing.zero_gaps(found, 2), packing.zero_gaps(expected, 2)
            assert found.shape == expected.shape
            assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_a_provider_that_is_not_there_names_the_package_that_has_it(tiny_model_dir: Path) -> None:
    for provider, package in (("cuda", "onnxruntime-gpu"), ("tensorrt", "onnxruntime-gpu tensorrt")):
        with pytest.raises(ExportError, match=rf"`provider={provider}`.*pip install {package}"):
            execution_providers(provider, ["CPUExecutionProvider"])  # type: ignore[arg-type]
    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert [name for name, _ in execution_providers("cuda", there)] == there
    for gpu in (0, 3):  # each worker's own
        every = execution_providers("tensorrt", ["TensorrtExecutionProvider", *there], gpu)
        assert [options.get("device_id") for _, options in every] == [gpu, gpu, None]
    model = open_encoder(str(tiny_model_dir))
    with pytest.raises(ExportError, match="`provider=cuda` does not fit `device=cpu`"):
        open_trunk(model, torch.device("cpu"), backend="onnx", provider="cuda", threads=1)


@pytest.mark.slow
def test_live_streams_by_onnx_hear_the_same_and_say_so(
    tiny_model_dir: Path, conversation: np.ndarray
) -> None:
    found = []
    for backend in ("torch", "onnx"):
        config = ServeConfig(
            insecure=True, model=str(tiny_model_dir), device="cpu", precision="fp32", backend=backend
        )
        engine = ServiceEngine.of(config)
        stream = engine.open("s_1")
        stream.feed(conversation[: 8 * RATE])
        stream.finish()
        turns = [(turn.start, turn.end, turn.speaker) for turn in stream.turns]
        found.append((engine.warm_up()["engine"], turns))
    assert found[0][0] == "torch" and found[1][0] == "ONNX Runtime, CPUExecutionProvider"
    assert found[0][1] == found[1][1] and len(found[0][1]) > 1


def test_options_that_contradict_a_backend_are_refused() -> None:
    for options, told in (
        ({"backend": "tensor"}, "is torch, onnx, or the address of a Triton server"),
        ({"provider": "cuda"}, "--provider cuda is for --backend onnx"),
        ({"backend": "http://127.0.0.1:1", "precision": "bf16"}, "computes in fp32"),
    ):
        with pytest.raises(ValueError, match=told):
            ServeConfig(insecure=True, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_stage_1_by_either_backend(
    tiny_model_dir: Path, tmp_path: Path, conversation: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audio").mkdir()
    for number, seconds in enumerate((5.3, 2.1, 8.0)):  # of many lengths, in one pass
        sf.write(tmp_path / "audio" / f"{number}.wav", conversation[: int(seconds * RATE)], RATE)
    common = ["extract", "--input_dir", str(tmp_path / "audio"), "--model_dir", str(tiny_model_dir)]
    common += ["--segmentation", "none", "--workers", "1", "--device", "cpu"]
    outputs = {name: str(tmp_path / name) for name in ("torch", "onnx")}
    assert main([*common, "--output_dir", outputs["torch"], "--precision", "fp32"]) == EXIT_OK
    assert main([*common, "--output_dir", outputs["onnx"], "--backend", "onnx"]) == EXIT_OK
    for number in range(3):
        one, other = (read_tracks(place, f"{number}.wav").tracks for place in outputs.values())
        assert one.start.tolist() == other.start.tolist() and len(one.start) > 0
        assert cosines(one.embedding, other.embedding).min() > 0.99999
    capfd.readouterr()
    assert main([*common, "--output_dir", outputs["onnx"], "--precision", "fp32"]) == EXIT_ERROR
    assert "backend: 'onnx' there, None now" in capfd.readouterr().err
