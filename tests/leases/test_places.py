"""Who is at work, by beats alone: no clock is compared, and the end of a process here is seen at once."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from diar.leases import places as module
from diar.leases.leases import Leases
from diar.leases.places import Place, Places, State
from diar.storage import create


def never(reason: str) -> None:
    raise AssertionError(reason)


def elsewhere(folder: Path, number: int, lease: float, run: str = "") -> Place:
    """A process on another machine has taken a place."""
    place = Place(number, f"id {number}", "another", 7, "another-kernel 5", lease, run)
    assert create(str(folder / f"place_{number:03d}.json"), json.dumps(asdict(place)).ljust(512).encode())
    return place


def beat(folder: Path, place: Place) -> Place:
    place = replace(place, beat=place.beat + 1)
    (folder / f"place_{place.number:03d}.json").write_text(json.dumps(asdict(place)).ljust(512))
    return place


def test_one_of_many_creates_a_file_and_it_is_complete(tmp_path: Path) -> None:
    def one(number: int) -> bool:
        return create(str(tmp_path / "claim"), str(number).encode())

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(one, range(64)))
    assert sum(won) == 1
    assert (tmp_path / "claim").read_text() == str(won.index(True))
    assert [path.name for path in tmp_path.iterdir()] == ["claim"]


def test_without_links_the_same_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")  # as FAT and some network drives say

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert create(str(tmp_path / "claim"), b"1")
    assert not create(str(tmp_path / "claim"), b"2")
    assert (tmp_path / "claim").read_bytes() == b"1"


def test_a_process_elsewhere_is_alive_once_its_beat_moves_and_dead_once_it_rests(tmp_path: Path) -> None:
    other = elsewhere(tmp_path, 0, lease=0.5)
    seen = Places(str(tmp_path), 60.0, never)
    assert [state for _, state in seen.look().values()] == [State.UNKNOWN]
    other = beat(tmp_path, other)
    assert [state for _, state in seen.look().values()] == [State.ALIVE]
    time.sleep(0.6)
    assert [state for _, state in seen.look().values()] == [State.DEAD], "by its own lease, not by ours"
    beat(tmp_path, other)
    assert [state for _, state in seen.look().values()] == [State.ALIVE]


def test_a_clock_that_jumps_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = elsewhere(tmp_path, 0, lease=30.0)
    os.utime(tmp_path / "place_000.json", (0, 0))  # written in 1970, by the clock of that machine
    seen = Places(str(tmp_path), 60.0, never)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    seen.look()
    beat(tmp_path, other)
    assert [state for _, state in seen.look().values()] == [State.ALIVE]


def test_the_end_of_a_process_here_is_seen_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from diar.leases.places import Places\n"
        "places = Places(sys.argv[1], 3600.0, print)\n"
        "places.enter(0)\n"
        "print('entered', flush=True)\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "entered\n"
    seen = Places(str(tmp_path), 3600.0, never)
    assert [(place.pid, state) for place, state in seen.look().values()] == [(process.pid, State.ALIVE)]
    process.kill()
    deadline = time.monotonic() + 10  # a zombie counts as ended
    while seen.look()[0][1] != State.DEAD and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen.look()[0][1] == State.DEAD
    process.communicate()


def test_the_claims_of_a_dead_process_go_to_one_of_the_others(tmp_path: Path) -> None:
    here = [Places(str(tmp_path), 60.0, never) for _ in range(8)]
    for places in here:
        places.enter(0)
    assert [places.own.number for places in here] == list(range(8))
    leases = [Leases(str(tmp_path / "claims"), places) for places in here]
    assert [one.take("5") for one in leases].count(True) == 1
    assert leases[0].newest() == {"5": 0}
    with ThreadPoolExecutor(7) as pool:
        taken = list(pool.map(lambda one: one.take("5", 1), leases[1:]))
    assert taken.count(True) == 1
    winner = 1 + taken.index(True)
    assert leases[0].newest() == {"5": 1}
    assert leases[0].owner("5", 1) == (winner, here[winner].own.id)
    assert leases[0]._lost() == "others have taken over 5", "whoever was silent hears of it"
    leases[winner].release("5")
    assert leases[0].newest() == {"5": 0}
    for places in here:
        places.leave()
    assert not list(tmp_path.glob("place_*"))


def test_who_was_taken_for_dead_hears_of_it(tmp_path: Path) -> None:
    heard: list[str] = []
    lost = threading.Event()
    places = Places(str(tmp_path), 0.3, lambda reason: (heard.append(reason), lost.set()))
    places.enter(0)
    (tmp_path / "place_000.json").unlink()
    assert lost.wait(10)
    assert heard == ["others have taken it for dead"]


def test_a_number_of_a_process_means_nothing_on_another_machine() -> None:
    here, gone = module._machine(os.getpid()), module._machine(2**22 + 1)
    assert here.partition(" ")[0] == gone.partition(" ")[0]
    assert here != gone
