"""Lists of recordings: wav.scp and NeMo manifests."""

import json
from pathlib import Path

import pytest

from diar import storage
from diar.archive.decoders.decode import decode
from diar.archive.listing import Listing, ListingError, list_recordings
from tests.archive.sounds import RATE, speechlike, write_wav


def write_list(path: Path, *lines: object) -> Path:
    text = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def listed(path: object) -> Listing:
    return list_recordings(str(path))


def test_a_wav_scp_keeps_its_order_and_ids(tmp_path: Path) -> None:
    for name in ("x.wav", "sub/a b.wav", "y.wav"):
        write_wav(tmp_path / name, speechlike(0.1))
    scp = write_list(
        tmp_path / "wav.scp", f"utt10 {tmp_path}/x.wav", "", "utt2   sub/a b.wav", "spk/utt\ty.wav"
    )
    listing = listed(scp)
    assert listing.ordered
    assert [r.recording_id for r in listing.recordings] == ["utt10", "utt2", "spk/utt"]
    assert [r.url for r in listing.recordings] == [
        str(tmp_path / n) for n in ("x.wav", "sub/a b.wav", "y.wav")
    ]
    assert all(r.size > 0 and r.mtime > 0 for r in listing.recordings)
    assert (listing.warnings, len(decode(listing.recordings[1], RATE).samples)) == ([], 1600)


def test_relative_paths_of_a_wav_scp_start_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scp = write_list(tmp_path / "data/wav.scp", "u a.wav")
    beside = write_wav(tmp_path / "data/a.wav", speechlike(0.1))
    here = write_wav(tmp_path / "here/a.wav", speechlike(0.1))
    monkeypatch.chdir(tmp_path / "here")
    assert listed(scp).recordings[0].url == str(here)
    here.unlink()
    assert listed(scp).recordings[0].url == str(beside)


def test_a_manifest_with_whole_files_and_parts(tmp_path: Path) -> None:
    write_wav(tmp_path / "data/s1/a.wav", speechlike(4))
    write_wav(tmp_path / "else/b.wav", speechlike(1))
    manifest = write_list(
        tmp_path / "data/train.jsonl",
        {"audio_filepath": "s1/a.wav", "duration": 4.0, "text": "ü"},
        {"audio_filepath": "s1/a.wav", "offset": 1.25, "duration": 0.5},
        {"audio_file": str(tmp_path / "else/b.wav"), "offset": 0, "duration": None},
        {"audio_filepath": "../else/b.wav", "offset": 0.123456},
        {"audio_filepath": "s1/a.wav", "offset": 0.0, "duration": 2},
    )
    recordings = listed(manifest).recordings
    outside = str(tmp_path / "else/b.wav").lstrip("/")
    assert [r.recording_id for r in recordings] == [
        *("s1/a.wav", "s1/a.wav@1.25-1.75", outside, f"{outside}@0.123456-", "s1/a.wav@0.00-2.00")
    ]
    assert [(r.offset, r.duration) for r in recordings] == [
        *((0.0, 4.0), (1.25, 0.5), (0.0, None), (0.123456, None), (0.0, 2.0))
    ]
    assert recordings[1].size == 16_000
    assert listed(manifest).ordered
    part = decode(recordings[1], RATE)
    whole = decode(recordings[0], RATE)
    assert (part.samples == whole.samples[20_000:28_000]).all()


