"""The segmentation network: against pyannote.audio on real audio, and its parts against their definitions."""

from copy import copy, deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diar.models.encoders.base import ModelError
from diar.models.segmentation import bf16
from diar.models.segmentation.base import FrameGeometry
from diar.models.segmentation.pyannet import PyanNet, PyanNetSettings, open_segmentation_dir
from diar.models.segmentation.sincnet import SincFilters, SincNet
from diar.models.weights import hub

TINY = PyanNetSettings(lstm_size=4, lstm_layers=1, linear_size=6, linear_layers=1)
CONFIG = yaml.safe_load(hub.NAMED_MODELS["segmentation-3.0"].config)


@pytest.fixture(scope="module")
def tiny() -> PyanNet:
    torch.manual_seed(0)
    return PyanNet(TINY).eval().requires_grad_(False)


@pytest.mark.parametrize("weights", ["segmentation.pt", "pytorch_model.bin"])
def test_equals_pyannote_on_real_audio(shared_dir: Path, tmp_path: Path, weights: str) -> None:
    published = shared_dir / "models" / "segmentation-3.0"
    for name in ("config.yaml", weights):
        (tmp_path / name).symlink_to(published / name)
    model = open_segmentation_dir(tmp_path, "a name")
    golden = np.load(shared_dir / "data" / "segmentation_parity.npz")
    waveform, expected = torch.from_numpy(golden["waveform"]), torch.from_numpy(golden["log_probs"])
    assert (model.name, model.sample_rate, model.seg_window_samples) == ("a name", 16000, waveform.shape[1])

    found = model.network(waveform)
    assert found.shape == expected.shape == (2, 589, 7)
    assert (found - expected).abs().max() <= 1e-3
    powerset = model.network.powerset
    assert torch.equal(powerset.hard(found), powerset.hard(expected))
    assert powerset.hard(found).any(dim=1).any(), "real speech"
    torch.testing.assert_close(model.network(waveform[1:]), found[1:], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (1.0, 0.3), (1e-2, 0.0), (1e-2, 0.3), (0.0, 0.0)])
def test_overlapping_windows_are_what_each_is_by_itself(
    segmentation_dir: Path, shared_dir: Path, gain: float, offset: float
) -> None:
    network = open_segmentation_dir(segmentation_dir).network
    samples, _ = sf.read(shared_dir / "data/ami/trn03.wav", dtype="float32", frames=14 * 16_000)
    chunks = torch.from_numpy(np.stack([samples, samples[::-1]]) * np.float32(gain) + np.float32(offset))
    starts = [0, 270 * 100, 270 * 237]
    apart = torch.stack([chunks[:, start : start + 160_000] for start in starts], dim=1).flatten(0, 1)
    expected = network(apart).exp()
    found = network.of_windows(chunks, starts, 160_000).exp()
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-3
    assert (found - expected).abs().mean() < 1e-5


def test_bf16_moves_probabilities_little(segmentation_dir: Path, shared_dir: Path) -> None:
    if not bf16.runs_here():
        pytest.skip("this CPU has no bf16")
    network = open_segmentation_dir(segmentation_dir).network
    samples, _ = sf.read(shared_dir / "data/ami/trn03.wav", dtype="float32", frames=20 * 16_000)
    chunk, starts = torch.from_numpy(samples)[None], [0, 270 * 300, 270 * 592]
    with torch.inference_mode():
        expected = network.powerset.speech(network.of_windows(chunk, starts, 160_000))
        halved = network.in_bf16()
        found = network.powerset.speech(halved.of_windows(chunk, starts, 160_000))
        one_by_one = network.powerset.speech(halved(chunk[:, 270 * 300 : 270 * 300 + 160_000]))
    assert (found - expected).abs().max() > 1e-5, "it is another precision"
    assert (found - expected).abs().mean() < 1e-3
    assert abs(float((found - expected).mean())) < 2e-4
    assert (one_by_one - found[1]).abs().mean() < 1e-4
    assert next(network.lstm.parameters()).dtype == torch.float32


