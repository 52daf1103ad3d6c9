"""Requests of several streams that are answered together, as on a GPU."""

from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from diar.embedding.masks import TrunkFrames, local_speaker_masks
from diar.models.encoders.wespeaker import open_model_dir
from diar.models.features import cmn
from diar.online.engine import Engine
from diar.online.models import Answer, LiveModels, Request, Tell
from diar.online.stream import Stream
from tests.models.tfmel_cases import write_directory
from tests.online.conftest import RememberingModels


class NotingModels(RememberingModels):
    """Notes the embeddings that were asked for."""

    asked: list[Tell]

    def computed(self, request: Request) -> Answer:
        if isinstance(request, Tell):
            self.asked.append(request)
        return super().computed(request)


def test_seg_windows_of_one_and_of_several_voices_are_embedded_together(
    live_models: LiveModels, talk: np.ndarray
) -> None:
    """Seg_windows that are answered together need not have equally many voices."""
    models = NotingModels.__new__(NotingModels)
    models.__dict__ = {**live_models.__dict__, "answered": {}, "asked": []}
    Stream(models).feed(talk[: 12 * 16_000])
    by_length = defaultdict(list)
    for request in models.asked:
        by_length[len(request.samples)].append(request)
    pairs = [
        pair
        for own in by_length.values()
        for pair in combinations(own, 2)
        if pair[0].local.active.shape[3] != pair[1].local.active.shape[3]
    ]
    assert pairs
    for pair in pairs[:4]:
        together = models._answer(pair)
        for request, answer in zip(pair, together, strict=True):
            embeddings, seconds = answer  # type: ignore[misc]
            alone, own_seconds = models.computed(request)  # type: ignore[misc]
            assert (
                len(embeddings) == request.local.active.shape[3] and seconds.tolist() == own_seconds.tolist()
            )
            spoken = seconds > 0
            assert spoken.any()
            assert (embeddings[spoken] * alone[spoken]).sum(axis=1).min() > 0.995


@pytest.mark.slow
def test_an_encoder_on_another_front_end_is_told_with_its_own_frames(
    segmentation_dir: Path, talk: np.ndarray, tmp_path: Path
) -> None:
    folder = write_directory(tmp_path / "redimnet2")
    models = NotingModels.open(
        str(folder), str(segmentation_dir), second_segmentation=None, device="cpu", precision="fp32"
    )
    models.answered, models.asked = {}, []
    models.warm_up()
    Stream(models).feed(talk[: 4 * 16_000])
    model, compared = open_model_dir(folder), 0
    for request in models.asked[:3]:
        embeddings, seconds = models.computed(request)  # type: ignore[misc]
        with torch.inference_mode():
            samples = torch.from_numpy(request.samples)[None]
            frames = model.encoder.frames(cmn(model.fbank.front_end()(samples)))
            centres = np.arange(frames.shape[-1]) * 160 + 120 + request.before
            masks = local_speaker_masks(request.local, TrunkFrames(centres, 0.01))
            expected = model.encoder.pool(frames, torch.from_numpy(masks))[0].numpy()
        np.testing.assert_allclose(seconds, masks[0].sum(axis=1) * 0.01)
        for found, own in zip(embeddings[seconds > 0], expected[seconds > 0], strict=True):
            assert found @ own / np.linalg.norm(own) > 0.99  # in bf16
            compared += 1
    assert compared


def test_what_is_warm_meets_no_new_shape(talk: np.ndarray) -> None:
    """All lengths that the trunk is shown, and whole windows, of as many streams as go together."""
    met, warm = LiveModels.open(device="cpu"), LiveModels.open(device="cpu")
    engine = Engine(met)
    for key in range(3):
        engine.open(key)
    for at in range(0, 12 * 16_000, 1600):
        engine.feed(dict.fromkeys(range(3), talk[at : at + 1600]))
    engine.shut_down()
    warm.warm_up()
    assert met._hops is not None and warm._hops is not None
    lengths = {shape[1] for shape in warm._quick._exact}  # a stream that begins has others
    told = {shape for shape in met._quick._exact if shape[1] in lengths}
    assert len(lengths) == 4 and told and told <= {*warm._quick._exact}
    frames = warm._hops._network.num_frames(warm.window)
    whole = {shape for shape in met._hops._remembered._exact if shape[1] == frames}
    assert whole and whole <= {*warm._hops._remembered._exact}
