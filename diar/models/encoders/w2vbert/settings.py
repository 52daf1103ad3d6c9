"""Sizes of a w2v-BERT trunk, and where WeSpeaker's configuration has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MELS = 80  # of the front end
STACKED = 2  # fbank frames in a trunk frame
_MOST_LAYERS = 1000
# What is supported of transformers' Wav2Vec2BertConfig besides sizes, and what holds where it is not given
_ONLY: dict[str, tuple[Any, ...]] = {
    "model_type": ("wav2vec2-bert",),
    "hidden_act": ("swish", "silu"),
    "position_embeddings_type": ("relative_key",),
    "add_adapter": (False,),
    "use_intermediate_ffn_before_adapter": (False,),
    "feature_projection_input_dim": (MELS * STACKED,),
}
# Our names of sizes → transformers'
_NAMES = {
    "size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "back": "left_max_position_embeddings",
    "ahead": "right_max_position_embeddings",
    "taps": "conv_depthwise_kernel_size",
}


@dataclass(frozen=True)
class W2VBertSettings:
    """The sizes of a trunk; the defaults are those of w2v-BERT 2.0.

    Attributes:
        size: channels of a hidden state.
        num_layers: Conformer layers.
        num_heads: of the attention, a divisor of `size`.
        hidden: channels inside a feed-forward layer.
        back: frames back that are told apart; those further away count as the furthest.
        ahead: frames ahead, likewise.
        taps: frames that the causal convolution sees, an odd number.
        epsilon: of layer normalisations.

    Raises:
        ValueError: sizes that no network has.
    """

    size: int = 1024
    num_layers: int = 24
    num_heads: int = 16
    hidden: int = 4096
    back: int = 64
    ahead: int = 8
    taps: int = 31
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("size", "num_layers", "num_heads", "hidden", "back", "taps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{_NAMES[name]} must be above 0, got {getattr(self, name)}")
        if self.ahead < 0:
            raise ValueError(f"{_NAMES['ahead']} must not be below 0, got {self.ahead}")
        if self.num_layers > _MOST_LAYERS:
            raise ValueError(f"{_NAMES['num_layers']} is {self.num_layers}")
        if self.size % self.num_heads:
            raise ValueError(f"{self.size} channels cannot be shared among {self.num_heads} heads")
        if self.taps % 2 == 0:
            raise ValueError(f"{_NAMES['taps']} must be odd, got {self.taps}")


def read_settings(file: Path) -> W2VBertSettings:
    """Read the sizes in the `config.json` of a w2v-BERT of transformers.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else, or a trunk that is not supported.
    """
    given = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(given, Mapping):
        raise ValueError("it holds no mapping")
    for key, supported in _ONLY.items():
        if given.get(key, supported[0]) not in supported:
            raise ValueError(f"{key} is {given[key]!r}, only {supported[0]!r} is supported")
    sizes = {name: _whole(given[key], key) for name, key in _NAMES.items() if key in given}
    return W2VBertSettings(**sizes, epsilon=float(given.get("layer_norm_eps", W2VBertSettings.epsilon)))


def _whole(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key} must be a whole number, got {value!r}")
    return value
