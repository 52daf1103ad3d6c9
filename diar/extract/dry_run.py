"""`--dry_run`: what a run would do, without a model and without writing anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diar.archive.decode import DecodeError, probe_seconds
from diar.archive.listing import Recording
from diar.config import ExtractConfig
from diar.extract.plan import assign_shards
from diar.extract.prepare import list_archive, shard_limits

_PROBED = 64  # recordings, evenly over the archive, whose headers are read
# Measured on conversations with the default encoder (192-d)
_BYTES_PER_SLIDING_WINDOW, _BYTES_PER_SEGMENTATION_WINDOW, _BYTES_PER_FILE = 380, 1_300, 8_000


def print_dry_run(config: ExtractConfig) -> None:
    """Print files, hours, shards and disk needed."""
    listing = list_archive(config)
    recordings = listing.recordings
    limits = shard_limits(config, listing)
    shards = int(assign_shards(recordings, limits)[-1]) + 1
    size = sum(recording.size for recording in recordings)
    seconds, probed = estimate_seconds(recordings)
    sliding, segmentation = (max(len(recordings), seconds / step) for step in (config.hop, config.step))
    disk = sliding * _BYTES_PER_SLIDING_WINDOW + len(recordings) * _BYTES_PER_FILE
    if config.segmentation != "none":
        disk += segmentation * _BYTES_PER_SEGMENTATION_WINDOW
    print(f"{config.input_dir} -> {config.output_dir} (nothing is written)")
    print(f"recordings   {len(recordings):,} ({size / 1e9:.2f} GB); {listing.ignored:,} other files ignored")
    print(f"audio        about {seconds / 3600:.2f} h (headers of {probed} recordings)")
    print(f"shards       {shards:,} of at most {limits.files} recordings and {limits.bytes / 1e6:.0f} MB")
    print(f"disk         about {disk / 1e9:.3f} GB with sliding windows every {config.hop} s")
    print(f"first, last  {recordings[0].recording_id}, {recordings[-1].recording_id}")
    for warning in listing.warnings:
        print(f"warning: {warning}")


def estimate_seconds(recordings: Sequence[Recording]) -> tuple[float, int]:
    """(seconds of audio, recordings probed): seconds a byte of a sample, times all bytes."""
    sample = [recordings[i] for i in np.unique(np.linspace(0, len(recordings) - 1, _PROBED).astype(int))]
    seconds = size = probed = 0.0
    for recording in sample:
        try:
            seconds += probe_seconds(recording)
        except DecodeError:
            continue  # the run itself will report it
        size, probed = size + recording.size, probed + 1
    total = sum(recording.size for recording in recordings)
    return (seconds / size * total if size else 0.0), int(probed)
