"""How many people the channels of one recording have: bounds for all of them, divided over the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from diar.detect.clustering.similarity import unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizedRecording

_LEAST_WEIGHT = 1e-3  # seconds, of a speaker without clean speech

Found = Mapping[int, DiarizedRecording]  # by channel


@dataclass(frozen=True)
class PeopleOfSides:
    """Divides bounds over channels that are diarized one by one.

    Each channel is diarized without bounds first, so that one where nobody speaks counts nobody. A channel is
    diarized again only where that gave too many or too few people in all.

    Attributes:
        diarize: one channel, with bounds for it alone.
        join: all channels; a person who is heard in two of them is there once.
    """

    diarize: Callable[[int, SpeakerCount], DiarizedRecording]
    join: Callable[[Found], DiarizedRecording]

    def find(self, channels: Iterable[int], count: SpeakerCount) -> DiarizedRecording:
        """Return the joined recording, its people within the bounds as far as its voices allow.

        A channel where somebody speaks keeps at least one.
        """
        found = {channel: self.diarize(channel, SpeakerCount()) for channel in channels}
        joined = self.join(found)
        if count.maximum is not None and len(joined.turns) > count.maximum:
            return self._lowered(found, count.maximum)
        return self._lifted(found, count.minimum) if len(joined.turns) < count.minimum else joined

    def _lowered(self, found: Found, most: int) -> DiarizedRecording:
        """Take speakers of a channel who are most alike for one, until there are `most`."""
        joined = self.join(found)
        while len(joined.turns) > most:
            excess = _most_alike(joined, len(joined.turns) - most)
            again = {
                channel: self.diarize(channel, SpeakerCount(1, len(found[channel].turns) - fewer))
                for channel, fewer in excess.items()
            }
            if not any(len(own.turns) < len(found[channel].turns) for channel, own in again.items()):
                break
            found = {**found, **again}
            joined = self.join(found)
        return joined

    def _lifted(self, found: Found, least: int) -> DiarizedRecording:
        """Find one more in the channel where that tells voices apart best, until there are `least`."""
        joined = self.join(found)
        more = {channel: self._with_one_more(channel, own) for channel, own in found.items()}
        while len(joined.turns) < least:
            joint = {channel: self.join({**found, channel: own}) for channel, own in more.items()}
            helpful = [channel for channel in joint if len(joint[channel].turns) > len(joined.turns)]
            if not helpful:
                break
            chosen = min(helpful, key=lambda channel: _closest(more[channel]))
            found, joined = {**found, chosen: more[chosen]}, joint[chosen]
            more[chosen] = self._with_one_more(chosen, found[chosen])
        return joined

    def _with_one_more(self, channel: int, found: DiarizedRecording) -> DiarizedRecording:
        speakers = len(found.turns)
        return self.diarize(channel, SpeakerCount(speakers + 1, speakers + 1)) if speakers else found


def _most_alike(joined: DiarizedRecording, excess: int) -> dict[int, int]:
    """Return by channel how many fewer it has if the pairs that are most alike within one become one."""
    sums = joined.embedding * np.maximum(joined.clean_seconds, _LEAST_WEIGHT)[:, None]
    apart = joined.channel[:, None] != joined.channel
    alive = np.ones(len(sums), bool)
    fewer: dict[int, int] = {}
    for _ in range(excess):
        units = unit_rows(sums)
        cosine = np.where(apart | ~alive | ~alive[:, None], -np.inf, units @ units.T)
        np.fill_diagonal(cosine, -np.inf)
        first, second = np.unravel_index(cosine.argmax(), cosine.shape)
        if cosine[first, second] == -np.inf:
            break
        sums[first] += sums[second]
        alive[second] = False
        channel = int(joined.channel[first])
        fewer[channel] = fewer.get(channel, 0) + 1
    return fewer


def _closest(found: DiarizedRecording) -> float:
    """Return the cosine of the two speakers who are most alike."""
    cosine = found.embedding @ found.embedding.T
    np.fill_diagonal(cosine, -1.0)
    return float(cosine.max(initial=-1.0))
