"""The other side of a call in a channel: taken out where it is alone, and only there."""

import numpy as np
import pytest
import soxr

from diar.archive.channels.crosstalk import Leakage
from diar.archive.channels.spectra import spectra
from diar.embedding.character import Character
from tests.archive.channels.calls import RATE, call, delayed, sides

FRAME = 320


def levels(signals: np.ndarray) -> np.ndarray:
    """(channels, frames) mean square of 20 ms."""
    whole = signals[:, : signals.shape[1] // FRAME * FRAME]
    return np.asarray((whole.reshape(len(signals), -1, FRAME) ** 2).mean(axis=-1))


@pytest.mark.parametrize("options", [{}, {"level": -20.0}, {"crosstalk": -15.0}], ids=str)
@pytest.mark.parametrize("later", [0, 40])
def test_leakage_goes_and_own_voices_stay(options: dict[str, float], later: int) -> None:
    heard = call(**options)
    if later:  # what leaks comes later, as through a line
        alone = call(**{**options, "crosstalk": -200.0})
        heard = alone + np.stack([delayed(one, later) for one in heard - alone])
    seen = spectra([(heard, RATE)])
    assert seen is not None
    cleaned = Leakage.of(seen).remove(heard, RATE)
    spoken = levels(sides())
    own = spoken > 1e-3 * spoken.max(axis=1, keepdims=True)
    changed = levels(cleaned - heard) > 0.1 * levels(heard)
    for channel in (0, 1):
        assert changed[channel][own[channel]].mean() < 0.02
        long_alone = np.convolve(own[channel], np.ones(31), "same") == 0  # 0.3 s from own speech
        leaking = own[1 - channel] & long_alone
        assert leaking.sum() > 50
        assert changed[channel][leaking].mean() > 0.9
        assert levels(cleaned)[channel][leaking].mean() < 4 * 3e-4**2


def test_nothing_is_taken_out_where_nothing_leaks_or_everything_does() -> None:
    same = np.stack([sides().sum(axis=0)] * 2)
    seen = spectra([(same, RATE)])
    assert seen is not None
    np.testing.assert_array_equal(Leakage.of(seen).remove(same, RATE), same)
    apart = call(crosstalk=-200.0)
    seen = spectra([(apart, RATE)])
    assert seen is not None
    cleaned = Leakage.of(seen).remove(apart, RATE)
    assert np.abs(levels(cleaned) - levels(apart)).max() < 1e-3 * levels(apart).max()


@pytest.mark.parametrize("noise", [3e-4, 1e-3])
def test_a_telephone_stays_narrow(noise: float) -> None:
    heard = np.stack([soxr.resample(side, RATE, RATE // 2) for side in call(noise=noise)])
    heard = np.stack([soxr.resample(side, RATE // 2, RATE) for side in heard])
    seen = spectra([(heard, RATE)])
    assert seen is not None
    cleaned = Leakage.of(seen).remove(heard, RATE)
    assert np.abs(cleaned - heard).max() > 0
    for before, after in zip(heard, cleaned, strict=True):
        bands = []
        for signal in (before, after):
            character = Character(RATE)
            character.add(signal)
            bands.append(character.bandwidth)
        assert bands[1] == pytest.approx(bands[0], abs=100)
        assert bands[1] < 4_200


def test_a_side_that_is_digitally_silent_stays_so() -> None:
    heard = call()
    seen = spectra([(heard, RATE)])
    assert seen is not None
    suppressed = np.stack([heard[0], np.zeros_like(heard[0])])  # as voice over IP does where nobody talks
    cleaned = Leakage.of(seen).remove(suppressed, RATE)
    assert not cleaned[1].any()
    assert np.abs(levels(cleaned) - levels(suppressed))[0].max() < 1e-3 * levels(suppressed).max()
    always = spectra([(suppressed, RATE)])
    assert always is not None
    np.testing.assert_array_equal(Leakage.of(always).remove(suppressed, RATE), suppressed)
