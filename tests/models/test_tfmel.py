"""The `tfmel` front end beside WeSpeaker's numbers, where its frames lie, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.models.encoders.wespeaker import ModelError, open_model_dir
from diar.models.features import cmn
from diar.models.tfmel import TfMelSettings, stored_buffers
from tests.models.cases import build
from tests.models.tfmel_cases import EMBEDDED, FRONT_ENDS, RATE, signal, speech, write_directory

GOLDEN = dict(np.load(Path(__file__).parent / "golden" / "tfmel.npz"))


def settings_of(case: str) -> TfMelSettings:
    rate, given_args = FRONT_ENDS[case]
    named = {name: value for name, value in given_args.items() if name not in ("n_mels", "do_spec_aug")}
    return TfMelSettings(rate, given_args.get("n_mels", 80), **named)


def energies(samples: np.ndarray, front_end: TfMelSettings) -> torch.Tensor:
    """(1, frames, mels) with their mean."""
    with torch.inference_mode():
        return front_end.front_end()(torch.from_numpy(samples)[None])


def assert_features(found: torch.Tensor, expected: np.ndarray) -> None:
    """Within 1e-4 for energies down to 40 dB below the strongest of their frame.

    Further down WeSpeaker's own float32 is off by more: on 40 utterances by up to 3e-3 from the same formula
    in float64.
    """
    difference = (cmn(found)[0] - torch.from_numpy(expected)).abs()
    strong = found[0] > found[0].amax(dim=1, keepdim=True) - 40 / 10 * np.log(10)
    assert strong.float().mean() > 0.5  # or the next line would say little
    assert difference[strong].max() <= 1e-4
    assert (difference > 1e-4).float().mean() < 1e-3
    assert difference.max() < 1e-2


@pytest.mark.parametrize("case", list(FRONT_ENDS))
def test_features_are_wespeakers(case: str) -> None:
    assert_features(energies(signal(), settings_of(case)), GOLDEN[case])


def test_features_of_speech_are_wespeakers(shared_dir: Path) -> None:
    assert_features(energies(speech(shared_dir), settings_of("public")), GOLDEN["speech"])


def test_checkpoints_have_the_names_of_wespeakers() -> None:
    names = {*build("ReDimNet2B0").state_dict(), *stored_buffers(settings_of("public"))}
    assert sorted(names) == sorted(GOLDEN["names"])


def test_an_embedding_is_wespeakers(tmp_path: Path) -> None:
    model = open_model_dir(write_directory(tmp_path))
    assert model.fbank == TfMelSettings(RATE, 72, norm_signal=True)
    assert model.fbank.num_frames(EMBEDDED) % 4 == 0
    with torch.inference_mode():
        found = model.encoder(cmn(model.fbank.front_end()(torch.from_numpy(signal(EMBEDDED))[None])))[0]
    expected = torch.from_numpy(GOLDEN["embedding"])
    assert torch.cosine_similarity(found.double(), expected.double(), dim=0) >= 0.99999
    assert (found - expected).norm() <= 1e-4 * expected.norm()


@given(st.integers(0, 3000), st.sampled_from(list(FRONT_ENDS)))
@settings(max_examples=40)
def test_frames_are_counted_right(samples: int, case: str) -> None:
    front_end = settings_of(case)
    count = front_end.num_frames(samples)
    if count:
        assert front_end.front_end()(torch.zeros(1, samples)).shape == (1, count, front_end.num_mel_bins)
    else:
        with pytest.raises(
            ValueError, match=f"{samples} samples at {front_end.sample_rate} Hz are less than"
        ):
            front_end.front_end()(torch.zeros(1, samples))


def test_frames_lie_where_they_are_said_to_lie() -> None:
    front_end = settings_of("plain")
    for frame in (0, 1, 17, 98):
        samples = torch.zeros(1, RATE)
        samples[0, int(front_end.first_centre) + frame * front_end.frame_shift] = 1.0
        energies = front_end.front_end()(samples)[0].sum(dim=-1)
        assert energies.argmax() == frame
    assert front_end.num_frames(RATE) == 99


def test_a_batch_is_its_items_each_scaled_alone() -> None:
    waveforms = torch.from_numpy(signal())[None] * torch.tensor([[1.0], [300.0], [0.01]])
    features = settings_of("public").front_end()(waveforms)
    for item, waveform in zip(features, waveforms, strict=True):
        alone = settings_of("public").front_end()(waveform[None])[0]
        torch.testing.assert_close(item, alone, rtol=0, atol=1e-3)
    torch.testing.assert_close(features[1], features[0], rtol=0, atol=1e-2)
    unscaled = settings_of("defaults").front_end()(waveforms)
    assert (unscaled[1] - unscaled[0]).median() == pytest.approx(2 * np.log(300), abs=0.1)


def test_frames_of_a_part_are_those_of_the_whole_but_for_its_ends_and_its_level() -> None:
    """What stage 1 relies on where it cuts a recording: the part begins at a multiple of the step."""
    whole, first, last = signal(4 * RATE)[: 3 * RATE], 100, 200
    part = whole[first * 160 : last * 160 + 240 - 160]

    def difference(case: str) -> torch.Tensor:
        of_part = energies(part, settings_of(case))[0]
        assert len(of_part) == last - first
        return (of_part - energies(whole, settings_of(case))[0, first:last])[1:-1]

    assert difference("defaults").abs().max() < 1e-2
    assert difference("public").median() == pytest.approx(2 * np.log(whole.std() / part.std()), abs=1e-2)


def test_silence_is_the_floor() -> None:
    for case in ("public", "plain"):
        features = settings_of(case).front_end()(torch.zeros(2, 4000))
        assert torch.isfinite(features).all()
        assert torch.equal(features, features[:, :1].expand_as(features))
        assert features.min() >= np.log(settings_of(case).eps)


def test_other_constants_in_the_weights_are_refused(tmp_path: Path) -> None:
    name = "frontend.spec.torchfbank.2.melbanks_pt"
    right = stored_buffers(settings_of("public"))[name]
    open_model_dir(write_directory(tmp_path, **{name: right + 1e-7}))
    for wrong in (right[:40], right.flip(0), torch.full_like(right, float("nan"))):
        with pytest.raises(ModelError, match=f"{name} is not what tfmel_args in config.yaml give"):
            open_model_dir(write_directory(tmp_path, **{name: wrong}))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"num_mel_bins": 0}, "num_mel_bins must be above 0, got 0"),
        ({"win_length": 160}, "win_length 160 does not lie between hop_length 160 and n_fft 512"),
        ({"win_length": 600}, "win_length 600 does not lie between"),
        ({"n_fft": 513}, "n_fft 513 is odd"),
        ({"f_max": 9000.0}, "f_min 20.0 Hz and f_max 9000.0 Hz do not rise"),
        ({"f_min": float("nan")}, "do not rise"),
        ({"eps": 0.0}, "eps 0.0 is not between 0 and 1"),
    ],
)
def test_settings_that_make_no_filterbank_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TfMelSettings(**values)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_features_on_the_gpu_are_wespeakers() -> None:
    front_end = settings_of("public").front_end().cuda()
    found = front_end(torch.from_numpy(signal())[None].cuda()).cpu()
    assert_features(found, GOLDEN["public"])
