"""`diar diarize`: who speaks when, from audio to turns in one command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from diar.errors import DiarError
from diar.jobs.diarize.config import DiarizeConfig
from diar.jobs.ranks.processes import started_by_torchrun, worker_context
from diar.options.command import run_command
from diar.options.places import check_writable
from diar.outputs.managed_directory import OutputDirectory

DESCRIPTION = """\
Who speaks when: audio in, turns out. It runs both stages, one after the other, on one file or on many.
About a minute of audio or less is done by one process; more by workers on each GPU or core, as by
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
    OutputDirectory(config.output_dir)  # refused before any work if it is not local
    check_writable("output_dir", config.output_dir)
    worker_context()  # its server imports torch, while this process imports stage 2
    from diar.jobs.diarize.stages import both_stages

    try:
        return both_stages(config)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 128 + signal.SIGINT
