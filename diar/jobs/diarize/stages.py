"""Both stages of `diar diarize`. Whoever imports this has imported stage 2, which takes half a second."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from diar import storage
from diar.errors import EXIT_FAILURES, EXIT_OK, DiarError
from diar.jobs.detect.result_page import page_line
from diar.jobs.detect.turns import diarize_archive
from diar.jobs.diarize.answer import describe_result
from diar.jobs.diarize.audio import NamedAudio, find_audio
from diar.jobs.diarize.config import DiarizeConfig
from diar.jobs.extract.command import start_one_worker, start_workers
from diar.jobs.ranks.lock import output_lock
from diar.outputs.managed_directory import lock_of
from diar.store.layout import Layout
from diar.store.reader import count_planned, failures
from diar.store.without_pandas import keep_pandas_out

KNOWN_NAME = "known_speakers"  # in the result: embeddings of the audio that --known_speakers names
MANIFEST_NAME = "audio.jsonl"  # in stage 1's private folder, where AUDIO is several
_SHOWN = 3  # failures
_PATIENCE = 60.0  # seconds for another one that writes to the result, after hours of stage 1


def both_stages(config: DiarizeConfig) -> int:
    """Run stage 1, then stage 2; return the exit code.

    Raises:
        DiarError: what a user can mend.
    """
    keep_pandas_out()
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
    with output_lock(lock_of(config.output_dir), _PATIENCE):
        summary = diarize_archive(config.stage_2(known))
        print(describe_result(config.output_dir, summary))
        print(page_line(config.output_dir, summary.warnings))
    return EXIT_FAILURES if summary.failed else EXIT_OK


def _find(config: DiarizeConfig, sources: Sequence[str], output_dir: str) -> NamedAudio:
    """Find the audio of an extraction to `output_dir`."""
    return find_audio(
        sources, storage.join(Layout(output_dir).private, MANIFEST_NAME), config.output_dir, config.protocols
    )


def _embed(config: DiarizeConfig, audio: NamedAudio, output_dir: str) -> int:
    """Run stage 1: by one process where there is little audio, unless `--workers` asks for others."""
    for warning in audio.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    extraction = config.stage_1(audio.source, output_dir)
    if audio.little and config.workers is None:
        return start_one_worker(extraction)
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
