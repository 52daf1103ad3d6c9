"""Streams without timestamps: what is no audio is no time, damage keeps its gap, the end is what is there."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate

from diar.archive.decoders.decode import decode, open_audio, probe_seconds
from diar.archive.decoders.frame_headers import AAC, AC3, AMR_NB, MP3
from diar.archive.decoders.raw_frames import Break, Frame, RawFrames
from diar.archive.decoders.tags import FileBytes
from diar.outputs.source_samples import SourceSamples
from tests.archive.decoders import tagged
from tests.archive.sounds import RATE, encode, recording_of, write_wav

SECONDS = 3.0
_FORMATS = {  # name: (rate, channels, encoder, container, options)
    "a.mp3": (16_000, 1, "libmp3lame", "mp3", {}),
    "stereo.mp3": (44_100, 2, "libmp3lame", "mp3", {}),
    "telephone.mp3": (8_000, 1, "libmp3lame", "mp3", {}),
    "untagged.mp3": (16_000, 1, "libmp3lame", "mp3", {"write_xing": "0"}),
    "a.mp2": (48_000, 1, "mp2", "mp2", {}),
    "a.aac": (16_000, 1, "aac", "adts", {}),
    "a.ac3": (48_000, 1, "ac3", "ac3", {}),
    "a.eac3": (48_000, 1, "eac3", "eac3", {}),
    "a.amr": (8_000, 1, "libopencore_amrnb", "amr", {}),
}
_FOR_ALL = (
    "nothing",
    "id3v2 2 MB",
    "all of them",
    "4 kB of zeros",
    "html, then id3v2",
    "png",
    "a riff header",
)


def chirps(rate: int, seed: int) -> np.ndarray:
    """Three seconds that correlate with themselves at one place only, (n,) float32."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(SECONDS * rate)) / rate
    samples = np.zeros(len(time))
    for _ in range(30):
        start, low, high = rng.uniform(0, SECONDS - 0.3), *rng.uniform(200, 3000, 2)
        inside = (time >= start) & (time < start + 0.3)
        since = time[inside] - start
        samples[inside] += 0.2 * np.sin(2 * np.pi * (low + (high - low) * since) * since)
    return np.clip(samples, -0.9, 0.9).astype(np.float32)


