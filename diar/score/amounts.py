"""The figures of a diarization: sums that add up over recordings, and the rates that follow.

Definitions; all times are parts of what is scored:

- DER = (miss + false alarm + confusion) / reference speech, each counted once for every speaker.
- JER = mean over reference speakers of (false alarm + miss) / (union of speaker and partner), 1 for a speaker
  without a partner (N. Ryant et al., second DIHARD challenge, 2019).
- Overlap precision and recall: of the seconds in which two or more speakers talk, regardless of who.
- Speaker-count error: mean over recordings of |speakers found - speakers there|; accuracy: share of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Amounts:
    """Sums that add up over recordings, times in seconds; the rates follow from them."""

    recordings: int = 0
    scored: float = 0.0  # time that is scored, speech or not
    speech: float = 0.0  # of all reference speakers, added up
    miss: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0
    reference_speakers: int = 0  # within the UEM, collars not left out
    hypothesis_speakers: int = 0
    count_error: int = 0
    exact_counts: int = 0
    jaccard_speakers: int = 0  # reference speakers with scored speech
    jaccard_error: float = 0.0  # sum over them
    reference_overlap: float = 0.0
    hypothesis_overlap: float = 0.0
    common_overlap: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def errors(self) -> float:
        """Return the seconds of miss, false alarm and confusion."""
        return self.miss + self.false_alarm + self.confusion

    @property
    def der(self) -> float | None:
        """Return the diarization error rate, 0 to above 1; None without reference speech."""
        return _ratio(self.errors, self.speech)

    @property
    def jer(self) -> float | None:
        """Return the Jaccard error rate, 0 to 1; None without reference speech."""
        return _ratio(self.jaccard_error, self.jaccard_speakers)

    @property
    def mean_count_error(self) -> float | None:
        """Return the mean of |speakers found - speakers there|."""
        return _ratio(self.count_error, self.recordings)

    @property
    def count_accuracy(self) -> float | None:
        """Return the share of recordings with as many speakers as there are."""
        return _ratio(self.exact_counts, self.recordings)

    @property
    def overlap_precision(self) -> float | None:
        """Return the share of the overlap found that is there; None where none was found."""
        return _ratio(self.common_overlap, self.hypothesis_overlap)

    @property
    def overlap_recall(self) -> float | None:
        """Return the share of the overlap there that was found; None where there is none."""
        return _ratio(self.common_overlap, self.reference_overlap)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
