"""uvicorn's HTTP protocol, with the client certificate's subject and a limit for silent connections."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LONGEST_HEADER = 8_000  # bytes of one header of a WebSocket
PATIENCE = 20.0  # seconds within which the head of a request must be there


class Protocol(H11Protocol):
    """One connection."""

    _watched: asyncio.TimerHandle | None = None  # hangs up

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who is at the other end."""
        subject = certificate_subject(transport.get_extra_info("peercert"))
        if subject is not None:
            self.app_state = {**self.app_state, "certificate_subject": subject}
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of the next request must be all there in time, as those of the first."""
        super().data_received(data)
        if self._watched is None and self._idle():
            self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand over to the WebSocket, which would not answer headers that it cannot read."""
        if max(len(value) for _, value in event.headers) > LONGEST_HEADER:
            self.send_400_response(f"a header has more than {LONGEST_HEADER} bytes")
            return
        super().handle_websocket_upgrade(event)

    def _watch(self) -> None:
        self._watched = self.loop.call_later(PATIENCE, self._hang_up_on_silence, self.cycle)

    def _idle(self) -> bool:
        """Whether no request is at work."""
        return self.cycle is None or self.cycle.response_complete

    def _hang_up_on_silence(self, before: Any) -> None:
        """Close the connection unless a request came since `before`, which was the last."""
        self._watched = None
        if self.transport.is_closing() or self.transport.get_protocol() is not self or not self._idle():
            return
        if self.cycle is before:
            self.transport.abort()
        else:
            self._watch()


def certificate_subject(certificate: Any) -> str | None:
    """Return a subject such as `CN=recorder-7,O=Example`; None without a certificate."""
    if not certificate:
        return None
    parts = [f"{_SHORT.get(name, name)}={value}" for group in certificate["subject"] for name, value in group]
    return ",".join(reversed(parts)) or None


_SHORT = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}
