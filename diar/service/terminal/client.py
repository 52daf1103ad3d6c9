"""A live session over a WebSocket that comes back when its connection is lost.

What was sent last is remembered and sent again after a reconnection; the server leaves out what it has.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from diar.errors import DiarError

REMEMBERED = 30.0  # seconds of audio that can be sent again
PATIENCE = 30.0  # seconds without a connection after which the client gives up
_PAUSES = (0.1, 0.3, 0.7, 1.0, 2.0)  # seconds before each attempt, the last one again and again
_FOR_GOOD = frozenset(
    [
        "bad_request",
        "bad_audio",
        "unauthorized",
        "forbidden",
        "not_found",
        "too_large",
        "gone",
        "idle",
        "too_many",
    ]
)
_REFUSED = frozenset(range(400, 500))


class LiveError(DiarError):
    """A session that cannot go on."""


@dataclass
class _Sent:
    """Audio that was sent last, in blocks."""

    bytes_per_second: int
    blocks: deque[bytes] = field(default_factory=deque)
    total: int = 0  # bytes sent so far, without those sent again
    kept: int = 0

    def add(self, block: bytes) -> None:
        self.blocks.append(block)
        self.total += len(block)
        self.kept += len(block)
        while self.kept - len(self.blocks[0]) > REMEMBERED * self.bytes_per_second:
            self.kept -= len(self.blocks.popleft())

    @property
    def position(self) -> float:
        """Seconds at which the oldest kept block begins."""
        return (self.total - self.kept) / self.bytes_per_second


class LiveClient:
    """One session.

    Args:
        url: of `/v1/live`.
        opening: the first message, without its type: format (pcm only), sample_rate, channels, ….
        headers: of the request, such as Authorization.
        tls: for wss.
        on_event: is called with every message of the server.

    Attributes:
        session: identifier, once there is one.
        reconnections: how often the connection was lost and found again.
    """

    def __init__(
        self,
        url: str,
        opening: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None],
        headers: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url, self._opening, self._on_event = url, opening, on_event
        self._headers, self._tls = headers or {}, tls
        size = {"pcm_s16le": 2, "pcm_f32le": 4}[opening.get("format", "pcm_s16le")]
        self._sent = _Sent(size * opening.get("sample_rate", 16_000) * opening.get("channels", 1))
        self._exhausted = False
        self._next: asyncio.Task[bytes] | None = None
        self.session: str | None = None
        self.last_seq = 0
        self.reconnections = 0

    @property
    def sent_seconds(self) -> float:
        """Seconds of audio that were sent, without what was sent again."""
        return self._sent.total / self._sent.bytes_per_second

    async def run(self, audio: AsyncIterator[bytes]) -> dict[str, Any]:
        """Send audio as it comes, then close the stream; return the event `session.ended`.

        Raises:
            LiveError: the server refuses, or cannot be reached for too long.
        """
        failures, lost_at = 0, asyncio.get_running_loop().time()
        while True:
            try:
                async with connect(
                    self._url,
                    additional_headers=self._headers,
                    ssl=self._tls,
                    max_size=None,
                    ping_timeout=None,
                    compression=None,
                ) as connection:
                    ended = await self._talk(connection, audio)
                    if ended is not None:
                        return ended
                failures, lost_at = 0, asyncio.get_running_loop().time()
            except InvalidStatus as error:
                if error.response.status_code in _REFUSED:
                    raise LiveError(_reason(error.response.body)) from None
            except (OSError, ConnectionClosed, InvalidHandshake) as error:
                if asyncio.get_running_loop().time() - lost_at > PATIENCE:
                    raise LiveError(f"{self._url} cannot be reached: {error}") from None
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _talk(self, connection: ClientConnection, audio: AsyncIterator[bytes]) -> dict[str, Any] | None:
        """Use one connection; return `session.ended`, or None if the connection is lost."""
        await connection.send(json.dumps(self._first_message()))
        sender = asyncio.create_task(self._send(connection, audio))
        try:
            async for text in connection:
                event = json.loads(text)
                self._note(event)
                if event["type"] == "session.ended":
                    return event
        except ConnectionClosed:
            pass  # the session goes on over the next connection
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return None

    def _first_message(self) -> dict[str, Any]:
        if self.session is None:
            return {"type": "start", **self._opening}
        self.reconnections += 1
        position = self._sent.position
        return {
            "type": "resume",
            "session": self.session,
            "last_seq": self.last_seq,
            "position": position,
            **self._opening,
        }

    def _note(self, event: dict[str, Any]) -> None:
        """Remember what is needed to come back; raise LiveError for what cannot be mended."""
        if event["type"] == "snapshot":
            self.session = event["session"]
        elif event["type"] == "error" and event["code"] in _FOR_GOOD:
            raise LiveError(event["message"])
        self.last_seq = max(self.last_seq, event.get("seq", 0))
        self._on_event(event)

    async def _send(self, connection: ClientConnection, audio: AsyncIterator[bytes]) -> None:
        for block in list(self._sent.blocks) if self.reconnections else []:
            await connection.send(block)
        while not self._exhausted:
            if self._next is None:
                self._next = asyncio.ensure_future(anext(audio))
            try:
                block = await asyncio.shield(self._next)  # a lost connection must not lose the block
            except StopAsyncIteration:
                self._exhausted = True
                break
            self._next = None
            self._sent.add(block)
            await connection.send(block)
        await connection.send(json.dumps({"type": "CloseStream"}))


def _reason(body: bytes | bytearray | None) -> str:
    try:
        return str(json.loads(body or b"")["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server refuses: {(body or b'').decode(errors='replace')[:200]}"
