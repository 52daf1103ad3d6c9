"""Architectures of the wespeaker package, with a stand-in for the package."""

import sys
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from diar.models.encoders.base import ModelError
from diar.models.encoders.foreign import MIN_FRAMES, ForeignEncoder, build_foreign


class MeanNetwork(nn.Module):
    """Refuses short input as networks with wide context do; gives a tuple as WeSpeaker's ResNets do."""

    def __init__(self, feat_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(feat_dim, embed_dim)

    def forward(self, fbank: Tensor) -> tuple[Tensor, Tensor]:
        if fbank.shape[1] < MIN_FRAMES:
            raise RuntimeError("kernel size cannot be greater than input size")
        return torch.tensor(0.0), self.linear(fbank.mean(dim=1) + fbank.std(dim=1))


@pytest.fixture
def install_wespeaker(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, type[nn.Module]]], None]:
    """Put a package in place whose get_speaker_model answers and fails as the real one does."""

    def install(networks: dict[str, type[nn.Module]]) -> None:
        def get_speaker_model(name: str) -> type[nn.Module]:
            if name not in networks:
                print(name + " not found !!!")
                sys.exit(1)
            return networks[name]

        speaker_model = ModuleType("wespeaker.models.speaker_model")
        speaker_model.get_speaker_model = get_speaker_model
        for package in ("wespeaker", "wespeaker.models"):
            monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, "wespeaker.models.speaker_model", speaker_model)

    return install


@pytest.fixture
def encoder(install_wespeaker: Callable[[dict[str, type[nn.Module]]], None]) -> ForeignEncoder:
    install_wespeaker({"XVEC": MeanNetwork})
    found = build_foreign("XVEC", {"feat_dim": 20, "embed_dim": 6}, num_mel_bins=20, supported=["ResNet18"])
    return found.requires_grad_(False)


def test_each_mask_is_one_forward_of_the_chosen_frames(encoder: ForeignEncoder) -> None:
    fbank = torch.randn(2, 100, 20)
    frames = encoder.frames(fbank)
    assert encoder.embedding_dim == 6
    assert frames.shape == (2, 20, encoder.num_frames(100))
    masks = torch.rand(2, 3, 100) < 0.6
    masks[1, 2] = False
    pooled = encoder.pool(frames, masks)
    for item, track in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]:
        expected = encoder.network(fbank[item : item + 1, masks[item, track]])[-1][0]
        torch.testing.assert_close(pooled[item, track], expected)
    assert torch.equal(pooled[1, 2], torch.zeros(6))
    torch.testing.assert_close(encoder(fbank), encoder.network(fbank)[-1])
    torch.testing.assert_close(encoder.pool(frames, torch.ones(2, 1, 100))[:, 0], encoder(fbank))


def test_few_frames_are_repeated(encoder: ForeignEncoder) -> None:
    fbank = torch.randn(1, 100, 20)
    masks = torch.zeros(1, 2, 100)
    masks[0, 0, 7] = 1
    masks[0, 1, 10:20] = 1
    one, ten = encoder.pool(encoder.frames(fbank), masks)[0]
    torch.testing.assert_close(one, encoder.network(fbank[:, 7:8].repeat(1, MIN_FRAMES, 1))[-1][0])
    torch.testing.assert_close(ten, encoder.network(fbank[:, 10:20].repeat(1, 4, 1))[-1][0])


def test_names_that_nobody_knows_are_refused(
    install_wespeaker: Callable[[dict[str, type[nn.Module]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ModelError, match=r"'REPVGG_A0' is not supported; supported are ResNet18.*pip install"
    ):
        monkeypatch.setitem(sys.modules, "wespeaker", None)  # as if not installed
        build_foreign("REPVGG_A0", {}, num_mel_bins=80, supported=["ResNet18"])
    install_wespeaker({"XVEC": MeanNetwork})
    with pytest.raises(ModelError, match=r"'REPVGG_A0' is not supported.*does not know it either"):
        build_foreign("REPVGG_A0", {}, num_mel_bins=80, supported=["ResNet18"])
