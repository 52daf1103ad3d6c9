"""Files of web servers: what is forbidden or empty is so for this file, in the words of all files."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from diar.archive.audio_file import DecodeError
from diar.reading import found_file
from diar.remote import objects

pytest.importorskip("aiohttp")


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """A server that lets nobody read /forbidden.wav, and answers as nginx does to a part of an empty file."""

    class Files(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status = 403 if "forbidden" in self.path else 416 if "Range" in self.headers else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()


def test_a_forbidden_file_may_not_be_read(web: str) -> None:
    url = f"{web}/forbidden.wav"
    with pytest.raises(PermissionError):
        objects.read(url)
    with pytest.raises(DecodeError, match=r"cannot be read: .*403") as raised, found_file(url, None):
        pass
    assert raised.value.kind == "unreadable"


def test_an_empty_file_is_empty(web: str) -> None:
    url = f"{web}/empty.wav"
    assert objects.read_range(url, 0, 100) == b""
    with pytest.raises(DecodeError) as raised, found_file(url, None):
        pass
    assert raised.value.kind == "empty"
