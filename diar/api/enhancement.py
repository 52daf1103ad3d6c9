"""What takes noise and echo away before the networks hear a recording, as a caller asks for it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, get_args

from diar.api.errors import ArgumentError
from diar.archive.channels.streams import Cancel
from diar.embedding.denoisers import Denoisers
from diar.enhance.denoiser import Denoiser
from diar.enhance.echo import without_echo
from diar.enhance.gtcrn import RATE
from diar.enhance.open import open_denoiser

NONE = "none"
EnhanceFor = Literal["both", "segmentation", "embedding"]


def denoisers(enhance: str, enhance_for: EnhanceFor, sample_rate: int) -> Denoisers:
    """Return what the networks hear a recording through; raises ArgumentError, and as `open_denoiser`."""
    if enhance_for not in get_args(EnhanceFor):
        raise ArgumentError(f"`enhance_for={enhance_for}` is not one of {', '.join(get_args(EnhanceFor))}")
    if enhance == NONE and enhance_for != "both":
        raise ArgumentError(f"`enhance_for={enhance_for}` has no effect without `enhance`")
    denoise = chosen_denoiser(enhance, sample_rate)
    heard = [denoise if enhance_for in ("both", name) else None for name in Denoisers._fields]
    return Denoisers(*heard)


def chosen_denoiser(enhance: Any, sample_rate: int = RATE) -> Denoiser | None:
    """Return a denoiser, opened once a process; None for `none`."""
    if not isinstance(enhance, str):
        raise ArgumentError(f"`enhance` is a {type(enhance).__name__}; give a name such as gtcrn, or none")
    return None if enhance == NONE else _open(enhance, sample_rate)


_open = lru_cache(maxsize=4)(open_denoiser)


def canceller(aec: bool) -> Cancel | None:
    """Return what takes the echo from the sides of a call, if that is asked for."""
    return without_echo if aec else None
