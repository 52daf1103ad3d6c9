"""An encoder's trunk for inference: batch normalisations folded, in a fast memory format and precision.

fp32 is the reference (DESIGN §4.9). The pooling stays fp32 in any precision: half precision is enough for the
trunk's products, but not for sums over thousands of frames.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from diar.models.encoders.base import (
    ExactLayer,
    ModelError,
    SpeakerEncoder,
    StatisticsEncoder,
    WholeChunkLayer,
)
from diar.models.encoders.time_major import ScaleAndShift, TimeMajorBatchNorm, TimeMajorConv
from diar.models.packing import Packing

Precision = Literal["fp32", "tf32", "mixed", "bf16", "fp16"]
# dtype of two-dimensional convolutions, and of everything else in the trunk
PRECISIONS: dict[str, tuple[torch.dtype, torch.dtype]] = {
    "fp32": (torch.float32, torch.float32),
    "tf32": (torch.float32, torch.float32),
    "mixed": (torch.bfloat16, torch.float32),
    "bf16": (torch.bfloat16, torch.bfloat16),
    "fp16": (torch.float16, torch.float16),
}
_CPU_BF16 = {"avx512_bf16", "amx_bf16"}  # names in /proc/cpuinfo
_Convolution = nn.Conv1d | nn.Conv2d
_FOLD_FRAMES = 40  # of the trial that verifies a fold
_FOLD_TOLERANCE = 1e-3  # relative to the largest output; rounding gives some 1e-6, a wrong fold 1e-1


class Trunk(nn.Module):
    """`frames` of an encoder as it runs fastest; a copy, so that the encoder stays as it is.

    Parameters and buffers that are not changed are the encoder's own memory.

    Args:
        encoder: fp32, in eval mode, on the CPU.
        num_mel_bins: mels that it takes.
        precision: of the trunk's products; sums are fp32 in all of them.

    Raises:
        ModelError: a precision other than fp32 for a network that cannot be split into trunk and pooling.
    """

    def __init__(self, encoder: SpeakerEncoder, num_mel_bins: int, precision: Precision = "fp32") -> None:
        super().__init__()
        if not isinstance(encoder, StatisticsEncoder) and precision != "fp32":
            raise ModelError(
                f"{type(encoder).__name__} runs only as its package defines it: use `precision=fp32`"
            )
        self.precision = precision
        self.encoder: SpeakerEncoder
        if not isinstance(encoder, StatisticsEncoder):
            self.encoder = copy.deepcopy(encoder)
        else:
            self.encoder = _with_shared_tensors(encoder)
            fold_batch_norms(self.encoder, num_mel_bins)
            self._cast(*PRECISIONS[precision])
            self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._packing: Packing | None = None  # of the forward pass that runs
        self._watch_gaps()
        given = next(self.encoder.parameters(), torch.empty(0)).dtype
        self._input_dtype = torch.float32 if encoder.exact_input else given

    def forward(self, fbank: Tensor, packing: Packing | None = None) -> Tensor:
        """(batch, frames, mels) float32 → (batch, channels, T') float32.

        Args:
            fbank: zero in the gaps of `packing`.
            packing: where chunks lie in the rows of the batch; None where a row is a chunk. The gaps of the
                result hold anything that is finite.
        """
        if packing is not None and self.encoder.align:
            packing = packing.rounded_up(self.encoder.align)
        self._set_packing(packing)
        try:
            with tensor_float_32(self.precision == "tf32"):
                frames: Tensor = self.encoder.frames(fbank.to(self._input_dtype)).float()
        finally:
            self._set_packing(None)
        return frames

    def _set_packing(self, packing: Packing | None) -> None:
        self._packing = packing
        for module in self._whole_chunk_layers:
            module.packing = packing

    def _watch_gaps(self) -> None:
        """Let convolutions that see several frames see zeros in the gaps between packed chunks."""
        modules = list(self.encoder.modules())
        self._whole_chunk_layers = [module for module in modules if isinstance(module, WholeChunkLayer)]
        for module in modules:
            if isinstance(module, _Convolution) and module.kernel_size[-1] > 1:
                module.register_forward_pre_hook(self._zero_gaps)

    def _zero_gaps(self, convolution: nn.Module, given: tuple[Tensor]) -> None:
        if self._packing is not None:
            time = 1 if isinstance(convolution, TimeMajorConv) else given[0].ndim - 1
            self._packing.zero_gaps(given[0], time)

    def _cast(self, planes: torch.dtype, others: torch.dtype) -> None:
        self.encoder.to(others)
        for module in self.encoder.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.to(planes)
            elif isinstance(module, ExactLayer):
                module.to(torch.float32)


def _with_shared_tensors(encoder: StatisticsEncoder) -> StatisticsEncoder:
    """Copy an encoder's modules; the parameters are new objects over the same memory, which nothing writes.

    Layers of our own encoders refer to others only as submodules. A deep copy takes four times as long.
    """
    copies: dict[int, nn.Module] = {}  # the pooling is a submodule of two

    def copied(module: nn.Module) -> nn.Module:
        if id(module) not in copies:
            twin = copies[id(module)] = copy.copy(module)
            for name, value in vars(module).items():
                if isinstance(value, dict | set):  # of hooks, parameters, buffers and submodules
                    vars(twin)[name] = value.copy()
            for name, parameter in module.named_parameters(recurse=False):
                twin._parameters[name] = nn.Parameter(parameter.detach(), parameter.requires_grad)
            for name, child in module._modules.items():
                twin._modules[name] = None if child is None else copied(child)
        return copies[id(module)]

    return cast(StatisticsEncoder, copied(encoder))


def fold_batch_norms(encoder: SpeakerEncoder, num_mel_bins: int) -> int:
    """Fold each batch normalisation that follows a convolution into it, and return how many there were.

    Time-major normalisations become one factor and one summand a channel.

    A forward pass tells which convolution a normalisation follows: the one whose output is its input. The
    folded encoder is compared with the encoder before.

    Raises:
        ModelError: the folded encoder gives other frames.
    """
    sample = torch.randn(1, _FOLD_FRAMES, num_mel_bins, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, pairs = _normalised_convolutions(encoder, sample)
        for convolution, name in pairs:
            norm = cast(_BatchNorm, encoder.get_submodule(name))
            assert norm.running_mean is not None and norm.running_var is not None
            convolution.weight, convolution.bias = fuse_conv_bn_weights(
                convolution.weight,
                convolution.bias,
                norm.running_mean,
                norm.running_var,
                norm.eps,
                norm.weight,
                norm.bias,
            )
            encoder.set_submodule(name, nn.Identity())
        for name, module in list(encoder.named_modules()):
            if isinstance(module, TimeMajorBatchNorm):
                encoder.set_submodule(name, ScaleAndShift(module))
        off = (encoder.frames(sample) - expected).abs().max() / expected.abs().max()
    if not off <= _FOLD_TOLERANCE:
        raise ModelError(f"{type(encoder).__name__} differs by {off:.1e} after folding its batch norms")
    return len(pairs)


def _normalised_convolutions(
    encoder: SpeakerEncoder, sample: Tensor
) -> tuple[Tensor, list[tuple[_Convolution, str]]]:
    """Return the encoder's frames, and each convolution with the normalisation that follows it."""
    outputs: dict[int, tuple[Tensor, _Convolution]] = {}  # keeps the tensors, so that no id is used again
    pairs: list[tuple[_Convolution, str]] = []

    def note_output(module: nn.Module, _: object, output: Tensor) -> None:
        outputs[id(output)] = (output, cast(_Convolution, module))

    def note_input(name: str, given: Tensor) -> None:
        if id(given) in outputs:
            pairs.append((outputs[id(given)][1], name))

    hooks = []
    for name, module in encoder.named_modules():
        if isinstance(module, _Convolution):
            hooks.append(module.register_forward_hook(note_output))
        elif isinstance(module, _BatchNorm):
            hooks.append(
                module.register_forward_pre_hook(lambda _, given, name=name: note_input(name, given[0]))
            )
    frames = encoder.frames(sample)
    for hook in hooks:
        hook.remove()
    return frames, pairs


@contextmanager
def tensor_float_32(allowed: bool) -> Iterator[None]:
    """Within the block, let NVIDIA GPUs round fp32 factors to 10 bits, or not."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def best_precision(device: torch.device) -> Precision:
    """Return the fastest precision that keeps cosines to fp32 above 0.999 (decision 042)."""
    if device.type == "cuda":
        return "fp16" if torch.cuda.get_device_capability(device) >= (7, 0) else "fp32"  # Volta and later
    return "mixed" if cpu_has_bf16() else "fp32"


def cpu_has_bf16() -> bool:
    """Tell whether this machine's CPU multiplies bf16 natively."""
    return bool(_CPU_BF16 & _cpu_flags())


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse what a device cannot do.

    Raises:
        ModelError: TF32 or fp16 on a CPU.
    """
    if device.type == "cpu" and precision in ("tf32", "fp16"):
        raise ModelError(f"`precision={precision}` needs a GPU; on the CPU use fp32, mixed or bf16")


def _cpu_flags() -> set[str]:
    """Return the processor's flags; none where the system does not say."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return set()
    lines = (line for line in file.read_text().splitlines() if line.startswith("flags"))
    return set(next(lines, "").partition(":")[2].split())
