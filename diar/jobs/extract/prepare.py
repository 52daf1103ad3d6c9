"""Preparation of a run before the ranks work: identity of the extraction, listing, plan."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

import diar
from diar import storage
from diar.archive.listing import Listing
from diar.embedding.networks import Models, describe_encoder, describe_segmentation, describe_speech
from diar.errors import DiarError
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.leftovers import folders_of, sweep_unfinished
from diar.jobs.extract.networks.choices import describe_choices, options_without_effect
from diar.jobs.extract.networks.pipelines import describe_pipeline, heard_by, licence_of, plda_npz
from diar.jobs.extract.plan import (
    SETTLED_COLUMNS,
    ShardLimits,
    failed_ids,
    find_ids,
    make_plan,
    save_plan,
    without_purged,
)
from diar.jobs.extract.sections import remove_sections
from diar.jobs.progress.counters import Totals
from diar.jobs.stalls import list_in_time
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.inference import PRECISIONS, best_precision
from diar.models.pipelines.open import Pipeline
from diar.models.segmentation.base import SegmentationModel
from diar.store.earlier_names import rename_earlier
from diar.store.encryption.names import describe_encryption, forget_secrets
from diar.store.layout import PACKED, Layout
from diar.store.reader import StoreError, arrangement, done_shards, read_config, read_plan
from diar.store.schema import SCHEMA_VERSION
from diar.wording import counted, plural


class ExtractError(DiarError):
    """An extraction that cannot start as asked."""


@dataclass(frozen=True)
class Identity:
    """Everything that affects the numbers written; extractions with one fingerprint have the same numbers."""

    settings: dict[str, Any]
    fingerprint: str

    @classmethod
    def of(
        cls,
        config: ExtractConfig,
        models: Models,
    ) -> Identity:
        """Return the identity of a run with these options and networks."""
        model, segmentation, second = models.encoder, models.segmentation, models.second
        heard = heard_by(config, models)
        settings = {
            "schema_version": SCHEMA_VERSION,
            "architecture": model.architecture,
            "model_sha256": model.sha256,
            "fbank": asdict(model.fbank),
            **{f"encoder_{part}": value for part, value in model.described.items()},
            "segmentation_sha256": None if segmentation is None else segmentation.sha256,
            "segmentation_lead": None if segmentation is None else segmentation.settings.lead_seconds,
            "second_segmentation_sha256": None if second is None else second.sha256,
            **describe_speech(segmentation, second, config.precision),
            **describe_choices(config),
            **describe_pipeline(config, models),
            **{name: getattr(config, name) for name in config.result_fields()},
            "speech": heard.speech,
            "step": heard.step,
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return cls(settings, digest[:16])

    def metadata(self, model: SpeakerModel, segmentation: SegmentationModel | None) -> dict[str, str]:
        """Return the footer metadata of every Parquet file."""
        return {
            **describe_encoder(model),
            "settings": json.dumps(self.settings, sort_keys=True),
            "fingerprint": self.fingerprint,
            **({} if segmentation is None else describe_segmentation(segmentation)),
        }


def settle_precision(config: ExtractConfig, layout: Layout, device: torch.device) -> str:
    """Return the precision; `auto` is what the extraction was begun with, else the device's best."""
    if config.asked_precision != "auto":
        return config.asked_precision
    if storage.exists(layout.config) and not config.overwrite:
        settings: dict[str, str] = read_config(layout)["settings"]
        if settings.get("precision") in PRECISIONS:
            return settings["precision"]
    return best_precision(device)


def settle_plan(
    config: ExtractConfig,
    layout: Layout,
    identity: Identity,
    metadata: dict[str, str],
    listing: Listing | None = None,
    pipeline: Pipeline | None = None,
) -> tuple[pa.Table, list[str]]:
    """Check that the output belongs to the archive, publish the plan; return plan and warnings.

    Args:
        config: the run's options.
        layout: of the output.
        identity: of the extraction.
        metadata: of every Parquet file.
        listing: the archive, None = list it, once the output is known to belong to it.
        pipeline: that the networks are of; its PLDA model is stored, and its licence told once.

    Raises:
        PldaError: the pipeline's PLDA model cannot be used.
        ExtractError: the archive is empty, or the output belongs to another model, setting or archive.
    """
    plda = None if pipeline is None else plda_npz(pipeline)
    if config.overwrite and not _overwritten_by_this_job(layout):
        remove_extraction(layout)
    check_same_extraction(config, layout, identity)
    rename_earlier(layout)
    listing = without_purged(layout, listing or list_archive(config))
    previous = _previous_plan(layout)
    redo = failed_ids(layout) if config.retry_failed and previous is not None else frozenset()
    limits, first = shard_limits(config, listing), _first_unused_shard(layout, previous)
    plan = make_plan(listing.recordings, limits, previous, first_shard=first, redo=redo)
    if plda is not None:
        storage.write_bytes_atomic(layout.plda, plda)
    # Before the plan, which never exists without the configuration that it belongs to
    _write_config(config, layout, identity, metadata)
    if previous is None and config.layout == PACKED:
        remove_packed(layout, plan)  # of shards of a plan that is gone
    save_plan(layout, plan)
    told = [licence_of(pipeline)] if pipeline is not None and previous is None else []
    return plan, [*told, *options_without_effect(config), *listing.warnings, *_gone(previous, plan)]


