"""When to look before the next hop: it gets louder after silence, so that somebody may begin to speak."""

from __future__ import annotations

from dataclasses import dataclass

TICK = 1_600  # samples from one look at the loudness to the next, 0.1 s
_LOUDER = 4.0  # times the power of the noise floor
_RISE = 1.02  # of the floor from tick to tick, where nothing is quieter
_LEAST_POWER = 1e-9  # of a floor; 16-bit silence has less
_MOST_LOOKS = 2  # between two hops


@dataclass
class Onset:
    """The noise floor between turns.

    Attributes:
        tick: sample up to which the loudness was looked at.
        floor: power of the quietest ticks.
        looks: before the next hop.
    """

    tick: int = 0
    floor: float = 1.0
    looks: int = 0

    def louder(self, tick: int, power: float) -> bool:
        """Take the power of the 0.1 s that end at sample `tick`; tell whether to look now."""
        self.tick = tick
        loud = power > _LOUDER * self.floor
        self.floor = max(_LEAST_POWER, min(power, self.floor * _RISE))
        self.looks = self.looks + 1 if loud else 0
        return loud and self.looks <= _MOST_LOOKS
