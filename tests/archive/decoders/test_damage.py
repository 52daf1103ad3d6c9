"""Damaged, truncated and hopeless files: what can be decoded is, in its place, and the rest is named."""

import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diar.archive.decoders.decode import Audio, DecodeError, decode, open_audio, probe_seconds
from diar.archive.recording import Recording
from tests.archive.sounds import RATE, encode, recording_of, speechlike, tone, write_wav

SECONDS = 10.0
_MARGIN = 0.25  # seconds until a lossy decoder that lost packets gives the same samples again


def failure(path: Path, channel: str = "mix") -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(recording_of(path), RATE, channel)
    assert path.name in str(caught.value)
    return caught.value


def damaged(path: Path, kind: str, start: float = 0.5, length: int = 3000) -> Path:
    """A copy with bytes zeroed or flipped from a fraction of the file on, or cut off there."""
    data = bytearray(path.read_bytes())
    first = int(start * len(data))
    if kind == "cut":
        del data[first:]
    elif kind == "zeroed":
        data[first : first + length] = bytes(length)
    else:
        data[first : first + length] = bytes(byte ^ 0x5A for byte in data[first : first + length])
    copy = path.with_name(f"{kind}_{path.name}")
    copy.write_bytes(data)
    return copy


def differing(audio: Audio, expected: np.ndarray, tolerance: float) -> np.ndarray:
    """Seconds at which samples outside the gaps (with a margin) are not the undamaged file's."""
    count = min(len(audio.samples), len(expected))
    bad = np.abs(audio.samples[:count] - expected[:count]) > tolerance
    for start, end in audio.gaps:
        bad[max(0, int((start - _MARGIN) * RATE)) : int((end + _MARGIN) * RATE)] = False
    return np.flatnonzero(bad) / RATE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ten seconds in several formats."""
    path = tmp_path_factory.mktemp("whole")
    samples = speechlike(SECONDS)
    for name in ("a.wav", "a.flac", "a.ogg"):
        write_wav(path / name, samples)
    encode(path / "a.mp3", samples[:, None], RATE, "libmp3lame", "mp3")
    encode(path / "a.aac", samples[:, None], RATE, "aac", "adts")
    encode(path / "a.m4a", samples[:, None], RATE, "aac", "mp4", movflags="+faststart")
    encode(path / "a.opus", speechlike(SECONDS, 48_000)[:, None], 48_000, "libopus", "ogg")
    encode(path / "a.mka", samples[:, None], RATE, "flac", "matroska", cluster_time_limit="500")
    return path


@pytest.mark.parametrize("kind", ["zeroed", "flipped"])
@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.aac", "a.m4a", "a.ogg", "a.opus", "a.mka"])
def test_damage_in_the_middle_is_a_gap_and_the_rest_stays_in_place(
    folder: Path, name: str, kind: str
) -> None:
    whole = decode(recording_of(folder / name), RATE)
    assert whole.gaps == []
    audio = decode(recording_of(damaged(folder / name, kind)), RATE)
    assert len(audio.samples) == pytest.approx(len(whole.samples), abs=0.1 * RATE)
    assert audio.gaps
    assert all(2.5 < start < end < 8.0 for start, end in audio.gaps)
    for start, end in audio.gaps:
        inside = audio.samples[round((start + 0.02) * RATE) : round((end - 0.02) * RATE)]
        np.testing.assert_allclose(inside, 0, atol=1e-4)
    assert len(differing(audio, whole.samples, 1e-3)) == 0


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a"])
def test_a_file_cut_off_gives_its_beginning_and_names_what_is_missing(folder: Path, name: str) -> None:
    whole = decode(recording_of(folder / name), RATE)
    cut = damaged(folder / name, "cut", start=0.6)
    audio = decode(recording_of(cut), RATE)
    assert 5.0 < len(audio.samples) / RATE < 7.0
    assert len(differing(audio, whole.samples, 1e-3)) == 0
    ((start, end),) = audio.gaps
    assert start == pytest.approx(len(audio.samples) / RATE, abs=0.001)
    assert end == pytest.approx(SECONDS, abs=0.1)
    part = decode(recording_of(cut, 1.0, 2.0), RATE)
    assert part.gaps == []
    np.testing.assert_array_equal(part.samples, audio.samples[RATE : 3 * RATE])


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.aac", "a.mka"])
def test_a_stream_cut_off_gives_its_beginning(folder: Path, name: str) -> None:
    whole = decode(recording_of(folder / name), RATE)
    audio = decode(recording_of(damaged(folder / name, "cut", start=0.6)), RATE)
    assert 3.0 < len(audio.samples) / RATE < 7.0
    assert len(differing(audio, whole.samples, 1e-3)) <= 0.1 * RATE  # the last packet lacks its neighbour


def test_a_part_behind_the_damage_is_found(folder: Path) -> None:
    whole = decode(recording_of(folder / "a.flac"), RATE)
    flac = damaged(folder / "a.flac", "flipped")
    part = decode(recording_of(flac, 8.0, 1.0), RATE)
    np.testing.assert_array_equal(part.samples, whole.samples[8 * RATE : 9 * RATE])
    assert part.gaps == []
    start, end = decode(recording_of(flac), RATE).gaps[0]
    across = decode(recording_of(flac, start + 0.1, 1.0), RATE)
    assert across.gaps == [(0.0, pytest.approx(end - start - 0.1, abs=1e-3))]


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_a_wav_header_that_was_never_completed(tmp_path: Path, claimed: int) -> None:
    path = write_wav(tmp_path / "streamed.wav", speechlike(2))
    whole = decode(recording_of(path), RATE)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = claimed.to_bytes(4, "little")
    path.write_bytes(data)
    audio = decode(recording_of(path), RATE)
    np.testing.assert_array_equal(audio.samples, whole.samples)
    assert audio.gaps == []


def test_a_flac_that_does_not_tell_its_length(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "streamed.flac", speechlike(2))
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # STREAMINFO: total samples unknown
    path.write_bytes(data)
    audio = decode(recording_of(path), RATE)
    assert (len(audio.samples), audio.gaps) == (2 * RATE, [])


@pytest.mark.parametrize("rate", [0, 1, 2_000_000_000])
def test_an_impossible_sample_rate(tmp_path: Path, rate: int) -> None:
    path = write_wav(tmp_path / "a.wav", speechlike(0.5))
    data = bytearray(path.read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(data)
    assert failure(path).kind == "undecodable"


def test_timestamps_of_a_broken_clock_do_not_fill_the_memory(tmp_path: Path) -> None:
    samples = tone(1)
    path = tmp_path / "jumps.mka"
    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for index in range(10):
            block = np.ascontiguousarray(
                (samples[index * 1600 : (index + 1) * 1600].T * 32767).astype(np.int16)
            )
            frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = index * 1600 + (index > 2) * 2 * RATE + (index > 5) * 10**6 * RATE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    audio = decode(recording_of(path), RATE)
    assert audio.gaps == [(pytest.approx(0.3, abs=2e-3), pytest.approx(2.3, abs=2e-3))]
    assert len(audio.samples) == pytest.approx(3 * RATE, abs=50)


def test_samples_that_are_not_finite_become_zeros_and_gaps(tmp_path: Path) -> None:
    samples = speechlike(3)
    samples[RATE : RATE + 800] = np.nan
    samples[2 * RATE] = np.inf
    audio = decode(recording_of(write_wav(tmp_path / "a.wav", samples, subtype="FLOAT")), RATE)
    assert audio.gaps == [(1.0, 1.05), (2.0, 2.0 + 1 / RATE)]
    np.testing.assert_array_equal(audio.samples, np.where(np.isfinite(samples), samples, 0))
    resampled = decode(recording_of(tmp_path / "a.wav"), 8_000)
    assert np.isfinite(resampled.samples).all()
    assert resampled.gaps == audio.gaps


def test_nothing_but_nan(tmp_path: Path) -> None:
    error = failure(write_wav(tmp_path / "a.wav", np.full(RATE, np.nan), subtype="FLOAT"))
    assert (error.kind, "finite" in str(error)) == ("undecodable", True)


@pytest.mark.parametrize(
    "content",
    [
        b"This is a text file.\n" * 50,
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"fLaC" + bytes(100),
        bytes(100_000),
        b'{"audio": 1}',
        random.Random(1).randbytes(200_000),
    ],
    ids=["text", "cut header", "cut flac", "zeros", "json", "random"],
)
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_what_is_no_audio(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert failure(path).kind == "undecodable"
    with pytest.raises(DecodeError):
        probe_seconds(recording_of(path))


def test_a_playlist_cannot_make_us_open_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "secret.wav", tone(1))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "list.mp3"
    path.write_text("ffconcat version 1.0\nfile secret.wav\n")
    assert failure(path).kind in ("undecodable", "unreadable")


def test_an_empty_file_and_a_header_without_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"")
    assert failure(path).kind == "empty"
    write_wav(path, np.zeros(0))
    assert failure(path).kind == "empty"


def test_zeros_and_fifty_milliseconds_are_audio(tmp_path: Path) -> None:
    assert not decode(recording_of(write_wav(tmp_path / "a.wav", np.zeros(RATE))), RATE).samples.any()
    assert len(decode(recording_of(write_wav(tmp_path / "b.wav", speechlike(0.05))), RATE).samples) == 800


def test_a_file_that_vanished_and_a_folder(tmp_path: Path) -> None:
    for name, kind in (("gone.wav", "missing"), ("folder.wav", "unreadable")):
        (tmp_path / "folder.wav").mkdir(exist_ok=True)
        with pytest.raises(DecodeError, match=name) as caught:
            decode(Recording(name, str(tmp_path / name), 1, 0.0), RATE)
        assert caught.value.kind == kind


def test_no_permission(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", speechlike(0.5))
    path.chmod(0)
    if os.geteuid() != 0:
        error = failure(path)
        assert (error.kind, "Permission" in str(error)) == ("unreadable", True)
        return
    code = (  # root may read everything, so become somebody else
        "import os, sys\nfrom diar.archive.decoders.decode import *\n"
        "from diar.archive.recording import Recording\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: decode(Recording('a', sys.argv[1], 1, 0.0), 16000)\n"
        "except DecodeError as error: print(error.kind, error)"
    )
    for parent in [tmp_path, *tmp_path.parents]:
        if not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o11)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("unreadable")
    assert "Permission denied" in done.stdout


def test_an_error_of_the_disk_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diar.archive.decoders.soundfile import SoundfileReader

    path = write_wav(tmp_path / "a.wav", speechlike(0.5))

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(SoundfileReader, "blocks", fail)
    error = failure(path)
    assert (error.kind, "Input/output error" in str(error)) == ("unreadable", True)


def test_an_error_of_the_consumer_is_left_alone(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", speechlike(0.5))
    with pytest.raises(OSError, match="disk full"), open_audio(recording_of(path), RATE) as stream:
        for _ in stream:
            raise OSError(28, "disk full")


@given(
    name=st.sampled_from(["a.wav", "a.flac", "a.mp3", "a.aac", "a.m4a", "a.ogg", "a.opus", "a.mka"]),
    seed=st.integers(0, 10**6),
    damages=st.integers(1, 20),
    head=st.booleans(),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_gives_audio_or_a_decode_error(
    folder: Path, tmp_path: Path, name: str, seed: int, damages: int, head: bool
) -> None:
    rng = random.Random(seed)
    data = bytearray((folder / name).read_bytes())
    for _ in range(damages):
        data[rng.randrange(min(400, len(data)) if head else len(data))] = rng.randrange(256)
    path = tmp_path / name
    path.write_bytes(data[: rng.randrange(1, len(data) + 1)] if rng.random() < 0.3 else data)
    try:
        audio = decode(recording_of(path), RATE)
    except DecodeError as error:
        assert error.kind in ("undecodable", "no_audio", "empty")
        return
    assert np.isfinite(audio.samples).all()
    assert all(0 <= start < end for start, end in audio.gaps)
