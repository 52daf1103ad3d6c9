"""Headers that count too little: what the file holds is read to its end, and nothing behind it."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.archive.decoders.decode import DecodeError, decode, open_audio, probe_seconds
from diar.outputs.source_samples import SourceSamples
from tests.archive.decoders import tagged
from tests.archive.sounds import RATE, recording_of, speechlike, write_wav

_PCM = ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
FORMATS = [
    *(("WAV", subtype) for subtype in ["PCM_U8", *_PCM, "IMA_ADPCM", "MS_ADPCM"]),
    *(("WAVEX", subtype) for subtype in ["PCM_16", "PCM_24"]),
    *(("AIFF", subtype) for subtype in ["PCM_S8", *_PCM]),
    ("RF64", "PCM_16"),
    ("W64", "PCM_24"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
]


def chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(content)) + content + b"\0" * (len(content) % 2)


_UNKNOWN = "an unknown chunk"
TRAILERS = {
    "LIST": chunk(b"LIST", b"INFOISFT" + bytes(21)),
    "id3 and bext": chunk(b"id3 ", tagged.id3v2(3_001)) + chunk(b"bext", bytes(602)),
    "cue, smpl and iXML": chunk(b"cue ", bytes(28))
    + chunk(b"smpl", b"\1" * 36)
    + chunk(b"iXML", b"<a/>" * 40),
    _UNKNOWN: chunk(b"aBc1", tagged.noise(700)),
    "LIST and ID3v1": chunk(b"LIST", b"INFOISFT" + bytes(21)) + tagged.id3v1(),
    "ID3v1": tagged.id3v1(),
    "APE": tagged.ape(3_000),
}


def counting(content: bytes, share: float) -> bytes:
    """The same file with a header that counts a share of its samples (a multiple of 1024 bytes)."""
    if share == 1.0:
        return content
    data = bytearray(content)
    fields = {  # where the data chunk's size is: behind which bytes, how written, how much more it counts
        b"RIFF": (b"data", 4, "<I", 0),
        b"RF64": (b"ds64", 16, "<Q", 0),
        b"FORM": (b"SSND", 4, ">I", 8),
        b"riff": (b"data", 16, "<Q", 24),
        b".snd": (b".snd", 8, ">I", 0),
        b"caff": (b"data", 4, ">q", 4),
    }
    name, distance, form, more = fields[content[:4]]
    place = content.index(name) + distance
    (size,) = struct.unpack_from(form, content, place)
    struct.pack_into(form, data, place, int((size - more) * share) // 1024 * 1024 + more)
    return bytes(data)


def check_same(path: Path, whole: Path) -> list[str]:
    """All of one file is decoded as the other is, for embedding and for speaker audio; returns warnings."""
    expected = decode(recording_of(whole), RATE)
    with open_audio(recording_of(path), RATE) as stream:
        np.testing.assert_array_equal(np.concatenate(list(stream)), expected.samples)
    assert stream.gaps == []
    source, other = SourceSamples(str(path)), SourceSamples(str(whole))
    assert (source.rate, source.channels, source.subtype) == (other.rate, other.channels, other.subtype)
    for start, stop in ((0, 10**9), (50_000, 60_000)):
        blocks = [np.concatenate(list(samples.blocks(start, stop))) for samples in (source, other)]
        np.testing.assert_array_equal(*blocks)
    assert probe_seconds(recording_of(path)) == pytest.approx(len(expected.samples) / RATE, abs=0.1)
    return stream.warnings


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_a_header_that_counts_too_little(tmp_path: Path, container: str, subtype: str, channels: int) -> None:
    samples = np.stack([speechlike(4.0, seed=seed) for seed in range(channels)], axis=1)
    whole = write_wav(tmp_path / "whole", samples, format=container, subtype=subtype)
    path = tmp_path / "a"
    path.write_bytes(counting(whole.read_bytes(), 0.4))
    warnings = check_same(path, whole)
    if container != "W64":  # of which libsndfile reads all by itself
        assert "the file holds 2." in warnings[0]
    path.write_bytes(counting(whole.read_bytes(), 0.0))
    check_same(path, whole)


# A chunk that nobody knows cannot be told from samples where the header does not say where they end
@pytest.mark.parametrize(
    ("trailer", "share"),
    [
        (name, share)
        for name in TRAILERS
        for share in (0.0, 0.4, 1.0)
        if (name, share < 1) != (_UNKNOWN, True)
    ],
)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW"])
def test_what_stands_behind_the_samples_is_never_audio(
    tmp_path: Path, subtype: str, trailer: str, share: float
) -> None:
    whole = write_wav(tmp_path / "whole.wav", speechlike(4.0), subtype=subtype)
    path = tmp_path / "a.wav"
    path.write_bytes(counting(whole.read_bytes(), share) + TRAILERS[trailer])
    warnings = check_same(path, whole)
    assert len(warnings) == (share < 1.0)


@pytest.mark.parametrize("claimed", [0, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_chunks_behind_the_samples_of_a_streaming_writer(tmp_path: Path, claimed: int) -> None:
    whole = write_wav(tmp_path / "whole.wav", speechlike(4.0))
    data = bytearray(whole.read_bytes() + TRAILERS["id3 and bext"])
    struct.pack_into("<I", data, 40, claimed)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    check_same(path, whole)


@pytest.mark.parametrize("kind", ["jpeg", "html", "png", "200 kB of zeros", "id3v2 60 kB", "noise"])
def test_other_data_behind_the_samples_is_left_out(tmp_path: Path, kind: str) -> None:
    whole = write_wav(tmp_path / "whole.wav", speechlike(4.0))
    path = tmp_path / "a.wav"
    path.write_bytes(whole.read_bytes() + (tagged.NO_AUDIO | {"noise": tagged.noise(50_000)})[kind])
    warnings = check_same(path, whole)
    assert len(warnings) == (kind not in ("200 kB of zeros", "id3v2 60 kB"))


@pytest.mark.parametrize("size", [2**63 - 1, 2**64 - 1, 2**32])
def test_sizes_that_cannot_be_true(tmp_path: Path, size: int) -> None:
    whole = write_wav(tmp_path / "a.w64", speechlike(1.0), format="W64")
    data = bytearray(whole.read_bytes())
    struct.pack_into("<Q", data, data.index(b"fmt ") + 16, size)
    path = tmp_path / "b.w64"
    path.write_bytes(data)
    with pytest.raises(DecodeError):
        decode(recording_of(path), RATE)


def test_a_header_that_counts_too_much_stays_a_missing_end(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", speechlike(4.0))
    path.write_bytes(path.read_bytes()[: 44 + 2 * 2 * RATE])
    with open_audio(recording_of(path), RATE) as stream:
        assert sum(map(len, stream)) == 2 * RATE
    assert stream.gaps == [(2.0, 4.0)]
    assert stream.warnings == ["2.00–4.00 s: the end of the file is missing"]


@pytest.mark.parametrize("trailer", [b"", chunk(b"LIST", b"INFO" + bytes(2_000_000))], ids=["bare", "LIST"])
def test_a_size_that_wrapped_at_4_gib(tmp_path: Path, trailer: bytes) -> None:
    rate, path = 48_000, tmp_path / "long.wav"
    piece = (np.stack([speechlike(3.0, rate, seed) for seed in (1, 2)], axis=1) * 32767).astype("<i2")
    size = 2**32 + 40_000_000
    layout = struct.pack("<HHIIHH", 1, 2, rate, 4 * rate, 4, 16)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", (size + 36) % 2**32) + b"WAVEfmt \x10\0\0\0" + layout)
        file.write(b"data" + struct.pack("<I", size % 2**32) + piece.tobytes())
        file.seek(44 + size - piece.nbytes)
        file.write(piece.tobytes() + trailer)
    seconds = size / 4 / rate
    assert probe_seconds(recording_of(path)) == pytest.approx(seconds)
    with open_audio(recording_of(path, seconds - 3.0, 99.0), rate, "0") as stream:
        np.testing.assert_array_equal(np.concatenate(list(stream)), piece[:, 0].astype(np.float32) / 32768)
    assert "the file holds 22369.62 s more" in stream.warnings[0]
    first = size // 4 - len(piece)
    (block,) = SourceSamples(str(path)).blocks(first, first + 1000)
    np.testing.assert_array_equal(block >> 16, piece[:1000])


def test_flac_files_that_were_joined(tmp_path: Path) -> None:
    parts = [speechlike(3.0, seed=seed) for seed in (1, 2)]
    files = [write_wav(tmp_path / f"{i}.flac", part).read_bytes() for i, part in enumerate(parts)]
    expected = np.concatenate([sf.read(tmp_path / f"{i}.flac", dtype="float32")[0] for i in (0, 1)])
    path = tmp_path / "joined.flac"
    for between in (b"", tagged.id3v2(300_000)):
        path.write_bytes(files[0] + between + files[1])
        with open_audio(recording_of(path), RATE) as stream:
            np.testing.assert_array_equal(np.concatenate(list(stream)), expected)
        assert stream.warnings[0] == "it consists of several FLAC files that were joined"
        np.testing.assert_array_equal(decode(recording_of(path, 4.0), RATE).samples, expected[4 * RATE :])
        (block,) = SourceSamples(str(path)).blocks(4 * RATE, 5 * RATE)
        assert len(block) == RATE


def test_the_case(shared_dir: Path) -> None:
    cases = shared_dir / "cases"
    talk = decode(recording_of(cases / "talk.flac"), RATE).samples
    audio = decode(recording_of(cases / "header_says_10s_file_holds_24s.wav"), RATE)
    assert (audio.gaps, abs(len(audio.samples) - len(talk)) < 10) == ([], True)
    assert np.corrcoef(audio.samples[15 * RATE : 24 * RATE], talk[15 * RATE : 24 * RATE])[0, 1] > 0.8
