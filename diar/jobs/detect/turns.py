"""`task=turns`: diarize every recording, link speakers across recordings, write everything.

The speakers of all recordings must be known before they can be linked, and linked before a recording can be
written with their names. In between, only turns and one embedding a speaker are kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from diar.custody.removal.unpurged import load_unpurged, unpurged_names
from diar.detect.backend.back_end import BackEnd
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizedRecording, DiarizeSettings
from diar.detect.linking.bandwidth import link_over_channels
from diar.detect.linking.known import KnownSpeakers
from diar.detect.linking.link import LinkedSpeakers
from diar.detect.linking.unlinked import keep_apart
from diar.detect.sides import Sides, diarize_sides
from diar.detect.thresholds import thresholds
from diar.errors import DiarError
from diar.formats.matching import match_names
from diar.formats.names import Moment, PersonNames, check_names, read_names
from diar.formats.rttm import read_turns
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.enrolment import read_known_speakers
from diar.jobs.detect.settings import asked_speakers, diarize_settings, read_back_end
from diar.jobs.detect.turns_report import TurnsReport
from diar.jobs.detect.turns_summary import TurnsSummary
from diar.jobs.detect.turns_writer import NoTurns, TurnsWriter
from diar.jobs.detect.workers import Workers, start_workers, worth_starting
from diar.jobs.progress.own import OwnProgress
from diar.options.terminal import progress_stream
from diar.outputs.folders import check_inside
from diar.outputs.managed_directory import OutputDirectory
from diar.outputs.rttm_names import rttm_names
from diar.records import OK, Turn
from diar.store.index import read_pipeline
from diar.store.layout import Layout
from diar.store.reader import RecordingIndex, TracksReader, read_config
from diar.wording import counted

logger = logging.getLogger(__name__)


NO_TRACKS = "no_tracks"  # stage 1 finished the recording, but its file is missing or damaged


def diarize_archive(config: DetectConfig, progress: OwnProgress | None = None) -> TurnsSummary:
    """Run stage 2 inside recordings and write everything to `config.output_dir`.

    Args:
        config: of the command.
        progress: counts recordings as they are diarized.

    Raises:
        DiarError: no embeddings, stage 1 without segmentation, or outputs that cannot be written.
    """
    index = load_unpurged(config.embeddings_dir, config.output_dir)
    _check(config, index)
    settings = diarize_settings(config, read_pipeline(config.embeddings_dir, index.metadata))
    back_end = read_back_end(config, index.metadata, index.embedding.shape[1])
    enrolled = (
        None if config.known_speakers is None else read_known_speakers(config.known_speakers, index.metadata)
    )
    names = None if config.names is None else read_names(config.names)
    reference = {} if config.reference is None else _read_reference(config.reference, index)
    processes = config.processes or worth_starting(float(index.duration.sum()), os.cpu_count() or 1)
    with start_workers(processes, index.status.count(OK)) as workers:
        found = _diarize_all(workers, config, index, settings, progress or OwnProgress())
        known = None if enrolled is None else enrolled.known
        linked = _link(found, index.embedding.shape[1], known, back_end, config)
        if names is not None:
            linked = _named(linked, names, found, index)
        warnings = [] if enrolled is None else enrolled.warnings
        report = TurnsReport(config, index, settings.used, thresholds(settings), linked, warnings)
        return TurnsWriter(config, index, report, reference).write(workers, found)


def _check(config: DetectConfig, index: RecordingIndex) -> None:
    """Refuse what cannot succeed, before the work."""
    OutputDirectory(config.output_dir)
    _check_segmentation(config, index.metadata)
    _check_back_end(config)
    if config.speaker_audio != "none" and config.audio_dir is None:
        check_inside(
            index.input, [url for url, status in zip(index.path, index.status, strict=True) if status == OK]
        )
    rttm_names(config.rttm_id, zip(index.recording_id, index.path, strict=True))
    if OK not in index.status:
        raise DiarError(
            f"none of {counted(len(index), 'recording')} in {config.embeddings_dir} has an embedding; the "
            f"first is {index.status[0]}: {index.error[0]}; `diar status {config.embeddings_dir} --failures` "
            "lists all"
        )


def _check_back_end(config: DetectConfig) -> None:
    """Refuse models that nothing would read; boundaries between files read them without links, too."""
    if config.task != "turns" or config.link:
        return
    read = {"plda": config.clustering == "vbx", "score_norm": False}
    for name, used in read.items():
        if getattr(config, name) is not None and not used:
            raise DiarError(
                f"`{name}` compares recordings' speakers, and `no_link` keeps them apart: leave one away"
            )


def _check_segmentation(config: DetectConfig, metadata: Mapping[str, str]) -> None:
    if "activity_step" not in metadata:
        raise DiarError(
            f"--task {config.task} needs local speakers, but {config.embeddings_dir} was made with "
            "--segmentation none; run stage 1 into another folder with a segmentation model"
        )


def check_options(config: DetectConfig) -> None:
    """Refuse options that cannot succeed, without reading embeddings: another task may be run before this.

    Raises:
        DiarError: stage 1 without segmentation, a PLDA, enrolment, names or reference that cannot be used,
            two recordings that RTTM would call the same.
    """
    metadata = read_config(Layout(config.embeddings_dir))["metadata"]
    if config.rttm_id == "stem":
        rttm_names(config.rttm_id, unpurged_names(config.embeddings_dir, config.output_dir))
    _check_segmentation(config, metadata)
    diarize_settings(config, read_pipeline(config.embeddings_dir, metadata))
    if config.known_speakers is not None:
        read_known_speakers(config.known_speakers, metadata)
    if config.names is not None:
        read_names(config.names)
    if config.reference is not None:
        read_turns(Path(config.reference))


def _read_reference(path: str, index: RecordingIndex) -> dict[str, list[Turn]]:
    given = read_turns(Path(path))
    meant = match_names(index.recording_id, given)
    if not set(meant.values()) & set(index.recording_id):
        raise DiarError(
            f"--reference {path} is about other recordings ({next(iter(given), 'none')}, …) than "
            f"{index.recording_id[0]}, …; name them as in recordings.csv, with or without folders and suffix"
        )
    return {recording_id: given[name] for name, recording_id in meant.items()}


def _diarize_all(
    workers: Workers,
    config: DetectConfig,
    index: RecordingIndex,
    settings: DiarizeSettings,
    progress: OwnProgress,
) -> list[DiarizedRecording | NoTurns]:
    """Diarize each recording of the archive."""
    rows = [row for row in range(len(index)) if index.status[row] == OK]
    listed = index.num_speakers
    stored = (
        _Stored(index.recording_id[row], int(index.shard[row]), asked_speakers(config, listed[row]).bounds)
        for row in rows
    )
    results = workers.map(partial(_diarize_one, TracksReader(config.embeddings_dir), settings), stored)
    found: list[DiarizedRecording | NoTurns] = [
        NoTurns(status, error) for status, error in zip(index.status, index.error, strict=True)
    ]
    progress.recordings = len(rows)
    bar = tqdm(results, "diarize", len(rows), unit="recording", disable=None, file=progress_stream())
    for row, result in zip(rows, bar, strict=True):
        found[row] = result
        progress.add(float(index.duration[row]), failed=isinstance(result, NoTurns))
    return found


class _Stored(NamedTuple):
    """A recording to diarize."""

    recording_id: str
    shard: int
    speakers: SpeakerCount


def _diarize_one(
    reader: TracksReader, settings: DiarizeSettings, stored: _Stored
) -> DiarizedRecording | NoTurns:
    try:
        sides = Sides.of(reader.read(stored.recording_id, stored.shard))
    except DiarError as error:
        return NoTurns(NO_TRACKS, str(error))
    clustering = replace(settings.clustering, count=stored.speakers)
    return diarize_sides(sides, replace(settings, clustering=clustering))


def _link(
    found: Sequence[DiarizedRecording | NoTurns],
    dimension: int,
    known: KnownSpeakers | None,
    back_end: BackEnd | None,
    config: DetectConfig,
) -> LinkedSpeakers:
    """Link all speakers: one row for each speaker of each recording, in order."""
    good = [(row, one) for row, one in enumerate(found) if isinstance(one, DiarizedRecording)]
    embedding = np.concatenate([np.empty((0, dimension), np.float32), *(one.embedding for _, one in good)])
    if not config.link:
        return keep_apart(embedding)
    seconds = np.concatenate([np.empty(0), *(one.clean_seconds for _, one in good)])
    recording = np.repeat([row for row, _ in good], [len(one.turns) for _, one in good]).astype(np.int64)
    narrow_band = np.repeat([one.narrow_band for _, one in good], [len(one.turns) for _, one in good])
    linked = link_over_channels(
        embedding,
        seconds,
        recording,
        narrow_band.astype(bool),
        known,
        config.link_probability,
        config.link_threshold,
        back_end,
    )
    people = len(linked.speaker_id)
    voices, recordings = counted(len(embedding), "speaker"), counted(len(good), "recording")
    logger.info("%s in %s: %s", voices, recordings, counted(people, "person"))
    return linked


def _named(
    linked: LinkedSpeakers,
    names: PersonNames,
    found: Sequence[DiarizedRecording | NoTurns],
    index: RecordingIndex,
) -> LinkedSpeakers:
    """Call people by `names`.

    Raises:
        NamesError: somebody who is not there, or the name of somebody else.
    """
    counts = [len(one.turns) if isinstance(one, DiarizedRecording) else 0 for one in found]
    first = np.concatenate([[0], np.cumsum(counts)])  # row of each recording's first speaker in `linked`
    row_of = {recording_id: row for row, recording_id in enumerate(index.recording_id)}

    def speaking(moment: Moment) -> list[str] | None:
        row = row_of.get(moment.recording)
        if row is None:
            return None
        one, place = found[row], int(first[row])
        turns = one.turns if isinstance(one, DiarizedRecording) else []
        there = [
            k for k, own in enumerate(turns) if ((own[:, 0] <= moment.time) & (moment.time < own[:, 1])).any()
        ]
        return [linked.speaker_id[int(linked.label[place + k])] for k in there]

    given = names.of(speaking)
    check_names(names.source, given, zip(linked.speaker_id, linked.name, strict=True))
    called = zip(linked.speaker_id, linked.name, strict=True)
    return replace(linked, name=[given.get(person, name) for person, name in called])