def test_what_a_manifest_says_of_recordings_is_kept(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", speechlike(0.1))
    (tmp_path / "rttm").mkdir()
    (tmp_path / "rttm/a.rttm").write_text("")
    part = {"audio_filepath": "a.wav", "duration": 0.01}
    manifest = write_list(
        tmp_path / "m.jsonl",
        {**part, "num_speakers": 2, "rttm_filepath": "rttm/a.rttm", "label": "Ann", "text": "-"},
        {**part, "offset": 0.01, "num_speakers": 3.0, "label": 17, "mood": 1, "id": "x"},
        {**part, "offset": 0.02, "num_speakers": None, "label": "infer", "rttm_filepath": None, "mood": 2},
        {**part, "offset": 0.03, "label": ["a", "b"], "rttm_filepath": "gone.rttm"},
    )
    listing = listed(manifest)
    assert [(r.num_speakers, r.label, r.reference) for r in listing.recordings] == [
        (2, "Ann", str(tmp_path / "rttm/a.rttm")),
        (3, "17", None),
        (None, None, None),
        (None, None, str(tmp_path / "gone.rttm")),
    ]
    assert listing.warnings == [
        f"1 RTTM files of the list do not exist, such as {tmp_path}/gone.rttm",
        f"{manifest}: fields that diar does not use: mood, id, label",
    ]


def test_of_very_many_unknown_fields_ten_are_named(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", speechlike(0.1))
    fields = {f"field{number}": 0 for number in range(12)}
    (warning,) = listed(write_list(tmp_path / "m.jsonl", {"audio_filepath": "a.wav", **fields})).warnings
    assert warning.endswith("field8, field9 and 2 more")


def test_a_json_array_and_a_byte_order_mark(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", speechlike(0.1))
    array = tmp_path / "m.json"
    array.write_text('\ufeff[{"audio_filepath": "a.wav"},\n {"audio_filepath": "a.wav", "offset": 0.05}]')
    assert [r.recording_id for r in listed(array).recordings] == ["a.wav", "a.wav@0.05-"]


def test_files_that_are_missing_stay_in_the_list(tmp_path: Path) -> None:
    listing = listed(write_list(tmp_path / "wav.scp", "u1 gone.wav", f"u2 {tmp_path}/gone2.wav"))
    assert [(r.recording_id, r.size) for r in listing.recordings] == [("u1", 0), ("u2", 0)]
    assert "2 files of the list do not exist" in listing.warnings[0]
    assert "gone.wav" in listing.warnings[0]


def test_a_manifest_in_an_object_store() -> None:
    storage.write_bytes_atomic("memory://lists/audio/a.wav", b"abc")
    lines = [{"audio_filepath": "audio/a.wav"}, {"audio_filepath": "memory://other/b.wav"}]
    data = "\n".join(map(json.dumps, lines)).encode()
    storage.write_bytes_atomic("memory://lists/m.jsonl", data)
    recordings = listed("memory://lists/m.jsonl").recordings
    assert [r.recording_id for r in recordings] == ["audio/a.wav", "other/b.wav"]
    assert recordings[0].url == "memory://lists/audio/a.wav"
    assert recordings[0].size == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("utt sph2pipe -f wav x.sph |", "is a command"),
        ("utt", "not 'recording-id path'"),
        ("utt feats.ark:1234", "Kaldi archive"),
        ("../up a.wav", "'../up' cannot name"),
        ("/abs a.wav", "'/abs' cannot name"),
        ("first b.wav", "'first' is already on line 1"),
        ("x" * 5000, "not 'recording-id path'"),
        (f"utt {'x' * 5000} |", "is a command"),
        (f"utt fil{'9' * 5000}e://a.wav", "would be read over fil999"),
    ],
)
def test_mistakes_in_a_wav_scp_are_named_with_their_line(tmp_path: Path, line: str, message: str) -> None:
    scp = write_list(tmp_path / "wav.scp", "first a.wav", line)
    with pytest.raises(ListingError, match=rf"wav\.scp, line 2: .*{message}") as raised:
        listed(scp)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "not JSON"),
        ("[1]", "no audio file"),
        ({"text": "x"}, "no audio file"),
        ({"audio_filepath": 3}, "no audio file"),
        ({"audio_filepath": "a.wav", "offset": -1}, "offset is -1"),
        ({"audio_filepath": "a.wav", "duration": "long"}, "duration is 'long'"),
        ({"audio_filepath": "a.wav", "duration": 0}, "duration is 0"),
        ({"audio_filepath": "a.wav", "num_speakers": 0}, "num_speakers is 0"),
        ({"audio_filepath": "a.wav", "num_speakers": 2.5}, "num_speakers is 2.5"),
        ({"audio_filepath": "a.wav", "num_speakers": "two"}, "num_speakers is 'two'"),
        ({"audio_filepath": "a.wav", "rttm_filepath": 3}, "rttm_filepath is 3"),
        ('{"audio_filepath": "a.wav", "offset": NaN}', "offset is nan"),
        ({"audio_filepath": "b.wav"}, "'b.wav' is already on line 1"),
    ],
)
def test_mistakes_in_a_manifest_are_named_with_their_line(tmp_path: Path, line: object, message: str) -> None:
    manifest = write_list(tmp_path / "m.jsonl", {"audio_filepath": "b.wav"}, line)
    with pytest.raises(ListingError, match=rf"m\.jsonl, line 2: .*{message}"):
        listed(manifest)


def test_a_list_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.scp").write_bytes(b"u \xff\xfe.wav\n")
    with pytest.raises(ListingError, match="not valid UTF-8"):
        listed(tmp_path / "a.scp")
