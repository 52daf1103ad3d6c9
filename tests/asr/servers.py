"""A real HTTP server on loopback for tests: scripted answers, and everything that was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]  # status, headers, body


@dataclass
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """A server that gives its replies one after the other, the last one again and again."""

    replies: list[Reply | Callable[[Asked], Reply]]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, asked: Asked) -> Reply:
        with self.lock:
            self.asked.append(asked)
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply(asked) if callable(reply) else reply


def answer(fields: dict[str, Any]) -> Reply:
    return 200, {}, json.dumps(fields).encode()


@contextmanager
def serving(*replies: Reply | Callable[[Asked], Reply]) -> Iterator[Scripted]:
    """Serve on a free port until the end of the block."""
    script = Scripted(list(replies))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = script.next(Asked(self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            if headers.get("Content-Length"):  # it promises more than it gives
                self.close_connection = True

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
