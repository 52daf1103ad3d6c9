"""Audio of one session on its way from the event loop to the thread that computes."""

from __future__ import annotations

import bisect
import threading
import time
from collections import deque

import numpy as np

from diar.online.settings import SAMPLE_RATE

_REMEMBERED = 120  # seconds of the stream for which arrivals are known


class Inbox:
    """Samples that wait, and when each arrived; for two threads.

    Attributes:
        received: samples that were put in since the stream began.
        taken: of them, samples that were taken out.
    """

    def __init__(self, already: int = 0) -> None:
        self.received = self.taken = already
        self._waiting: deque[np.ndarray] = deque()
        self._arrivals: deque[tuple[int, float]] = deque()  # (samples received by then, when)
        self._known_from = already  # sample from which arrivals are known
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Samples that wait."""
        return self.received - self.taken

    def put(self, samples: np.ndarray) -> None:
        """Add samples (n,) float32."""
        with self._lock:
            self._waiting.append(samples)
            self.received += len(samples)
            self._arrivals.append((self.received, time.monotonic()))
            while self._arrivals and self._arrivals[0][0] < self.taken - _REMEMBERED * SAMPLE_RATE:
                self._known_from = self._arrivals.popleft()[0]

    def take(self, most: int) -> np.ndarray:
        """Return up to that many samples, the oldest."""
        with self._lock:
            pieces, count = [], 0
            while self._waiting and count < most:
                piece = self._waiting.popleft()
                if len(piece) > most - count:
                    self._waiting.appendleft(piece[most - count :])
                    piece = piece[: most - count]
                pieces.append(piece)
                count += len(piece)
            self.taken += count
            return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def age(self) -> float:
        """Return the seconds that the oldest waiting sample has waited."""
        arrived = self.arrival(self.taken / SAMPLE_RATE)
        return 0.0 if arrived is None else time.monotonic() - arrived

    def arrival(self, moment: float) -> float | None:
        """Return when the sample at a moment of the stream arrived; None if that is too long ago."""
        sample = int(moment * SAMPLE_RATE)
        with self._lock:
            place = bisect.bisect_right(self._arrivals, (sample, float("inf")))
            if place == len(self._arrivals) or sample < self._known_from:
                return None
            return self._arrivals[place][1]
