"""Memory that is free, but that the C library keeps."""

from __future__ import annotations

import ctypes
import sys


def return_free_memory() -> None:
    """Give free pages of the heap back to the system; does nothing where the C library is not glibc.

    The rows of a long recording lie between the network's short-lived buffers and keep those from going back:
    200 MB an hour of audio, for 15 MB of rows.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)
