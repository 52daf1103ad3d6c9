"""The trunk frames that each embedding is pooled over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diar.embedding.rows import SlidingWindows
from diar.embedding.speech.detector import ChunkSpeech, LocalActivity

# A local speaker is pooled over its clean speech; over all its speech, where that is too little; over the
# frames near its highest probability, where that is too little, too
_LEAST_CLEAN = 0.2  # seconds
_LEAST_ACTIVE = 0.1  # seconds
_NEAR_PEAK = 0.7  # share of the highest probability
# A core with less single-speaker speech is pooled as a whole
_LEAST_SPEECH = 0.25  # seconds
_SHORTEST_FBANK = 400  # samples of one fbank frame, the least that pyannote.audio's encoder takes


@dataclass(frozen=True)
class TrunkFrames:
    """Where the encoder's trunk has its frames in a chunk."""

    centres: np.ndarray  # (T',) samples from the chunk's start
    seconds: float  # from one frame to the next

    def inside(self, spans: np.ndarray) -> np.ndarray:
        """Return (n, T') bool: the frames centred in `spans` (n, 2), samples from the chunk's start."""
        inside: np.ndarray = (self.centres >= spans[:, :1]) & (self.centres < spans[:, 1:])
        return inside

    def single(self, speech: ChunkSpeech) -> np.ndarray:
        """Return (batch, T') bool: the frames in which one person alone speaks."""
        single: np.ndarray = speech.single[:, speech.frame_at(self.centres)]
        return single


def local_speaker_masks(local: LocalActivity, trunk: TrunkFrames) -> np.ndarray:
    """Return (batch, windows · speakers, T') bool; empty where a speaker is not present.

    A local speaker's clean speech is what nobody else in the seg_window overlaps.
    """
    batch, windows, _, speakers = local.active.shape
    masks = np.zeros((batch, windows, speakers, len(trunk.centres)), bool)
    for window, start in enumerate(local.starts):
        first, end = np.searchsorted(trunk.centres, [start, start + local.edges[-1]])
        if first < end:
            masks[:, window, :, first:end] = _masks_inside(local, window, start, trunk, slice(first, end))
    return masks.reshape(batch, -1, len(trunk.centres))


def _masks_inside(
    local: LocalActivity, window: int, start: int, trunk: TrunkFrames, inside: slice
) -> np.ndarray:
    """Return (batch, speakers, n) bool for the n trunk frames inside a seg_window that begins at `start`."""
    centres = trunk.centres[inside]
    frame = np.searchsorted(local.edges, centres - start, side="right") - 1
    frame = np.clip(frame, 0, len(local.edges) - 2)
    probability = local.probability[:, window].transpose(0, 2, 1)  # (batch, speakers, frames)
    active = local.active[:, window].transpose(0, 2, 1)[..., frame]
    clean = active & local.alone[:, window][:, None, frame]
    masks = clean
    few = clean.sum(axis=-1) * trunk.seconds < _LEAST_CLEAN
    masks[few] = active[few]
    fewer = few & (active.sum(axis=-1) * trunk.seconds < _LEAST_ACTIVE)
    near_peak = _NEAR_PEAK * probability[fewer].max(axis=-1, keepdims=True)
    masks[fewer] = probability[fewer][:, frame] >= near_peak
    present = local.present[:, window]
    masks &= present[..., None]
    # A peak may be shorter than the trunk's step and lie between two of its frames
    for item, speaker in np.argwhere(present & ~masks.any(axis=-1)):
        peak = int(probability[item, speaker].argmax())
        centre = start + local.edges[peak : peak + 2].mean()
        masks[item, speaker, np.abs(centres - centre).argmin()] = True
    return masks


def seg_window_masks(local: LocalActivity, trunk: TrunkFrames, exclude_overlap: bool) -> np.ndarray:
    """Return masks as `local_speaker_masks`, by pyannote.audio's rule, where a chunk is one seg_window.

    A local speaker who is active is pooled over the frames in which nobody else is, or over all active ones
    if these are no more than two, or with `exclude_overlap` off. Trunk frames take the decision of the
    nearest segmentation frame, by torch's rule; there may be none. Others are pooled as by
    `local_speaker_masks`.
    """
    masks = local_speaker_masks(local, trunk)
    active = local.active[:, 0].transpose(0, 2, 1)  # (batch, speakers, frames)
    used = active
    if exclude_overlap:
        clean = active & local.alone[:, 0][:, None]
        least = math.ceil(active.shape[-1] * _SHORTEST_FBANK / local.edges[-1])
        used = np.where(clean.sum(axis=-1, keepdims=True) > least, clean, active)
    step = np.float32(active.shape[-1]) / np.float32(len(trunk.centres))
    nearest = np.floor(np.arange(len(trunk.centres), dtype=np.float32) * step).astype(np.int64)
    chosen = used[..., np.minimum(nearest, active.shape[-1] - 1)]
    result: np.ndarray = np.where(active.any(axis=-1, keepdims=True), chosen, masks)
    return result


def sliding_masks(windows: Sequence[SlidingWindows], speech: ChunkSpeech, trunk: TrunkFrames) -> np.ndarray:
    """Return (batch, most windows, T') bool: the single-speaker speech in each window, all of a spare one."""
    masks = np.zeros((len(windows), max(map(len, windows)), len(trunk.centres)), bool)
    for mask, found, single in zip(masks, windows, trunk.single(speech), strict=True):
        inside = trunk.inside(found.spans)
        alone = inside & single
        whole = found.spare | ~alone.any(axis=1, keepdims=True)  # speech may lie between two trunk frames
        mask[: len(found)] = np.where(whole, inside, alone)
    return masks


def core_masks(cores: np.ndarray, speech: ChunkSpeech, trunk: TrunkFrames) -> np.ndarray:
    """Return (batch, 1, T') bool: the single-speaker speech in each core, or the core if it has too little.

    Args:
        cores: (batch, 2) samples from the chunk's start.
    """
    inside = trunk.inside(cores)
    alone = inside & trunk.single(speech)
    enough = alone.sum(axis=1, keepdims=True) * trunk.seconds >= _LEAST_SPEECH
    masks: np.ndarray = np.where(enough, alone, inside)[:, None]
    return masks
