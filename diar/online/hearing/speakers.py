"""The speakers of a stream: their voices as far as they were heard, and their names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from diar.detect.clustering.calibration import REFERENCE
from diar.detect.linking.evidence import CAMPPLUS
from diar.detect.linking.known import KnownSpeakers

_NARROW = 0.40  # cosine of different people's tracks over a telephone, before the stream shows its own
# The same of what hops embed, with little context, and over a telephone
_HEARD, _HEARD_NARROW = 0.14, 0.30
_ASSUMED, _MOST_SEEN = 20, 200  # weight of these two, in cosines of the stream; how many of those are kept
_SAME = 0.33  # cosine of a second of speech and its speaker, where different people have `_HEARD` …
_LITTLE, _SAME_LITTLE = 0.78, 0.175  # seconds of speech up to which this cosine is enough …
_FULL, _FULL_NARROW = 1.0, 2.0  # … and from which `_SAME` is asked for: later over a telephone
_MATURE, _HALF = 10.0, 0.8  # seconds of a speaker's voice; a centroid of `_HALF` is half of noise
_MOST_GAIN = 1.5
_LEAST_KNOWN = 2.0  # seconds of clean speech from which a voice is compared with known ones


@dataclass
class Speaker:
    """One speaker.

    Attributes:
        number: in the stream, from 1.
        total: (D,) sum of unit vectors, each times its seconds.
        seconds: of clean speech in `total`.
        sure: there is enough of it that the speaker is no mistake.
        name: of a known voice, or given.
        single: all that is known of the speaker is one voice, which may still turn out to be somebody else's.
    """

    number: int
    total: np.ndarray
    seconds: float
    sure: bool = False
    name: str | None = None
    single: bool = False

    def add(self, embedding: np.ndarray, seconds: float) -> None:
        """Add an embedding (D,) of so many seconds of clean speech."""
        self.total = self.total + embedding * seconds
        self.seconds += seconds


class Speakers:
    """All speakers that are heard; those that were merged into others are gone.

    Args:
        narrow_band: over a telephone.
        maximum: most speakers; None = any number.
        known: enrolled voices.

    Attributes:
        different: cosine of different people's tracks.
    """

    def __init__(self, narrow_band: bool, maximum: int | None, known: KnownSpeakers | None) -> None:
        self.rows: list[Speaker] = []
        self.next_number = 1
        self.different = _NARROW if narrow_band else REFERENCE
        self._maximum = maximum
        self._narrow_band = narrow_band
        self.seen: list[float] = []  # cosines of voices to speakers that they are not
        self.known = known

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def numbers(self) -> list[int]:
        """Return the numbers, ascending."""
        return [row.number for row in self.rows]

    @property
    def names(self) -> dict[str, str]:
        """Return the names of those who have one."""
        return {str(row.number): row.name for row in self.rows if row.name is not None}

    @property
    def full(self) -> bool:
        """Whether there can be no further speaker."""
        return self._maximum is not None and len(self.rows) >= self._maximum

    def get(self, number: int) -> Speaker | None:
        """Return a speaker, or None if there is none of that number."""
        return next((row for row in self.rows if row.number == number), None)

    def centroids(self, sure_only: bool = False) -> tuple[list[int], np.ndarray]:
        """Return the numbers and centroids (K, D) of the speakers, L2-normalised."""
        rows = [row for row in self.rows if row.sure or not sure_only]
        if not rows:
            return [], np.zeros((0, 0))
        totals = np.stack([row.total for row in rows])
        return [row.number for row in rows], totals / np.linalg.norm(totals, axis=1, keepdims=True)

    @property
    def same(self) -> float:
        """Return the cosine from which a second of speech is taken for a speaker's."""
        return self._translated(_SAME)

    def least(self, seconds: float) -> float:
        """Return the cosine from which so many seconds of speech are taken for a speaker's."""
        full = _FULL_NARROW if self._narrow_band else _FULL
        return self._translated(float(np.interp(seconds, [_LITTLE, full], [_SAME_LITTLE, _SAME])))

    @property
    def heard_different(self) -> float:
        """Return the cosine of what hops embed of different people in this stream."""
        assumed, count = (_HEARD_NARROW if self._narrow_band else _HEARD), len(self.seen)
        median = float(np.median(self.seen)) if count else 0.0
        return (median * count + assumed * _ASSUMED) / (count + _ASSUMED)

    def saw_different(self, voice: np.ndarray, own: Speaker) -> None:
        """Note the cosines of a voice (D,) that is surely a speaker's to the others."""
        others = [row.total / np.linalg.norm(row.total) for row in self.rows if row.sure and row is not own]
        self.seen = [*self.seen, *(float(voice @ other) for other in others)][-_MOST_SEEN:]

    def cosines(self, embedding: np.ndarray) -> dict[int, float]:
        """Return the cosine of an embedding (D,) to each speaker, by number."""
        numbers, centroids = self.centroids()
        return dict(zip(numbers, (centroids @ embedding).tolist(), strict=True)) if numbers else {}

    def scores(self, embedding: np.ndarray) -> dict[int, float]:
        """Return the cosines that an embedding (D,) would have to speakers who were heard for long.

        The centroid of a second of speech is in part noise, so that its cosines are lower.
        """
        different, score = self.heard_different, self.cosines(embedding)
        for row in self.rows:
            above = score[row.number] - different
            if above > 0:
                share, mature = (heard / (heard + _HALF) for heard in (row.seconds, _MATURE))
                score[row.number] = different + above * min(_MOST_GAIN, (mature / share) ** 0.5)
        return score

    def _translated(self, cosine: float) -> float:
        different = self.heard_different
        return different + (cosine - _HEARD) * (1 - different) / (1 - _HEARD)

    def add(self, total: np.ndarray, seconds: float, *, sure: bool) -> Speaker:
        """Add a speaker with the next number."""
        speaker = Speaker(self.next_number, total.astype(np.float64), seconds, sure)
        self.next_number += 1
        self.rows.append(speaker)
        return speaker

    def drop(self, number: int) -> None:
        """Forget a speaker."""
        self.rows = [row for row in self.rows if row.number != number]

    def name_known(self, least_ratio: float) -> list[tuple[Speaker, float]]:
        """Name speakers by known voices, the likeliest first; return them with the certainty of each."""
        heard = [row for row in self.rows if row.name is None and row.seconds >= _LEAST_KNOWN]
        if self.known is None or not heard or not len(self.known.name):
            return []
        names, person = np.unique(np.asarray(self.known.name, dtype=str), return_inverse=True)
        totals = np.zeros((len(names), self.known.embedding.shape[1]))
        np.add.at(totals, person, self.known.embedding * self.known.seconds[:, None])
        enrolled = totals / np.linalg.norm(totals, axis=1, keepdims=True)
        share = CAMPPLUS.share(np.bincount(person, self.known.seconds), np.bincount(person))
        units = np.stack([row.total / np.linalg.norm(row.total) for row in heard])
        own = CAMPPLUS.share(np.array([row.seconds for row in heard]), np.array(1))
        ratio = CAMPPLUS.log_ratio(units @ enrolled.T, own[:, None], share)
        used = {row.name for row in self.rows}
        found = []
        for i, who in sorted(
            np.argwhere(ratio >= least_ratio).tolist(), key=lambda pair: -ratio[tuple(pair)]
        ):
            if heard[i].name is None and str(names[who]) not in used:
                heard[i].name = str(names[who])
                used.add(heard[i].name)
                found.append((heard[i], float(expit(ratio[i, who]))))
        return found
