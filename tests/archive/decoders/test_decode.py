"""Decoding of every format: frequency, duration, amplitude, channels; parts of files; streaming."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from diar import storage
from diar.archive.decoders import frames as decode_frames
from diar.archive.decoders import soundfile as decode_soundfile
from diar.archive.decoders.decode import DecodeError, decode, open_audio, probe_seconds
from diar.archive.recording import Recording
from tests.archive.sounds import (
    RATE,
    encode,
    encode_surround,
    recording_of,
    speechlike,
    strongest_frequency,
    tone,
    write_video,
    write_wav,
)

SECONDS = 2.0
BY_SOUNDFILE = [
    ("a.wav", "WAV", "PCM_U8", 0.01),
    ("a.wav", "WAV", "PCM_16", 1e-4),
    ("a.wav", "WAV", "PCM_24", 1e-6),
    ("a.wav", "WAV", "PCM_32", 1e-6),
    ("a.wav", "WAV", "FLOAT", 1e-6),
    ("a.wav", "WAV", "DOUBLE", 1e-6),
    ("a.wav", "WAV", "ULAW", 0.03),
    ("a.wav", "WAV", "IMA_ADPCM", 0.5),
    ("a.wav", "WAVEX", "PCM_16", 1e-4),
    ("a.rf64", "RF64", "PCM_24", 1e-6),
    ("a.w64", "W64", "PCM_16", 1e-4),
    ("a.flac", "FLAC", "PCM_16", 1e-4),
    ("a.flac", "FLAC", "PCM_24", 1e-6),
    ("a.aiff", "AIFF", "PCM_16", 1e-4),
    ("a.au", "AU", "PCM_16", 1e-4),
    ("a.caf", "CAF", "PCM_16", 1e-4),
    ("a.sph", "NIST", "PCM_16", 1e-4),
]
BY_FFMPEG = [  # name, encoder, container, rate, channels
    ("a.mp3", "libmp3lame", "mp3", 44_100, 2),
    ("a.mp3", "libmp3lame", "mp3", 16_000, 1),
    ("a.ogg", "libopus", "ogg", 48_000, 2),
    ("a.opus", "libopus", "opus", 48_000, 1),
    ("a.m4a", "aac", "ipod", 44_100, 2),
    ("a.aac", "aac", "adts", 44_100, 1),
    ("a.mp4", "aac", "mp4", 48_000, 2),
    ("a.m4a", "alac", "ipod", 44_100, 2),
    ("a.mkv", "aac", "matroska", 48_000, 2),
    ("a.mka", "flac", "matroska", 22_050, 2),
    ("a.webm", "libopus", "webm", 48_000, 1),
    ("a.wma", "wmav2", "asf", 44_100, 2),
    ("a.amr", "libopencore_amrnb", "amr", 8_000, 1),
    ("a.3gp", "libopencore_amrnb", "3gp", 8_000, 1),
    ("a.wav", "adpcm_ms", "wav", 16_000, 1),
]


def check_tone(path: Path, frequencies: tuple[float, ...], amplitude: float = 0.05) -> None:
    """Each channel has its frequency, amplitude 0.5 and the right length, within 50 ms."""
    for channel, frequency in enumerate(frequencies):
        audio = decode(recording_of(path), RATE, str(channel))
        assert audio.samples.dtype == np.float32
        assert audio.samples.ndim == 1
        assert len(audio.samples) / RATE == pytest.approx(SECONDS, abs=0.05)
        middle = audio.samples[RATE // 2 : RATE * 3 // 2]
        assert strongest_frequency(middle, RATE) == pytest.approx(frequency, abs=2)
        assert np.sqrt(2) * middle.std() == pytest.approx(0.5, abs=amplitude)
        assert (audio.channels, audio.gaps) == (len(frequencies), [])
    assert probe_seconds(recording_of(path)) == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(("name", "container", "subtype", "error"), BY_SOUNDFILE)
@pytest.mark.parametrize("frequencies", [(440.0,), (440.0, 1000.0)])
def test_pcm_files_and_flac_by_libsndfile(
    tmp_path: Path, name: str, container: str, subtype: str, error: float, frequencies: tuple[float, ...]
) -> None:
    samples = tone(SECONDS, RATE, frequencies)
    path = write_wav(tmp_path / name, samples, format=container, subtype=subtype)
    check_tone(path, frequencies)
    audio = decode(recording_of(path), RATE, "0")
    decoded = audio.samples[: len(samples)]  # ADPCM fills its last block
    assert np.abs(decoded - samples[:, 0]).max() <= error
    assert audio.source_rate == RATE


@pytest.mark.parametrize(("name", "codec", "container", "rate", "channels"), BY_FFMPEG)
def test_other_formats_by_ffmpeg(
    tmp_path: Path, name: str, codec: str, container: str, rate: int, channels: int
) -> None:
    frequencies = (440.0, 1000.0)[:channels]
    path = encode(tmp_path / name, tone(SECONDS, rate, frequencies), rate, codec, container)
    check_tone(path, frequencies, amplitude=0.1)
    assert decode(recording_of(path), RATE).source_rate == rate


def test_surround_sound(tmp_path: Path) -> None:
    frequencies = tuple(300.0 + 100 * channel for channel in range(8))
    path = encode_surround(tmp_path / "a.m4a", tone(1, 48_000, frequencies), 48_000)
    for channel in (0, 1, 2, 4, 5, 6, 7):  # 3 carries low frequencies only
        audio = decode(recording_of(path), RATE, str(channel))
        assert strongest_frequency(audio.samples, RATE) == pytest.approx(frequencies[channel], abs=2)
    assert (audio.channels, len(decode(recording_of(path), RATE).samples)) == (8, len(audio.samples))


def test_ogg_vorbis(tmp_path: Path) -> None:
    check_tone(write_wav(tmp_path / "a.ogg", tone(SECONDS)), (440.0,))


def test_the_sound_of_a_video_and_a_video_without(tmp_path: Path) -> None:
    check_tone(write_video(tmp_path / "with.mkv", tone(SECONDS)), (440.0,))
    with pytest.raises(DecodeError, match="only video") as caught:
        decode(recording_of(write_video(tmp_path / "silent.mkv")), RATE)
    assert caught.value.kind == "no_audio"


@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]),
    wanted=st.sampled_from([8_000, 16_000]),
    channels=st.integers(1, 6),
    subtype=st.sampled_from(["PCM_16", "PCM_24", "FLOAT"]),
    count=st.integers(200, 30_000),
)
@settings(max_examples=40)
def test_any_rate_and_channels_to_mono(
    tmp_path_factory: pytest.TempPathFactory, rate: int, wanted: int, channels: int, subtype: str, count: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.wav"
    samples = np.random.default_rng(count).uniform(-0.9, 0.9, (count, channels)).astype(np.float32)
    write_wav(path, samples, rate, subtype=subtype)
    audio = decode(recording_of(path), wanted)
    expected = soxr.resample(samples.mean(axis=1), rate, wanted)
    assert abs(len(audio.samples) - count * wanted / rate) <= 1
    assert len(audio.samples) == len(expected)
    np.testing.assert_allclose(audio.samples, expected, atol=1e-4)
    assert (audio.rate, audio.source_rate, audio.channels) == (wanted, rate, channels)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_blocks_are_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    path = write_wav(tmp_path / "a.wav", speechlike(5, rate), rate, subtype="FLOAT")
    other = write_wav(tmp_path / "a.flac", speechlike(5, rate), rate, subtype="PCM_24")
    whole = [decode(recording_of(p), RATE).samples for p in (path, other)]
    for module in (decode_soundfile, decode_frames):
        monkeypatch.setattr(module, "BLOCK_SAMPLES", 7_000)
    with open_audio(recording_of(path), RATE) as stream:
        blocks = list(stream)
    assert len(blocks) > 5
    assert max(map(len, blocks)) <= 7_001
    np.testing.assert_array_equal(np.concatenate(blocks), whole[0])
    monkeypatch.setattr(decode_soundfile.SoundfileReader, "try_open", lambda file: None)
    np.testing.assert_allclose(decode(recording_of(other), RATE).samples, whole[1], atol=1e-6)


def test_both_decoders_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.stack([speechlike(3, 44_100, seed) for seed in (1, 2)], axis=1)
    paths = [
        write_wav(tmp_path / f"{container}_{subtype}", samples, 44_100, format=container, subtype=subtype)
        for container, subtype in [
            ("WAV", "PCM_U8"),
            ("WAV", "PCM_24"),
            ("WAV", "DOUBLE"),
            ("FLAC", "PCM_16"),
        ]
    ]
    by_libsndfile = [decode(recording_of(path), RATE).samples for path in paths]
    monkeypatch.setattr(decode_soundfile.SoundfileReader, "try_open", lambda file: None)
    for path, expected in zip(paths, by_libsndfile, strict=True):
        np.testing.assert_allclose(decode(recording_of(path), RATE).samples, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_part_of_a_file(tmp_path: Path, name: str) -> None:
    path = write_wav(tmp_path / name, speechlike(4))
    whole = decode(recording_of(path), RATE).samples
    part = decode(recording_of(path, 1.25, 0.5), RATE).samples
    np.testing.assert_array_equal(part, whole[20_000:28_000])
    np.testing.assert_array_equal(decode(recording_of(path, 3.0), RATE).samples, whole[48_000:])
    assert len(decode(recording_of(path, 3.5, 99.0), RATE).samples) == 8_000
    assert probe_seconds(recording_of(path, 3.0)) == pytest.approx(1.0, abs=0.15)
    assert probe_seconds(recording_of(path, 3.0, 0.25)) == 0.25
    with pytest.raises(DecodeError, match=r"from 4\.50 s on") as caught:
        decode(recording_of(path, 4.5, 1.0), RATE)
    assert caught.value.kind == "empty"


@pytest.mark.parametrize("channel", ["2", "7"])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_a_channel_that_is_not_there(tmp_path: Path, name: str, channel: str) -> None:
    path = write_wav(tmp_path / name, tone(0.5, RATE, (440.0, 1000.0)))
    with pytest.raises(DecodeError, match=f"channel {channel} .* has 2") as caught:
        decode(recording_of(path), RATE, channel)
    assert caught.value.kind == "bad_channel"


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac"])
def test_remote_files(tmp_path: Path, name: str) -> None:
    path = write_wav(tmp_path / name, speechlike(1))
    url = f"memory://decode/{name}"
    storage.write_bytes_atomic(url, path.read_bytes())
    remote = Recording(name, url, path.stat().st_size, 0.0)
    np.testing.assert_array_equal(decode(remote, RATE).samples, decode(recording_of(path), RATE).samples)
    with pytest.raises(DecodeError) as caught:
        decode(Recording("b", "memory://decode/b.wav", 0, 0.0), RATE)
    assert caught.value.kind == "missing"


@pytest.mark.parametrize(
    "name",
    [
        "a b.wav",
        'it\'s "quoted".wav',
        "line\nbreak.wav",
        "emoji 🎙️.wav",
        "x" * 246 + ".wav",
        "%20#?.wav",
        b"\xff.wav",
    ],
)
@pytest.mark.parametrize("content", ["wav", "mp3"])
def test_odd_names(tmp_path: Path, name: str | bytes, content: str) -> None:
    written = write_wav(tmp_path / f"plain.{content}", speechlike(0.5))
    odd = tmp_path / (name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
    written.rename(odd)
    recording = Recording("odd", storage.local_url(str(odd)), 1, 0.0)
    assert len(decode(recording, RATE).samples) == 8_000


def test_real_speech(shared_dir: Path, tmp_path: Path) -> None:
    source = sorted((shared_dir / "data" / "librispeech").rglob("*.flac"))[0]
    expected, rate = sf.read(source, dtype="float32")
    np.testing.assert_array_equal(decode(recording_of(source), rate).samples, expected)
    mp3 = write_wav(tmp_path / "a.mp3", expected, rate)
    samples = decode(recording_of(mp3), rate).samples
    assert len(samples) == len(expected)
    assert np.corrcoef(samples, expected)[0, 1] > 0.99
