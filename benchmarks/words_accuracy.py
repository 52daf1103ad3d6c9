"""Words with speakers where both are known: one command, one Markdown table.

    python benchmarks/words_synthesis.py SETS --kokoro ENV/bin/python --sentences SENTENCES --shared ../shared
    python benchmarks/words_accuracy.py --sets SETS --work WORK
    python benchmarks/words_accuracy.py --sets SETS --only clean overlap --asr whisper-base --beam_size 1 5

Sets: those of words_synthesis.py (clean, overlap, tel, room, broadcast) and the conversations of `diar
demo`. The real commands run with their defaults: stage 1, `diar detect --task turns`, `diar words`. The same
words get speakers by other rules, too, from the same turns (words_rules.py). `true words` are those of the
reference in place of a recogniser, through `diar words --words`, with the turns that were found, and once
with those of the reference; their times within a sentence are shares of its letters.

WER, cpWER and WDER are those of `diar score words`. × real time is that of `diar words` alone, model loading
included, and of all three commands; CPU seconds are those of all processes. With --work, audio, embeddings
and words are made once; their times are those of that run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import labelled_sets
import soundfile as sf
from running import Run, call, detect, extract, timed
from words_rules import RULES

from diar.align.assignment import assign_speakers
from diar.formats.rttm import read_rttm
from diar.formats.turns_json import TURNS_NAME, read_recording_turns
from diar.formats.words.document import WORDS_NAME, read_recording_words
from diar.formats.words.reading import read_words
from diar.records import Turn, Word
from diar.score.words.rates import WordErrors, score_recording

DEMO = "demo"
SETS = ("clean", "overlap", *labelled_sets.KINDS, DEMO)
TRUE_WORDS = "true words"
TIMES = "seconds.json"
COLUMNS = ("set", "words by", "speakers by", "WER %", "cpWER %", "cpWER − WER", "WDER %", "without speaker",
           "words", "× real time (words, all)", "CPU s an hour (words, all)")  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """One set after stages 1 and 2."""

    name: str
    truth: Path
    folder: Path  # E, R, seconds.json
    audio_seconds: float

    @property
    def stages(self) -> list[float]:
        """Wall-clock and CPU seconds of both stages."""
        return list(json.loads((self.folder / TIMES).read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=Path, required=True, help="the output of words_synthesis.py")
    parser.add_argument("--only", nargs="+", default=SETS, choices=SETS, metavar="SET", help=" ".join(SETS))
    parser.add_argument("--asr", nargs="+", default=["whisper-tiny.en", "whisper-base"], metavar="NAME")
    parser.add_argument("--beam_size", nargs="+", type=int, default=[5])
    parser.add_argument(
        "--change",
        nargs="+",
        type=float,
        default=[],
        metavar="SECONDS",
        help="also with this --speaker_change",
    )
    parser.add_argument("--work", type=Path, help="keep everything that is made here")
    options = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        for name in options.only:
            prepared = prepare(name, options.sets.resolve(), work)
            for asr in (*options.asr, TRUE_WORDS):
                for beam_size in options.beam_size if asr != TRUE_WORDS else [0]:
                    for row in rows(prepared, asr, beam_size, options.change):
                        print(f"| {' | '.join(row)} |", flush=True)


def prepare(name: str, sets: Path, work: Path) -> Prepared:
    """Run stages 1 and 2 on a set, unless `work` holds their output."""
    audio, truth = sets / name, sets / name / "truth.seglst.json"
    if name == DEMO:
        labelled_sets.make_once(work / DEMO, lambda folder: call("-m", "diar", "demo", folder))
        audio, truth = work / "demo-conversations", work / DEMO / truth.name
        labelled_sets.make_once(audio, lambda folder: keep_conversations(work / DEMO / "audio", folder))
    folder = work / f"{name}-stages"
    labelled_sets.make_once(folder, lambda partial: run_stages(audio, partial))
    return Prepared(name, truth, folder, audio_seconds(audio))


def audio_seconds(folder: Path) -> float:
    return float(sum(sf.info(file).duration for file in folder.rglob("*.wav")))


def keep_conversations(audio: Path, folder: Path) -> None:
    """Copy the conversations of the demo, under the names that its reference has."""
    for file in sorted(audio.rglob("*_conversation.wav")):
        target = folder / file.relative_to(audio)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)


def run_stages(audio: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    runs = [extract(audio, folder / "E"), detect(folder / "E", folder / "R", ["--task", "turns"])]
    write_times(folder, runs)


def write_times(folder: Path, runs: Sequence[Run]) -> None:
    times = [sum(run.seconds for run in runs), sum(run.cpu_seconds for run in runs)]
    (folder / TIMES).write_text(json.dumps(times))


def rows(prepared: Prepared, asr: str, beam_size: int, changes: Sequence[float]) -> Iterator[list[str]]:
    """Run `diar words` and yield a row of cells a rule."""
    folder = prepared.folder.parent / f"{prepared.name}-{Path(asr).name.replace(' ', '-')}-{beam_size}"
    words = ("--words", prepared.truth) if asr == TRUE_WORDS else ("--asr", asr, "--beam_size", beam_size)
    recognise(prepared, folder, words)
    reference = {
        name: own
        for name, own in read_words(prepared.truth).recordings.items()
        if name in recordings(folder / "R")
    }
    by = asr if asr == TRUE_WORDS else f"{asr}, beam {beam_size}"
    seconds = json.loads((folder / TIMES).read_text())
    for rule, found in by_rules(folder / "R").items():
        score = sum((score_recording(reference[name], found[name]) for name in reference), WordErrors())
        costs = cost_cells(prepared, seconds) if rule == "diar" and asr != TRUE_WORDS else ["", ""]
        yield [prepared.name, by, rule, *score_cells(score), *costs]
    for change in changes:
        write_words(folder, words, ("--speaker_change", change))
        found = by_rules(folder / "R")["diar"]
        score = sum((score_recording(reference[name], found[name]) for name in reference), WordErrors())
        yield [prepared.name, by, f"diar, change {change:g} s", *score_cells(score), "", ""]
    if asr == TRUE_WORDS:
        score = sum((score_recording(own, with_true_turns(prepared, name, own))
                     for name, own in reference.items()), WordErrors())  # fmt: skip
        yield [prepared.name, by, "diar, true turns", *score_cells(score), "", ""]


def with_true_turns(prepared: Prepared, name: str, words: Sequence[Word]) -> list[Word]:
    """Return the words with speakers from the turns of the reference."""
    turns: list[Turn] = []
    for file in prepared.truth.parent.glob("*.rttm"):
        for recording, own in read_rttm(file).items():
            turns += own if recording in (name, Path(name).stem) else []
    return assign_speakers([replace(word, speaker=None) for word in words], turns)


def recognise(prepared: Prepared, folder: Path, words: Sequence[object]) -> None:
    """Recognise once; give speakers and write the files of the result at every call."""

    def first(partial: Path) -> None:
        shutil.copytree(prepared.folder, partial, symlinks=True)
        write_times(partial, [write_words(partial, words)])

    labelled_sets.make_once(folder, first)
    write_words(folder, words)


def write_words(folder: Path, words: Sequence[object], more: Sequence[object] = ()) -> Run:
    places = ("--embeddings_dir", folder / "E", "--result", folder / "R")
    return timed("-m", "diar", "words", *places, *words, *more)


def recordings(result: Path) -> set[str]:
    return {read_recording_words(file).recording_id for file in (result / "recordings").rglob(WORDS_NAME)}


def by_rules(result: Path) -> dict[str, dict[str, list[Word]]]:
    """Return the words of all recordings with their speakers by each rule."""
    found: dict[str, dict[str, list[Word]]] = {rule: {} for rule in ("diar", *RULES)}
    for file in sorted((result / "recordings").rglob(WORDS_NAME)):
        told = read_recording_words(file)
        turns: Sequence[Turn] = list(read_recording_turns(file.with_name(TURNS_NAME)).turns)
        found["diar"][told.recording_id] = list(told.words)
        bare = [replace(word, speaker=None) for word in told.words]
        for name, rule in RULES.items():
            found[name][told.recording_id] = rule(bare, turns)
    return found


def score_cells(score: WordErrors) -> list[str]:
    difference = score.cpwer - score.wer
    rates = [f"{100 * rate:.2f}" for rate in (score.wer, score.cpwer, difference, score.wder)]
    return [*rates, str(score.without_speaker), str(score.hypothesis)]


def cost_cells(prepared: Prepared, seconds: Sequence[float]) -> list[str]:
    both = [own + stages for own, stages in zip(seconds, prepared.stages, strict=True)]
    speed = [f"{prepared.audio_seconds / one:.1f}" for one in (seconds[0], both[0])]
    cpu = [f"{3600 * one / prepared.audio_seconds:.0f}" for one in (seconds[1], both[1])]
    return [", ".join(speed), ", ".join(cpu)]


if __name__ == "__main__":
    main()
