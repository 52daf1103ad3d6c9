"""The demo archive: its layout, its labels, and that a seed means the same archive."""

import csv
import itertools
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.archive.listing import list_recordings
from diar.demo.archive import DemoSummary, plan_archive, synthesise_archive
from diar.demo.espeak import speak, speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES, Voice
from diar.errors import DiarError

SPEAKERS, FILES = 6, 10


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> tuple[Path, DemoSummary]:
    pytest.importorskip("espeakng_loader", reason="speech synthesis needs espeakng-loader")
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return out, synthesise_archive(out, speakers=SPEAKERS, files_per_speaker=FILES)


def read_truth(out: Path) -> list[dict[str, str]]:
    with (out / "truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_audio(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in (out / "audio").rglob("*.wav")}


def utterances(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of files that are no conversations."""
    return [row for row in rows if row["speaker"] != "several"]


def test_files_are_numbered_in_folders_of_fifty_and_all_have_a_label(archive):
    out, summary = archive
    rows = read_truth(out)
    plain = utterances(rows)
    assert len(plain) > 50
    assert len(rows) == len(plain) + 3 == summary.files
    assert [row["path"] for row in plain] == [f"part_{i // 50}/{i}.wav" for i in range(len(plain))]
    assert set(read_audio(out)) == {f"audio/{row['path']}" for row in rows}


def test_labels_are_in_the_order_in_which_stage_1_lists_the_archive(archive):
    out, _ = archive
    listed = [recording.recording_id for recording in list_recordings(str(out / "audio")).recordings]
    assert [row["path"] for row in read_truth(out)] == listed


def test_audio_is_16_bit_wav_at_16_khz_of_two_to_five_seconds_with_headroom(archive):
    out, summary = archive
    seconds = 0.0
    for path in (out / "audio").rglob("*.wav"):
        info = sf.info(path)
        seconds += info.duration
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert np.abs(sf.read(path)[0]).max() < 0.95, path
        if not path.stem.endswith("_conversation"):
            assert 2 <= info.duration <= 5, path
            assert 0.29 < np.abs(sf.read(path)[0]).max() < 0.91, path
    assert seconds == pytest.approx(summary.seconds)


def test_blocks_hold_one_speaker_each_one_returns_and_other_files_are_odd(archive):
    out, summary = archive
    rows = read_truth(out)
    speaker_of_block = []
    for number, (block, members) in enumerate(itertools.groupby(rows, key=lambda row: row["block"])):
        files = list(members)
        regular = {row["speaker"] for row in files if row["odd"] == "0"}
        assert int(block) == number
        assert FILES - 3 <= len(utterances(files)) <= FILES + 3
        assert len(regular) == 1
        assert regular.isdisjoint(row["speaker"] for row in files if row["odd"] == "1")
        assert {row["odd"] for row in files[:2] + files[-2:]} == {"0"}
        speaker_of_block += regular
    assert len(speaker_of_block) == SPEAKERS + 1 == summary.blocks
    assert sorted(Counter(speaker_of_block).values()) == [1] * (SPEAKERS - 1) + [2]
    assert all(before != after for before, after in itertools.pairwise(speaker_of_block))
    assert sum(row["odd"] == "1" for row in rows) == 5 == summary.odd_files
    assert sum(row["odd"] == "1" for row in utterances(rows)) == 2


def test_the_summary_tells_what_was_made_and_where(archive):
    out, summary = archive
    assert f"{len(read_truth(out))} files" in str(summary)
    assert "6 speakers in 7 blocks, 5 odd files (3 conversations)" in str(summary)
    assert str(out / "truth.csv") in str(summary)


def test_a_seed_gives_the_same_bytes_and_another_seed_does_not(archive, tmp_path):
    out, _ = archive
    synthesise_archive(tmp_path / "same", speakers=SPEAKERS, files_per_speaker=FILES)
    synthesise_archive(tmp_path / "other", speakers=SPEAKERS, files_per_speaker=FILES, seed=1)
    assert read_audio(tmp_path / "same") == read_audio(out)
    assert read_truth(tmp_path / "same") == read_truth(out)
    assert (tmp_path / "same" / "truth.rttm").read_bytes() == (out / "truth.rttm").read_bytes()
    assert read_truth(tmp_path / "other") != read_truth(out)
    assert set(read_audio(tmp_path / "other").values()).isdisjoint(read_audio(out).values())


def test_without_conversations_the_other_files_are_the_same(archive, tmp_path):
    out, _ = archive
    synthesise_archive(tmp_path, speakers=SPEAKERS, files_per_speaker=FILES, conversations=0)
    assert read_truth(tmp_path) == utterances(read_truth(out))
    assert read_audio(tmp_path).items() < read_audio(out).items()


@pytest.mark.parametrize("speakers", [2, len(VOICES)])
def test_the_plan_keeps_its_promises_for_many_seeds(speakers):
    for seed in range(100):
        plan = plan_archive(VOICES[:speakers], 8, np.random.default_rng(seed))
        regular = [u for u in plan if not u.odd]
        turns = [name for name, _ in itertools.groupby(u.voice.name for u in regular)]
        assert len(turns) == speakers + 1
        assert len(set(turns)) == speakers
        assert len(plan) - len(regular) == 2


def test_every_voice_reads_every_seventh_sentence_within_the_promised_length():
    pytest.importorskip("espeakng_loader")
    lines = list(itertools.product(VOICES, SENTENCES[::7]))
    for (voice, text), waveform in zip(lines, speak_all(lines), strict=True):
        assert waveform.dtype == np.float32
        assert 2.2 <= len(waveform) / 16_000 <= 4.75, (voice.name, text)  # ± 5 % stays within 2–5 s


def test_formants_move_the_spectrum_and_keep_the_rate_of_speech():
    pytest.importorskip("espeakng_loader")
    text = SENTENCES[0]
    plain, small = speak_all(
        [(Voice("a", "en-us", "m3"), text), (Voice("a", "en-us", "m3", formants=1.2), text)]
    )
    assert len(small) == pytest.approx(len(plain), rel=0.06)
    assert centroid(small) > 1.08 * centroid(plain)


def centroid(waveform: np.ndarray) -> float:
    """Centre of the magnitude spectrum in bins of the longest FFT both can have."""
    magnitude = np.abs(np.fft.rfft(waveform, 1 << 17))
    return float(magnitude @ np.arange(len(magnitude)) / magnitude.sum())


def test_speaking_twice_gives_the_same_samples():
    pytest.importorskip("espeakng_loader")
    assert np.array_equal(speak(VOICES[1], SENTENCES[0]), speak(VOICES[1], SENTENCES[0]))


def test_an_unknown_voice_and_a_silent_text_are_refused():
    pytest.importorskip("espeakng_loader")
    with pytest.raises(DiarError, match=r"no voice 'xx-none\+f1'"):
        speak(Voice("nobody", "xx-none", "f1"), "Hello.")
    with pytest.raises(DiarError, match="made no sound of ''"):
        speak(VOICES[0], "")


def test_without_the_library_the_remedy_is_told_and_nothing_written(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(DiarError, match=r"pip install 'espeakng-loader>="):
        synthesise_archive(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speakers": len(VOICES) + 1}, f"`speakers={len(VOICES) + 1}`: .* 2 to {len(VOICES)}"),
        ({"speakers": 1}, "`speakers=1`"),
        ({"files_per_speaker": 7}, "`files=7`: a block needs at least 8"),
        ({"seed": -1}, "`seed=-1`"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message, tmp_path):
    with pytest.raises(DiarError, match=message):
        synthesise_archive(tmp_path, **arguments)


def test_an_older_archive_is_not_written_into(tmp_path):
    (tmp_path / "audio").mkdir()
    with pytest.raises(DiarError, match="name a new folder"):
        synthesise_archive(tmp_path)
