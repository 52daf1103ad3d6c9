"""When to look before the next hop: it gets louder after silence, so that somebody may begin to speak."""

from __future__ import annotations

from dataclasses import dataclass, field

TICK = 1_600  # samples from one look at the loudness to the next, 0.1 s
_LOUDER = 4.0  # times the power of the quietest tick before it
_BEFORE = 5  # ticks; the noise may have changed earlier
_LEAST_POWER = 1e-9  # of a quiet tick; 16-bit silence has less
_FIRST_POWER = 1e-5  # before the first tick; whoever speaks from the first sample on is louder
_LOOKS = (2, 3, 4)  # of the loud ticks in a row; the network hears no shorter speech


@dataclass
class Onset:
    """The loudness between turns.

    Attributes:
        tick: sample up to which the loudness was looked at.
        power: of the last ticks.
        loud: ticks in a row.
    """

    tick: int = 0
    power: list[float] = field(default_factory=lambda: [_FIRST_POWER])
    loud: int = 0

    def louder(self, tick: int, power: float) -> bool:
        """Take the power of the 0.1 s that end at sample `tick`; tell whether to look now."""
        self.tick = tick
        loud = power > _LOUDER * max(_LEAST_POWER, min(self.power))
        self.power = [*self.power, power][-_BEFORE:]
        self.loud = self.loud + 1 if loud else 0
        return self.loud in _LOOKS
