"""Labelled conversations and archives of synthetic voices, on disk."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from diar.demo.archive import write_truth
from diar.demo.conversations import SpokenText
from diar.demo.espeak import SAMPLE_RATE
from diar.errors import DiarError
from diar.formats.rttm import write_rttm
from diar.records import Turn
from diar.voices.acoustics import ROOMS, TELEPHONE_RATE, by_telephone, in_room, scaled, with_noise
from diar.voices.archive import LEAST_FILES, TRUTH, FilePlan, plan_files
from diar.voices.conversation import Conversation, lay_out, texts_of
from diar.voices.dialogue import Line, Manner, Sentence, follow_script, plan_dialogue
from diar.voices.synthesizer import Synthesizer, Text

_UNFINISHED = ".unfinished-audio"
_SPEEDS = (0.95, 1.1)  # of a person
WORDS_TRUTH, RTTM_TRUTH = "truth.seglst.json", "truth.rttm"


@dataclass(frozen=True)
class Wanted:
    """What to make; the same values and the same synthesizer give the same conversations.

    Attributes:
        conversations: how many.
        seconds: of each, about; of a script as long as it takes.
        people: least and most in one.
        manner: how they talk to each other.
        script: names and sentences of each line, in place of made-up ones.
        files: of each person, of one sentence each, in place of conversations; 0: conversations.
        odd: share of these files that are of somebody else.
        voices: to choose from; empty: those of the synthesizer that are told apart, else all.
        room: a name in `acoustics.ROOMS`.
        noise: dB of pink noise below the speech; None: none.
        telephone: narrow band at 8 kHz.
        seed: another seed, other conversations.
    """

    conversations: int = 1
    seconds: float = 300.0
    people: tuple[int, int] = (2, 4)
    manner: Manner = field(default_factory=Manner)
    script: Sequence[tuple[str, list[str]]] = ()
    files: int = 0
    odd: float = 0.0
    voices: Sequence[str] = ()
    room: str = "none"
    noise: float | None = None
    telephone: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """One conversation, or one file of an archive, before it is spoken."""

    name: str
    lines: list[Line]
    voices: list[str]  # of each person
    speeds: list[float]
    names: list[str]  # of each person, in the truth
    seed: tuple[int, int]
    file: FilePlan | None = None  # of an archive

    @property
    def texts(self) -> list[Text]:
        """What is to be spoken."""
        return list(texts_of(self.lines, self.voices, self.speeds))


@dataclass(frozen=True)
class Made:
    """One recording on disk."""

    path: str  # below audio/
    seconds: float
    people: list[str]
    overlap: float  # share of the speech
    file: FilePlan | None = None


def plan(wanted: Wanted, voices: Sequence[str], apart: Sequence[str] = ()) -> list[Plan]:
    """Decide who says what in each conversation.

    Args:
        wanted: what is asked for.
        voices: of the synthesizer.
        apart: those of them that are told apart.

    Raises:
        DiarError: more people than voices, or voices that there are not, or that are named twice.
    """
    unknown = [voice for voice in wanted.voices if voice not in voices]
    if unknown:
        raise DiarError(f"`voices={unknown[0]}` is unknown; there are {', '.join(voices)}")
    twice = [voice for voice, times in Counter(wanted.voices).items() if times > 1]
    if twice:
        raise DiarError(f"`voices={twice[0]}` is named twice; two people cannot have one voice")
    chosen = list(wanted.voices or apart or voices)
    names = list(dict.fromkeys(name for name, _ in wanted.script))
    least, most = (len(names), len(names)) if names else wanted.people
    if most > len(chosen):
        told = " that are told apart; name more by `voices`" if chosen == list(apart) else ""
        asked = f"{most} people speak in `script`, and" if names else f"`people={most}`:"
        raise DiarError(f"{asked} there are {len(chosen)} voices{told}")
    if least < 1 or least > most:
        raise DiarError(f"`people={least}-{most}`: at least one, and not fewer than that, are needed")
    if wanted.odd and (least < 2 or wanted.files < LEAST_FILES):
        raise DiarError(f"`odd={wanted.odd:g}`: needs two people, and `files={LEAST_FILES}` or more of each")
    if wanted.files:
        return _plan_archive(wanted, chosen, (least, most))
    return [_plan(wanted, number, chosen, names, (least, most)) for number in range(wanted.conversations)]


def _plan_archive(wanted: Wanted, voices: Sequence[str], people: tuple[int, int]) -> list[Plan]:
    rng = np.random.default_rng([wanted.seed, wanted.files])
    count = int(rng.integers(people[0], people[1] + 1))
    own = [voices[i] for i in rng.permutation(len(voices))[:count]]
    speeds = [round(float(speed), 3) for speed in rng.uniform(*_SPEEDS, count)]
    return [
        Plan(
            file.name,
            [Line(0, (Sentence(file.text),))],
            [own[file.person]],
            [speeds[file.person]],
            [own[file.person]],
            (wanted.seed, number),
            file,
        )
        for number, file in enumerate(plan_files(count, wanted.files, wanted.odd, rng))
    ]


def _plan(
    wanted: Wanted, number: int, voices: Sequence[str], names: Sequence[str], people: tuple[int, int]
) -> Plan:
    rng = np.random.default_rng([wanted.seed, number])
    count = int(rng.integers(people[0], people[1] + 1))
    own = [voices[i] for i in rng.permutation(len(voices))[:count]]
    if wanted.script:
        lines = follow_script(wanted.script, wanted.manner, rng)
    else:
        lines = plan_dialogue(count, wanted.seconds, wanted.manner, rng)
    speeds = [round(float(speed), 3) for speed in rng.uniform(*_SPEEDS, count)]
    named = list(names) or own
    return Plan(f"conversation_{number:04d}.wav", lines, own, speeds, named, (wanted.seed, number))


def write(
    out: Path, plans: Sequence[Plan], wanted: Wanted, synthesizer: Synthesizer, spoken: Iterator[np.ndarray]
) -> Iterator[Made]:
    """Write OUT/audio and the truth; yield each conversation when it is written.

    OUT/audio is there once all is: what fails or is stopped before leaves nothing, and can be run again.

    Args:
        out: a folder without audio/.
        plans: of the conversations.
        wanted: the same.
        synthesizer: that speaks them.
        spoken: the samples of all texts of all plans, in order.
    """
    made_now = [folder for folder in (out, *out.parents) if not folder.exists()]
    unfinished = out / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    unfinished.mkdir(parents=True)
    try:
        yield from _write(out, unfinished, plans, wanted, synthesizer, spoken)
        unfinished.rename(out / "audio")
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        with contextlib.suppress(OSError):  # something else is in them
            for folder in made_now:
                folder.rmdir()
        raise


def _write(
    out: Path,
    folder: Path,
    plans: Sequence[Plan],
    wanted: Wanted,
    synthesizer: Synthesizer,
    spoken: Iterator[np.ndarray],
) -> Iterator[Made]:
    """Write audio into a folder, then the truth into `out`."""
    turns: list[Turn] = []
    texts: list[dict[str, Any]] = []
    made: list[Made] = []
    for one in plans:
        rng = np.random.default_rng([*one.seed, 1])
        talk = lay_out(one.lines, spoken, synthesizer.rate, one.names, rng)
        samples, rate = _heard(talk, wanted, rng)
        (folder / one.name).parent.mkdir(exist_ok=True)
        sf.write(folder / one.name, samples, rate, subtype="PCM_16")
        turns += [Turn(one.name, turn.start, turn.end, turn.speaker) for turn in talk.turns]
        texts += [_item(one.name, text) for text in talk.texts]
        made.append(Made(one.name, len(samples) / rate, one.names, talk.overlap, one.file))
        yield made[-1]
    write_rttm(out / RTTM_TRUTH, turns)
    (out / WORDS_TRUTH).write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _write_manifest(out, made)
    if wanted.files:
        files = [(one.path, one.people[0], one.file.block, one.file.odd) for one in made if one.file]
        write_truth(out / TRUTH, files)
    (out / "made.json").write_text(json.dumps(_about(wanted, plans, synthesizer), indent=1) + "\n")


def _heard(talk: Conversation, wanted: Wanted, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    samples = with_noise(in_room(talk.tracks, ROOMS[wanted.room], rng), wanted.noise, rng)
    return (by_telephone(samples), TELEPHONE_RATE) if wanted.telephone else (scaled(samples), SAMPLE_RATE)


def _item(recording: str, text: SpokenText) -> dict[str, Any]:
    """Return one item of SegLST."""
    times = {"start_time": round(text.start, 3), "end_time": round(text.end, 3)}
    return {"session_id": recording, "speaker": text.speaker, **times, "words": text.text}


def _write_manifest(out: Path, made: Sequence[Made]) -> None:
    """Write NeMo's list: path, length, number of speakers."""
    lines = [
        {
            "audio_filepath": f"audio/{one.path}",
            "duration": round(one.seconds, 3),
            "num_speakers": len(one.people),
        }
        for one in made
    ]
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _about(wanted: Wanted, plans: Sequence[Plan], synthesizer: Synthesizer) -> dict[str, Any]:
    """Return where the audio comes from: it is synthetic, by whom, and how it is made again."""
    talks = {
        "overlap": wanted.manner.overlap,
        "backchannels": wanted.manner.backchannels,
        "conversations": [
            {"path": one.name, "people": dict(zip(one.names, one.voices, strict=True))} for one in plans
        ],
    }
    archive = {"files": wanted.files, "odd": wanted.odd, "people": sorted({one.names[0] for one in plans})}
    return {
        "origin": "synthetic speech",
        "synthesizer": synthesizer.name,
        "licence": synthesizer.licence,
        "seed": wanted.seed,
        "room": wanted.room,
        "noise_decibels": wanted.noise,
        "telephone": wanted.telephone,
        **(archive if wanted.files else talks),
    }
