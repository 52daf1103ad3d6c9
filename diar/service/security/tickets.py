"""Tickets: tokens of one use and one minute; browsers cannot send `Authorization` with a WebSocket."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from diar.service.problems import Problem
from diar.service.security.callers import Caller
from diar.service.shared.store import Shared

LIFE = 60.0  # seconds


class Tickets:
    """Gives and takes tickets; with Redis, any replica takes what another gave."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def give(self, caller: Caller) -> str:
        """Return a ticket for a caller."""
        ticket = secrets.token_urlsafe(32)
        await self._shared.call(lambda store: store.set(_key(ticket), caller.to_json().encode(), LIFE))
        return ticket

    async def take(self, ticket: str) -> Caller:
        """Return whose ticket it is; nobody can use it again.

        Raises:
            Problem: unauthorized: unknown, used or too old.
        """
        found = await self._shared.call(lambda store: store.take(_key(ticket)))
        if found is None:
            raise Problem(
                "unauthorized", f"the ticket is unknown, used, or older than {LIFE:.0f} s: ask for a new one"
            )
        return replace(Caller.from_json(found), how="ticket")


def _key(ticket: str) -> str:
    """Return the name that a ticket is kept under: whoever reads the store cannot use it."""
    return "ticket:" + hashlib.sha256(ticket.encode()).hexdigest()
