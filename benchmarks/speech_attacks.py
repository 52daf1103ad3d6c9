"""What a hostile client does to `diar serve --voices`; `speech_hostile.py` has the table."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import soundfile as sf
from live_server import Served, bearer, token

PATH = "/v1/audio/speech"
NUMBERS = itertools.count()
PATIENCE = 180  # seconds


def caller(subject: str = "", **claims: Any) -> dict[str, str]:
    """Return the header of a caller who may have texts spoken; without a name, of one who is new."""
    name = subject or f"caller {next(NUMBERS)}"
    return bearer(token(**{"scope": "speech", "sub": name, "tenant": "hostile", **claims}))


def body(text: Any = "Good morning to all of you.", **fields: Any) -> bytes:
    """Return the body of a request; a field that is `...` is left out."""
    given = {"model": "plain", "voice": "steph", "input": text, "response_format": "wav", **fields}
    return json.dumps({name: value for name, value in given.items() if value is not ...}).encode()


def ask(served: Served, content: bytes, headers: dict[str, str] | None = None) -> tuple[str, bytes]:
    """Return status and code of an answer, and its audio; `cut` is an answer without its end."""
    connection = http.client.HTTPConnection(served.address, timeout=PATIENCE)
    try:
        given = {"Content-Type": "application/json", **(caller() if headers is None else headers)}
        connection.request("POST", PATH, content, given)
        answer = connection.getresponse()
        try:
            got = answer.read()
        except (http.client.IncompleteRead, OSError):
            return f"{answer.status} cut", b""
        if answer.status == 200:
            return "200", got
        return f"{answer.status} {_code(got)}".strip(), b""
    except (http.client.HTTPException, OSError) as error:
        return type(error).__name__, b""
    finally:
        connection.close()


def _code(answer: bytes) -> str:
    try:
        told = json.loads(answer)
        return str(told.get("code") or told["error"]["code"])
    except (ValueError, KeyError):
        return ""


def honest(served: Served) -> str:
    """Ask for a new sentence as another tenant; return `yes` where all of it comes, as audio."""
    text = f"This is honest request number {next(NUMBERS)}."
    status, audio = ask(served, body(text), caller(tenant="honest"))
    return "yes" if status == "200" and seconds(audio) > 1 else f"NO: {status}"


def seconds(audio: bytes) -> float:
    """Return how long a WAV is."""
    samples, rate = sf.read(io.BytesIO(audio))
    return len(samples) / rate


def said(text: Any, **fields: Any) -> Callable[[Served], str]:
    """Return an attack by one request."""
    return lambda served: ask(served, body(text, **fields))[0]


def raw(content: bytes, headers: dict[str, str] | None = None) -> Callable[[Served], str]:
    """Return an attack by the bytes of a body, or by its headers."""
    return lambda served: ask(served, content, headers)[0]


def all_of(contents: Sequence[bytes]) -> Callable[[Served], str]:
    """Return an attack by several bodies; what came back for any of them."""
    return lambda served: ", ".join(sorted({ask(served, content)[0] for content in contents}))


def as_long_as(text: str, plain: str) -> Callable[[Served], str]:
    """Return an attack by a text of which as much must be spoken as of a plain one."""

    def attack(served: Served) -> str:
        lengths = []
        for one in (text, plain):
            status, audio = ask(served, body(one))
            if status != "200":
                return status
            lengths.append(seconds(audio))
        return "200, whole" if abs(lengths[0] - lengths[1]) < 0.2 else f"200, {lengths[0]:.1f} s"

    return attack


def another_tenants(served: Served) -> str:
    """Ask for what another tenant has had spoken; it must be made again, and the same tenant's must not."""
    text = "The ferry leaves the harbour at half past five, and nobody else knows."
    counted = []
    for tenant in ("victim", "victim", "spy"):
        before = _misses(served)
        ask(served, body(text), caller(tenant=tenant))
        counted.append(int(_misses(served) - before))
    return f"{counted[1]} made for its tenant, {counted[2]} for the other"