def test_cells_of_the_bf16_lstm_are_fp32(segmentation_dir: Path, shared_dir: Path) -> None:
    """torch's own LSTM in bf16, whose cells are bf16, too, is several times as far from fp32."""
    if not bf16.runs_here():
        pytest.skip("this CPU has no bf16")
    network = open_segmentation_dir(segmentation_dir).network
    samples, _ = sf.read(shared_dir / "data/ami/trn03.wav", dtype="float32", frames=10 * 16_000)
    with torch.inference_mode():
        features = network.sincnet(torch.from_numpy(samples)[None, None]).transpose(1, 2)
        expected = network.lstm(features)[0]
        found = bf16.Bf16LSTM(network.lstm)(features)[0]
        rough = deepcopy(network.lstm).bfloat16()(features.bfloat16())[0]
    assert found.shape == expected.shape
    assert 3 * (found - expected).abs().mean() < (rough - expected).abs().mean()


def test_named_weights_open(segmentation_dir: Path) -> None:
    model = open_segmentation_dir(segmentation_dir)
    named = hub.NAMED_MODELS["segmentation-3.0"]
    assert model.sha256 == named.sha256
    assert model.settings == PyanNetSettings()
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    published = yaml.safe_load((segmentation_dir / "config.yaml").read_text())
    for part in ("task", "model"):
        assert CONFIG[part].items() <= published[part].items()


def test_silence_and_short_chunks(segmentation_dir: Path) -> None:
    network = open_segmentation_dir(segmentation_dir).network
    silence = network(torch.zeros(1, 32000))
    assert not network.powerset.hard(silence).any()
    for samples in (network.min_samples, 4800, 40001):
        log_probs = network(0.1 * torch.randn(1, samples))
        assert log_probs.shape == (1, network.num_frames(samples), 7)
        torch.testing.assert_close(log_probs.exp().sum(dim=-1), torch.ones(log_probs.shape[:2]))


def test_names_and_shapes_are_the_published_ones() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in PyanNet().state_dict().items()}
    assert len(shapes) == 16 + 4 * 2 * 4 + 4 + 2
    for name, shape in {
        "sincnet.wav_norm1d.weight": (1,),
        "sincnet.conv1d.0.filterbank.low_hz_": (40, 1),
        "sincnet.conv1d.0.filterbank.band_hz_": (40, 1),
        "sincnet.conv1d.0.filterbank.window_": (125,),
        "sincnet.conv1d.0.filterbank.n_": (1, 125),
        "sincnet.conv1d.1.weight": (60, 80, 5),
        "sincnet.conv1d.2.bias": (60,),
        "sincnet.norm1d.0.weight": (80,),
        "lstm.weight_ih_l0": (512, 60),
        "lstm.weight_hh_l3_reverse": (512, 128),
        "linear.0.weight": (128, 256),
        "linear.1.weight": (128, 128),
        "classifier.weight": (7, 128),
    }.items():
        assert shapes[name] == shape


def test_filters_are_differences_of_sincs() -> None:
    filters = SincFilters(80)
    trained = {
        "low_hz_": torch.linspace(-300, 5000, 40)[:, None],
        "band_hz_": torch.linspace(4000, -20, 40)[:, None],
    }
    filters.load_state_dict(filters.state_dict() | trained)
    low = 50 + trained["low_hz_"].double().abs().numpy()
    high = np.minimum(low + 50 + trained["band_hz_"].double().abs().numpy(), 8000)
    seconds = np.arange(-125, 126) / 16000
    window = np.hamming(251)
    even = (2 * high * np.sinc(2 * high * seconds) - 2 * low * np.sinc(2 * low * seconds)) / (
        2 * (high - low)
    )
    np.testing.assert_allclose(filters.kernels[:40, 0], even * window, atol=2e-5)

    odd = filters.kernels[40:, 0].double().numpy()  # the even filter's Hilbert transform, up to its sign
    np.testing.assert_allclose(odd, -odd[:, ::-1], atol=1e-7)
    at = np.exp(2j * np.pi * (low + high) / 2 * seconds)  # each filter at the middle of its band
    response_even, response_odd = abs((even * window * at).sum(1)), abs((odd * at).sum(1))
    wide = (high - low)[:, 0] > 500
    np.testing.assert_allclose(response_odd[wide], response_even[wide], rtol=0.02)


