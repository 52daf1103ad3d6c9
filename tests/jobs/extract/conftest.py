"""Servers on loopback that stage 1 reads from."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Address of a server that says how long its file is, and never sends it: a mount that is stuck."""
    over = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "32044")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.flush()
            over.wait()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        over.set()
        server.shutdown()
