"""How much a rank does at once: seconds of audio in a forward pass, decoding threads, computing threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from diar.embed.chunks import Chunk
from diar.embed.embedder import TrackEmbedder
from diar.jobs.extract.config import ExtractConfig
from diar.models.device import cpu_cores

# On a GPU a pass may take this much, so that the smallest supported one has room for it
_GPU_BYTES = 6e9
_FREE_SHARE = 0.8  # of a GPU's free memory: allocators need some room
_MOST_SECONDS = 1920.0  # more than 60 chunks do not make a GPU faster
_CPU_SECONDS = 32.0  # one chunk: more leaves the cache (decisions 002 and 042)
_MOST_DECODE_THREADS = 8


@dataclass(frozen=True)
class Sizes:
    """What a rank does at once."""

    batch_seconds: float  # of audio in a forward pass
    decode_threads: int  # recordings decoded at the same time
    decode_processes: bool  # what FFmpeg reads is decoded in a process for each of them
    passes_ahead: float  # how much is decoded before it is needed, in forward passes
    passes_waiting: float  # how much waits for chunks of equal length, in forward passes

    @classmethod
    def of(
        cls, config: ExtractConfig, embedder: TrackEmbedder, local_world_size: int, ranks_on_device: int
    ) -> Sizes:
        """For one of the machine's `local_world_size` ranks, `ranks_on_device` of which share its device."""
        device = embedder.device
        return cls(
            _batch_seconds(config, embedder, ranks_on_device),
            _decode_threads(config, device, local_world_size),
            _decode_processes(config, device),
            _passes_ahead(device),
            _passes_waiting(device),
        )


def compute_threads(config: ExtractConfig, local_world_size: int) -> int:
    """Threads that a rank on the CPU computes with: the machine's cores are shared out."""
    return config.threads or max(1, cpu_cores() // local_world_size)


def _decode_threads(config: ExtractConfig, device: torch.device, local_world_size: int) -> int:
    """Recordings that a rank decodes at once.

    Beside a GPU decoding has the rank's share of the cores to itself; on the CPU it takes a few percent of
    what the networks take, and a second thread is only there to open the next file.
    """
    if config.decode_threads is not None:
        return config.decode_threads
    if device.type == "cpu":
        return 2
    return min(_MOST_DECODE_THREADS, max(2, cpu_cores() // local_world_size))


def _decode_processes(config: ExtractConfig, device: torch.device) -> bool:
    """Whether what FFmpeg reads is decoded in processes: beside a GPU, for which threads are too slow."""
    if config.decode_in == "auto":
        return device.type == "cuda"
    return config.decode_in == "processes"


def _passes_ahead(device: torch.device) -> float:
    """How much is decoded before it is needed, in forward passes.

    On the CPU, where a pass is a chunk, this is one chunk: what is decoded is claimed, and at the end of a
    run the others wait for whoever claimed most.
    """
    return 2.0 if device.type == "cuda" else 0.9


def _passes_waiting(device: torch.device) -> float:
    """How much waits for chunks of equal length, in forward passes.

    A GPU takes as long for one short chunk as for many. The CPU does not, so there it is little, again
    because what waits is claimed.
    """
    return 8.0 if device.type == "cuda" else 1.0


def _batch_seconds(config: ExtractConfig, embedder: TrackEmbedder, ranks_on_device: int) -> float:
    """Seconds of audio in a forward pass; on a GPU found from its free memory and what a chunk takes."""
    if config.batch_seconds is not None:
        return config.batch_seconds
    if embedder.device.type == "cpu":
        return _CPU_SECONDS
    free, _ = torch.cuda.mem_get_info(embedder.device)
    settings = embedder.settings
    return seconds_in(free, chunk_bytes(embedder), settings.length / settings.rate, ranks_on_device)


def seconds_in(free: int, chunk_bytes: int, chunk_seconds: float, ranks_on_device: int) -> float:
    """Seconds of audio that fit: at most 6 GB on a device, 0.8 of what is free, and at least one chunk.

    Args:
        free: bytes of the device that nothing uses.
        chunk_bytes: what a chunk takes.
        chunk_seconds: its length.
        ranks_on_device: processes that share the device.
    """
    budget = min(_GPU_BYTES, _FREE_SHARE * free) / ranks_on_device
    return min(_MOST_SECONDS, max(1.0, budget // chunk_bytes) * chunk_seconds)


def chunk_bytes(embedder: TrackEmbedder) -> int:
    """Bytes that a forward pass of one chunk takes on the GPU at most, by running one."""
    settings = embedder.settings
    noise = np.random.default_rng(0).standard_normal(settings.length).astype(np.float32)
    chunk = Chunk(0, 0, 0.1 * noise, (0, settings.length), last=True)
    embedder.embed([chunk])  # what libraries take once does not belong to it
    torch.cuda.synchronize(embedder.device)
    before = torch.cuda.memory_allocated(embedder.device)
    torch.cuda.reset_peak_memory_stats(embedder.device)
    embedder.embed([chunk])
    torch.cuda.synchronize(embedder.device)
    return max(1, torch.cuda.max_memory_allocated(embedder.device) - before)
