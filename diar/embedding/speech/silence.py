"""Pauses by energy in the voice's bands: what segmentation networks were trained to bridge.

Evaluations count a pause of 0.3 s and more as non-speech (NIST's rule). In a pause every band is at its own
noise floor: hum, rumble and an offset fill a few bands, speech rises in all of them. So the measure is the
mean over bands, in dB, of a frame's level above the band's floor. A band weighs as much as it separates what
the network calls speech from what it calls silence (Fisher's criterion); the bands of background music then
weigh little (decision 053).
"""

from __future__ import annotations

import numpy as np

from diar.embedding.sample_intervals import frame_runs
from diar.embedding.speech.band_levels import BANDS

_FLOOR_SHARE = 10  # percent of a chunk's frames lie below a band's floor
_MOST_DB = 20.0  # that one band counts

# Frames from which the bands' weights are learned: probability of speech below and above, seconds of each
_SURE_SILENCE, _SURE_SPEECH, _LEAST_SURE_SECONDS = 0.1, 0.95, 1.0
_PRIOR_VARIANCE = 3.0  # dB², added to that of a band in silence
_FINE_GAIN = 1.1  # Fisher's ratio of fine bands to the others' from which there is music

# (seconds, probability): quiet that lasts so long is a pause if the probability of speech is below that. The
# less certain the network, the shorter the pause; where it is certain it is never overruled
_PAUSES = ((0.6, 0.99), (0.4, 0.95), (0.2, 0.8))


def band_excess(level: np.ndarray, speech: np.ndarray, frame_seconds: float) -> np.ndarray:
    """Return the mean dB above the noise floor, (batch, frames); NaN where all samples are zero.

    Fine bands resolve the partials of music, but blur the ends of speech. So the lower excess of both kinds
    is taken where fine bands separate speech from silence better, or where there is too little of either to
    tell.

    Args:
        level: (batch, bands, frames) of `BandLevels`.
        speech: (batch, frames) probability of speech by the network.
        frame_seconds: from one frame to the next.
    """
    excess = np.full(speech.shape, np.nan, np.float32)
    least = _LEAST_SURE_SECONDS / frame_seconds
    for found, chunk, probability in zip(excess, level, speech, strict=True):
        heard = ~np.isnan(chunk[0])
        if heard.any():
            found[heard] = _chunk_excess(chunk[:, heard], probability[heard], least)
    return excess


def _chunk_excess(level: np.ndarray, speech: np.ndarray, least: float) -> np.ndarray:
    """Return the excess (frames,) of (bands, frames); `least` frames of each kind set the weights."""
    above = np.clip(level - np.percentile(level, _FLOOR_SHARE, axis=1, keepdims=True), 0, _MOST_DB)
    bands, fine = above[:BANDS], above[BANDS:]
    silence, voice = speech < _SURE_SILENCE, speech > _SURE_SPEECH
    if min(silence.sum(), voice.sum()) < least:
        return np.asarray(np.minimum(bands.mean(axis=0), fine.mean(axis=0)))
    coarse_excess = _band_weights(bands, silence, voice) @ bands
    fine_excess = _band_weights(fine, silence, voice) @ fine
    gain = _fisher_ratio(fine_excess, silence, voice) / _fisher_ratio(coarse_excess, silence, voice)
    return np.asarray(np.minimum(coarse_excess, fine_excess) if gain > _FINE_GAIN else coarse_excess)


def _band_weights(above: np.ndarray, silence: np.ndarray, voice: np.ndarray) -> np.ndarray:
    """Return (bands,), of sum 1: how far speech stands out in each band of `above` (bands, frames)."""
    quiet = above[:, silence]
    told = np.maximum(above[:, voice].mean(axis=1) - quiet.mean(axis=1), 0)
    weights = told / (quiet.var(axis=1) + _PRIOR_VARIANCE)
    if not weights.any():
        weights = np.ones(len(above))
    return np.asarray(weights / weights.sum())


def _fisher_ratio(excess: np.ndarray, silence: np.ndarray, voice: np.ndarray) -> float:
    """Return how well the excess (frames,) separates silence from voice."""
    quiet, loud = excess[silence], excess[voice]
    return float((loud.mean() - quiet.mean()) ** 2 / (loud.var() + quiet.var() + 1e-6)) + 1e-6


def silent_frames(excess: np.ndarray, speech: np.ndarray, margin: float, frame_seconds: float) -> np.ndarray:
    """Find where chunks are silent.

    Silence is less than `margin` above the floor for at least 0.6 s in a row. The less certain the network is
    of speech, the shorter that may be, down to 0.2 s. What the network is certain of is never silence, except
    for digital zeros.

    Args:
        excess: (batch, frames) of `band_excess`.
        speech: (batch, frames) probability of speech by the network.
        margin: dB; 0 switches the gate off.
        frame_seconds: from one frame to the next.

    Returns:
        (batch, frames) bool.
    """
    silent = np.zeros(excess.shape, bool)
    if margin == 0:
        return silent
    zero = np.isnan(excess)
    quiet = zero | (excess < margin)
    for seconds, below in _PAUSES:
        lasts = lasting(quiet, round(seconds / frame_seconds))
        silent |= lasts & (speech < below)
    return np.asarray(silent | (zero & lasting(quiet, round(_PAUSES[0][0] / frame_seconds))))


def lasting(mask: np.ndarray, least: int) -> np.ndarray:
    """Keep the runs of at least `least` true frames in each row of `mask` (n, frames)."""
    found = frame_runs(mask)
    row = np.repeat(np.arange(len(mask)), found.counts)
    first, end = found.intervals.T
    lasts = end - first >= least
    steps = np.zeros((len(mask), mask.shape[1] + 1), np.int8)
    steps[row[lasts], first[lasts]] = 1
    steps[row[lasts], end[lasts]] = -1
    kept: np.ndarray = np.cumsum(steps, axis=1)[:, :-1] > 0
    return kept
