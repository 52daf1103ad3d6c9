"""A bounded folder of results."""

import asyncio
import os
from pathlib import Path

import pytest

from diar.service.jobs.results import Results
from diar.service.shared.store import Shared


def test_the_oldest_go_and_what_was_asked_for_stays(tmp_path: Path) -> None:
    results = Results(Shared(None), tmp_path / "kept", 0.01, 60)

    async def work() -> None:
        for number in range(40):
            await results.put(f"{number:02}", bytes(1_000))
            for age, file in enumerate(sorted(results._folder.iterdir())):
                os.utime(file, (age, age))
            size = sum(file.stat().st_size for file in results._folder.iterdir())
            assert size <= 10_000
        assert await results.get("39") == bytes(1_000)
        assert await results.get("00") is None

    asyncio.run(work())


def test_the_folder_is_not_counted_at_each_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, counted = Results(Shared(None), tmp_path, 0.01, 60), []
    shrink = results._shrink
    monkeypatch.setattr(results, "_shrink", lambda: (counted.append(1), shrink()))

    async def work() -> None:
        for number in range(40):
            await results.put(str(number), bytes(200))

    asyncio.run(work())
    assert len(counted) == 1


def test_a_result_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    assert asyncio.run(Results(Shared(None), tmp_path, 1, 60).get("a")) is None
