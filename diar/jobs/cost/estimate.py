"""Estimate the hours of audio and the disk space of an archive from a sample of headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.archive.decoders.decode import DecodeError, probe_seconds
from diar.archive.listing import Recording, Recordings
from diar.embedding.settings import SpeechSettings
from diar.jobs.extract.config import ExtractConfig
from diar.store.layout import MIRROR, PACKED

_PROBED = 64  # headers read of each suffix, evenly over the archive
# Measured on conversations with the default encoder (192-d)
_BYTES_PER_SLIDING_WINDOW, _BYTES_PER_SEGMENTATION_WINDOW = 380, 1_300
_SUFFIX = r"[^/](?P<suffix>\.[^./]+)$"  # of a path; a name that begins with its only dot has none
_BYTES_PER_FILE = {MIRROR: 5_500, PACKED: 600}  # without windows, with its row in the index


@dataclass(frozen=True)
class Durations:
    """Estimated durations of an archive's recordings."""

    seconds: np.ndarray  # (n,)
    probed: int  # recordings whose headers were read

    @property
    def total(self) -> float:
        """Return the sum in seconds."""
        return float(self.seconds.sum())


def estimate_durations(recordings: Sequence[Recording]) -> Durations:
    """Estimate durations as bytes times seconds a byte, which a sample of the same suffix gives.

    Durations that a manifest gives are taken from there. Recordings that cannot be opened are left out of the
    sample; stage 1 will report them. A suffix of which none can be opened counts 0 seconds.
    """
    listed = Recordings.of(recordings).table
    seconds = listed["duration"].fill_null(0.0).to_numpy().copy()
    sizes = listed["size"].to_numpy().astype(np.float64)
    is_unknown = listed["duration"].is_null()
    unknown, total_probed = np.flatnonzero(is_unknown), 0
    for group in _groups_by_suffix(listed["path"].filter(is_unknown)):
        members = unknown[group]
        sample = np.unique(np.linspace(0, len(members) - 1, _PROBED).astype(int))
        rate, probed = _seconds_per_byte([recordings[members[i]] for i in sample])
        seconds[members] = rate * sizes[members]
        total_probed += probed
    return Durations(seconds, total_probed)


def _groups_by_suffix(paths: pa.ChunkedArray) -> Iterator[np.ndarray]:
    """Yield the positions of paths with one suffix, upper case or lower."""
    found = pc.struct_field(pc.extract_regex(pc.utf8_lower(paths), _SUFFIX), "suffix").fill_null("")
    groups = found.combine_chunks().dictionary_encode()
    codes = groups.indices.to_numpy()
    for code in range(len(groups.dictionary)):
        yield np.flatnonzero(codes == code)


def _seconds_per_byte(sample: Sequence[Recording]) -> tuple[float, int]:
    """Return (seconds a byte, recordings that could be opened); 0 where none could."""
    seconds, size, probed = 0.0, 0, 0
    for recording in sample:
        try:
            seconds += probe_seconds(recording)
        except DecodeError:
            continue
        size, probed = size + recording.size, probed + 1
    return (seconds / size if size else 0.0), probed


def estimate_disk(config: ExtractConfig, recordings: int, seconds: float) -> float:
    """Estimate the bytes that stage 1 writes for a number of recordings and their seconds of audio.

    Each recording has at least one sliding window and one seg_window.
    """
    steps = config.hop, config.step or SpeechSettings.step
    sliding, segmentation = (max(recordings, seconds / step) for step in steps)
    disk = sliding * _BYTES_PER_SLIDING_WINDOW + recordings * _BYTES_PER_FILE[config.layout]
    if config.segmentation != "none":
        disk += segmentation * _BYTES_PER_SEGMENTATION_WINDOW
    return disk
