"""Where audio may lie, what lists may name, and how long a recording may be."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.archive.listing import list_recordings
from diar.archive.places import outside_of
from diar.archive.recording import ListingError, Recording
from diar.embedding.chunks import ChunkSettings
from diar.reading import ReadChunk, ReadSettings, read_recording
from diar.store.layout import Layout

RATE = 16_000


def test_what_an_archive_cannot_hold_is_outside(tmp_path: Path) -> None:
    archive = tmp_path / "audio"
    inside = [str(archive / "a/b.wav"), f"file://{archive}/c.flac"]
    outside = [
        "/etc/passwd",
        f"{archive}/../x.wav",
        f"{archive}2/x.wav",
        f"{archive}/key.pem",
        "http://x/a.wav",
    ]
    for source in (str(archive), f"{archive}/", f"{archive}/*/*.wav", f"{archive}/a?"):
        assert outside_of(source, [*inside, *outside]) == outside
    assert outside_of(f"{archive}/a/b.wav", [inside[0], *outside]) == outside
    assert outside_of("s3://b/audio", ["s3://b/audio/a.wav", "s3://b/x.wav", *outside]) == [
        "s3://b/x.wav",
        *outside,
    ]
    list_ = tmp_path / "list.scp"
    with pytest.raises(ListingError, match=r"list\.scp lists the archive"):
        outside_of(str(list_), outside)
    list_.write_text(f"a {archive}/raw\n")
    assert outside_of(str(list_), [f"{archive}/raw", *inside]) == inside


@pytest.mark.parametrize(
    "path", ["reference://x", "http://localhost/a.wav", "zip://a.wav::https://x/y.zip", "ftp://x"]
)
def test_a_list_names_what_lies_where_it_lies(tmp_path: Path, path: str) -> None:
    manifest, scp = tmp_path / "list.jsonl", tmp_path / "wav.scp"
    manifest.write_text(json.dumps({"audio_filepath": "a.wav", "rttm_filepath": path}))
    scp.write_text(f"a {path}\n")
    for source in (manifest, scp):
        with pytest.raises(ListingError, match=rf"{source.name}, line 1: .* would be read over \w+://"):
            list_recordings(str(source))


def test_a_protocol_that_is_allowed_is_followed(tmp_path: Path) -> None:
    scp = tmp_path / "wav.scp"
    scp.write_text("a memory://nothing/a.wav\n")
    listing = list_recordings(str(scp), protocols=["memory"])
    assert (listing.recordings[0].url, listing.recordings[0].size) == ("memory://nothing/a.wav", 0)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"offset": 1e300}, "offset is 1e\\+300"),
        ({"duration": int("9" * 400)}, "duration is inf"),
        ({"num_speakers": 1e30}, "num_speakers is 1e\\+30"),
        ({"recording_id": "x" * 5000}, "cannot name a recording"),
        ({"recording_id": "a\ud800"}, "not valid UTF-8"),
        ({"audio_filepath": "a\0b.wav"}, "NUL"),
    ],
)
def test_values_that_no_list_has_are_refused_with_their_line(tmp_path: Path, entry: dict, told: str) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(json.dumps({"audio_filepath": "a.wav", **entry}))
    with pytest.raises(ListingError, match=f"line 1: .*{told}"):
        list_recordings(str(path))


def test_json_without_end_is_refused_and_a_long_name_is_a_missing_file(tmp_path: Path) -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000):
        (tmp_path / "deep.json").write_text(text)
        with pytest.raises(ListingError, match="nested too deeply"):
            list_recordings(str(tmp_path / "deep.json"))
    (tmp_path / "wav.scp").write_text(f"a {'x' * 300}.wav\n")
    listing = list_recordings(str(tmp_path / "wav.scp"))
    assert len(listing.recordings) == 1 and "do not exist" in listing.warnings[0]


def test_recordings_do_not_lie_over_what_an_output_has_itself(tmp_path: Path) -> None:
    layout = Layout("/out")
    own = {layout.plan.removesuffix(".pq") + ".parquet", layout.statistics, layout.tracks("a.wav")}
    for recording in ("_extraction/plan", "_words/x", "a.wav.parquet/b.wav", "_extraction/shards/00000"):
        place = layout.tracks(recording)
        assert place not in own
        assert not place.startswith((layout.private + "/", "/out/_words/", layout.tracks("a.wav") + "/"))
    assert layout.tracks("x/_extraction/plan") == "/out/x/_extraction/plan.parquet"


def test_hours_of_silence_in_a_small_file_are_too_long(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    sf.write(path, np.zeros(600 * RATE, np.int16), RATE)
    assert path.stat().st_size < 200_000
    chunks = ChunkSettings.from_seconds(RATE, 30.0, 1.0, 0.5)
    recording = Recording("long.flac", str(path), path.stat().st_size, 0.0)
    found = list(read_recording(recording, ReadSettings(chunks, max_hours=0.1)))
    assert len(found) == 1 and found[0].status == "too_long"  # the header said so, and was right
    assert "over max_hours (0.1 h)" in found[0].error
    *_, row = read_recording(recording, ReadSettings(chunks, max_hours=0.2))
    assert row.status == "silent"
    content = bytearray(path.read_bytes())
    content[21] |= 15  # of STREAMINFO: 2³⁵ samples and more, which the file does not hold
    path.write_bytes(content)
    *_, row = read_recording(recording, ReadSettings(chunks, max_hours=0.2))
    assert row.status == "silent"


def test_a_length_that_no_header_tells_is_counted(tmp_path: Path) -> None:
    import io

    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="adts") as file:
        stream = file.add_stream("aac", rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(
            np.full((1, 200 * RATE), 1e-3, np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    path = tmp_path / "a.aac"
    path.write_bytes(buffer.getvalue())
    settings = ReadSettings(ChunkSettings.from_seconds(RATE, 30.0, 1.0, 0.5), max_hours=150 / 3600)
    *chunks, row = read_recording(Recording("a.aac", str(path), len(buffer.getvalue()), 0.0), settings)
    assert row.status == "too_long" and all(isinstance(chunk, ReadChunk) for chunk in chunks)