def test_filters_follow_loaded_weights_and_precision() -> None:
    network = PyanNet(TINY)
    filters = network.sincnet.conv1d[0].filterbank
    other = PyanNet(TINY).state_dict()
    other["sincnet.conv1d.0.filterbank.low_hz_"] += 100
    before = filters.kernels.clone()
    network.load_state_dict(other)
    assert not torch.allclose(filters.kernels, before)
    torch.testing.assert_close(filters.kernels, filters.compute_kernels())
    assert network.double()(torch.randn(1, 2000).double()).dtype == torch.float64


def test_a_frame_sees_what_the_geometry_says() -> None:
    network = SincNet(stride=10)
    network.wav_norm1d = nn.Identity()  # the norms see the whole chunk
    network.norm1d = nn.ModuleList([nn.Identity()] * 3)
    geometry = FrameGeometry(*SincNet.receptive_field(10))
    assert (geometry.size, geometry.step) == (991, 270)
    waveform = torch.randn(16, 1, geometry.size + 2 * geometry.step, requires_grad=True)
    features = network(waveform)
    assert features.shape[-1] == 3
    features[..., 1].abs().sum().backward()
    seen = waveform.grad.abs().sum(dim=(0, 1)).nonzero().flatten()
    assert (seen.min(), seen.max()) == (geometry.step, geometry.step + geometry.size - 1)


def test_frames_in_seconds() -> None:
    frames = PyanNet(TINY).frames
    assert frames.num_frames(160000) == 589
    assert frames.step_seconds == 0.016875
    assert frames.center(0) == frames.first_center == 0.5 * 0.0619375
    assert frames.center(588) == pytest.approx(10 - frames.first_center - 249 / 16000)
    assert frames.center(0.5) - frames.center(-0.5) == pytest.approx(frames.step_seconds)
    assert [frames.num_frames(samples) for samples in (0, 990, 991, 1260, 1261)] == [0, 0, 1, 1, 2]


@settings(max_examples=25)
@given(samples=st.integers(1261, 20000), batch=st.integers(1, 3))
def test_number_of_frames(tiny: PyanNet, samples: int, batch: int) -> None:
    assert tiny(torch.randn(batch, samples)).shape == (batch, tiny.num_frames(samples), 7)


@pytest.mark.parametrize("shape", [(1, 1260), (2000,), (1, 1, 2000)])
def test_other_shapes_are_refused(tiny: PyanNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1261"):
        tiny(torch.zeros(shape))


def test_a_chunk_does_not_depend_on_its_batch(tiny: PyanNet) -> None:
    waveform = 0.1 * torch.randn(5, 16000)
    together = tiny(waveform)
    for item in range(5):
        torch.testing.assert_close(tiny(waveform[item : item + 1])[0], together[item], rtol=0, atol=1e-5)


@given(
    frames=st.integers(30, 700),
    lead=st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)),
)
def test_aligned_takes_each_frame_from_where_the_network_speaks_of_it(
    tiny: PyanNet, frames: int, lead: tuple[float, float]
) -> None:
    network = copy(tiny)
    network.lead_seconds = lead
    step = network.frames.step_seconds
    source = network.aligned(torch.arange(frames).expand(2, frames).unsqueeze(-1))
    assert source.shape == (2, frames, 1)
    place = source[0, :, 0].numpy()
    assert torch.equal(source[0], source[1])
    assert (np.diff(place) >= 0).all()
    early = np.interp(place, [0, frames - 1], lead)  # of the frame that was taken
    error = np.abs(place * step + early - np.arange(frames) * step)
    inside = (place > 0) & (place < frames - 1)  # at the ends there may be nothing better
    half_a_frame = step / 2 + abs(lead[1] - lead[0]) / (frames - 1) / 2
    assert error[inside].max(initial=0) <= half_a_frame + 1e-6


@pytest.mark.parametrize("frames", [1, 2, 3, 20])
def test_short_chunks_stay_within_themselves(tiny: PyanNet, frames: int) -> None:
    source = tiny.aligned(torch.arange(frames).view(1, frames, 1)).flatten()
    assert len(source) == frames
    assert (source.diff() >= 0).all()
    assert 0 <= source.min() <= source.max() < frames


