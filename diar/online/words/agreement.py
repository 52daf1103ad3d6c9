"""Which words of a hypothesis are certain: those on which two hypotheses in a row agree.

Local agreement: Macháček, Dabre, Bojar, "Turning Whisper into real-time transcription system", IJCNLP 2023;
after Liu, Spanakis, Niehues, "Low-latency sequence-to-sequence speech recognition", Interspeech 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

from diar.letters import letters
from diar.records import Word

_KEPT = 12  # certain words that are remembered
_LONGEST_OVERLAP = 5  # words at the start of a hypothesis that may be certain already
_NEAR = 1.0  # seconds after the last certain word within which it may be said again


class Agreement:
    """The words of one stream from one hypothesis to the next.

    Attributes:
        certain: the last words that never change.
        until: second at which the last of them ends.
        open: words of the last hypothesis that may change.
    """

    def __init__(self, until: float = 0.0) -> None:
        self.until = until
        self.certain: list[Word] = []
        self.open: list[Word] = []

    def take(self, words: Sequence[Word], sure: float, settled: float) -> list[Word]:
        """Take a new hypothesis; return the words that are certain from now on.

        Args:
            words: from before the last certain word on, ascending by start.
            sure: second up to which speech is known; no later word becomes certain.
            settled: second up to which all words become certain, whether hypotheses agree or not.
        """
        new = self._unknown(words)
        count = 0
        while count < min(len(new), len(self.open)) and _key(new[count]) == _key(self.open[count]):
            count += 1
        while count > 0 and new[count - 1].end > sure:
            count -= 1
        while count < len(new) and new[count].end <= settled:
            count += 1
        self.open = new[count:]
        return self._add(new[:count])

    def settle(self, settled: float) -> list[Word]:
        """Make the open words up to a second certain, without another hypothesis; drop the others."""
        done = [word for word in self.open if word.end <= settled]
        self.open = []
        return self._add(done)

    def _add(self, words: list[Word]) -> list[Word]:
        if words:
            self.until = max(self.until, max(word.end for word in words))
            self.certain = [*self.certain, *words][-_KEPT:]
        return words

    def _unknown(self, words: Sequence[Word]) -> list[Word]:
        """Return the words of a hypothesis that are not certain yet."""
        new = [word for word in words if (word.start + word.end) / 2 > self.until]
        if not new or not self.certain or new[0].start > self.until + _NEAR:
            return new
        for size in range(min(_LONGEST_OVERLAP, len(new), len(self.certain)), 0, -1):
            if [_key(word) for word in self.certain[-size:]] == [_key(word) for word in new[:size]]:
                return new[size:]
        return new


def _key(word: Word) -> str:
    """Return what makes two words the same: letters and digits, case ignored."""
    return letters(word.text) or word.text
