"""How far a frame stands out of the noise floor: what pauses are told from speech by (`silence`).

In a pause every band is at its own noise floor: hum, rumble and an offset fill a few bands, speech rises in
all of them. So the measure is the mean over bands, in dB, of a frame's level above the band's floor. A band
weighs as much as it separates what the network calls speech from what it calls silence (Fisher's criterion);
the bands of background music then weigh little (decision 053).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diar.embedding.speech.band_levels import BANDS

_FLOOR_SHARE = 0.1  # of a chunk's frames lie below a band's floor
_MOST_DB = 20.0  # that one band counts

# Frames from which the bands' weights are learned: probability of speech below and above, seconds of each
_SURE_SILENCE, _SURE_SPEECH, _LEAST_SURE_SECONDS = 0.1, 0.95, 1.0
_PRIOR_VARIANCE = 3.0  # dB², added to that of a band in silence
_FINE_GAIN = 1.1  # Fisher's ratio of fine bands to the others' from which there is music
_LEAST_RATIO = 1e-6  # of Fisher's, and dB² of its denominator


def band_excess(level: Tensor, speech: Tensor, frame_seconds: float) -> Tensor:
    """Return the mean dB above the noise floor, (batch, frames); NaN where all samples are zero.

    Fine bands resolve the partials of music, but blur the ends of speech. So the lower excess of both kinds
    is taken where fine bands separate speech from silence better, or where there is too little of either to
    tell.

    Args:
        level: (batch, bands, frames) of `BandLevels`.
        speech: (batch, frames) probability of speech by the network.
        frame_seconds: from one frame to the next.
    """
    heard = ~level[:, 0].isnan()  # (batch, frames)
    above = (level - noise_floor(level).unsqueeze(-1)).clamp(0, _MOST_DB).nan_to_num(0)
    bands, fine = above[:, :BANDS], above[:, BANDS:]
    silence = (heard & (speech < _SURE_SILENCE)).to(level.dtype)
    voice = (heard & (speech > _SURE_SPEECH)).to(level.dtype)
    least = _LEAST_SURE_SECONDS / frame_seconds
    sure = torch.minimum(silence.sum(dim=1), voice.sum(dim=1)) >= least
    coarse_excess, fine_excess = (_weighted_mean(part, silence, voice) for part in (bands, fine))
    gain = _fisher_ratio(fine_excess, silence, voice) / _fisher_ratio(coarse_excess, silence, voice)
    music = (gain > _FINE_GAIN).unsqueeze(1)
    told = torch.where(music, torch.minimum(coarse_excess, fine_excess), coarse_excess)
    untold = torch.minimum(bands.mean(dim=1), fine.mean(dim=1))
    return torch.where(sure.unsqueeze(1), told, untold).masked_fill(~heard, torch.nan)


def noise_floor(level: Tensor) -> Tensor:
    """Return the 10th percentile, (batch, bands), over the frames of `level` that are not NaN."""
    if level.device.type == "cpu":
        return _floor_by_selection(level)
    return floor_by_sorting(level)


def floor_by_sorting(level: Tensor) -> Tensor:
    """Compute `noise_floor` as a GPU does it fast."""
    ascending = level.sort(dim=-1).values  # NaN last
    place = _FLOOR_SHARE * (level[:, :1].isnan().logical_not().sum(dim=-1, keepdim=True) - 1).clamp(min=0)
    below = place.long().expand(*level.shape[:2], 1)
    above = (below + 1).clamp(max=level.shape[-1] - 1)
    low, high = ascending.gather(-1, below), ascending.gather(-1, above)
    share = (place - below).to(level.dtype)
    return torch.where(share > 0, low + share * (high - low), low).squeeze(-1)


def _floor_by_selection(level: Tensor) -> Tensor:
    """Compute `noise_floor` without sorting, which takes a CPU seven times as long."""
    floors = np.full(level.shape[:2], np.nan, np.float32)
    for floor, bands in zip(floors, level.numpy(), strict=True):
        heard = ~np.isnan(bands[0])
        if heard.any():
            known = bands if heard.all() else bands[:, heard]
            floor[:] = np.percentile(known, 100 * _FLOOR_SHARE, axis=1)
    return torch.from_numpy(floors)


def _weighted_mean(above: Tensor, silence: Tensor, voice: Tensor) -> Tensor:
    """Return the mean (batch, frames) over bands; a band weighs as far as speech stands out in it.

    Args:
        above: (batch, bands, frames) dB above the floor.
        silence: (batch, frames) 1 in sure silence.
        voice: (batch, frames) 1 in sure speech.
    """
    quiet, loud = (_mean(above, frames) for frames in (silence, voice))  # (batch, bands)
    variance = _mean((above - quiet.unsqueeze(-1)).square(), silence)
    weights = (loud - quiet).clamp(min=0) / (variance + _PRIOR_VARIANCE)
    weights = torch.where(weights.any(dim=1, keepdim=True), weights, torch.ones_like(weights))
    weights = weights / weights.sum(dim=1, keepdim=True)
    return (weights.unsqueeze(1) @ above).squeeze(1)


def _fisher_ratio(excess: Tensor, silence: Tensor, voice: Tensor) -> Tensor:
    """Return (batch,): how well the excess (batch, frames) separates silence from voice."""
    quiet, loud = (_mean(excess.unsqueeze(1), frames) for frames in (silence, voice))  # (batch, 1)
    spread = _mean((excess - quiet).square().unsqueeze(1), silence)
    spread = spread + _mean((excess - loud).square().unsqueeze(1), voice)
    ratio = (loud - quiet).square() / (spread + _LEAST_RATIO) + _LEAST_RATIO
    return ratio.squeeze(1)


def _mean(values: Tensor, frames: Tensor) -> Tensor:
    """Return the mean (batch, rows) of (batch, rows, frames) where `frames` (batch, frames) is 1."""
    total = (values @ frames.unsqueeze(-1)).squeeze(-1)
    return total / frames.sum(dim=1, keepdim=True).clamp(min=1)
