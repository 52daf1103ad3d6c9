"""Imported last by the server of workers: what it has made is left alone by garbage collection from then on.

Otherwise each worker would look through it, and copy the memory by that. At its end the server does not clear
up what it has imported, which takes half a second, in which whoever reads its output waits.
"""

import atexit
import gc
import os

_SERVER = os.getpid()


def _end_at_once() -> None:
    """End without clearing up; workers, forked from the server, have their own end."""
    if os.getpid() == _SERVER:
        os._exit(0)


gc.freeze()
gc.enable()
atexit.register(_end_at_once)
