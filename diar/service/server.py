"""A uvicorn server with this application: sockets, TLS, signals, draining."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn

from diar.errors import DiarError, explain
from diar.service.application import make_application
from diar.service.computing.compute import Opener
from diar.service.config import ServeConfig
from diar.service.protocol import Protocol
from diar.service.service import Service

BACKLOG = 1_024
_UNREAD = 60_000  # milliseconds after which a connection is dead that takes no bytes (TCP_USER_TIMEOUT)
_SEND_BUFFER = 128 * 1024  # bytes in the kernel for a connection: a client that does not read is noticed
_LAST_SECONDS = 2  # for connections to close, after draining
_PINGS = 20.0  # seconds from one ping to the next


class Server(uvicorn.Server):
    """Serves until SIGTERM or Ctrl+C; then sessions are drained first."""

    def __init__(self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._on_ready = service, on_ready
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._watch = asyncio.create_task(self._until_opened())

    async def on_tick(self, counter: int) -> bool:
        """Drain before the end; see uvicorn."""
        if not self.should_exit:
            return await super().on_tick(counter)
        await self._service.drain()
        return True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a signal that was asked for is no failure, so it is not raised again."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def _until_opened(self) -> None:
        """Wait for the networks; a server that cannot open them ends."""
        try:
            await asyncio.wrap_future(self._service.compute.opened)
        except BaseException:  # raised again by `serve`, from the same future
            self.should_exit = True
            return
        self._on_ready()


def serve(
    config: ServeConfig,
    openers: Sequence[Opener],
    tell: Callable[[str], None],
    begun: Callable[[Service], None] = lambda service: None,
) -> None:
    """Serve until a signal.

    Args:
        config: of the service.
        openers: make the engines of live streams.
        tell: is told where the server listens, and when it is ready.
        begun: is given the service before it serves.

    Raises:
        DiarError: a file or address that cannot be used, networks that cannot be opened.
    """
    service = Service(config, openers)
    begun(service)
    listening = listen(config.host, config.port)
    address = "{}://{}:{}".format("https" if config.tls_certificate else "http", *_shown(listening))
    tell(f"listening on {address}")
    settings = uvicorn_config(config, service)
    server = Server(settings, service, lambda: tell(f"ready: open {address}/ in a browser"))
    server.run(sockets=[listening])
    opened = service.compute.opened
    if opened.done() and opened.exception() is not None:
        raise opened.exception()  # type: ignore[misc]


def uvicorn_config(config: ServeConfig, service: Service) -> uvicorn.Config:
    """Return the settings of uvicorn.

    Pings keep proxies from closing quiet connections, and never close one themselves: no answer may mean a
    stall of the client or the network; a session whose client is gone ends by `idle_seconds`.
    """
    settings = uvicorn.Config(
        make_application(service),
        http=Protocol,
        ws="websockets-sansio",
        ws_max_size=config.frame_kilobytes * 1024,
        ws_ping_interval=_PINGS,
        ws_ping_timeout=None,
        ws_per_message_deflate=False,  # audio does not shrink, and a small message could become a large one
        limit_concurrency=config.connections,
        backlog=BACKLOG,
        timeout_graceful_shutdown=_LAST_SECONDS,
        h11_max_incomplete_event_size=32 * 1024,
        server_header=False,
        access_log=False,
        log_level="warning",
        lifespan="on",
    )
    if config.tls_certificate is not None:
        settings.load()
        settings.ssl = tls_context(config)
    return settings


def tls_context(config: ServeConfig) -> ssl.SSLContext:
    """Return TLS 1.2 or later with the server's certificate, and the clients' where they must show one.

    Raises:
        DiarError: a file that cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(os.fspath(config.tls_certificate or ""), config.tls_key)
        if config.client_ca is not None:
            context.load_verify_locations(config.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise DiarError(f"`tls_certificate`, `tls_key`, `client_ca`: {explain(error)}") from None
    return context


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; connections that take no bytes for a minute die.

    Raises:
        DiarError: the address cannot be used.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, number)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        raise DiarError(f"`host={host}`, `port={port}`: {explain(error)}") from None
    return listening


def _shown(listening: socket.socket) -> tuple[str, int]:
    host, port = listening.getsockname()[:2]
    return (f"[{host}]" if ":" in host else host), port
