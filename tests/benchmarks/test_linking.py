"""How linking is scored: pairs of local speakers, the unfound among them, within one channel and across."""

import argparse
from itertools import combinations
from pathlib import Path

import linking_commands
import linking_scores
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from linking_scores import NOBODY, LocalSpeakers, match_speakers, pair_counts

from diar.formats.rttm import ALL_NAME, read_rttm, write_rttm
from diar.records import Turn

RATE = 16_000
NAMES = st.sampled_from([NOBODY, "a", "b", "c"])


def talk(recording: str, **spans: tuple[float, float]) -> list[Turn]:
    return [Turn(recording, start, end, who) for who, (start, end) in spans.items()]


def test_an_unfound_speaker_is_missed_in_all_pairs_and_nobody_found() -> None:
    truth = {
        "one": talk("one", ann=(0, 10), bob=(10, 20)),
        "two": talk("two", ann=(0, 10), bob=(10, 12)),
        "three": talk("three", ann=(0, 10)),
    }
    found = {
        "one": talk("one", x=(0, 9), y=(11, 20)),
        "two": talk("two", x=(0, 12)),  # bob is not found
        "three": talk("three", y=(0, 10), x=(11, 12)),  # ann is taken for bob; x is nobody
    }
    speakers = match_speakers(truth, found)
    assert speakers.counts() == (4, 1, 1)
    together, same_label, same_person = pair_counts(speakers.person, speakers.label)
    assert same_person == 3 + 1, "three pairs of ann, and bob's, whose second was not found"
    assert same_label == 3 + 1, "x in three recordings, once as nobody; y in two"
    assert together == 1, "ann in one and two"
    assert linking_scores.accuracy(speakers.person, speakers.label).startswith("2 of 2 | 0.250 | 0.250 |")


def test_a_recording_without_any_found_speaker() -> None:
    speakers = match_speakers({"one": talk("one", ann=(0, 10), bob=(10, 20))}, {})
    assert speakers.counts() == (0, 2, 0)


@given(st.lists(st.tuples(NAMES, NAMES, st.sampled_from(["clean", "telephone"])), min_size=1, max_size=12))
def test_pairs_are_counted_as_by_hand(rows: list[tuple[str, str, str]]) -> None:
    person, label, channel = (np.array(column) for column in zip(*rows, strict=True))
    parts = linking_scores.split_by_channel(LocalSpeakers(person, label, channel), channel)
    counts = linking_scores.channel_counts(parts)
    for name, across in (("one channel", False), ("across channels", True)):
        pairs = [(a, b) for a, b in combinations(rows, 2) if (a[2] != b[2]) == across]
        labels = [a[1] == b[1] != NOBODY for a, b in pairs]
        persons = [a[0] == b[0] != NOBODY for a, b in pairs]
        both = [one and other for one, other in zip(labels, persons, strict=True)]
        assert counts[name].tolist() == [sum(both), sum(labels), sum(persons)]
    assert (counts["all"] == counts["one channel"] + counts["across channels"]).all()


def test_half_of_the_recordings_are_telephone(
    shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)

    def simulate(*_: object) -> list[tuple[np.ndarray, list[tuple[float, float, str]]]]:
        wave = 0.1 * rng.standard_normal(RATE)
        return [(wave, [(0.0, 0.5, "ann"), (0.5, 1.0, f"guest{number}")]) for number in range(5)]

    def detect(tracks: Path, result: Path, options: list[str]) -> None:
        """Name ann otherwise on the telephone, and do not hear its guests."""
        turns = read_rttm(result.parent / "made" / "truth.rttm")
        said = [
            Turn(f"{name}.wav", turn.start, turn.end, turn.speaker + (" by phone" if number % 2 else ""))
            for number, name in enumerate(sorted(turns))
            for turn in turns[name]
            if number % 2 == 0 or turn.speaker == "ann"
        ]
        result.mkdir()
        write_rttm(result / ALL_NAME, said)

    monkeypatch.setattr(linking_commands, "simulate", simulate)
    monkeypatch.setattr(linking_commands, "extract", lambda *_: None)
    monkeypatch.setattr(linking_commands, "detect", detect)
    options = argparse.Namespace(shared=shared_dir, recordings=5, seconds=1.0, extract_options=[], options=[])
    linking_commands.channels(options, tmp_path)
    rows = [line.split(" | ")[1:] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows[:5] == rows[5:]
    found = {name: row for name, *row in rows[:5]}
    assert found["all"][:5] == ["10", "4", "1.000", "0.400", "0.571"]
    assert found["both clean"][:4] == ["3", "3", "1.000", "1.000"]
    assert found["both telephone"][5:] == ["1 of 3", "2", "2", "0 |"]
    assert found["across channels"][:4] == ["6", "0", "0.000", "0.000"]
    audio = tmp_path / "conversations_5x1_channels" / "made" / "audio"
    assert [sf.info(file).samplerate for file in sorted(audio.glob("*.wav"))] == [
        *(16_000, 8_000, 16_000, 8_000, 16_000)
    ]
