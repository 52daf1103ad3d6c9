"""An engine that cannot be started again: all who asked are answered, and later ones are not left waiting."""

import asyncio
from typing import Any

import pytest

from diar.errors import DiarError
from diar.online.settings import LiveSettings
from diar.service.computing.compute import Compute, engine_openers
from diar.service.computing.lasting import LastingEngine
from diar.service.computing.streams import EngineGone
from diar.service.config import ServeConfig
from diar.spawning import usable_cores


class Mortal:
    """An engine that ends at the first thing that it is asked, once its streams have begun."""

    def begin(self, *_: Any) -> None:
        pass

    def finalize(self, key: str) -> list[Any]:
        raise EngineGone("it ended")

    def check(self) -> None:
        pass

    def shut_down(self) -> None:
        pass


class Nobody:
    def fed(self, *_: object) -> None:
        pass

    def restarted(self) -> None:
        pass


def test_all_who_asked_are_answered_and_nobody_waits_for_an_engine_that_cannot_be_made() -> None:
    made: list[Mortal] = []

    def opener() -> Any:
        if made:
            raise DiarError("the weights are gone")
        made.append(Mortal())
        return made[-1]

    async def asked() -> list[BaseException | Any]:
        compute = Compute([lambda lane: LastingEngine(opener, lane)], Nobody())
        compute.start()
        await asyncio.wrap_future(compute.opened)
        assert compute.ready
        lane = compute.lane()
        await lane.call(lambda engine: engine.begin("a", LiveSettings()))
        calls = [lane.call(lambda engine: engine.finalize("a")) for _ in range(3)]
        together = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
        while not lane.closed:
            await asyncio.sleep(0.01)
        assert not compute.ready
        with pytest.raises(EngineGone, match="the weights are gone"):
            await asyncio.wait_for(lane.call(lambda engine: engine.finalize("b")), 10)
        compute.stop()
        return together

    assert all(isinstance(one, EngineGone) for one in asyncio.run(asked()))


def test_lanes_are_those_that_were_asked_for_or_one_a_core() -> None:
    config: dict[str, Any] = {"insecure": True, "device": "cpu"}
    assert len(engine_openers(ServeConfig(workers=3, **config))) == 3
    assert len(engine_openers(ServeConfig(**config))) == min(4, len(usable_cores()) or 1)
    assert len(engine_openers(ServeConfig(insecure=True, device="cuda"))) == 1
