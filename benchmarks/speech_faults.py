"""What goes wrong around `diar serve --voices`: disk, synthesizer, end; `speech_hostile.py` has the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
from live_server import Served
from speech_attacks import NUMBERS, PATIENCE, ask, body, caller

CUT = ("200", "200 cut", "503 draining", "503 full", "RemoteDisconnected", "ConnectionResetError")


def fill(folder: Path, megabytes: float, texts: int, sentence: str) -> Callable[[Served], str]:
    """Return an attack by different texts, more than the folder of kept answers may hold."""

    def attack(served: Served) -> str:
        for number in range(texts):
            ask(served, body(f"{number}. {sentence}", response_format="pcm"))
        size = sum(file.stat().st_size for file in folder.glob("*.audio"))
        return "within its bound" if 0 < size <= megabytes * 1e6 else f"{size} bytes"

    return attack


def broken_folder(folder: Path) -> Callable[[Served], str]:
    """Return an attack: there is a file where the folder of kept answers was, so nothing can be kept."""

    def attack(served: Served) -> str:
        aside = folder.with_name("aside")
        folder.rename(aside)
        folder.write_text("no folder")
        try:
            return ask(served, body(f"Number {next(NUMBERS)} cannot be kept by anybody."))[0]
        finally:
            folder.unlink()
            aside.rename(folder)

    return attack


def killed(text: str) -> Callable[[Served], str]:
    """Return an attack: the synthesizer's process is killed in the middle of a request."""

    def attack(served: Served) -> str:
        before = len(ask(served, body(text))[1])
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, served, body(text), caller(tenant="other"))
            found = None
            while found is None and not asked.done():
                found = _synthesizer(served)
            if found is not None:
                found.kill()
            status, audio = asked.result(PATIENCE)
        told = "killed" if found is not None else "not found"
        return f"{told}, {status}{', whole' if len(audio) == before else ''}"

    return attack


def _synthesizer(served: Served) -> psutil.Process | None:
    """Return the process of the synthesizer, which has espeak-ng in a process of its own while it speaks."""
    for child in psutil.Process(served.process.pid).children():
        with suppress(psutil.Error, OSError):
            for own in child.children():
                if any("espeak" in one.path for one in own.memory_maps()):
                    return child
    return None


def ended(served: Served, text: str) -> str:
    """Ask eight times at once, and end the server by SIGTERM meanwhile; nothing may hang or be left."""
    family = psutil.Process(served.process.pid).children(recursive=True)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, served, body(f"{n}. {text}"), caller()) for n in range(8)]
        time.sleep(2)
        served.process.terminate()
        code = served.process.wait(60)
        answers = [one.result(PATIENCE)[0] for one in asked]
    _, alive = psutil.wait_procs(family, 10)
    wrong = "".join(sorted({f", {one}" for one in answers if one not in CUT}))
    return f"exit code {code}, {len(alive)} processes left{wrong}"


def held(served: Served) -> dict[str, int]:
    """Return what the server holds: open files, and processes."""
    process = psutil.Process(served.process.pid)
    return {"files": process.num_fds(), "processes": len(process.children(recursive=True))}