def _misses(served: Served) -> float:
    found = served.metrics()
    return sum(
        value for name, value in found.items() if "speech_requests_total{" in name and '"miss"' in name
    )


def slow(head: str, piece: bytes = b"", *, last: bool = False) -> Callable[[Served], str]:
    """Return an attack by a request that never comes to its end.

    Args:
        head: what is sent at once.
        piece: what is sent each second.
        last: go on after an answer, until the server hangs up.
    """

    def attack(served: Served) -> str:
        until, told = time.monotonic() + PATIENCE, list[str]()
        with _connected(served) as connection:
            given = head.format(host=served.address, **caller())
            connection.sendall(given.replace("\n", "\r\n").encode())
            connection.settimeout(1)
            while time.monotonic() < until:
                try:
                    got = connection.recv(65_536)
                    if not got:
                        return ", ".join([*told, "closed"])
                    told += [got.split(b" ", 2)[1].decode()] if got.startswith(b"HTTP/") else []
                    if told and not last:
                        return told[0]
                except TimeoutError:
                    pass
                except ConnectionError:
                    return ", ".join([*told, "closed"])
                with suppress(ConnectionError):
                    connection.sendall(piece)
        return ", ".join([*told, "open"])

    return attack


def no_reading(clients: int, text: str) -> Callable[[Served], str]:
    """Return an attack by clients of one caller who never read what they have asked for."""

    def attack(served: Served) -> str:
        credentials = caller("never reads")
        before, until = served.metrics()["diar_slow_readers_total"], time.monotonic() + PATIENCE
        with ExitStack() as opened:
            for number in range(clients):
                connection = opened.enter_context(_connected(served, 4_096))
                connection.sendall(_request(served, f"{number}. {text}", credentials))
            while time.monotonic() < until:
                told = served.metrics()
                if told["diar_slow_readers_total"] - before >= clients:
                    return f"{clients} dropped, {told['diar_speech_active']:.0f} at work"
                time.sleep(0.5)
        return f"{served.metrics()['diar_slow_readers_total'] - before:.0f} dropped"

    return attack


def leaving(clients: int, callers: int, text: str, *, heard: bool) -> Callable[[Served], str]:
    """Return an attack by clients who leave: after the first bytes of audio (`heard`), or before any."""

    def attack(served: Served) -> str:
        names = [caller() for _ in range(callers)]

        def one(number: int) -> None:
            with _connected(served) as connection:
                connection.sendall(_request(served, f"{number}. {text}", names[number % callers]))
                connection.settimeout(PATIENCE)
                if heard:
                    connection.recv(4_096)
                else:
                    time.sleep(0.5)

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(one, range(clients)))
        until = time.monotonic() + 30
        while (left := served.metrics()["diar_speech_active"]) and time.monotonic() < until:
            time.sleep(0.2)
        return f"{left:.0f} at work"

    return attack


def at_once(requests: int, text: str, wanted: set[str]) -> Callable[[Served], str]:
    """Return an attack by many requests of one caller at once; other answers than `wanted` are told."""

    def attack(served: Served) -> str:
        credentials = caller()
        with ThreadPoolExecutor(requests) as pool:
            got = pool.map(
                lambda number: ask(served, body(f"{number}. {text}"), credentials)[0], range(requests)
            )
        found = set(got)
        return "refused in part" if found <= wanted and "429 too_many" in found else ", ".join(sorted(found))

    return attack


def _connected(served: Served, buffer: int = 0) -> socket.socket:
    host, port = served.address.rsplit(":", 1)
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.connect((host, int(port)))
    return connection


def _request(served: Served, text: str, credentials: dict[str, str]) -> bytes:
    content = body(text, response_format="pcm")
    head = f"POST {PATH} HTTP/1.1\r\nHost: {served.address}\r\nContent-Length: {len(content)}\r\n"
    return f"{head}Authorization: {credentials['Authorization']}\r\n\r\n".encode() + content
