"""Linking by the two real commands, for benchmarks/linking.py: from simulated conversations to a table."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import linking_embeddings as data
import numpy as np
import soundfile as sf
from labelled_sets import load_degrade, make_once
from linking_scores import (
    LocalSpeakers,
    accuracy,
    accuracy_cells,
    channel_counts,
    match_speakers,
    people,
    split_by_channel,
)
from running import detect, extract

from diar.formats.rttm import ALL_NAME, read_rttm, write_rttm
from diar.records import Turn

AUDIO = {False: "shared", True: "in one recording each"}  # by `apart`
DEGRADE_SEED = 1
Recordings = Iterator[tuple[np.ndarray, data.Turns]]
Channel = Callable[[int, np.ndarray], tuple[np.ndarray, int]]  # a recording's number, samples → samples, rate


def commands(options: argparse.Namespace, work: Path) -> None:
    """Print a row for each kind of audio."""
    print("| audio | speakers | precision | recall | F1 | local speakers matched | missed | too many |")
    print("|---|---|---|---|---|---|---|---|")
    for apart in (False, True):
        folder = work / conversations_folder(options, apart)
        make_once(folder / "made", lambda out, a=apart: write_recordings(out, simulate(options, a), clean))
        speakers = find_speakers(options, folder)
        row = [AUDIO[apart], accuracy(speakers.person, speakers.label), *map(str, speakers.counts())]
        print(f"| {' | '.join(row)} |", flush=True)


def channels(options: argparse.Namespace, work: Path) -> None:
    """Print a row for each kind of pair, for each kind of audio."""
    print("| audio | pairs | of one person | with one name | precision | recall | F1 | speakers "
          "| local speakers matched | missed | too many |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for apart in (False, True):
        folder = work / f"{conversations_folder(options, apart)}_channels"
        channel = every_other_by_telephone(options.shared)
        make_once(
            folder / "made",
            lambda out, a=apart, c=channel: write_recordings(out, simulate(options, a), c),
        )
        speakers = find_speakers(options, folder)
        for row in channel_rows(speakers, channel_of(speakers, folder)):
            print(f"| {AUDIO[apart]} | {row} |", flush=True)


def channel_rows(speakers: LocalSpeakers, channel: np.ndarray) -> list[str]:
    """Return the cells of each kind of pair; rows with all pairs of some recordings also count speakers."""
    parts, rows = split_by_channel(speakers, channel), []
    for name, counts in channel_counts(parts).items():
        _, found, true = counts.tolist()
        told = ["–"] * 4
        if name in parts:
            part = parts[name]
            told = [f"{people(part.label)} of {people(part.person)}", *map(str, part.counts())]
        rows.append(" | ".join([name, str(true), str(found), accuracy_cells(counts), *told]))
    return rows


def channel_of(speakers: LocalSpeakers, folder: Path) -> np.ndarray:
    """Return (n,) "telephone" or "clean" by the sample rate of each local speaker's recording."""
    rates = {file.stem: sf.info(file).samplerate for file in (folder / "made" / "audio").glob("*.wav")}
    return np.array(
        ["clean" if rates[name] == data.RATE else "telephone" for name in speakers.recording.tolist()]
    )


def find_speakers(options: argparse.Namespace, folder: Path) -> LocalSpeakers:
    """Run both commands on the audio in `folder`; return its local speakers beside the truth."""
    made, tracks, result = folder / "made", folder / "tracks", folder / "result"
    shutil.rmtree(tracks, ignore_errors=True)
    extract(made / "audio", tracks, options.extract_options)
    detect(tracks, result, ["--task", "turns", *options.options])
    found = {Path(name).stem: turns for name, turns in read_rttm(result / ALL_NAME).items()}
    return match_speakers(read_rttm(made / "truth.rttm"), found)


def conversations_folder(options: argparse.Namespace, apart: bool) -> str:
    return data.conversations_name(options.recordings, options.seconds, apart)


def simulate(options: argparse.Namespace, apart: bool) -> Recordings:
    return data.simulate_recordings(options.shared, options.recordings, options.seconds, apart)


def clean(_: int, wave: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the recording as it is."""
    return wave, data.RATE


def every_other_by_telephone(shared: Path) -> Channel:
    """Send every other recording, those with odd numbers, through `tel` of degrade.py."""
    telephone, rng = load_degrade(shared).tel, np.random.default_rng(DEGRADE_SEED)
    return lambda index, wave: telephone(wave, rng) if index % 2 else clean(index, wave)


def write_recordings(folder: Path, recordings: Recordings, channel: Channel) -> None:
    """Write audio/*.wav through `channel`, and truth.rttm."""
    audio = folder / "audio"
    audio.mkdir(parents=True)
    truth: list[Turn] = []
    for index, (wave, turns) in enumerate(recordings):
        name = f"conversation{index:04d}"
        samples, rate = channel(index, wave)
        sf.write(audio / f"{name}.wav", samples, rate, subtype="PCM_16")
        truth += [Turn(name, start, end, who) for start, end, who in turns]
    write_rttm(folder / "truth.rttm", truth)
