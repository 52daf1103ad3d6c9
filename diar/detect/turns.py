"""Stage 2 inside recordings: every recording diarized, speakers linked across them, everything written.

First all recordings are diarized, which gives anonymous speakers; only when all are known can they be linked;
then every recording is written under the names. What is kept in between is small: turns and one embedding
a speaker.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from diar.archive import storage
from diar.config import DetectConfig
from diar.detect.diarize import Diarization, DiarizeSettings, diarize
from diar.detect.linking.known import KnownSpeakers
from diar.detect.linking.link import LinkedSpeakers, link_speakers
from diar.detect.linking.unlinked import keep_apart
from diar.detect.observations import Observations
from diar.detect.settings import diarize_settings, thresholds
from diar.detect.turns_report import TurnsReport
from diar.errors import DiarError
from diar.outputs.names import match_names
from diar.outputs.recordings import ArchiveTurns, RecordingFiles, write_recording
from diar.outputs.rttm import Turn, read_turns
from diar.outputs.speaker_audio import AudioSource, SpeakerAudio
from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals
from diar.outputs.turns_json import RecordingTurns
from diar.store.reader import RecordingIndex, StoreError, load_index, read_offsets, read_tracks
from diar.store.schema import OK

logger = logging.getLogger(__name__)

_AHEAD = 64  # recordings handed to the pool before the first is back


@dataclass(frozen=True)
class TurnsSummary:
    """What a run did."""

    recordings: int
    failed: list[tuple[str, str]]  # recording and reason
    speakers: int
    turns: int
    speech_seconds: float
    overlap_seconds: float
    warnings: list[str]

    def summary(self) -> str:
        """A few lines for the terminal."""
        share = 100 * self.overlap_seconds / self.speech_seconds if self.speech_seconds else 0.0
        lines = [
            f"{self.recordings - len(self.failed)} recordings diarized, {len(self.failed)} without turns",
            f"{self.turns} turns of {self.speakers} speakers in {self.speech_seconds / 3600:.2f} h of speech "
            f"({share:.1f} % of it overlapped)",
        ]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def diarize_archive(config: DetectConfig) -> TurnsSummary:
    """Run stage 2 inside recordings and write everything to `config.output_dir`.

    Raises:
        DiarError: no embeddings, stage 1 without segmentation, or outputs that cannot be written.
    """
    index = load_index(config.embeddings_dir)
    settings = diarize_settings(config)
    _check_segmentation(config, index)
    known = None if config.known_speakers is None else load_known(config.known_speakers, index)
    usable = [i for i in range(len(index)) if index.status[i] == OK]
    ids = [index.recording_id[i] for i in usable]
    reference = {} if config.reference is None else _read_reference(config.reference, ids)
    with _processes(config.processes, len(ids)) as pool:
        found = _diarize_all(pool, config, ids, settings)
        linked = _link(found, known, config)
        report = TurnsReport(config, index, settings.clustering.method, thresholds(settings), linked)
        return _write_all(pool, config, index, usable, found, report, reference)


def _check_segmentation(config: DetectConfig, index: RecordingIndex) -> None:
    if "activity_step" not in index.metadata:
        raise DiarError(
            f"--task {config.task} needs local speakers, but {config.embeddings_dir} was made with "
            "--segmentation none; run stage 1 into another folder with a segmentation model"
        )


def load_known(embeddings_dir: str, index: RecordingIndex) -> KnownSpeakers:
    """Enrolled people: stage 1's output for a folder with a subfolder of audio a person, named as they are.

    Raises:
        DiarError: not stage 1's output, of another encoder, or audio outside of such a subfolder.
    """
    try:
        enrolled = load_index(embeddings_dir)
    except StoreError as error:
        raise DiarError(
            f"--known_speakers: {error}. Enrol people like this: put their audio into FOLDER/NAME/, then "
            "extract_embeddings_multigpu.py --input_dir FOLDER --output_dir KNOWN, and give KNOWN here"
        ) from None
    if enrolled.metadata["model_sha256"] != index.metadata["model_sha256"]:
        raise DiarError(
            f"--known_speakers {embeddings_dir} was made with {enrolled.metadata['model']}, the archive with "
            f"{index.metadata['model']}; run stage 1 on the enrolment audio with the same --model"
        )
    rows = [i for i in range(len(enrolled)) if enrolled.status[i] == OK]
    if not rows:
        raise DiarError(f"--known_speakers {embeddings_dir} holds no usable recording")
    names = [enrolled.recording_id[i].split("/")[0] for i in rows]
    flat = [enrolled.recording_id[i] for i in rows if "/" not in enrolled.recording_id[i]]
    if flat:
        raise DiarError(
            f"--known_speakers: {flat[0]} lies in no folder with the person's name: NAME/{flat[0]}"
        )
    return KnownSpeakers(names, enrolled.embedding[rows], enrolled.speech_seconds[rows])


def _read_reference(path: str, ids: Sequence[str]) -> dict[str, list[Turn]]:
    given = read_turns(Path(path))
    return {wanted: given[name] for name, wanted in match_names(ids, given).items()}


@contextmanager
def _processes(wanted: int | None, recordings: int) -> Iterator[ProcessPoolExecutor | None]:
    """A pool of processes, or None where one does: a few recordings are done before a pool has started."""
    count = min(wanted or os.cpu_count() or 1, recordings)
    if count <= 1:
        yield None
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _diarize_all(
    pool: ProcessPoolExecutor | None, config: DetectConfig, ids: Sequence[str], settings: DiarizeSettings
) -> list[Diarization | str]:
    """One entry a recording: what was found, or why nothing was."""
    work = partial(_diarize_one, config.embeddings_dir, settings)
    results = map(work, ids) if pool is None else pool.map(work, ids, chunksize=_chunk_size(len(ids)))
    return list(tqdm(results, "diarize", len(ids), unit="recording", disable=None))


def _diarize_one(embeddings_dir: str, settings: DiarizeSettings, recording_id: str) -> Diarization | str:
    try:
        observations = Observations.of(read_tracks(embeddings_dir, recording_id))
    except StoreError as error:
        return str(error)
    return diarize(observations, settings)


def _chunk_size(items: int) -> int:
    """Enough for a process to be worth a message, few enough to share the work out evenly."""
    return max(1, min(64, items // 64))


def _link(
    found: Sequence[Diarization | str], known: KnownSpeakers | None, config: DetectConfig
) -> LinkedSpeakers:
    """One row for each speaker of each recording, in order."""
    good = [(i, result) for i, result in enumerate(found) if isinstance(result, Diarization)]
    counts = np.array([len(result.turns) for _, result in good], np.int64)
    recording = np.repeat(np.array([i for i, _ in good], np.int64), counts)
    dimension = next((result.embedding.shape[1] for _, result in good if len(result.turns)), 1)
    embedding = np.concatenate(
        [np.empty((0, dimension), np.float32), *(r.embedding for _, r in good if len(r.turns))]
    )
    seconds = np.concatenate([np.empty(0), *(result.clean_seconds for _, result in good)])
    if not config.link:
        return keep_apart(embedding)
    linked = link_speakers(
        embedding, seconds, recording, known, config.link_probability, config.link_threshold
    )
    people = len(linked.speaker_id)
    logger.info("%d speakers of %d recordings are %d people", len(embedding), len(good), people)
    return linked


def _write_all(
    pool: ProcessPoolExecutor | None,
    config: DetectConfig,
    index: RecordingIndex,
    usable: Sequence[int],
    found: Sequence[Diarization | str],
    report: TurnsReport,
    reference: dict[str, list[Turn]],
) -> TurnsSummary:
    """Write all recordings in archive order."""
    totals, failed = SpeakerTotals(), []
    turns, speech, overlap = 0, 0.0, 0.0
    results = _written(pool, config, index, usable, found, report, reference)
    good = [
        index.recording_id[i] for i, result in zip(usable, found, strict=True) if not isinstance(result, str)
    ]
    with ArchiveTurns(config.output_dir, good, exclusive=config.exclusive) as archive:
        position = {row: place for place, row in enumerate(usable)}
        for row in tqdm(range(len(index)), "write", unit="recording", disable=None):
            reason = (index.status[row], index.error[row])
            if row in position:
                outcome = found[position[row]]
                reason = ("unreadable", outcome) if isinstance(outcome, str) else (OK, "")
            if reason[0] != OK:
                archive.add_failed(index.recording_id[row], index.path[row], *reason)
                failed.append((index.recording_id[row], reason[1]))
                continue
            result = next(results)
            archive.add(result)
            totals.add(result)
            turns, speech = turns + len(result.turns), speech + result.speech_seconds
            overlap += result.overlap_seconds
        linked = report.linked
        speakers = ArchiveSpeakers.of(totals, linked.speaker_id, linked.name, linked.known, linked.centroid)
        archive.write_speakers(speakers, report.metadata())
    return TurnsSummary(len(index), failed, len(linked.speaker_id), turns, speech, overlap, report.warnings)


def _written(
    pool: ProcessPoolExecutor | None,
    config: DetectConfig,
    index: RecordingIndex,
    usable: Sequence[int],
    found: Sequence[Diarization | str],
    report: TurnsReport,
    reference: dict[str, list[Turn]],
) -> Iterator[RecordingTurns]:
    """Write the folders of the recordings that were diarized; yields each as it was written, in order."""
    offsets = read_offsets(config.embeddings_dir)
    files = RecordingFiles(config.labels, config.plot, SpeakerAudio(config.speaker_audio))

    def jobs() -> Iterator[_Job]:
        place = 0
        for row, outcome in zip(usable, found, strict=True):
            if isinstance(outcome, str):
                continue
            recording_id = index.recording_id[row]
            url = index.path[row]
            if config.audio_dir is not None:
                url = storage.join(config.audio_dir, recording_id)
            yield _Job(
                report.recording(row, outcome, place),
                AudioSource(url, offsets.get(recording_id, 0.0)),
                reference.get(recording_id),
            )
            place += len(outcome.turns)

    write = partial(_write_one, config.output_dir, files)
    if pool is None:
        yield from map(write, jobs())
    else:
        yield from _bounded_map(pool, write, jobs())


@dataclass(frozen=True)
class _Job:
    """A recording to write."""

    result: RecordingTurns
    source: AudioSource
    reference: list[Turn] | None


def _write_one(output_dir: str, files: RecordingFiles, job: _Job) -> RecordingTurns:
    return write_recording(output_dir, job.result, files, source=job.source, reference=job.reference)


def _bounded_map(
    pool: ProcessPoolExecutor, work: Callable[[_Job], RecordingTurns], jobs: Iterator[_Job]
) -> Iterator[RecordingTurns]:
    """Results in order; `pool.map` would hold every job of the archive at once."""
    waiting: deque[Future[RecordingTurns]] = deque()
    for job in jobs:
        waiting.append(pool.submit(work, job))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
