"""Imported last by the server of workers: what it has made is left alone by garbage collection from then on.

Otherwise each worker would look through it, and copy the memory by that. At its end the server does not clear
up what it has imported, which takes half a second, in which whoever reads its output waits.

It ignores what asks a run to stop. Schedulers and terminals signal all processes of a job, and while workers
finish what they are at, the server is needed to tell how they ended.
"""

import atexit
import gc
import os
import signal

_SERVER = os.getpid()


def _end_at_once() -> None:
    """End without clearing up; workers, forked from the server, have their own end."""
    if os.getpid() == _SERVER:
        os._exit(0)


gc.freeze()
gc.enable()
atexit.register(_end_at_once)
# Those that the launcher does not ignore itself; workers take them back
IGNORED = [
    number
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    if signal.getsignal(number) == signal.SIG_DFL
]
for number in IGNORED:
    signal.signal(number, signal.SIG_IGN)
