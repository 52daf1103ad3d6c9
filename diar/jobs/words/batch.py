"""How many half minutes are recognised at once, where nobody says it."""

from __future__ import annotations

_ON_CPU = 4
_OF_ENDPOINT = 4
_KEPT, _EACH = 4e9, 5e8  # bytes of a GPU: weights of a large Whisper, and each half minute in fp16, beam 5
_MOST = 32


def default_batch(gpu_bytes: int | None, asr_is_endpoint: bool) -> int:
    """Return half minutes at once: on a GPU as many as fit beside a large model, a power of two.

    faster-whisper's own table has 6.1 GB for large-v2 with eight at once (its README, "Benchmark").

    Args:
        gpu_bytes: memory of the GPU that this rank has for itself; None = on a CPU.
        asr_is_endpoint: a server recognises; these are requests at once.
    """
    if asr_is_endpoint:
        return _OF_ENDPOINT
    if gpu_bytes is None:
        return _ON_CPU
    fitting = max(int((gpu_bytes - _KEPT) / _EACH), 1)
    return int(min(1 << (fitting.bit_length() - 1), _MOST))
