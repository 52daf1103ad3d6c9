"""The faults that `benchmarks/faults.py` injects; those of disks and machines need root."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from fault_trial import LONGEST, LOOK, Trial, workers

from diar.store.layout import Layout

_KILLS = 10  # of one output at most
_LINK = "10.77.31."  # addresses of the two network namespaces


def kill_workers(trial: Trial) -> None:
    """Kill one worker of a run after the other, as often as they are started again."""
    process = trial.start("--max_restarts", _KILLS)
    trial.injected = 0
    while trial.injected < _KILLS:
        trial.wait(process)
        ranks = workers(process)
        if not ranks:
            break
        trial.injected += _kill([trial.moments.choice(ranks)])
    if trial.end(process) not in (0, 3):
        trial.finish()


def kill_runs(whole: bool) -> Callable[[Trial], None]:
    """Return what kills launchers, or all processes of a run, again and again until all is done."""

    def inject(trial: Trial) -> None:
        trial.injected = 0
        while trial.injected < _KILLS:
            process = trial.start()
            trial.wait(process)
            if process.poll() is None:
                launcher = psutil.Process(process.pid)
                trial.injected += _kill([launcher, *workers(process)] if whole else [launcher])
            if trial.end(process) in (0, 3):
                return
        trial.finish()

    return inject


def _kill(victims: list[psutil.Process]) -> bool:
    """Kill processes; return whether the first was still there."""
    found = []
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
            found.append(victim)
    return victims[:1] == found[:1]


def ask(number: signal.Signals, group: bool) -> Callable[[Trial], None]:
    """Return what asks a run to stop by a signal, to its launcher or to all its processes."""

    def inject(trial: Trial) -> None:
        process = trial.start("--grace", 20)
        trial.wait(process)
        if process.poll() is None:
            (os.killpg if group else os.kill)(process.pid, number)
        trial.end(process)
        trial.finish()

    return inject


def pipe(trial: Trial) -> None:
    """Put a pipe into the archive."""
    os.mkfifo(trial.audio / "pipe.wav")
    trial.finish("--stall_timeout", 20)


def hang(trial: Trial) -> None:
    """Stop a decoding process for good."""
    process = trial.start("--decode_in", "processes", "--stall_timeout", 3, "--workers", 1)
    trial.wait(process, 0.5)
    decoders = [child for worker in workers(process) for child in worker.children()]
    for decoder in decoders[:1]:
        decoder.suspend()
    trial.end(process)
    trial.finish("--retry_failed")


def damage(trial: Trial) -> None:
    """Damage 5 % of the files: random bytes in the middle, or cut off."""
    files = sorted(file for file in trial.audio.rglob("*") if file.suffix in (".wav", ".mp3", ".flac"))
    for number, file in enumerate(trial.moments.sample(files, max(1, len(files) // 20))):
        content = bytearray(file.read_bytes())
        middle = len(content) // 3
        if number % 2:
            content = content[:middle]
        else:
            content[:middle] = trial.moments.randbytes(middle)
        file.unlink()  # others may be links to it
        file.with_name(f"damaged {file.name}").write_bytes(content)
    trial.finish()


def concur(trial: Trial) -> None:
    """Start a second run on the same output; the first stands still meanwhile, or it might be done before."""
    first = trial.start()
    trial.wait(first, 0.2)
    os.killpg(first.pid, signal.SIGSTOP)
    trial.end(trial.start())
    os.killpg(first.pid, signal.SIGCONT)
    trial.end(first)
    trial.finish()


def join(trial: Trial) -> None:
    """Let three processes join, and kill one of them."""
    tasks = [trial.start("--join", "--workers", 1, "--shard_files", 4) for _ in range(3)]
    trial.wait(tasks[0])
    if tasks[1].poll() is None:
        _kill([psutil.Process(tasks[1].pid), *workers(tasks[1])])
    for number in (1, 2, 0):
        trial.end(tasks[number])
    trial.finish("--join")


@contextlib.contextmanager
def two_machines() -> Iterator[list[tuple[str, ...]]]:
    """Yield what starts a process on each of two machines, here network and process namespaces.

    No machine sees the other's processes, so that only leases tell who is dead.
    """
    names = [f"diar_{os.getpid()}_{number}" for number in range(2)]
    ends = [f"diar{os.getpid() % 10**6}{side}" for side in "ab"]
    run = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True)  # noqa: E731
    try:
        for name in names:
            run("netns", "add", name)
        run("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for number, (name, end) in enumerate(zip(names, ends, strict=True)):
            run("link", "set", end, "netns", name)
            run("-n", name, "addr", "add", f"{_LINK}{number + 1}/24", "dev", end)
            run("-n", name, "link", "set", end, "up")
            run("-n", name, "link", "set", "lo", "up")
        apart = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        yield [("ip", "netns", "exec", name, *apart, sys.executable) for name in names]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def lose_a_node(trial: Trial) -> None:
    """Run on two machines by torchrun, kill all of one, and let it return."""
    with two_machines() as machines:
        nodes = []
        for number, machine in enumerate(machines):
            torchrun = f"-m torch.distributed.run --nnodes 2 --nproc-per-node 1 --node-rank {number}"
            address = f"--master-addr {_LINK}1 --master-port 29531"
            before = (*machine, *torchrun.split(), *address.split())
            nodes.append(trial.start("--shard_files", 4, "--lease", 5, before=before))
        trial.wait(nodes[0])
        victim = trial.moments.randrange(2)
        _kill_machine(nodes[victim])
        trial.end(nodes[victim])
        trial.end(trial.start("--shard_files", 4, "--lease", 5, "--join", before=machines[victim]))
        deadline = time.monotonic() + LONGEST
        while not Path(Layout(str(trial.out)).statistics).exists() and time.monotonic() < deadline:
            time.sleep(LOOK)
        time.sleep(1)
        _kill_machine(nodes[1 - victim])  # the agent waits 300 s for the other one
        trial.end(nodes[1 - victim])
    trial.finish("--join")


def _kill_machine(node: subprocess.Popen[str]) -> None:
    """Kill all processes of a machine."""
    with contextlib.suppress(psutil.NoSuchProcess):
        launcher = psutil.Process(node.pid)
        _kill([*launcher.children(recursive=True), launcher])


@contextlib.contextmanager
def small_disk(trial: Trial, size: int) -> Iterator[str]:
    """Mount a file system in memory of so many bytes where the output goes; yield its path."""
    trial.out.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(trial.out)], check=True)
    kept = trial.out
    try:
        trial.out = kept / "E"
        yield str(kept)
        shutil.copytree(trial.out, kept.with_name("copied"))
        trial.out = kept.with_name("copied")
    finally:
        subprocess.run(["umount", "-l", str(kept)], check=True)


def fill(trial: Trial) -> None:
    """Let the disk become full, then give it room."""
    with small_disk(trial, trial.room) as disk:
        trial.end(trial.start())
        subprocess.run(["mount", "-o", "remount,size=500m", disk], check=True)
        trial.finish()


def freeze_disk(trial: Trial) -> None:
    """Let the file system turn read-only, then writable again."""
    with small_disk(trial, 500_000_000) as disk:
        process = trial.start()
        trial.wait(process)
        # Mounted once more, as the system refuses while files are open for writing; a failing disk would not
        subprocess.run(["mount", "--bind", disk, disk], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", disk], check=True)
        trial.end(process)
        subprocess.run(["umount", disk], check=True)
        trial.finish()


FAULTS: dict[str, tuple[str, Callable[[Trial], None]]] = {
    "kill_worker": ("kill -9 of a worker", kill_workers),
    "kill_launcher": ("kill -9 of the launcher", kill_runs(whole=False)),
    "kill_all": ("kill -9 of all", kill_runs(whole=True)),
    "sigterm": ("SIGTERM to the launcher, 20 s of grace", ask(signal.SIGTERM, group=False)),
    "sigusr1": ("SIGUSR1 to all processes, 20 s of grace", ask(signal.SIGUSR1, group=True)),
    "fifo": ("a pipe among the recordings", pipe),
    "hung_decoder": ("SIGSTOP of a decoding process", hang),
    "damage": ("5 % of the files damaged", damage),
    "two_runs": ("two runs on one output", concur),
    "joined": ("three joined tasks, kill -9 of one", join),
    "node_loss": ("two machines by torchrun, one is lost and returns", lose_a_node),
    "full_disk": ("the disk is full", fill),
    "read_only": ("the disk turns read-only", freeze_disk),
}
NEEDS_ROOT = ("node_loss", "full_disk", "read_only")
