"""Credentials of a request → its caller: certificate, token, ticket, or nobody's on this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from diar.service.config import is_loopback
from diar.service.problems import Problem
from diar.service.security.callers import ANYBODY, SCOPES, Caller
from diar.service.security.tickets import Tickets
from diar.service.security.tokens import Tokens

TICKET = "ticket"  # parameter of the URL


class Door:
    """Finds out who calls.

    Args:
        tokens: what checks tokens; None = none are taken.
        tickets: what checks tickets.
        certificates: callers show client certificates.
        insecure: everybody may come in.
        origins: web sites, besides this server's own, whose pages may call.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        tickets: Tickets,
        *,
        certificates: bool,
        insecure: bool,
        origins: tuple[str, ...],
    ) -> None:
        self._tokens, self._tickets = tokens, tickets
        self._certificates, self._insecure, self._origins = certificates, insecure, frozenset(origins)

    async def caller(self, connection: HTTPConnection, *, ticket: bool = False) -> Caller:
        """Return who calls.

        Args:
            connection: a request or a WebSocket.
            ticket: a ticket in the URL is taken, too.

        Raises:
            Problem: unauthorized or forbidden.
        """
        self._check_origin(connection)
        if ticket and TICKET in connection.query_params:
            return await self._tickets.take(connection.query_params[TICKET])
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        if token and kind.lower() == "bearer" and self._tokens is not None:
            return self._tokens.caller(token.strip())
        subject = connection.scope.get("state", {}).get("certificate_subject")
        if self._certificates and subject:
            return Caller(f"cert:{subject}", subject, SCOPES, "certificate")
        if self._insecure:
            return ANYBODY
        raise Problem("unauthorized", f"no credentials: {self._wanted(ticket)}")

    def _check_origin(self, connection: HTTPConnection) -> None:
        """Refuse pages of other web sites: a browser would send them wherever this user's machine can go."""
        host = connection.headers.get("host", "")
        if self._insecure and not is_loopback(_name(host)):
            raise Problem(
                "forbidden", f"without credentials, only this machine's own names are served, not {host!r}"
            )
        origin = connection.headers.get("origin")
        if origin is None or origin in self._origins or urlsplit(origin).netloc == host:
            return
        raise Problem("forbidden", f"pages of {origin} may not call this server (`allowed_origins`)")

    def _wanted(self, ticket: bool) -> str:
        ways = [
            *(["an Authorization header: Bearer TOKEN"] if self._tokens is not None else []),
            *(["a client certificate"] if self._certificates else []),
            *(["a ticket of POST /v1/live in the URL"] if ticket else []),
        ]
        return "send " + ", or ".join(ways)


def _name(host: str) -> str:
    """Return a Host header without its port."""
    return urlsplit(f"//{host}").hostname or ""
