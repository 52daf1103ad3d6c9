"""Audio of jobs on disk: uploaded, or fetched from where the configuration allows."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request

from diar import storage
from diar.errors import explain
from diar.service.problems import Problem
from diar.service.waiting import within

_PIECE = 2**20  # bytes
_UNSAFE = re.compile(r"[^\w.\- ]", re.ASCII)
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Upload:
    """A file in the folder of uploads."""

    path: Path
    sha256: str
    size: int


async def body_pieces(request: Request) -> AsyncIterator[bytes]:
    """Yield the body of a request as it comes; raises Problem if its client leaves."""
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        raise Problem("bad_request", "the client left before the end of the upload") from None


async def small_body(request: Request, most: int, patience: float) -> str:
    """Return the body of a request as text; raises Problem where it is too large or too slow.

    Args:
        request: of whose body nothing was read.
        most: bytes.
        patience: seconds within which all of it must be there.
    """
    try:
        return (await within(patience, _whole(request, most))).decode(errors="replace")
    except TimeoutError:
        raise Problem("idle", f"the body was not there within {patience:g} s") from None


async def _whole(request: Request, most: int) -> bytes:
    body = b""
    async for piece in body_pieces(request):
        body += piece
        if len(body) > most:
            raise Problem("too_large", f"JSON bodies have at most {most} bytes here")
    return body


def safe_name(name: str | None) -> str:
    """Return a file name for a recording: what follows the last slash, plain characters only."""
    last = re.split(r"[/\\]", name or "")[-1]
    plain = _UNSAFE.sub("_", last).strip(" .")[-_LONGEST_NAME:]
    return plain or "audio"


class Uploads:
    """The folder of uploads; each job has a folder of its own in it.

    Args:
        folder: where it is.
        most: bytes of an upload.
        urls: beginnings of URLs that may be fetched.
    """

    def __init__(self, folder: Path, most: float, urls: tuple[str, ...]) -> None:
        self._folder, self._most, self._urls = folder, most, urls

    async def save(self, identifier: str, name: str, pieces: AsyncIterator[bytes], patience: float) -> Upload:
        """Write what comes.

        Args:
            identifier: of the job, made here.
            name: a safe one.
            pieces: the upload.
            patience: longest wait for the next piece, seconds.

        Raises:
            Problem: too large, empty, or it stopped coming.
        """
        path = self._folder / identifier / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return await self._write(path, pieces, patience)
        except BaseException:
            self.remove(identifier)
            raise

    async def fetch(self, identifier: str, url: str, patience: float) -> Upload:
        """Fetch a URL; raises Problem where that is not allowed or does not work."""
        self._check(url)
        name = safe_name(unquote(url).partition("?")[0])
        try:
            return await self.save(identifier, name, _read(url), patience)
        except OSError as error:
            raise Problem("failed", f"{url} cannot be read: {explain(error)}") from None

    def remove(self, identifier: str) -> None:
        """Remove a job's upload."""
        shutil.rmtree(self._folder / identifier, ignore_errors=True)

    async def _write(self, path: Path, pieces: AsyncIterator[bytes], patience: float) -> Upload:
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            while True:
                try:
                    piece = await within(patience, anext(pieces, None))
                except TimeoutError:
                    raise Problem("idle", f"nothing came for {patience:.0f} s") from None
                if piece is None:
                    break
                size += len(piece)
                if size > 2 * self._most:
                    break
                if size <= self._most:
                    digest.update(piece)
                    file.write(piece)
        if size > self._most:  # some more was read and dropped: a client that still sends hears no answer
            raise Problem("too_large", f"uploads have at most {self._most / 1e6:g} MB")
        if not size:
            raise Problem(
                "bad_request", "the body is empty; send the audio itself: curl --data-binary @meeting.wav"
            )
        return Upload(path, digest.hexdigest(), size)

    def _check(self, url: str) -> None:
        """Refuse a URL that is not below an allowed beginning; `..` could leave it."""
        plain = unquote(unquote(url))
        inside = any(url.startswith(beginning) for beginning in self._urls)
        if (
            not inside
            or ".." in plain.split("/")
            or "\\" in plain
            or "::" in plain
            or not plain.isprintable()
        ):
            allowed = ", ".join(self._urls) or "none"
            raise Problem("forbidden", f"this URL may not be read; allowed beginnings: {allowed}")


async def _read(url: str) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(storage.open_binary, url)
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        await asyncio.to_thread(file.close)
