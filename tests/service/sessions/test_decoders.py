"""Audio in every format becomes the same samples at 16 kHz, whatever the pieces it comes in."""

import io

import av
import numpy as np
import pytest

from diar.service.problems import Problem
from diar.service.sessions.decoders import open_decoder
from diar.service.sessions.opening import Opening

SECONDS = 3.0


def tone(rate: int) -> np.ndarray:
    """(n,) float32, a tone of 440 Hz."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(SECONDS * rate)) / rate)).astype(np.float32)


def decoded(opening: Opening, content: bytes, piece: int) -> np.ndarray:
    decoder = open_decoder(opening)
    found = [
        part
        for start in range(0, len(content), piece)
        for part in decoder.feed(content[start : start + piece])
    ]
    found += list(decoder.finish())
    decoder.close()
    return np.concatenate(found)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("kind", ["pcm_s16le", "pcm_f32le"])
def test_raw_samples(kind: str, rate: int) -> None:
    stereo = np.stack([tone(rate), np.zeros_like(tone(rate))], axis=1)
    content = (stereo.astype("<f4") if kind == "pcm_f32le" else (stereo * 32_768).astype("<i2")).tobytes()
    for channel, level in (("mix", 0.5), ("0", 1.0), ("1", 0.0)):
        opening = Opening(kind, rate, 2, channel)
        found, others = decoded(opening, content, 1_001), decoded(opening, content, 77_777)
        assert len(found) == pytest.approx(SECONDS * 16_000, abs=8)
        np.testing.assert_allclose(found[:40_000], others[:40_000], atol=1e-4)
        np.testing.assert_allclose(found[4_000:40_000], level * tone(16_000)[4_000:40_000], atol=0.01)


@pytest.mark.parametrize("container", ["webm", "ogg"])
def test_opus_in_a_container_as_browsers_record_it(container: str) -> None:
    content = io.BytesIO()
    with av.open(content, "w", format=container) as output:
        stream = output.add_stream("libopus", rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(tone(48_000)[None], "flt", "mono")
        frame.rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    found = decoded(Opening(container), content.getvalue(), 400)
    assert len(found) == pytest.approx(SECONDS * 16_000, abs=1_000)
    assert np.sqrt(np.mean(found[8_000:40_000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("container", ["webm", "ogg"])
def test_what_is_no_container_is_told(container: str) -> None:
    with pytest.raises(Problem, match=f"this is no {container}"):
        decoded(Opening(container), bytes(range(256)) * 400, 10_000)


def test_a_container_that_stops_in_the_middle_ends_its_thread() -> None:
    import threading

    decoder = open_decoder(Opening("webm"))
    list(decoder.feed(b"\x1a\x45\xdf\xa3"))
    decoder.close()
    for thread in threading.enumerate():
        if thread.name == "decode webm":
            thread.join(5)
            assert not thread.is_alive()
