"""Names of parameters in checkpoints, and how those there become ours.

Ours are DiariZen's, but for two things: queries, keys and values of an attention are one linear layer
(`in_proj`), and the weight of the convolution over positions is there by itself, not as direction and length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# What follows is a name of ours as a pattern, and what a checkpoint calls it; several are joined row by row
Rules = Sequence[tuple[str, Sequence[str]]]

_POSITIONS = r"(.*pos_conv_embed\.conv)\.weight"
_LENGTH, _DIRECTION = "parametrizations.weight.original0", "parametrizations.weight.original1"
_FIRST_LAYER = r"(.*transformer)\.positions\."
_EARLIER = {"weight_g": _LENGTH, "weight_v": _DIRECTION}  # of PyTorch before 2.0

DIARIZEN: Rules = (
    (_POSITIONS, (rf"\1.{_LENGTH}", rf"\1.{_DIRECTION}")),
    (_FIRST_LAYER, (r"\1.layers.0.attention.",)),
    (r"(.*attention)\.in_proj\.(\w+)", tuple(rf"\1.{one}_proj.\2" for one in "qkv")),
    (r"(.*mha\.mha)\.in_proj\.(\w+)", tuple(rf"\1.linear{one}.\2" for one in "QKV")),
)


def suplime_rules(prefix: str) -> Rules:
    """Return the rules of SUPlime's checkpoints, in which WavLM's parameters begin with `prefix`."""
    layer = r"conformer\.conformer_layer\.(\d+)\."
    there = r"conformer.conformer_layers.\1."
    moved = {
        r"(ffn\d)\.ln_norm": r"\2.sequential.0",
        r"(ffn\d)\.w_1": r"\2.sequential.1",
        r"(ffn\d)\.w_2": r"\2.sequential.4",
        r"mha\.ln_norm": "self_attn_layer_norm",
        r"mha\.mha\.in_proj\.(\w+)": r"self_attn.in_proj_\2",
        r"mha\.mha\.linearO": "self_attn.out_proj",
        r"conv\.ln_norm": "conv_module.layer_norm",
        r"conv\.pointwise_conv1": "conv_module.sequential.0",
        r"conv\.depthwise_conv": "conv_module.sequential.2",
        r"conv\.bn_norm": "conv_module.sequential.3",
        r"conv\.pointwise_conv2": "conv_module.sequential.5",
        r"ln_norm": "final_layer_norm",
    }
    wavlm = r"wavlm_model\.(.*)"
    return (
        (rf"wavlm_model\.{_POSITIONS}", (rf"{prefix}\1.{_LENGTH}", rf"{prefix}\1.{_DIRECTION}")),
        (rf"wavlm_model\.{_FIRST_LAYER}", (rf"{prefix}\1.layers.0.attention.",)),
        (rf"{wavlm}attention\.in_proj\.(\w+)", (rf"{prefix}\1attention.attention.in_proj_\2",)),
        (rf"{wavlm}attention\.out_proj", (rf"{prefix}\1attention.attention.out_proj",)),
        (wavlm, (rf"{prefix}\1",)),
        (r"weight_sum\.weight", ("wav2vec_weights",)),
        *((layer + own, (there + other,)) for own, other in moved.items()),
    )


def to_checkpoint(own: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Return our parameters as a checkpoint has them."""
    found: dict[str, Tensor] = {}
    for name, tensor in own.items():
        names = _names_of(name, rules)
        if len(names) == 2:
            length = tensor.flatten(0, 1).norm(dim=0).view(1, 1, -1)
            found.update(zip(names, (length, tensor), strict=True))
        else:
            tensor = tensor.squeeze(0) if names == ["wav2vec_weights"] else tensor
            found.update(zip(names, tensor.chunk(len(names)) if len(names) > 1 else [tensor], strict=True))
    return found


def from_checkpoint(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], rules: Rules
) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint that fits as ours; `own` has names and shapes of these."""
    found: dict[str, Tensor] = {}
    for name, tensor in own.items():
        parts = [given[one] for one in _names_of(name, rules)]
        if len(parts) == 2:
            length, direction = parts
            found[name] = direction * (length / direction.flatten(0, 1).norm(dim=0).view(1, 1, -1))
        else:
            found[name] = (torch.cat(parts) if len(parts) > 1 else parts[0]).view(tensor.shape)
    return found


def present_names(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return parameters with the names that PyTorch gives to direction and length of a weight now."""
    return {_renamed(name): tensor for name, tensor in given.items()}


def _renamed(name: str) -> str:
    start, _, last = name.rpartition(".")
    return f"{start}.{_EARLIER[last]}" if last in _EARLIER else name


def _names_of(name: str, rules: Rules) -> list[str]:
    """Return what a checkpoint calls a parameter of ours, or its parts."""
    for pattern, names in rules:
        found = re.match(pattern, name)
        if found is not None:
            rest = name[found.end() :]
            return [found.expand(one) + rest for one in names]
    return [name]
