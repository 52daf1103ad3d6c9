"""Bytes of a client → samples of a session: decoded, counted, slowed where a limit is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

from diar.online.settings import SAMPLE_RATE
from diar.service.problems import Problem
from diar.service.security.rates import Rates
from diar.service.sessions.decoders import open_decoder
from diar.service.sessions.opening import Opening
from diar.service.sessions.session import Session

_COUNTED = 2.0  # seconds of audio that are counted at once
_NAP = 1.0  # seconds from one look at the limit to the next


class Feeder:
    """The one connection that sends a session's audio.

    Args:
        session: that gets it.
        rates: the caller's limits.
        opening: what comes.
        skip: samples at 16 kHz to leave out at the beginning, because the session has them.

    Raises:
        Problem: conflict: another connection sends.
    """

    def __init__(self, session: Session, rates: Rates, opening: Opening, skip: int = 0) -> None:
        if session.feeder is not None:
            raise Problem("conflict", "another connection sends this session's audio")
        self._session, self._rates, self._skip = session, rates, skip
        self._contained, self._uncounted = opening.contained, 0.0
        self._decoder = open_decoder(opening)
        session.feeder = self

    async def feed(self, data: bytes) -> None:
        """Take bytes; return once there is room for more.

        Raises:
            Problem: bad_audio, or the session is over.
        """
        await self._add_all(self._decoder.feed(data))

    async def finish(self) -> None:
        """Take what the decoder still holds."""
        await self._add_all(self._decoder.finish())

    def close(self) -> None:
        """Let another connection send."""
        self._decoder.close()
        if self._session.feeder is self:
            self._session.feeder = None

    async def _add_all(self, pieces: Iterator[np.ndarray]) -> None:
        while True:
            # A container is decoded by a thread that one waits for; samples as they are take no time
            piece = await asyncio.to_thread(next, pieces, None) if self._contained else next(pieces, None)
            if piece is None:
                return
            await self._add(piece)

    async def _add(self, samples: np.ndarray) -> None:
        left_out = min(self._skip, len(samples))
        self._skip -= left_out
        await self._slow_down((len(samples) - left_out) / SAMPLE_RATE)
        await self._session.add(samples[left_out:])

    async def _slow_down(self, seconds: float) -> None:
        """Count audio; wait while the caller has sent more than is allowed in this minute."""
        self._uncounted += seconds
        if self._uncounted < _COUNTED:
            return
        counted, self._uncounted = self._uncounted, 0.0
        while await self._rates.audio(self._session.caller, counted) > 0 and self._session.open:
            counted = 0.0
            self._session.touch()
            await asyncio.sleep(_NAP)