def _write_config(
    config: ExtractConfig, layout: Layout, identity: Identity, metadata: dict[str, str]
) -> None:
    record = {
        "schema_version": SCHEMA_VERSION,
        "fingerprint": identity.fingerprint,
        "layout": config.layout,
        "input_dir": archive_root(config),
        "settings": identity.settings,
        "metadata": metadata,
        "diar_version": diar.__version__,
        "job": _job() if config.overwrite else None,
    }
    if encryption := describe_encryption(layout.config):
        record["encryption"] = encryption
    storage.write_bytes_atomic(layout.config, json.dumps(record, indent=2).encode())
    forget_secrets()


def _previous_plan(layout: Layout) -> pa.Table | None:
    """Return the earlier plan, after removing half-written files; without a plan, remove all shards."""
    if storage.exists(layout.plan):
        previous = read_plan(layout, columns=SETTLED_COLUMNS)
        sweep_unfinished(layout, previous)
        return previous
    for name in storage.list_names(layout.shards):
        storage.remove(storage.join(layout.shards, name))
    return None


def _first_unused_shard(layout: Layout, previous: pa.Table | None) -> int:
    used = done_shards(layout)
    if previous is not None and len(previous):
        used = [*used, pc.max(previous["shard"]).as_py()]
    return 1 + max(used, default=-1)


def _gone(previous: pa.Table | None, plan: pa.Table) -> list[str]:
    if previous is None:
        return []
    count = int((find_ids(previous["recording_id"], plan["recording_id"]) < 0).sum())
    gone = f"{counted(count, 'recording')} {plural(count, 'is')} no longer in the archive; the tracks stay"
    return [gone] if count else []


def _job() -> str:
    """Return a name that this job keeps when its workers are started again: the launcher is their parent."""
    return f"{socket.gethostname()}:{os.getppid()}:{os.environ.get('TORCHELASTIC_RUN_ID', '')}"


def _overwritten_by_this_job(layout: Layout) -> bool:
    return storage.exists(layout.config) and read_config(layout).get("job") == _job()


def archive_root(config: ExtractConfig) -> str:
    """Return `input_dir` as an absolute path or URL."""
    local = storage.local_path(config.input_dir)
    return config.input_dir if local is None else storage.absolute(local)


def list_archive(config: ExtractConfig) -> Listing:
    """List the archive's recordings, without the output directory.

    Raises:
        ExtractError: there are none.
    """
    listing = list_in_time(config.input_dir, config.output_dir, config.protocols, config.stall_timeout)
    if not listing.recordings:
        count = listing.ignored
        ignored = f" ({counted(count, 'file')} there {plural(count, 'has')} no audio suffix)" if count else ""
        raise ExtractError(f"--input_dir {config.input_dir}: no audio files found{ignored}")
    return listing


def shard_limits(config: ExtractConfig, listing: Listing) -> ShardLimits:
    """Return the limits of new shards for the options and the archive's size."""
    max_bytes = round(config.shard_megabytes * 1e6)
    return ShardLimits.for_archive(listing.recordings, config.shard_files, max_bytes)


def check_same_extraction(config: ExtractConfig, layout: Layout, identity: Identity) -> None:
    """Refuse an output directory that belongs to another model, setting or archive.

    Raises:
        ExtractError: with the difference spelled out.
    """
    if not storage.exists(layout.config):
        return
    earlier = read_config(layout)
    old, new = earlier["settings"], json.loads(json.dumps(identity.settings))
    differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    differences = [f"{key}: {old.get(key)!r} there, {new.get(key)!r} now" for key in differing]
    if earlier["input_dir"] != archive_root(config):
        differences.append(f"input_dir: {earlier['input_dir']!r} there, {archive_root(config)!r} now")
    if arrangement(layout) != config.layout:
        differences.append(f"layout: {arrangement(layout)!r} there, {config.layout!r} now")
    if differences:
        raise ExtractError(
            f"--output_dir {layout.root} holds another extraction:\n  "
            + "\n  ".join(differences)
            + "\nChoose another --output_dir, give the same options, or start again with --overwrite"
        )


def remove_extraction(layout: Layout) -> None:
    """Delete an earlier extraction's files, and nothing else."""
    rename_earlier(layout)
    if storage.exists(layout.plan) and storage.exists(layout.config):
        _remove_tracks(layout)
    remove_sections(layout)
    for folder in (storage.join(layout.private, one) for one in ("shards", "progress", "profile", "events")):
        for name in storage.list_names(folder):
            storage.remove(storage.join(folder, name))
    for url in (layout.statistics, layout.plan, layout.config, layout.plda):
        storage.remove(url)


def _remove_tracks(layout: Layout) -> None:
    try:
        plan = read_plan(layout, columns=["recording_id"])
    except StoreError:
        return  # the plan is damaged: the tracks are not known, and stay
    if arrangement(layout) == PACKED:
        remove_packed(layout, plan)
        return
    for recording_id in plan["recording_id"]:
        storage.remove(layout.tracks(recording_id.as_py()))


def remove_packed(layout: Layout, plan: pa.Table) -> None:
    """Delete all packed files in the folders of the plan's recordings."""
    for folder in folders_of(layout, plan):
        for name in filter(storage.PACKED_PATTERN.fullmatch, storage.list_names(folder)):
            storage.remove(storage.join(folder, name))


def job_totals(layout: Layout, plan: pa.Table) -> Totals:
    """Return the size of the whole job, and how much of it is in finished shards."""
    size = plan["size"].to_numpy()
    done = size[np.isin(plan["shard"].to_numpy(), done_shards(layout))]
    return Totals(len(plan), int(size.sum()), len(done), int(done.sum()))