def place_of(part: int, samples: np.ndarray) -> float:
    """Seconds by which the part's middle (parts are joined end to end) lies later than it should."""
    first, last = RATE // 2, RATE * 5 // 2
    found = int(np.argmax(correlate(samples, chirps(RATE, part)[first:last], mode="valid", method="fft")))
    return (found - first) / RATE - part * SECONDS


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Two different parts in each format."""
    folder = tmp_path_factory.mktemp("parts")
    encoded = {}
    for name, (rate, channels, codec, container, options) in _FORMATS.items():
        signals = [np.repeat(chirps(rate, part)[:, None], channels, axis=1) for part in (0, 1)]
        paths = [encode(folder / name, signal, rate, codec, container, **options) for signal in signals[:1]]
        encoded[name] = [paths[0].read_bytes()]
        encoded[name].append(
            encode(folder / name, signals[1], rate, codec, container, **options).read_bytes()
        )
    return encoded


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in _FORMATS
        for kind in tagged.NO_AUDIO
        if name in ("a.mp3", "a.aac", "a.amr") or kind in _FOR_ALL
    ],
)
def test_what_is_no_audio_is_no_time(
    parts: dict[str, list[bytes]], tmp_path: Path, name: str, kind: str
) -> None:
    """Between two parts, with its size having no effect; before the first and behind the last, too."""
    path, other = tmp_path / name, tagged.NO_AUDIO[kind]
    first, second = parts[name]
    path.write_bytes(other + first + other + second + other)
    with open_audio(recording_of(path), RATE) as stream:
        samples = np.concatenate(list(stream))
    assert stream.gaps == []
    before = place_of(0, samples)
    assert abs(before) < 0.08
    assert abs(place_of(1, samples) - before) < 0.15
    assert len(samples) / RATE == pytest.approx(2 * SECONDS, abs=0.2)
    if kind != "nothing":
        told, *_ = [line for line in stream.warnings if "are no audio" in line and "at 3." in line]
        assert float(told.split()[1]) == pytest.approx(SECONDS, abs=0.15)


@pytest.mark.parametrize("size", [3_000, 1_000_000])
@pytest.mark.parametrize("name", _FORMATS)
def test_the_place_of_what_follows_is_the_same_for_every_size(
    parts: dict[str, list[bytes]], tmp_path: Path, name: str, size: int
) -> None:
    path = tmp_path / name
    first, second = parts[name]
    path.write_bytes(first + tagged.id3v2(50) + second)
    expected = decode(recording_of(path), RATE).samples
    path.write_bytes(first + tagged.id3v2(size) + second)
    np.testing.assert_array_equal(decode(recording_of(path), RATE).samples, expected)
    assert probe_seconds(recording_of(path)) >= SECONDS - 0.1


@pytest.mark.parametrize("name", ["a.mp3", "stereo.mp3", "telephone.mp3"])
def test_mp3_parts_with_a_lame_tag_follow_each_other_exactly(
    parts: dict[str, list[bytes]], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"".join(parts[name] * 2))
    samples = decode(recording_of(path), RATE).samples
    for half in np.split(samples[: 12 * RATE], 2):
        assert abs(place_of(0, half)) < 0.001
        assert abs(place_of(1, half)) < 0.001
    assert abs(len(samples) / RATE - 4 * SECONDS) < 0.002


@pytest.mark.parametrize("kind", ["id3v2 60 kB", "ape", "jpeg", "png", "a riff header"])
@pytest.mark.parametrize("name", ["a.mp3", "stereo.mp3", "a.ac3"])
def test_behind_a_part_that_was_cut_within_a_frame(
    parts: dict[str, list[bytes]], tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(parts[name][0][:-77] + tagged.NO_AUDIO[kind] + parts[name][1])
    audio = decode(recording_of(path), RATE)
    assert audio.gaps == []
    assert abs(place_of(1, audio.samples)) < 0.1


@pytest.mark.parametrize("name", ["a.mp3", "stereo.mp3", "a.ac3", "a.eac3", "a.amr"])
def test_at_a_constant_bit_rate_unknown_data_is_no_time(
    parts: dict[str, list[bytes]], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(parts[name][0] + tagged.noise(60_007) + parts[name][1])
    audio = decode(recording_of(path), RATE)
    assert abs(place_of(1, audio.samples)) < 0.15
    assert audio.gaps == []


@pytest.mark.parametrize("kind", ["zeros", "noise", "text"])
@pytest.mark.parametrize("name", ["a.mp3", "stereo.mp3", "a.aac", "a.ac3", "a.amr"])
def test_damage_keeps_its_time(parts: dict[str, list[bytes]], tmp_path: Path, name: str, kind: str) -> None:
    """Bytes of other kinds that were written over audio, and not put between."""
    path = tmp_path / name
    whole = b"".join(parts[name])
    start, length = round(0.3 * len(whole)) + 5, round(0.1 * len(whole))
    over = {
        "zeros": bytes(length),
        "noise": tagged.noise(length),
        "text": b"This was written over it. " * length,
    }[kind]
    over = over[:length]
    path.write_bytes(whole[:start] + over + whole[start + length :])
    with open_audio(recording_of(path), RATE) as stream:
        samples = np.concatenate(list(stream))
    assert sum(end - start for start, end in stream.gaps) == pytest.approx(0.6, abs=0.25)
    assert abs(place_of(1, samples)) < 0.2
    assert any("filled with zeros" in line for line in stream.warnings)


def test_two_rates_lose_nothing_and_miss_nothing(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.mp3", chirps(16_000, 0)[:, None], 16_000, "libmp3lame", "mp3").read_bytes()
    stereo = np.repeat(chirps(44_100, 1)[:, None], 2, axis=1)
    second = encode(tmp_path / "b.mp3", stereo, 44_100, "libmp3lame", "mp3").read_bytes()
    path = tmp_path / "joined.mp3"
    for order in ([first, second], [first, second, first, second]):
        path.write_bytes(b"".join(order))
        with open_audio(recording_of(path), RATE) as stream:
            samples = np.concatenate(list(stream))
        assert stream.gaps == []
        assert len(samples) / RATE == pytest.approx(len(order) * SECONDS, abs=0.005)
        assert abs(place_of(1, samples)) < 0.003
        assert any("from 16000 Hz, 1 channel to 44100 Hz, 2 channels" in line for line in stream.warnings)


def test_the_missing_end_of_the_last_part_is_named_and_that_of_an_earlier_one_told(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.mp3", chirps(RATE, 0)).read_bytes()
    path = tmp_path / "cut.mp3"
    path.write_bytes(whole + whole[: len(whole) // 2])
    ((start, end),) = decode(recording_of(path), RATE).gaps
    assert 4.0 < start < 5.0
    assert end == pytest.approx(2 * SECONDS, abs=0.01)
    path.write_bytes(whole[: len(whole) // 2] + whole)
    with open_audio(recording_of(path), RATE) as stream:
        assert len(np.concatenate(list(stream))) / RATE == pytest.approx(end - (end - start), abs=0.1)
    assert stream.gaps == []
    assert any("joined to the next one are missing" in line for line in stream.warnings)


def test_warnings_are_bounded(parts: dict[str, list[bytes]], tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes((parts["untagged.mp3"][0][:4_000] + tagged.id3v2(100)) * 200)
    with open_audio(recording_of(path), RATE) as stream:
        for _ in stream:
            assert stream.warnings == []
    assert len(stream.warnings) < 10
    assert any("more like the last" in line for line in stream.warnings)


def test_an_mp3_in_a_wav(parts: dict[str, list[bytes]], tmp_path: Path) -> None:
    frames = parts["a.mp3"][0] + tagged.id3v2(60_000) + parts["a.mp3"][1]
    layout = b"\x55\0\x01\0\x80\x3e\0\0\xe0\x2e\0\0\x01\0\0\0\x0c\0\x01\0\x02\0\0\0\xb0\x01\x01\0\x71\x05"
    chunks = b"WAVEfmt \x1e\0\0\0" + layout + b"data" + len(frames).to_bytes(4, "little") + frames
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + len(chunks).to_bytes(4, "little") + chunks)
    samples = decode(recording_of(path), RATE).samples
    assert abs(place_of(1, samples)) < 0.001


def test_source_samples_have_the_same_clock(parts: dict[str, list[bytes]], tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(parts["a.mp3"][0] + tagged.id3v2(60_000) + parts["a.mp3"][1])
    source = np.concatenate(list(SourceSamples(str(path)).blocks(0, 10**9)))[:, 0]
    np.testing.assert_allclose(source / 2.0**31, decode(recording_of(path), RATE).samples, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.mp3", MP3), ("a.aac", AAC), ("a.ac3", AC3), ("a.amr", AMR_NB)]
)
def test_frames_and_breaks_are_all_bytes_of_a_file(
    parts: dict[str, list[bytes]], name: str, kind: object
) -> None:
    rng = random.Random(name)
    for _ in range(20):
        content = bytearray(b"".join(parts[name]))
        for _ in range(rng.randrange(5)):
            place = rng.randrange(len(content))
            content[place : place + rng.choice([0, 3, 900])] = tagged.noise(rng.choice([1, 40, 2_000]))
        raw = RawFrames(FileBytes(io.BytesIO(content)), kind)
        start = raw.begin(search=True)
        assert start is not None
        size = 0
        for item in raw.iterate(start):
            assert isinstance(item, Frame | Break)
            size += len(item.content) if isinstance(item, Frame) else sum(s.size for s in item.spans)
        assert len(content) - 4_096 <= size <= len(content)


def test_the_cases(shared_dir: Path) -> None:
    talk = decode(recording_of(shared_dir / "cases" / "talk.flac"), RATE).samples
    for name, early in [
        ("cat_mp3_cover_in_second.mp3", 0.0),
        ("cat_adts_id3_60kB_between.aac", 0.064),
        ("cat_mp3_two_rates.mp3", 0.0),
    ]:
        audio = decode(recording_of(shared_dir / "cases" / name), RATE)
        assert audio.gaps == []
        for second, most in ((2, 0.001), (20, 0.13)):
            piece = talk[second * RATE : (second + 4) * RATE]
            around = audio.samples[(second - 1) * RATE :][: 6 * RATE]
            found = int(np.argmax(correlate(around, piece, mode="valid", method="fft"))) / RATE - 1
            assert abs(found - early) <= most
