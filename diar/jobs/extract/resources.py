"""How much a rank does at once: audio in a forward pass, decoding threads, computing threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from diar.embedding.chunks import Chunk
from diar.embedding.embedder import TrackEmbedder
from diar.jobs.extract.config import ExtractConfig
from diar.models.device import cpu_cores

# Memory of a pass on a GPU, which the smallest supported GPU has room for
_GPU_BYTES = 6e9
_FREE_SHARE = 0.8  # of a GPU's free memory; the allocator needs the rest
_MOST_SECONDS = 1920.0  # a GPU is no faster with more than these 60 chunks
_CPU_SECONDS = 32.0  # one chunk; more would not fit the cache (decisions 002 and 042)
_MOST_DECODE_THREADS = 8


@dataclass(frozen=True)
class Sizes:
    """How much a rank decodes and computes at once."""

    batch_seconds: float  # of audio in a forward pass
    decode_threads: int  # recordings decoded at the same time
    decode_processes: bool  # whether each of them has a process for files that FFmpeg decodes
    passes_ahead: float  # audio decoded before it is needed, in forward passes

    @classmethod
    def of(
        cls, config: ExtractConfig, embedder: TrackEmbedder, local_world_size: int, ranks_on_device: int
    ) -> Sizes:
        """Return the sizes for a rank whose machine has `local_world_size`, its device `ranks_on_device`."""
        device = embedder.device
        return cls(
            _batch_seconds(config, embedder, ranks_on_device),
            _decode_threads(config, device, local_world_size),
            _decode_processes(config, device),
            _passes_ahead(device),
        )


def compute_threads(config: ExtractConfig, device: torch.device, local_world_size: int) -> int:
    """Return the threads that a rank computes with: its share of the cores; beside a GPU one."""
    if device.type == "cuda":
        return 1  # only small arrays are left to the CPU
    return config.threads or max(1, cpu_cores() // local_world_size)


def _decode_threads(config: ExtractConfig, device: torch.device, local_world_size: int) -> int:
    """Return the number of recordings that a rank decodes at once.

    Beside a GPU, decoding has the rank's share of the cores to itself. On the CPU it takes a few percent of
    the networks' time; the second thread only opens the next file.
    """
    if config.decode_threads is not None:
        return config.decode_threads
    if device.type == "cpu":
        return 2
    return min(_MOST_DECODE_THREADS, max(2, cpu_cores() // local_world_size))


def _decode_processes(config: ExtractConfig, device: torch.device) -> bool:
    """Return whether FFmpeg decodes in processes: beside a GPU, for which threads are too slow."""
    if config.decode_in == "auto":
        return device.type == "cuda"
    return config.decode_in == "processes"


def _passes_ahead(device: torch.device) -> float:
    """Return how much is decoded before it is needed, in forward passes.

    On the CPU, where a pass is a chunk, this is one chunk: decoded audio is claimed, and at the end of a run
    the others wait for the rank that claimed most.
    """
    return 2.0 if device.type == "cuda" else 0.9


def _batch_seconds(config: ExtractConfig, embedder: TrackEmbedder, ranks_on_device: int) -> float:
    """Return the seconds of audio in a forward pass; on a GPU by its free memory and that of a chunk."""
    if config.batch_seconds is not None:
        return config.batch_seconds
    if embedder.device.type == "cpu":
        return _CPU_SECONDS
    free, _ = torch.cuda.mem_get_info(embedder.device)
    settings = embedder.settings
    return seconds_in(free, chunk_bytes(embedder), settings.length / settings.rate, ranks_on_device)


def seconds_in(free: int, chunk_bytes: int, chunk_seconds: float, ranks_on_device: int) -> float:
    """Return the seconds of audio that fit in 6 GB of a device or 0.8 of a rank's share of what is free.

    At least one chunk.

    Args:
        free: unused bytes of the device.
        chunk_bytes: memory of a chunk in a forward pass.
        chunk_seconds: its length.
        ranks_on_device: processes that share the device.
    """
    budget = min(_GPU_BYTES, _FREE_SHARE * free / ranks_on_device)
    return min(_MOST_SECONDS, max(1.0, budget // chunk_bytes) * chunk_seconds)


def chunk_bytes(embedder: TrackEmbedder) -> int:
    """Measure the most bytes that a forward pass of one chunk takes on the GPU, by running one."""
    settings = embedder.settings
    noise = np.random.default_rng(0).standard_normal(settings.length).astype(np.float32)
    chunk = Chunk(0, 0, 0.1 * noise, (0, settings.length), last=True)
    embedder.embed([chunk])  # libraries take memory once, which does not count
    torch.cuda.synchronize(embedder.device)
    before = torch.cuda.memory_allocated(embedder.device)
    torch.cuda.reset_peak_memory_stats(embedder.device)
    embedder.embed([chunk])
    torch.cuda.synchronize(embedder.device)
    return max(1, torch.cuda.max_memory_allocated(embedder.device) - before)
