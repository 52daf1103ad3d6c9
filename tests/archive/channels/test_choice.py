"""Which channels are read: the decision for each kind of recording, and that its speech is read."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.archive.audio_file import DecodeError
from diar.archive.channels.streams import ChannelStreams, open_channels
from diar.archive.recording import Recording
from diar.records import MIXED
from tests.archive.channels.calls import RATE, call, delayed, hiss, music, rumble, sides, talk
from tests.archive.sounds import encode, encode_surround, recording_of, write_wav


def read(recording: Recording, channel: str = "auto") -> tuple[ChannelStreams, np.ndarray]:
    """The opened recording and its signals (signals, n)."""
    with open_channels(recording, RATE, channel) as streams:
        return streams, np.concatenate(list(streams), axis=1)


def likeness(signal: np.ndarray, clean: np.ndarray) -> float:
    """Correlation at the best delay of up to 20 ms, without regard to the sign."""
    delays = range(-320, 321)
    middle = slice(1000, len(clean) - 1000)
    norm = np.linalg.norm(clean[middle]) * np.linalg.norm(signal[middle])
    return max(abs(float(np.roll(signal, d)[middle] @ clean[middle])) for d in delays) / norm


def microphones(count: int) -> list[np.ndarray]:
    return [(1 - 0.1 * i) * delayed(talk(0), 3 * i) + hiss(1e-3, i) for i in range(count)]


ONE_SIGNAL = {
    "identical": (lambda: [talk(), talk()], "mix"),
    "level": (lambda: [talk(), 0.2 * talk()], "mix"),
    "apart by 5 ms": (lambda: [talk(), delayed(talk(), 80)], "mix"),
    "polarity -1": (lambda: [talk(), -talk()], "0"),
    "polarity -0.9": (lambda: [talk(), -0.9 * talk()], "0"),
    "polarity -0.3": (lambda: [talk(), -0.3 * talk()], "0"),
    "dead": (lambda: [talk(), 0 * talk()], "mix"),
    "dead first": (lambda: [0 * talk(), talk()], "mix"),
    "noise": (lambda: [talk(), hiss(0.05)], "0"),
    "noise first": (lambda: [hiss(0.05), talk()], "1"),
    "tone": (lambda: [talk(), np.sin(np.arange(len(talk())) * 0.4).astype(np.float32) / 3], "0"),
    "music beside": (lambda: [music(), talk()], "1"),
    "stereo music": (lambda: [talk() + music(1), talk() + music(2)], "mix"),
    "four microphones": (lambda: microphones(4), "mix"),
    "six microphones": (lambda: microphones(6), "mix"),
}


@pytest.mark.parametrize("kind", ONE_SIGNAL)
def test_one_signal_holds_the_speech(tmp_path: Path, kind: str) -> None:
    make, expected = ONE_SIGNAL[kind]
    path = write_wav(tmp_path / "a.wav", np.stack(make(), axis=1))
    streams, signals = read(recording_of(path))
    assert (streams.channel, streams.numbers, len(signals)) == (expected, (MIXED,), 1)
    assert likeness(signals[0], talk()) > 0.6
    assert bool(streams.warnings) == (expected != "mix")
    if "microphones" not in kind and "music" not in kind and "apart" not in kind:
        assert likeness(signals[0], talk()) > 0.99


@pytest.mark.parametrize("delay", [1, 2, 4, 8, 16, 32, 64, 80])
@pytest.mark.parametrize("gain", [-1.0, -0.5])
def test_an_inverted_channel_is_not_mixed_however_late(tmp_path: Path, delay: int, gain: float) -> None:
    path = write_wav(tmp_path / "a.flac", np.stack([talk(), gain * delayed(talk(), delay)], axis=1))
    streams, signals = read(recording_of(path))
    assert streams.channel in ("0", "1")
    assert "out of phase" in streams.warnings[0]
    assert likeness(signals[0], talk()) > 0.99


@pytest.mark.parametrize("coding", ["PCM_16", "ULAW"])
@pytest.mark.parametrize(
    "options", [{}, {"level": -20.0}, {"crosstalk": -90.0}, {"noise": 3e-3}, {"crosstalk": -15.0}], ids=str
)
def test_the_sides_of_a_call_are_read_apart(tmp_path: Path, options: dict[str, float], coding: str) -> None:
    path = write_wav(tmp_path / "a.wav", call(**options).T, subtype=coding)
    streams, signals = read(recording_of(path))
    assert (streams.channel, streams.numbers, signals.shape[0]) == ("each", (0, 1), 2)
    assert "different people" in streams.warnings[0]
    for signal, side in zip(signals, sides(), strict=True):
        assert likeness(signal, side) > 0.9


def surround() -> np.ndarray:
    """(n, 6) dialogue in the centre, music around, rumble for the low frequencies."""
    return np.stack(
        [0.3 * music(1), 0.3 * music(2), talk(), rumble(), 0.1 * music(3), 0.1 * music(4)], axis=1
    )


def test_dialogue_in_the_centre_of_5_1(tmp_path: Path) -> None:
    streams, signals = read(recording_of(write_wav(tmp_path / "a.wav", surround())))
    assert (streams.channel, streams.channels) == ("2", 6)
    assert "centre" in streams.warnings[0]
    assert likeness(signals[0], talk()) > 0.99


def test_dialogue_left_and_right_of_5_1_is_mixed_without_low_frequencies(tmp_path: Path) -> None:
    channels = surround()
    channels[:, :2] += talk()[:, None]
    channels[:, 2] = 0
    streams, signals = read(recording_of(write_wav(tmp_path / "a.wav", channels)))
    assert streams.channel == "mix"
    assert "channel 3 is left out" in streams.warnings[0]
    assert abs(signals[0] @ rumble()) / (rumble() @ rumble()) < 0.01  # a sixth, had it been mixed in
    assert likeness(signals[0], talk()) > 0.8


def test_the_centre_of_a_layout_that_the_file_names(tmp_path: Path) -> None:
    quiet = 0.01 * np.stack([music(i) for i in range(8)], axis=1)
    quiet[:, 2] = talk()
    quiet = quiet[: 8 * RATE]
    streams, signals = read(recording_of(encode_surround(tmp_path / "a.m4a", quiet, RATE)))
    assert streams.channel == "2"
    assert likeness(signals[0][: len(quiet)], quiet[:, 2]) > 0.95


def test_a_channel_that_is_silent_at_first(tmp_path: Path) -> None:
    late = call()
    late[1, : late.shape[1] // 2] = 0
    assert read(recording_of(write_wav(tmp_path / "a.wav", late.T)))[0].channel == "each"
    for silent in (0, 1):  # the other one holds all that is said
        inverted = np.stack([talk(), -talk()], axis=1)
        inverted[: len(inverted) // 2, silent] = 0
        path = write_wav(tmp_path / f"{silent}.wav", inverted)
        assert read(recording_of(path))[0].channel == str(1 - silent)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("a.mp3", "libmp3lame", "mp3"),
        ("a.m4a", "aac", "ipod"),
        ("a.aac", "aac", "adts"),
        ("a.mka", "flac", "matroska"),
    ],
)
def test_files_that_ffmpeg_reads(tmp_path: Path, name: str, codec: str, container: str) -> None:
    path = encode(tmp_path / name, np.stack([talk(), -talk()], axis=1), RATE, codec, container)
    assert read(recording_of(path))[0].channel in ("0", "1")
    path = encode(tmp_path / f"call_{name}", call().T, RATE, codec, container)
    assert read(recording_of(path))[0].channel == "each"


def test_a_part_is_looked_at_by_itself(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.concatenate([np.stack([talk(), -talk()]), call()], axis=1).T)
    length = len(talk()) / RATE
    assert read(recording_of(path, 0.0, length))[0].channel == "0"
    assert read(recording_of(path, length))[0].channel == "each"


def test_what_is_asked_for_is_done(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.stack([talk(), hiss(0.05)], axis=1), subtype="FLOAT")
    for channel, expected in (("1", hiss(0.05)), ("mix", (talk() + hiss(0.05)) / 2)):
        streams, signals = read(recording_of(path), channel)
        assert (streams.channel, streams.warnings) == (channel, [])
        np.testing.assert_allclose(signals[0], expected, atol=1e-6)
    streams, signals = read(recording_of(path), "each")
    assert (streams.channel, streams.numbers, streams.warnings) == ("each", (0, 1), [])
    np.testing.assert_allclose(signals[0], talk(), atol=1e-6)
    with pytest.raises(DecodeError, match=r"channel 2 .* has 2"):
        read(recording_of(path), "2")


def test_mono_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diar.archive.channels.streams._look", None)
    path = write_wav(tmp_path / "a.wav", talk())
    for channel in ("auto", "each", "mix"):
        streams, _ = read(recording_of(path), channel)
        assert (streams.channel, streams.numbers) == ("mix", (MIXED,))


def test_a_later_part_without_the_chosen_channel_is_mixed(tmp_path: Path) -> None:
    parts = {"call": call().T, "mono": talk()[: 6 * RATE]}
    for name, samples in parts.items():
        sf.write(tmp_path / f"{name}.mp3", samples, RATE, format="MP3", subtype="MPEG_LAYER_III")
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(b"".join((tmp_path / f"{name}.mp3").read_bytes() for name in parts))
    streams, signals = read(recording_of(joined))
    assert streams.channel == "each"
    later = signals[:, len(parts["call"]) :]
    clean = parts["mono"][: later.shape[1]]
    assert all(likeness(signal[: len(clean)], clean) > 0.95 for signal in later)
    assert any("changes" in warning for warning in streams.warnings)
    with pytest.raises(DecodeError, match="only 1 channel in"):
        read(recording_of(joined), "1")
