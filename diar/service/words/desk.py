"""Words of all live sessions by one recogniser: who is heard next, and what becomes of it.

The recogniser takes what is most urgent whenever it is free: first speech that has paused, whose words become
final, then whoever was not heard for longest. A session has one request at most, with all of its current
piece, so nothing queues: where the recogniser is too slow, sessions are heard less often, partial words are
skipped, and final ones come later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from diar.asr.errors import RecognitionError
from diar.asr.recogniser import check_language
from diar.online.words.captions import Captions, Piece, Told
from diar.service.config import ServeConfig
from diar.service.metrics import Metrics
from diar.service.problems import Problem
from diar.service.sessions.session import Session
from diar.service.words.process import Heard, WordsError, WordsProcess

_LOOK = 0.1  # seconds from one look at the sessions to the next
_LONGEST_BATCH = 1.0  # seconds that a batch should take at most
_MOST_TOGETHER = 16  # pieces in a batch
_FIRST_GUESS = 1.0  # seconds of a piece, before any was timed
_LAST_WORDS = 10.0  # seconds that a session waits at its end for its words
_HURRIED = 0.5  # … while the replica ends
_AGAIN = 5.0  # seconds after a failure
_LOG = logging.getLogger("diar.service")


class WordsDesk:
    """Has the words of sessions recognised. Used in the event loop only.

    Args:
        config: of the service.
        metrics: are told of words.

    Attributes:
        hurried: the replica ends, so nobody waits for words.
    """

    def __init__(self, config: ServeConfig, metrics: Metrics) -> None:
        self._process = WordsProcess(config.asr, config.device, config.asr_threads)
        self._thread = ThreadPoolExecutor(1, "words")  # the one that talks to the process
        self._metrics = metrics
        self._sessions: dict[str, Session] = {}
        self._heard_at: dict[str, float] = {}  # when each session was heard last, monotonic
        self._seconds = _FIRST_GUESS  # that a piece takes
        self.hurried = False

    async def open(self, language: str | None) -> None:
        """Open the recogniser; raises Problem if that does not work, or if it does not know the language."""
        try:
            if not self._process.running:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._process.open)
        except WordsError as error:
            raise Problem("failed", f"no words: {error}") from None
        opened = self._process.opened
        if opened is None:
            return  # it has just died, and is started again with the next words
        try:
            check_language(language, opened.languages, opened.model)
        except RecognitionError as error:
            raise Problem("bad_request", str(error)) from None

    def add(self, session: Session) -> None:
        """Hear a session from now on."""
        self._sessions[session.id] = session

    async def run(self) -> None:
        """Recognise what is due, for ever."""
        while True:
            await asyncio.sleep(0 if await self.step() else _LOOK)

    async def step(self) -> bool:
        """Recognise one batch; return whether there was any."""
        self._forget()
        batch = self._due()
        if batch:
            await self._recognise(batch)
        return bool(batch)

    async def finish(self, session: Session) -> None:
        """Have the last words of a session recognised; those that take too long are not told."""
        until = time.monotonic() + (_HURRIED if self.hurried else _LAST_WORDS)
        captions = session.captions
        while captions is not None and session.open and captions.pending and time.monotonic() < until:
            await asyncio.sleep(_LOOK)
        self._sessions.pop(session.id, None)

    async def stop(self) -> None:
        """End the process."""
        await asyncio.to_thread(self._process.end, for_good=True)
        self._thread.shutdown(wait=False)

    def _forget(self) -> None:
        for identifier in [key for key, session in self._sessions.items() if not session.open]:
            del self._sessions[identifier]
            self._heard_at.pop(identifier, None)

    def _due(self) -> list[tuple[Session, Captions, Piece]]:
        """Return the most urgent pieces, as many as are a batch."""
        due = []
        for session in self._sessions.values():
            captions = session.captions
            if captions is None:
                continue
            self._note_lost(captions)
            settled = captions.settle()
            if settled is not None:
                self._tell(session, settled)
            elif captions.due():
                due.append((not captions.urgent, self._heard_at.get(session.id, 0.0), session, captions))
        due.sort(key=lambda one: one[:2])
        most = max(1, min(_MOST_TOGETHER, int(_LONGEST_BATCH / self._seconds)))
        return [(session, captions, captions.piece()) for _, _, session, captions in due[:most]]

    async def _recognise(self, batch: list[tuple[Session, Captions, Piece]]) -> None:
        started = time.monotonic()
        pieces = [(piece.samples, captions.language) for _, captions, piece in batch]
        loop = asyncio.get_running_loop()
        try:
            heard = await loop.run_in_executor(self._thread, self._process.recognise, pieces)
        except WordsError as error:
            _LOG.warning("words of %d sessions were lost: %s", len(batch), error)
            for _, captions, piece in batch:
                captions.skip(piece)
            await asyncio.sleep(_AGAIN)
            return
        now = time.monotonic()
        self._seconds = 0.7 * self._seconds + 0.3 * (now - started) / len(batch)
        self._metrics.words_batch.observe(now - started)
        for (session, captions, piece), own in zip(batch, heard, strict=True):
            self._heard_at[session.id] = started
            self._take(session, captions, piece, own)

    def _take(self, session: Session, captions: Captions, piece: Piece, heard: Heard) -> None:
        captions.language = captions.language or heard.language
        self._tell(session, captions.heard(piece, heard.words))

    def _tell(self, session: Session, told: Told) -> None:
        if told.new and session.open:
            session.tell_words(told)

    def _note_lost(self, captions: Captions) -> None:
        if captions.lost:
            self._metrics.words_lost.inc(captions.lost)
            captions.lost = 0.0


def captions_of(session: Session, restored: np.ndarray | None, done: float) -> Captions:
    """Return the captions of a session that begins, or goes on from a saved state.

    Args:
        session: whose turns are known.
        restored: samples of a saved state from `done` on; None where the session begins.
        done: second up to which its words were told.
    """
    captions = Captions(session.board.turns, done, session.position)
    captions.language = session.opening.language
    if restored is not None:
        captions.restore(restored)
    return captions
