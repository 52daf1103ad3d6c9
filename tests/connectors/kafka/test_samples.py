"""Samples of messages: forms, and going on in another worker."""

import numpy as np
import pytest

from diar.connectors.kafka.audio.samples import Form, Samples
from diar.connectors.kafka.errors import PoisonError


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_a_resampler_goes_on_where_another_stopped(rate: int) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * rate).astype(np.float32)
    form = Form("pcm_f32le", rate, 1)
    blocks = [noise[place : place + 441].tobytes() for place in range(0, len(noise), 441)]
    whole = Samples(form)
    expected = np.concatenate([*(whole.take(block) for block in blocks), whole.finish()])
    assert abs(len(expected) - 2 * 16_000) <= 1
    for cut in (1, len(blocks) // 5, len(blocks) // 2):
        first = Samples(form)
        made = [first.take(block) for block in blocks[:cut]]
        second = Samples(form, first.count, first.made, first.tail)
        made += [second.take(block) for block in blocks[cut:]]
        joined = np.concatenate([*made, second.finish()])
        assert abs(len(joined) - len(expected)) <= 1
        shared = min(len(joined), len(expected))
        assert np.abs(joined[:shared] - expected[:shared]).max() < 2e-4
        assert second.count == whole.count and second.made == len(joined)


def test_channels_are_mixed_and_bytes_that_are_no_samples_refused() -> None:
    form = Form.of({"format": "pcm_s16le", "rate": "16000", "channels": "2"})
    both = np.array([[16384, 0], [-32768, -32768]], "<i2")
    assert Samples(form).take(both.tobytes()).tolist() == [0.25, -1.0]
    with pytest.raises(PoisonError, match="no whole number of samples"):
        Samples(form).take(b"\0\0\0")
    with pytest.raises(PoisonError, match="not finite"):
        Samples(Form("pcm_f32le", 16_000, 1)).take(np.array([np.nan], "<f4").tobytes())
    for headers in ({"rate": "7999", "channels": "1"}, {"rate": "16000", "channels": "65"}):
        with pytest.raises(PoisonError, match="out of range"):
            Form.of({"format": "pcm_s16le", **headers})
