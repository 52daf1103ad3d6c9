"""`task=files`: boundaries between files, from the index to the outputs."""

from __future__ import annotations

import logging

import numpy as np

from diar.custody.removal.unpurged import load_unpurged
from diar.detect.boundaries.segments import find_segments
from diar.detect.boundaries.sequences import Sequences, split_archive
from diar.errors import DiarError
from diar.formats.result_json import DetectionResult
from diar.jobs.detect.boundaries_report import Report
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.listed import listed_files
from diar.jobs.detect.settings import boundary_settings, read_back_end
from diar.jobs.detect.voices import warn_of_several_voices
from diar.outputs.boundaries import write_results
from diar.outputs.folders import Placement, check_audio
from diar.wording import counted

logger = logging.getLogger(__name__)


class DetectError(DiarError):
    """An archive in which boundaries cannot be found as asked."""


class NothingSaidError(DetectError):
    """Nobody speaks in any file, so no file is anybody's."""


def detect_boundaries(config: DetectConfig) -> DetectionResult:
    """Run stage 2 and write folders, table, plot and JSON to `config.output_dir`.

    Raises:
        DiarError: no embeddings, nothing to detect, or outputs that cannot be written.
    """
    index = load_unpurged(config.embeddings_dir, config.output_dir)
    settings = boundary_settings(config, read_back_end(config, index.metadata, index.embedding.shape[1]))
    embedded = np.isfinite(index.embedding).all(axis=1)
    spoken = embedded & (index.speech_seconds > 0)  # the vector of a file without speech is of nobody
    sequences = split_archive(index.recording_id, spoken, config.sequence_by == "folder")
    check_sizes(config, sequences)
    placement = Placement(config.place, config.audio_dir)
    recordings = [(index.recording_id[i], index.path[i]) for i in np.flatnonzero(embedded)]
    check_audio(placement, recordings, config.output_dir, index.input)
    logger.info("%s, %s with an embedding", counted(len(index), "recording"), f"{int(embedded.sum()):,}")
    rows = sequences.order[sequences.used]
    in_order = np.array_equal(rows, np.arange(len(index)))  # then no copy, which may be gigabytes
    embeddings = index.embedding if in_order else index.embedding[rows]
    found = find_segments(embeddings, index.speech_seconds[rows], sequences, settings)
    people = counted(int(found.speakers.max()) + 1, "speaker")
    logger.info("%s, %s", counted(len(found.segmentation), "segment"), people)
    voices = [] if config.task == "all" else warn_of_several_voices(config.embeddings_dir, index)
    report = Report(index, sequences, found, config)
    result = report.result(voices)
    debug = report.debug() if config.debug else None
    table = report.table()
    write_results(
        config.output_dir,
        result,
        table,
        placement,
        plot=config.plot,
        debug=debug,
        manifests=config.manifests,
        listed=listed_files(config, index, table) if config.manifests else (),
    )
    return result


def check_sizes(config: DetectConfig, sequences: Sequences) -> None:
    """Refuse an archive without speech or shorter than a segment.

    Raises:
        DetectError: with the numbers and what to do.
    """
    usable = len(sequences.used)
    if not usable:
        raise NothingSaidError(
            f"none of {counted(len(sequences.order), 'recording')} in {config.embeddings_dir} has an "
            f"embedding and speech; `diar status {config.embeddings_dir} --failures --warnings` says why"
        )
    longest = int(np.diff(np.append(sequences.starts, usable)).max())
    if config.segment_size != "auto" and config.segment_size > longest:
        where = "archive" if config.sequence_by == "archive" else "longest folder"
        raise DetectError(
            f"--segment_size {config.segment_size:,} is larger than the {where} "
            f"({counted(longest, 'usable recording')}); give the number of files of one speaker, or auto"
        )