def test_without_a_lead_nothing_moves(tiny: PyanNet) -> None:
    network = copy(tiny)
    network.lead_seconds = (0.0, 0.0)
    log_probs = torch.randn(2, 589, 7)
    assert torch.equal(network.aligned(log_probs), log_probs)


def test_the_lead_stands_in_the_configuration(tmp_path: Path, tiny: PyanNet) -> None:
    config = {**config_with(), "lead_seconds": [0, 0.1]}
    model = open_segmentation_dir(write_model(tmp_path, tiny, config))
    assert model.settings.lead_seconds == model.network.lead_seconds == (0.0, 0.1)


def write_model(folder: Path, network: PyanNet, config: object, weights: str = "segmentation.pt") -> Path:
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"state_dict": network.state_dict()}, folder / weights)
    return folder


def config_with(**changes: object) -> dict[str, object]:
    """The published configuration for the tiny network; changes are named section__key."""
    config = yaml.safe_load(hub.NAMED_MODELS["segmentation-3.0"].config)
    model = config["model"]
    model["lstm"] |= {"hidden_size": TINY.lstm_size, "num_layers": TINY.lstm_layers}
    model["linear"] |= {"hidden_size": TINY.linear_size, "num_layers": TINY.linear_layers}
    for place, value in changes.items():
        section, key = place.split("__")
        {"task": config["task"], "model": model, **model}[section][key] = value
    return config


@pytest.mark.parametrize("weights", ["segmentation.pt", "pytorch_model.bin"])
def test_a_directory_is_opened_with_its_own_sizes(tmp_path: Path, tiny: PyanNet, weights: str) -> None:
    model = open_segmentation_dir(write_model(tmp_path, tiny, config_with(task__duration=5), weights))
    assert model.settings == replace(TINY, seg_window_seconds=5.0)
    assert (model.seg_window_samples, model.name) == (80000, tmp_path.name)
    waveform = torch.randn(1, 5000)
    assert torch.equal(model.network(waveform), tiny(waveform))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("text", "describes no PyanNet"),
        ({"model": "CAMPPlus"}, "describes no PyanNet"),
        (config_with(model__sample_rate=8000), "sample_rate is 8000"),
        (config_with(lstm__monolithic=False), "monolithic is False"),
        (config_with(lstm__bidirectional=False), "bidirectional is False"),
        (config_with(lstm__bidirectional="9" * 9_000), "9 … 9+', only True is supported"),
        (config_with(lstm__num_layers="many"), "describes no PyanNet"),
        (config_with(lstm__num_layers=0), "no network can be built"),
        (config_with(task__max_speakers_per_frame=4), "no network can be built"),
        (config_with(lstm__num_layers=2), "missing"),
        (config_with(task__max_speakers_per_chunk=4), "classifier.weight .* instead of"),
        ({**config_with(), "lead_seconds": [0, 3]}, "lead_seconds are 0 and 3, at most 0.2"),
        ({**config_with(), "lead_seconds": 0.1}, "describes no PyanNet"),
    ],
)
def test_configurations_that_do_not_fit_are_told(
    tmp_path: Path, tiny: PyanNet, config: object, told: str
) -> None:
    with pytest.raises(ModelError, match=told) as raised:
        open_segmentation_dir(write_model(tmp_path, tiny, config))
    assert len(str(raised.value)) < 2_100


def test_missing_and_damaged_files_are_told(tmp_path: Path, tiny: PyanNet) -> None:
    with pytest.raises(ModelError, match=r"config\.yaml and segmentation\.pt or pytorch_model\.bin"):
        open_segmentation_dir(tmp_path / "nowhere")
    write_model(tmp_path, tiny, config_with())
    (tmp_path / "config.yaml").write_text("task: [")
    with pytest.raises(ModelError, match=r"config\.yaml cannot be read as YAML"):
        open_segmentation_dir(tmp_path)
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(ModelError, match=r"needs config\.yaml"):
        open_segmentation_dir(tmp_path)
