"""Rooms, noise and telephone lines do what they say, and keep times."""

import numpy as np
from scipy.signal import welch

from diar.voices.acoustics import ROOMS, by_telephone, in_room, with_noise

RATE = 16_000


def bursts() -> np.ndarray:
    """(2, samples): two people, a tenth of a second of noise each."""
    tracks = np.zeros((2, 4 * RATE), np.float32)
    rng = np.random.default_rng(0)
    tracks[0, RATE : RATE + 1600] = 0.1 * rng.standard_normal(1600)
    tracks[1, 2 * RATE : 2 * RATE + 1600] = 0.1 * rng.standard_normal(1600)
    return tracks


def test_reverberation_decays_by_60_db_in_its_time() -> None:
    for room in filter(None, ROOMS.values()):
        heard = in_room(bursts()[:1], room, np.random.default_rng(1))
        assert np.abs(heard[: RATE - 1]).max() < 1e-6, "something is heard early"
        tail = heard[RATE + 1600 :]
        at = round(room.rt60 / 2 * RATE)
        early = np.mean(np.square(tail[:800]))
        late = np.mean(np.square(tail[at : at + 800]))
        assert abs(10 * np.log10(early / late) - 30) < 6
    assert np.array_equal(in_room(bursts(), None, np.random.default_rng(1)), bursts().sum(axis=0))


def test_noise_is_as_far_below_the_speech_as_asked() -> None:
    speech = bursts().sum(axis=0).astype(float)
    noisy = with_noise(speech, 10.0, np.random.default_rng(2))
    noise = noisy - speech
    loud = np.abs(speech) > 0.01 * np.abs(speech).max()
    ratio = 10 * np.log10(np.mean(np.square(speech[loud])) / np.mean(np.square(noise)))
    assert abs(ratio - 10) < 0.2
    frequency, power = welch(noise, RATE, nperseg=2048)
    slope = np.polyfit(np.log2(frequency[4:512]), 10 * np.log10(power[4:512]), 1)[0]
    assert abs(slope + 3) < 0.4, "pink noise falls by 3 dB an octave"
    assert np.std(with_noise(speech, None, np.random.default_rng(2)) - speech) < 2e-4


def test_a_telephone_passes_its_band_and_keeps_times() -> None:
    frequency, power = welch(by_telephone(np.random.default_rng(0).standard_normal(8 * RATE)), 8000)
    level = 10 * np.log10(power / np.median(power[(frequency > 800) & (frequency < 2800)]))
    assert (np.abs(level[(frequency > 500) & (frequency < 2800)]) < 3).all()
    assert (level[(frequency < 120) | (frequency > 3900)] < -8).all()
    heard = by_telephone(bursts()[0])
    assert len(heard) == 2 * RATE
    loud = np.flatnonzero(np.abs(heard) > 0.2)
    assert abs(loud[0] / 8000 - 1.0) < 0.005 and abs(loud[-1] / 8000 - 1.1) < 0.005
    assert len(np.unique(np.round(heard, 9))) <= 255, "8 bits"
