"""The demo's conversations: who is heard when, as the reference says."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.demo.archive import DemoSummary, plan_archive, plan_conversations, synthesise_archive
from diar.demo.conversations import LONGEST_PAUSE, NOISE, Line, audible_parts, mix, plan_conversation
from diar.demo.voices import VOICES
from diar.errors import DiarError
from diar.formats.rttm import read_rttm
from diar.records import Turn

RATE = 16_000
FRAME = 160


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> tuple[Path, DemoSummary]:
    pytest.importorskip("espeakng_loader", reason="speech synthesis needs espeakng-loader")
    out = tmp_path_factory.mktemp("demo")
    return out, synthesise_archive(out, speakers=4, files_per_speaker=8)


@pytest.fixture(scope="module")
def conversations(archive) -> dict[str, list[Turn]]:
    turns = read_rttm(archive[0] / "truth.rttm")
    return {name: found for name, found in turns.items() if name.endswith("_conversation.wav")}


def test_the_true_words_are_spoken_within_their_speakers_turns(archive, conversations) -> None:
    items = json.loads((archive[0] / "truth.seglst.json").read_text())
    by_file = {name: [i for i in items if i["session_id"] == name] for name in conversations}
    assert {item["session_id"] for item in items} > set(conversations)
    for name, said in by_file.items():
        assert len(said) > 8
        assert all(item["words"] and item["start_time"] < item["end_time"] for item in said)
        for turn in conversations[name]:
            assert any(
                item["speaker"] == turn.speaker
                and item["start_time"] - 0.02 <= turn.start
                and turn.end <= item["end_time"] + 0.02
                for item in said
            )


def levels(path: Path) -> np.ndarray:
    """Root mean square of each 10 ms of a file."""
    waveform, rate = sf.read(path)
    assert rate == RATE
    whole = waveform[: len(waveform) // FRAME * FRAME].reshape(-1, FRAME)
    return np.sqrt(np.mean(whole**2, axis=1))


def voices_in(turns: list[Turn], frames: int) -> np.ndarray:
    """How many turns cover the middle of each 10 ms."""
    middle = (np.arange(frames) + 0.5) * FRAME / RATE
    return sum(((turn.start <= middle) & (middle < turn.end)).astype(int) for turn in turns)


def test_there_is_one_of_two_of_three_and_of_four_people(archive, conversations):
    assert archive[1].conversations == 3
    assert sorted(len({turn.speaker for turn in turns}) for turns in conversations.values()) == [2, 3, 4]


def test_they_last_60_to_90_seconds_with_pauses_and_some_overlap(archive, conversations):
    for name, turns in conversations.items():
        level = levels(archive[0] / "audio" / name)
        voices = voices_in(turns, len(level))
        assert 60 <= len(level) / 100 <= 90
        assert 0.03 < (voices > 1).sum() / (voices > 0).sum() < 0.25
        assert 0.05 < (voices == 0).mean() < 0.3
        assert voices.max() == 2
        assert all(0.3 < turn.end - turn.start < 8 for turn in turns)


def test_outside_of_turns_is_nothing_but_noise_and_inside_is_speech(archive, conversations):
    for name, turns in conversations.items():
        level = levels(archive[0] / "audio" / name)
        voices = voices_in(turns, len(level))
        margin = np.convolve(voices, np.ones(3), "same") > 0  # a turn may begin within a frame
        assert level[~margin].max() < 2 * NOISE
        assert np.mean(level[voices > 0] > 2 * NOISE) > 0.75  # the rest are closures and short pauses
        assert np.median(level[voices > 0]) > 5 * NOISE


def test_files_of_one_speaker_have_turns_too_and_are_silent_outside_of_them(archive):
    turns = read_rttm(archive[0] / "truth.rttm")
    files = {path.relative_to(archive[0] / "audio").as_posix() for path in archive[0].rglob("*.wav")}
    assert set(turns) == files
    for name in files:
        if not name.endswith("_conversation.wav"):
            level = levels(archive[0] / "audio" / name)
            inside = voices_in(turns[name], len(level)) == 1
            assert len({turn.speaker for turn in turns[name]}) == 1
            assert level[~inside].max(initial=0) < 0.011 * level.max()
            assert level[inside].max() == level.max()


def test_each_turn_is_of_the_voice_that_the_reference_names():
    """With a tone for each voice the spectrum tells who is heard."""
    rng = np.random.default_rng(0)
    frequency = {voice.name: 400 * (i + 1) for i, voice in enumerate(VOICES[:3])}
    lines, waveforms = [], []
    for i in range(12):
        voice = VOICES[i % 3]
        time = np.arange(round(RATE * rng.uniform(1, 4))) / RATE
        silence = np.zeros(round(RATE * rng.uniform(0, 0.5)))
        waveforms.append(np.concatenate([silence, np.sin(2 * np.pi * frequency[voice.name] * time), silence]))
        lines.append(Line(voice, "", 0.3, float(rng.uniform(-1.5, 1))))
    mixed = mix(lines, waveforms, rng)
    mixture, spans = mixed.waveform, mixed.turns
    window = 800  # 50 ms: whole periods of every tone
    for start in range(0, len(mixture) - window, window):
        spectrum = np.abs(np.fft.rfft(mixture[start : start + window])) / (window / 2)
        for name, tone in frequency.items():
            first, last = start / RATE, (start + window) / RATE
            inside = any(s.start <= first and last <= s.end for s in spans if s.speaker == name)
            outside = all(s.end <= first or last <= s.start for s in spans if s.speaker == name)
            amplitude = spectrum[tone * window // RATE]
            assert not inside or amplitude > 0.25, (name, first)
            assert not outside or amplitude < 0.05, (name, first)


def test_a_line_starts_after_the_middle_of_the_one_before_and_on_a_millisecond():
    waveforms = [np.ones(RATE * seconds) for seconds in (4, 1, 3)]
    lines = [Line(voice, "", 0.3, -10.0) for voice in VOICES[:3]]
    spans = mix(lines, waveforms, np.random.default_rng(0)).turns
    assert [(span.start, span.end) for span in spans] == [(0, 4), (3.5, 4.5), (4, 7)]
    lines = [Line(voice, "", 0.3, 0.33333) for voice in VOICES[:3]]
    spans = mix(lines, waveforms, np.random.default_rng(0)).turns
    assert [span.start for span in spans] == [0.334, 4.668, 6.002]


@pytest.mark.parametrize("pause", [0.1, LONGEST_PAUSE, LONGEST_PAUSE + 0.02, 1.0])
def test_a_long_pause_parts_what_is_heard_and_a_short_one_does_not(pause):
    sound, silence = np.ones(RATE), 0.009 * np.ones(round(pause * RATE))
    parts = audible_parts(np.concatenate([silence, sound, silence, 0.011 * sound, silence]))
    first = len(silence)
    second = first + RATE + len(silence)
    together = pause <= LONGEST_PAUSE
    expected = [[first, second + RATE]] if together else [[first, first + RATE], [second, second + RATE]]
    assert parts.tolist() == expected


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_plan_lets_everybody_speak_and_nobody_twice_in_a_row(count):
    for seed in range(50):
        lines = plan_conversation(VOICES[:count], np.random.default_rng(seed))
        names = [line.voice.name for line in lines]
        assert set(names) == {voice.name for voice in VOICES[:count]}
        assert all(before != after for before, after in itertools.pairwise(names))
        assert len({line.voice for line in lines}) == count  # on one day everybody has one voice
        loudness = [max(line.peak for line in lines if line.voice.name == name) for name in set(names)]
        assert max(loudness) < 0.5  # of two at once the sum is below 1
        assert any(line.wait < 0 for line in lines)
        assert any(line.wait > 0 for line in lines)


@pytest.mark.parametrize("speakers", [2, 3, 4, 6, len(VOICES)])
def test_conversations_lie_in_the_midst_of_blocks_of_somebody_silent_in_them(speakers):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        utterances = plan_archive(VOICES[:speakers], 8, rng)
        count = min(3, speakers - 1)
        talks = plan_conversations(utterances, speakers, count, rng)
        assert [len({line.voice.name for line in talk.lines}) for talk in talks] == [2, 3, 4][:count]
        assert len({utterances[talk.behind].block for talk in talks}) == count
        people = [{line.voice.name for line in talk.lines} for talk in talks]
        for talk, names in zip(talks, people, strict=True):
            around = utterances[talk.behind - 1 : talk.behind + 3]
            assert {u.block for u in around} == {utterances[talk.behind].block}
            assert not any(u.odd for u in around)
            assert names.isdisjoint({around[0].voice.name, "wilma"})  # who whispers
        guests = [names - {voice.name for voice in VOICES[:speakers]} for names in people]
        assert all(guests) == (speakers < len(VOICES))
        assert all(one.isdisjoint(other) for one, other in itertools.combinations(guests, 2))


@pytest.mark.parametrize(("speakers", "wanted", "most"), [(6, 4, 3), (2, 2, 1), (6, -1, 3)])
def test_more_than_there_is_room_for_are_refused(speakers, wanted, most, tmp_path):
    with pytest.raises(
        DiarError, match=f"`conversations={wanted}`: with {speakers} speakers, 0 to {most} are"
    ):
        synthesise_archive(tmp_path, speakers=speakers, conversations=wanted)
