"""Freed memory in the C library: kept for the next forward pass, shared by threads, given back at times."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8  # of malloc.h
_TOP_PAD = 64 * 2**20  # bytes
RETURN_EVERY = 5.0  # seconds, in processes that run for days; it takes milliseconds


def keep_freed_memory() -> None:
    """Let this process reuse the memory of large arrays; do nothing if the C library is not glibc.

    By default each large array is a mapping of its own. The system clears its pages again for every layer of
    every pass, which takes half of the time of CAM++'s convolutions (decision 042).
    """
    library = _glibc("mallopt")
    if library is not None:
        for parameter, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _TOP_PAD)):
            library.mallopt(parameter, value)


def share_one_heap() -> None:
    """Let threads that start from now on allocate from one heap; do nothing if the C library is not glibc.

    By default each has its own, in parts of 64 MB. A part that is nearly free is kept, and what one
    thread has freed no other can use.
    """
    library = _glibc("mallopt")
    if library is not None:
        library.mallopt(_M_ARENA_MAX, 1)


def return_free_memory() -> None:
    """Give free pages of the heap back to the system; do nothing if the C library is not glibc.

    The rows of a long recording lie between the network's short-lived buffers and keep free memory from going
    back: 200 MB an hour of audio, for 15 MB of rows.
    """
    library = _glibc("malloc_trim")
    if library is not None:
        library.malloc_trim(0)


def _glibc(function: str) -> ctypes.CDLL | None:
    """Return the C library, if it has the function; musl does not."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, function) else None
