"""All chunks of one recording → its tracks and its vector, in the calling thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from diar.embedding.chunks import Chunk
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.pipeline import Batches, Embedded, PassPipeline
from diar.embedding.rows import ChunkEmbeddings, RecordingEmbeddings, assemble
from diar.models.inference import tensor_float_32

# Seconds of audio in a forward pass; a GPU with less free memory gets smaller ones, see `PassPipeline`
_BATCH_SECONDS = {"cpu": 32.0, "cuda": 480.0}

# A pass uses all cores, or the whole GPU, and sets PyTorch's switches for TF32, which belong to the process
_one_pass = threading.Lock()


def embed_recording(chunks: Iterable[Chunk], embedder: TrackEmbedder) -> RecordingEmbeddings | None:
    """Embed the chunks of one recording; None where there are none.

    Several threads may share an embedder: while one reads audio, another's forward pass runs.

    Args:
        chunks: of the recording, in any order; taken as they are needed.
        embedder: the networks on their device.

    Raises:
        MemoryShortageError: the device has no room for a single chunk.
    """
    found: dict[int, ChunkEmbeddings] = {}

    def keep(ready: list[Embedded[None]]) -> None:
        found.update((chunk.index, made) for _, chunk, made in ready)

    def use_smaller_batches(count: int) -> None:
        batches.full = min(batches.full, count * embedder.settings.length)

    full = round(_BATCH_SECONDS[embedder.device.type] * embedder.settings.rate)
    batches = Batches[None](embedder.settings.length, full)
    pipeline = PassPipeline[None](embedder, use_smaller_batches)
    for chunk in chunks:
        for batch in batches.add(None, chunk):
            with _one_pass, tensor_float_32(False):
                keep(pipeline.push(batch))
    with _one_pass, tensor_float_32(False):
        for batch in batches.rest():
            keep(pipeline.push(batch))
        keep(pipeline.flush())
    if not found:
        return None
    return assemble([found[index] for index in range(len(found))], embedder.settings.rate)
