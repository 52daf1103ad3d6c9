"""`diar diarize`: who speaks when, from audio to turns in one command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_OK, DiarError
from diar.jobs.diarize.answer import describe_result
from diar.jobs.diarize.audio import NamedAudio, find_audio
from diar.jobs.diarize.config import DiarizeConfig
from diar.jobs.extract.command import start_workers
from diar.jobs.ranks.processes import started_by_torchrun
from diar.options.command import run_command
from diar.options.places import check_writable
from diar.outputs.managed_directory import OutputDirectory
from diar.store.layout import Layout
from diar.store.reader import count_planned, failures
from diar.store.without_pandas import keep_pandas_out

KNOWN_NAME = "known_speakers"  # in the result: embeddings of the audio that --known_speakers names
MANIFEST_NAME = "audio.jsonl"  # in stage 1's private folder, where AUDIO is several
_SHOWN = 3  # failures

DESCRIPTION = """\
Who speaks when: audio in, turns out. It runs both stages, one after the other, on one file or on many.
About a minute of audio or less is done in this process; more by workers on each GPU or core, as by
`diar extract`. The numbers are those of `diar extract` and `diar detect --task turns`.

  OUT/recordings/meeting.wav/   turns.rttm, turns.json, timeline.png, labels.txt, turns.TextGrid
  OUT/all.rttm, recordings.csv  all recordings; OUT/speakers.csv: all people, each under one name
  OUT/embeddings/               what stage 1 stored; `diar detect` finds turns again from it in seconds

Interrupted in any way, the same command goes on where it was. So it does when audio has been added."""

EPILOG = """\
examples:
  diar diarize meeting.wav -o meeting
  diar diarize meeting.wav -o meeting --num_speakers 4 --speaker_audio joined
  diar diarize monday.mp3 tuesday.mp3 -o week                     the same person, the same name
  diar diarize calls/ -o result --channel each --preset telephone
  diar diarize talks/ -o result --known_speakers people/          audio of people: people/NAME/*.wav
  diar diarize https://example.org/talk.mp3 -o talk
  diar detect --embeddings_dir result/embeddings --output_dir other --task turns --onset 0.4

--help lists what most people need. All other options of `diar extract`, and those of `diar detect` that its
--task turns reads, can be given, too. Every option can also stand in a YAML file (--config run.yaml) or in
the environment, such as DIAR_DIARIZE_NUM_SPEAKERS=2; DIAR_EXTRACT_… and DIAR_DETECT_… count here as well.

exit codes: 0 done; 3 done, some recordings failed (recordings.csv lists them); other: not finished."""


def main(arguments: Sequence[str], prog: str = "diar diarize") -> int:
    """Run both stages and return the exit code."""
    return run_command(_diarize, DiarizeConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _diarize(config: DiarizeConfig) -> int:
    if started_by_torchrun():
        raise DiarError(
            "diar diarize starts its own workers; with torchrun run `diar extract`, then `diar detect`"
        )
    keep_pandas_out()
    OutputDirectory(config.output_dir)  # refused before any work if it is not local
    check_writable("output_dir", config.output_dir)
    try:
        return _both_stages(config)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 128 + signal.SIGINT


def _both_stages(config: DiarizeConfig) -> int:
    known, people = config.known_speakers, None
    if known is not None and not storage.exists(Layout(known).config):
        people = _find(config, (known,), known := storage.join(config.output_dir, KNOWN_NAME))
    audio = _find(config, config.audio, config.embeddings)
    for found, output_dir in ((audio, config.embeddings), (people, known)):
        if found is None or output_dir is None:
            continue
        if (code := _embed(config, found, output_dir)) not in (EXIT_OK, EXIT_FAILURES):
            return code
    _check_any_embedded(config.embeddings)
    from diar.jobs.detect.result_page import page_line
    from diar.jobs.detect.turns import diarize_archive

    summary = diarize_archive(config.stage_2(known))
    print(describe_result(config.output_dir, summary))
    print(page_line(config.output_dir, summary.warnings))
    return EXIT_FAILURES if summary.failed else EXIT_OK


def _find(config: DiarizeConfig, sources: Sequence[str], output_dir: str) -> NamedAudio:
    """Find the audio of an extraction to `output_dir`."""
    return find_audio(sources, storage.join(Layout(output_dir).private, MANIFEST_NAME), config.output_dir)


def _embed(config: DiarizeConfig, audio: NamedAudio, output_dir: str) -> int:
    """Run stage 1: in this process where there is little audio, unless `--workers` asks for workers."""
    for warning in audio.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    extraction = config.stage_1(audio.source, output_dir)
    if audio.little and config.workers is None:
        from diar.jobs.extract.run import run_alone

        return run_alone(extraction, lambda layout, statistics: None)  # the answer is told at the end
    return start_workers(extraction)


def _check_any_embedded(embeddings_dir: str) -> None:
    """Refuse what stage 2 cannot use, and say why: no recording has an embedding.

    Raises:
        DiarError: with the first failures.
    """
    failed = failures(Layout(embeddings_dir))
    if len(failed) == count_planned(Layout(embeddings_dir)):
        shown = [f"{row['recording_id']}: {row['status']}: {row['error']}" for row in failed[:_SHOWN]]
        more = f"\n… and {len(failed) - _SHOWN:,} more" if len(failed) > _SHOWN else ""
        raise DiarError("nothing to diarize\n" + "\n".join(shown) + more)
