"""Freed memory goes back to the system."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import numpy as np
from pathlib import Path
from diar.models.memory import return_free_memory

def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

kept, before = [], resident()
for _ in range(3000):
    short_lived = np.ones(12_000)  # 96 kB: of the heap, not of the system
    kept.append((np.ones(100), short_lived))
kept = [small for small, _ in kept]
del short_lived
held = resident()
return_free_memory()
print(held - before, resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_holes_between_what_is_kept_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    held, left = map(float, done.stdout.split())
    if held < 100:
        pytest.skip("this C library gives memory back by itself")
    assert left < held / 4


FAULTS = """
import resource
import numpy as np
from diar.models.memory import keep_freed_memory

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(2_000_000)  # 16 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
keep_freed_memory()
np.ones(2_000_000)
print(first, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_kept_memory_is_not_cleared_again_for_every_array() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    if before < 100:
        pytest.skip("this C library keeps memory by itself")
    assert after < before / 10


HEAPS = """
import ctypes
import sys
import threading
from pathlib import Path
from diar.models.memory import share_one_heap

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fopen.restype = ctypes.c_void_p, ctypes.c_void_p

def heaps(file: str) -> int:
    stream = ctypes.c_void_p(libc.fopen(file.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    return Path(file).read_text().count("<heap nr=")

if sys.argv[2] == "one":
    share_one_heap()
together = threading.Barrier(3)

def allocate() -> None:
    together.wait()
    libc.malloc(100_000)
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(heaps(sys.argv[1]))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's allocator")
def test_threads_share_one_heap(tmp_path: Path) -> None:
    def heaps(how: str) -> int:
        call = [sys.executable, "-c", HEAPS, str(tmp_path / how), how]
        return int(subprocess.run(call, capture_output=True, text=True, check=True).stdout)

    assert heaps("each") > 1
    assert heaps("one") == 1
