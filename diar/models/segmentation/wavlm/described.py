"""WavLM's sizes as others write them down: DiariZen's names of them, its pruned models, torchaudio's keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from diar.models.segmentation.wavlm.settings import Convolution, WavLMSettings

_TAPS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))  # and strides of the convolutions
_ORIGINAL = (512,) * 7

# Which heads and hidden units of each layer, and which channels of each convolution, pruning has left;
# from DiariZen's wavlm_config.py (MIT)
_BASE_HEADS = (
    *((1, 6), (5, 7, 8), (0, 3, 9), (0, 1, 4, 8, 11), (6, 8), (0,)),
    *((7, 8, 10, 11), (0, 1, 4, 8), (), (), (4, 7), (5,)),
)
_BASE_HIDDEN = (666, 660, 649, 1080, 237, 299, 437, 573, 53, 80, 211, 334)
_LARGE_HEADS = (
    *((1, 2, 4, 5, 6), (9, 10, 14), (0, 1, 2, 4, 5, 7), (1, 4, 7, 12, 13, 14), (0, 2, 3, 4, 13)),
    *((1, 7, 13, 14, 15), (11, 13, 15), (2, 3, 4, 8, 15), (2, 5, 6, 15), (), (0, 1), (1, 3, 5, 12), ()),
    *((4, 7, 11), (6, 9), (11,), (), (), (14,), (5, 15), (0, 2, 8, 11, 13, 15)),
    *((0, 1, 3, 4, 5, 6, 7, 10, 13), (0, 1, 3, 6, 7, 9, 10, 11, 12, 14), (1, 2, 3, 4, 7, 13, 14, 15)),
)
_LARGE_HIDDEN = (
    *(1092, 925, 759, 646, 745, 615, 684, 958, 286, 294, 406, 377),
    *(463, 542, 298, 236, 96, 104, 134, 211, 473, 1011, 1770, 1316),
)


def _convolutions(channels: Sequence[int]) -> tuple[Convolution, ...]:
    return tuple(Convolution(number, *taps) for number, taps in zip(channels, _TAPS, strict=True))


def _whole(size: int, num_heads: int, num_layers: int, large: bool) -> WavLMSettings:
    return WavLMSettings(
        convolutions=_convolutions(_ORIGINAL),
        size=size,
        num_heads=num_heads,
        heads=(tuple(range(num_heads)),) * num_layers,
        hidden=(4 * size,) * num_layers,
        large=large,
        normalized=large,
    )


def _pruned(
    channels: Sequence[int],
    size: int,
    num_heads: int,
    heads: tuple[tuple[int, ...], ...],
    hidden: tuple[int, ...],
) -> WavLMSettings:
    large = size == 1024
    return WavLMSettings(_convolutions(channels), size, num_heads, heads, hidden, large, normalized=large)


NAMED = {
    "wavlm_base": _whole(768, 12, 12, large=False),
    "wavlm_large": _whole(1024, 16, 24, large=True),
    "wavlm_base_s80_md": _pruned((90, 161, 173, 181, 351, 155, 137), 768, 12, _BASE_HEADS, _BASE_HIDDEN),
    "wavlm_large_s80_md": _pruned((512, 153, 224, 255, 302, 368, 211), 1024, 16, _LARGE_HEADS, _LARGE_HIDDEN),
}


def pruned_sizes(config: Mapping[str, Any]) -> WavLMSettings:
    """Return the sizes in what DiariZen's pruning writes: `pruned_config.json`.

    Raises:
        KeyError, TypeError, ValueError: it is something else, or a network that does not exist.
    """
    left = [
        tuple(map(int, heads)) if used else ()
        for used, heads in zip(
            config["encoder_use_attention"], config["encoder_remaining_heads"], strict=True
        )
    ]
    units = [
        int(number) if used else 0
        for used, number in zip(
            config["encoder_use_feed_forward"], config["encoder_ff_interm_features"], strict=True
        )
    ]
    num_heads = {int(number) for number in config["encoder_total_num_heads"]}
    if len(num_heads) != 1:
        raise ValueError("encoder_total_num_heads must be the same number for all layers")
    return _common(config, num_heads.pop(), left, units, normalized=bool(config["normalize_waveform"]))


def torchaudio_sizes(config: Mapping[str, Any], normalized: bool) -> WavLMSettings:
    """Return the sizes in the arguments of torchaudio's `wavlm_model`.

    Raises:
        KeyError, TypeError, ValueError: it is something else, or a network that does not exist.
    """
    num_heads, layers = int(config["encoder_num_heads"]), int(config["encoder_num_layers"])
    if not 0 < layers <= 1000:
        raise ValueError(f"encoder_num_layers is {layers}")
    heads = [tuple(range(num_heads))] * layers
    units = [int(config["encoder_ff_interm_features"])] * layers
    return _common(config, num_heads, heads, units, normalized, scaled=False)


def _common(
    config: Mapping[str, Any],
    num_heads: int,
    heads: Sequence[tuple[int, ...]],
    hidden: Sequence[int],
    normalized: bool,
    scaled: bool = True,
) -> WavLMSettings:
    mode, first = config["extractor_mode"], bool(config["encoder_layer_norm_first"])
    if mode not in ("group_norm", "layer_norm") or (mode == "layer_norm") != first:
        raise ValueError(f"extractor_mode {mode!r} with encoder_layer_norm_first {first} is no WavLM")
    layers = config["extractor_conv_layer_config"]
    convolutions = (
        tuple(Convolution(*map(int, one)) for one in layers) if layers else _convolutions(_ORIGINAL)
    )
    return WavLMSettings(
        convolutions=convolutions,
        size=int(config["encoder_embed_dim"]),
        num_heads=num_heads,
        heads=tuple(heads),
        hidden=tuple(hidden),
        large=first,
        normalized=normalized,
        scaled=scaled,
        biased=bool(config["extractor_conv_bias"]),
        position_taps=int(config["encoder_pos_conv_kernel"]),
        position_groups=int(config["encoder_pos_conv_groups"]),
        buckets=int(config["encoder_num_buckets"]),
        max_distance=int(config["encoder_max_distance"]),
    )
