"""Each speaker's audio: the samples of the source, no others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.archive.audio_file import DecodeError
from diar.archive.decoders.decode import decode
from diar.outputs import source_samples, speaker_audio
from diar.outputs.speaker_audio import AudioSource, SpeakerAudio, cut_pieces, plan_pieces
from diar.records import Turn
from tests.archive.sounds import encode, recording_of, speechlike

RATE = 8_000
TURNS = [
    Turn("r", 0.25, 1.5, "ann"),
    Turn("r", 1.0, 2.25, "bob/jr 100%"),  # both talk from 1.0 to 1.5
    Turn("r", 2.25, 2.375, "ann"),  # too short for a piece
    Turn("r", 3.0, 3.75, "ann"),
]
ANN, BOB = [(0.25, 1.0), (3.0, 3.75)], [(1.5, 2.25)]


def stereo(seconds: float = 4.0, rate: int = RATE) -> np.ndarray:
    """(n, 2) float64, 16 bits deep in use; the channels differ."""
    mono = np.round(speechlike(seconds, rate, seed=3) * 2**14)
    return np.column_stack([mono, -np.roll(mono, 7)]) / 2**15


def cut(path: Path, folder: Path, how: str, offset: float = 0.0, **options: object) -> list[str]:
    pieces = plan_pieces(TURNS, 4.0, SpeakerAudio(how, **options))
    return cut_pieces(AudioSource(str(path), offset), pieces, str(folder))


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def expected(samples: np.ndarray, spans: list[tuple[float, float]], rate: int = RATE) -> np.ndarray:
    return np.concatenate([samples[round(start * rate) : round(end * rate)] for start, end in spans])


@pytest.mark.parametrize(
    ("container", "subtype", "kept"),
    [
        ("wav", "PCM_U8", "PCM_U8"),
        ("wav", "PCM_16", "PCM_16"),
        ("wav", "PCM_24", "PCM_24"),
        ("wav", "PCM_32", "PCM_32"),
        ("wav", "FLOAT", "FLOAT"),
        ("wav", "DOUBLE", "DOUBLE"),
        ("wav", "ULAW", "ULAW"),
        ("wav", "ALAW", "ALAW"),
        ("wav", "IMA_ADPCM", "PCM_16"),
        ("flac", "PCM_16", "PCM_16"),
        ("flac", "PCM_24", "PCM_24"),
        ("aiff", "PCM_S8", "PCM_U8"),
        ("caf", "ALAC_24", "PCM_24"),
    ],
)
@pytest.mark.parametrize("block", [1 << 20, 1_000])
def test_not_a_bit_changes(
    container: str, subtype: str, kept: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_samples, "BLOCK_SAMPLES", block)
    path = tmp_path / f"talk.{container}"
    noise = np.random.default_rng(0).normal(0, 2**-20, (4 * RATE, 2))  # for the lower bits
    sf.write(path, stereo() + noise, RATE, subtype=subtype)
    exact = "float64" if subtype in ("FLOAT", "DOUBLE") else "int32"
    samples, _ = sf.read(path, dtype=exact, always_2d=True)
    assert cut(path, tmp_path / "out", "joined") == []
    assert written(tmp_path / "out") == ["speakers/ann.wav", "speakers/bob%2Fjr 100%25.wav"]
    for name, spans in zip(written(tmp_path / "out"), (ANN, BOB), strict=True):
        info = sf.info(tmp_path / "out" / name)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 2, kept)
        found, _ = sf.read(tmp_path / "out" / name, dtype=exact, always_2d=True)
        assert np.array_equal(found, expected(samples, spans))


def test_clips_are_named_by_their_times(tmp_path: Path) -> None:
    sf.write(tmp_path / "talk.wav", stereo(), RATE, subtype="PCM_16")
    samples, _ = sf.read(tmp_path / "talk.wav", dtype="int16")
    cut(tmp_path / "talk.wav", tmp_path / "out", "clips")
    assert written(tmp_path / "out") == [
        "speakers/ann/0.250-1.000.wav",
        "speakers/ann/3.000-3.750.wav",
        "speakers/bob%2Fjr 100%25/1.500-2.250.wav",
    ]
    found, _ = sf.read(tmp_path / "out/speakers/ann/3.000-3.750.wav", dtype="int16")
    assert np.array_equal(found, expected(samples, ANN[1:]))


@pytest.mark.parametrize("block", [1 << 20, 999])
def test_overlap_is_kept_if_wanted(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_samples, "BLOCK_SAMPLES", block)
    sf.write(tmp_path / "talk.wav", stereo(), RATE, subtype="PCM_16")
    samples, _ = sf.read(tmp_path / "talk.wav", dtype="int16")
    cut(tmp_path / "talk.wav", tmp_path / "out", "joined", overlap=True, shortest=0.0)
    whole = {
        "ann": [(0.25, 1.5), (2.25, 2.375), (3.0, 3.75)],
        "bob%2Fjr 100%25": [(1.0, 2.25)],
    }
    for name, spans in whole.items():
        found, _ = sf.read(tmp_path / f"out/speakers/{name}.wav", dtype="int16")
        assert np.array_equal(found, expected(samples, spans))


def test_a_part_of_a_file_starts_at_its_offset(tmp_path: Path) -> None:
    samples = stereo(6.0)
    sf.write(tmp_path / "long.flac", samples, RATE, subtype="PCM_16")
    cut(tmp_path / "long.flac", tmp_path / "out", "joined", offset=1.5)
    found, _ = sf.read(tmp_path / "out/speakers/ann.wav")
    assert np.array_equal(found, expected(samples[round(1.5 * RATE) :], ANN))


@pytest.mark.parametrize(
    ("suffix", "codec", "container"), [("mp3", "libmp3lame", "mp3"), ("opus", "libopus", "ogg")]
)
def test_compressed_audio_is_what_stage_1_heard(
    suffix: str, codec: str, container: str, tmp_path: Path
) -> None:
    rate = 48_000
    path = encode(tmp_path / f"a.{suffix}", stereo(4.0, rate).astype(np.float32), rate, codec, container)
    assert cut(path, tmp_path / "out", "joined") == []
    info = sf.info(tmp_path / "out/speakers/ann.wav")
    assert (info.samplerate, info.channels, info.subtype) == (rate, 2, "PCM_24")
    found, _ = sf.read(tmp_path / "out/speakers/ann.wav")
    for channel in range(2):
        heard = decode(recording_of(path), rate, str(channel)).samples
        assert np.abs(found[:, channel] - expected(heard, ANN, rate)).max() <= 2**-23


def test_lossless_audio_through_ffmpeg_keeps_its_bits(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mka", stereo().astype(np.float32), RATE, "pcm_s16le", "matroska")
    cut(path, tmp_path / "out", "joined")
    found, _ = sf.read(tmp_path / "out/speakers/ann.wav")
    assert np.array_equal(found, expected(stereo(), ANN))


def test_behind_damage_times_stay_right(tmp_path: Path) -> None:
    path = tmp_path / "talk.flac"
    samples = stereo(4.0, 16_000)
    sf.write(path, samples, 16_000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 5 : len(data) * 2 // 5 + 600] = bytes(600)  # before ann's second turn
    path.write_bytes(data)
    assert cut(path, tmp_path / "out", "clips") == []
    found, _ = sf.read(tmp_path / "out/speakers/ann/3.000-3.750.wav")
    assert np.array_equal(found, expected(samples, ANN[1:], 16_000))


def test_more_than_four_gigabytes_make_an_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_audio, "_RIFF_LIMIT", 1_000)
    sf.write(tmp_path / "talk.wav", stereo(), RATE, subtype="PCM_16")
    cut(tmp_path / "talk.wav", tmp_path / "out", "joined")
    assert (tmp_path / "out/speakers/ann.wav").read_bytes()[:4] == b"RF64"
    found, _ = sf.read(tmp_path / "out/speakers/ann.wav")
    assert np.array_equal(found, expected(stereo(), ANN))


def test_a_source_that_ends_too_early_is_told(tmp_path: Path) -> None:
    sf.write(tmp_path / "talk.wav", stereo()[: 2 * RATE], RATE, subtype="PCM_16")
    (warning,) = cut(tmp_path / "talk.wav", tmp_path / "out", "clips")
    assert "ends at 2.000 s" in warning
    assert written(tmp_path / "out") == [
        "speakers/ann/0.250-1.000.wav",
        "speakers/bob%2Fjr 100%25/1.500-2.250.wav",
    ]


def remove(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    path.write_bytes(b"this is no sound" * 100)


@pytest.mark.parametrize("harm", [remove, spoil])
def test_a_source_that_is_gone_leaves_nothing(harm: Callable[[Path], None], tmp_path: Path) -> None:
    sf.write(tmp_path / "talk.wav", stereo(), RATE)
    harm(tmp_path / "talk.wav")
    with pytest.raises(DecodeError, match=r"talk\.wav"):
        cut(tmp_path / "talk.wav", tmp_path / "out", "clips")
    assert not (tmp_path / "out").exists()


def test_a_file_that_breaks_off_does_not_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sf.write(tmp_path / "talk.wav", stereo(), RATE)
    monkeypatch.setattr(source_samples, "BLOCK_SAMPLES", 2 * RATE)
    taken = []

    def break_off(self: source_samples.SourceSamples, start: int, stop: int):
        for block in unbroken(self, start, stop):
            if len(taken) == 3:
                raise DecodeError("unreadable", "the disk is gone")
            taken.append(block)
            yield block

    unbroken = source_samples.SourceSamples.blocks
    monkeypatch.setattr(source_samples.SourceSamples, "blocks", break_off)
    with pytest.raises(DecodeError, match="the disk is gone"):
        cut(tmp_path / "talk.wav", tmp_path / "out", "joined")
    assert written(tmp_path / "out") == ["speakers/bob%2Fjr 100%25.wav"]  # complete before


def test_nothing_is_cut_by_default(tmp_path: Path) -> None:
    assert plan_pieces(TURNS, 4.0, SpeakerAudio()) == []
