"""`--dry_run` of stage 1: what a run would do, without a model and without writing anything."""

from __future__ import annotations

from diar.jobs.cost.estimate import estimate_disk, estimate_durations
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.plan import assign_shards
from diar.jobs.extract.prepare import list_archive, shard_limits
from diar.wording import counted, duration, size


def print_dry_run(config: ExtractConfig) -> None:
    """Print files, hours, shards and disk needed."""
    listing = list_archive(config)
    recordings = listing.recordings
    limits = shard_limits(config, listing)
    shards = int(assign_shards(recordings, limits)[-1]) + 1
    durations = estimate_durations(recordings)
    disk = estimate_disk(config, len(recordings), durations.total)
    print(f"{config.input_dir} -> {config.output_dir} (nothing is written)")
    print(
        f"recordings   {len(recordings):,} ({size(recordings.total_bytes)}); "
        f"{counted(listing.ignored, 'other file')} ignored"
    )
    probed = counted(durations.probed, "recording")
    print(f"audio        about {duration(durations.total)} (read from the headers of {probed})")
    most = counted(limits.files, "recording")
    print(f"shards       {shards:,} of at most {most} and {size(limits.bytes)}")
    print(f"disk         about {size(disk)} with sliding windows every {config.hop} s")
    print(f"first, last  {recordings[0].recording_id}, {recordings[-1].recording_id}")
    for warning in listing.warnings:
        print(f"warning: {warning}")
    print("how long and at what cost: `diar plan` with the same options")
