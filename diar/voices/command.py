"""`diar voices make` and `diar voices list`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from diar.errors import EXIT_OK, DiarError
from diar.options.command import run_command
from diar.options.places import check_writable
from diar.options.terminal import progress_stream
from diar.voices.config import ListVoicesConfig, MakeVoicesConfig, is_server
from diar.wording import counted, duration

if TYPE_CHECKING:
    from diar.voices.make import Made

MAKE_DESCRIPTION = """\
Make labelled conversations by speech synthesis, to measure with: OUT/audio, OUT/truth.rttm (who speaks when),
OUT/truth.seglst.json (who says what), OUT/manifest.jsonl, and OUT/made.json (where the audio comes from).
With --files an archive of files of one person each, in blocks, with OUT/truth.csv (whose file is where).
The same options give the same audio."""

MAKE_EPILOG = """\
examples:
  diar voices make OUT --conversations 4 --minutes 5 --people 2-4
  diar voices make OUT --script interview.txt --room meeting --noise 15
  diar voices make OUT --telephone --people 2 --overlap 0.1
  diar voices make OUT --files 20 --people 10 --odd 0.02
  diar voices make OUT --synthesizer http://127.0.0.1:8880/v1 --voices af_bella,am_adam

  diar diarize OUT/audio -o R && diar score der --reference OUT/truth.rttm --hypothesis R

Kokoro takes about two CPU seconds a second of speech on one thread; espeak hardly any."""

LIST_DESCRIPTION = """\
List the voices of a synthesizer, and which of them a speaker encoder tells apart: those that `diar voices
make` takes unless others are named."""

LIST_EPILOG = """\
examples:
  diar voices list
  diar voices list espeak"""


def make(arguments: Sequence[str], prog: str = "diar voices make") -> int:
    """Run `diar voices make` and return the exit code."""
    return run_command(
        _make, MakeVoicesConfig, arguments, prog=prog, description=MAKE_DESCRIPTION, epilog=MAKE_EPILOG
    )


def list_voices(arguments: Sequence[str], prog: str = "diar voices list") -> int:
    """Run `diar voices list` and return the exit code."""
    return run_command(
        _list, ListVoicesConfig, arguments, prog=prog, description=LIST_DESCRIPTION, epilog=LIST_EPILOG
    )


def _list(config: ListVoicesConfig) -> int:
    from diar.voices.open import open_synthesizer

    if is_server(config.synthesizer):
        raise DiarError(f"`synthesizer={config.synthesizer}`: a server does not tell its voices")
    synthesizer = open_synthesizer(config.synthesizer)
    for voice in synthesizer.voices:
        print(f"{voice:20} told apart" if voice in synthesizer.apart else voice)
    return EXIT_OK


def _make(config: MakeVoicesConfig) -> int:
    from tqdm import tqdm

    from diar.voices.dialogue import Manner, read_script
    from diar.voices.make import Wanted, plan, write
    from diar.voices.open import open_synthesizer

    check_writable("out", str(config.out))
    if (config.out / "audio").exists():
        raise DiarError(f"{config.out / 'audio'} exists; name a new folder")
    wanted = Wanted(
        conversations=config.conversations,
        seconds=60 * config.minutes,
        people=config.least_and_most,
        manner=Manner(config.overlap, config.backchannels),
        script=read_script(config.script) if config.script else (),
        files=config.files,
        odd=config.odd,
        voices=config.voices,
        room=config.room,
        noise=config.noise,
        telephone=config.telephone,
        seed=config.seed,
    )
    synthesizer = open_synthesizer(
        config.synthesizer, model=config.server_model, voices=config.voices, threads=config.threads
    )
    with contextlib.closing(synthesizer):
        plans = plan(wanted, synthesizer.voices, synthesizer.apart)
        texts = [text for one in plans for text in one.texts]
        spoken = synthesizer.speak(texts)
        shown = tqdm(
            spoken, total=len(texts), desc="speaking", unit="text", disable=None, file=progress_stream()
        )
        made = list(write(config.out, plans, wanted, synthesizer, iter(shown)))
        shown.close()
    print(_summary(config.out, made))
    return EXIT_OK


def _summary(out: Path, made: Sequence[Made]) -> str:
    seconds = sum(one.seconds for one in made)
    files = [one.file for one in made if one.file]
    if files:
        people = counted(len({one.people[0] for one in made}), "person")
        blocks = counted(len({file.block for file in files}), "block")
        odd = counted(sum(file.odd for file in files), "odd file")
        return (
            f"{counted(len(files), 'file')} ({duration(seconds)}) of {people} in {blocks}, {odd}\n"
            f"audio: {out / 'audio'}\n"
            f"truth: {out / 'truth.csv'}, truth.rttm, truth.seglst.json, manifest.jsonl"
        )
    overlap = sum(one.overlap * one.seconds for one in made) / seconds
    least, most = (choose(len(one.people) for one in made) for choose in (min, max))
    people = f"{least} to {most} people" if least < most else "1 person" if most == 1 else f"{most} people"
    return (
        f"{counted(len(made), 'conversation')} ({duration(seconds)}) of {people}, "
        f"{100 * overlap:.1f} % of the speech overlapped\n"
        f"audio: {out / 'audio'}\n"
        f"truth: {out / 'truth.rttm'}, truth.seglst.json, manifest.jsonl"
    )
