"""What a chunk gave, kept until its recording is complete, in memory of its own.

A day of audio is 3000 chunks, 70 kB each. As arrays between the network's short-lived buffers they keep the
C library from giving those back: 200 MB an hour of audio. Packed into Arrow's memory pool they do not.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from diar.extract.rows import ChunkEmbeddings


def pack(embeddings: ChunkEmbeddings) -> pa.Buffer:
    """Copy into one buffer of Arrow's pool."""
    data = pickle.dumps(embeddings, protocol=pickle.HIGHEST_PROTOCOL)
    buffer = pa.allocate_buffer(len(data))
    np.frombuffer(buffer, np.uint8)[:] = np.frombuffer(data, np.uint8)
    return buffer


def unpack(buffers: Sequence[pa.Buffer]) -> list[ChunkEmbeddings]:
    """Inverse of `pack`, for all chunks of a recording."""
    return [pickle.loads(buffer) for buffer in buffers]
