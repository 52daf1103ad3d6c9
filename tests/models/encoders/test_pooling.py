"""Each pooling with masks against its formula, in float64, on the chosen frames alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.models.encoders.pooling import ASP, ASTP, MHASTP, MQMHASTP, TAP, TSDP, TSTP, Pooling, build_pooling
from tests.models.cases import fill

CHANNELS, TIME = 16, 40


def statistics(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of (channels, chosen)."""
    return frames.mean(axis=1), np.sqrt(frames.var(axis=1, ddof=1) + 1e-7)


def attended(frames: np.ndarray, logits: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    mean = (weights * frames).sum(axis=1)
    variance = (weights * (frames - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(np.maximum(variance, floor))


def network(layers: torch.nn.Module, values: np.ndarray) -> np.ndarray:
    return layers(torch.from_numpy(values)[None])[0].numpy()


def expected(layer: Pooling, frames: np.ndarray) -> np.ndarray:
    """The layer's output (out_dim,) for all of (channels, chosen) float64; the layer is in float64, too."""
    if isinstance(layer, TSDP):
        return statistics(frames)[1]
    if isinstance(layer, TAP):
        return statistics(frames)[0]
    if isinstance(layer, TSTP):
        return np.concatenate(statistics(frames))
    if isinstance(layer, ASP):
        return np.concatenate(attended(frames, network(layer.attention, frames), 1e-5))
    if isinstance(layer, ASTP):
        seen = [frames]
        if layer.global_context_att:
            seen += [np.broadcast_to(value[:, None], frames.shape) for value in statistics(frames)]
        attention = torch.nn.Sequential(layer.linear1, torch.nn.Tanh(), layer.linear2)
        return np.concatenate(attended(frames, network(attention, np.concatenate(seen)), 1e-7))
    if isinstance(layer, MHASTP):
        shares = np.split(frames, layer.head_num)
        heads = zip(layer.heads_att_trans, shares, strict=True)
        return np.concatenate([np.concatenate(attended(x, network(head, x), 1e-7)) for head, x in heads])
    assert isinstance(layer, MQMHASTP)
    return np.concatenate([expected(query, frames) for query in layer.n_query])


def deviations(layer: Pooling) -> np.ndarray:
    """(out_dim,) bool: which outputs are standard deviations, and not means."""
    if isinstance(layer, TSDP):
        return np.ones(layer.out_dim, bool)
    if isinstance(layer, TAP):
        return np.zeros(layer.out_dim, bool)
    if isinstance(layer, MQMHASTP):
        return np.concatenate([deviations(query) for query in layer.n_query])
    heads = layer.head_num if isinstance(layer, MHASTP) else 1
    return np.tile(np.repeat([False, True], layer.out_dim // heads // 2), heads)


LAYERS = {
    "TAP": lambda: TAP(CHANNELS),
    "TSDP": lambda: TSDP(CHANNELS),
    "TSTP": lambda: TSTP(CHANNELS),
    "ASTP": lambda: ASTP(CHANNELS),
    "ASTP-global": lambda: ASTP(CHANNELS, global_context_att=True),
    "ASP": lambda: ASP(CHANNELS),
    "MHASTP": lambda: MHASTP(CHANNELS),
    "MHASTP-3layers": lambda: MHASTP(CHANNELS, layer_num=3, head_num=4, d_s=2),
    "MQMHASTP": lambda: MQMHASTP(CHANNELS),
}


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.1, 0.5, 1.0]),
    offset=st.sampled_from([0.0, 30.0]),
)
def test_masked_pooling_follows_the_formula(name: str, seed: int, density: float, offset: float) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.standard_normal((2, CHANNELS, TIME)) + offset
    masks = rng.random((2, 3, TIME)) < density
    masks[..., :2] = True  # two frames at least: a variance
    layer = LAYERS[name]().eval().requires_grad_(False)
    fill(layer)
    pooled = layer(torch.from_numpy(frames).float(), torch.from_numpy(masks).float()).numpy()
    assert pooled.shape == (2, 3, layer.out_dim)
    layer.double()
    spread = deviations(layer)
    for item in range(2):
        for track in range(3):
            found, reference = pooled[item, track], expected(layer, frames[item][:, masks[item, track]])
            np.testing.assert_allclose(found[~spread], reference[~spread], rtol=1e-4, atol=1e-4)
            # float32 knows a variance to some 1e-6, the root of which says nothing near 0
            variance = reference[spread] ** 2
            np.testing.assert_allclose(found[spread] ** 2, variance, rtol=2e-4, atol=3e-6)


def test_variance_survives_a_large_common_offset() -> None:
    frames = torch.randn(1, 4, 200, generator=torch.Generator().manual_seed(0)) * 0.01
    masks = torch.ones(1, 1, 200)
    found = TSDP(4)(frames + 1000, masks)
    # what float32 leaves of the frames themselves is the reference: 1000 + x is rounded to 6e-5
    reference = ((frames + 1000).double().var(dim=-1) + 1e-7).sqrt()
    torch.testing.assert_close(found[:, 0].double(), reference, rtol=1e-4, atol=0)


def test_attention_far_below_the_chunks_peak_is_finite() -> None:
    layer = ASTP(2, bottleneck_dim=2).requires_grad_(False)
    layer.linear1.weight.fill_(1.0)
    layer.linear2.weight.fill_(500.0)  # logits from about -1000 to 1000
    frames = torch.linspace(-3, 3, 20).expand(1, 2, 20)
    masks = torch.zeros(1, 1, 20)
    masks[..., :4] = 1
    mean = layer(frames, masks)[0, 0, :2]
    assert ((mean >= frames[0, 0, 0]) & (mean <= frames[0, 0, 3])).all()


def test_unknown_names_and_indivisible_heads_are_refused() -> None:
    with pytest.raises(
        ValueError, match="'XSTP' is not one of TAP, TSDP, TSTP, StatsPool, ASTP, MHASTP, MQMHASTP"
    ):
        build_pooling("XSTP", 8)
    with pytest.raises(ValueError, match="10 channels cannot be shared among 4 heads"):
        MHASTP(10, head_num=4)
