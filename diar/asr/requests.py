"""Requests to a server that may be busy, restarting or wrong: what is tried again, and what is not.

Broken connections, timeouts, 408, 425, 429 and 5xx are tried again, later each time, or when the server says
(`Retry-After`). Other answers are final. No redirect is followed: audio and key go to one address only.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from diar.asr.errors import RecognitionError, UnrecognisedError
from diar.extras import require

_TRIES_AGAIN, _CONNECTIONS_AGAIN = 6, 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds; each pause is twice the one before
_CONNECT_TIMEOUT = 10.0  # seconds
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_REFUSED = (400, 413, 415, 422)  # this audio; others may be taken
_MOST_REFUSED = 10  # in a row, before any audio is taken: then it is not the audio
_LARGEST = 16 * 2**20  # bytes of an answer
_TOLD = 300  # letters of what a server says of an error


class Server:
    """One address that requests are posted to, from any number of threads.

    Args:
        url: http or https.
        key: goes into `Authorization: Bearer`; None = no such header.
        timeout: seconds for one answer.

    Raises:
        RecognitionError: the extra is missing.
    """

    def __init__(self, url: str, key: str | None, timeout: float) -> None:
        self._urllib3 = urllib3 = require("urllib3", "endpoint", "words by a server", RecognitionError)
        self.url, self._key, self._seconds = url, key, timeout
        limits = urllib3.Timeout(connect=min(_CONNECT_TIMEOUT, timeout), read=timeout)
        headers = {"Accept": "application/json", "User-Agent": "diar"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        self._pool = urllib3.PoolManager(maxsize=64, timeout=limits, headers=headers)
        self._patience = urllib3.Retry(
            _TRIES_AGAIN,
            connect=_CONNECTIONS_AGAIN,
            redirect=False,
            allowed_methods=None,
            status_forcelist=_BUSY,
            backoff_factor=_FIRST_PAUSE,
            backoff_max=_LONGEST_PAUSE,
            backoff_jitter=_FIRST_PAUSE,
            retry_after_max=int(10 * _LONGEST_PAUSE),
        )
        self._lock, self._refused, self._taken = threading.Lock(), 0, False

    def post(self, fields: list[tuple[str, Any]]) -> bytes:
        """Post a form with files; return the body of the answer.

        Raises:
            UnrecognisedError: the server refuses this audio.
            RecognitionError: it cannot be reached, stays busy, or refuses everything.
        """
        body, content_type = self._urllib3.encode_multipart_formdata(fields)
        headers = {**self._pool.headers, "Content-Type": content_type}
        retries = self._patience
        while True:
            status, answer, response = 0, b"", None
            try:
                response = self._pool.urlopen(
                    "POST", self.url, body=body, headers=headers, retries=False, redirect=False,
                    preload_content=False,
                )  # fmt: skip
                status, answer = response.status, self._read(response)
                if not retries.is_retry("POST", status):
                    return self._checked(status, answer, response.headers)
                retries = self._once_less(retries, f"{status}{self._told(answer)}", response=response)
            except self._urllib3.exceptions.HTTPError as error:
                retries = self._once_less(retries, str(error), error=error)
            finally:
                if response is not None:
                    response.close()
            retries.sleep(response)

    def _once_less(self, retries: Any, told: str, **why: Any) -> Any:
        try:
            return retries.increment("POST", self.url, **why)
        except self._urllib3.exceptions.HTTPError:
            tries = len(retries.history) + 1
            raise RecognitionError(
                f"{self.url} failed {tries} times; the last time: {self._clean(told)}"
            ) from None

    def _read(self, response: Any) -> bytes:
        """Return the body; give up after the timeout, however slowly it comes, and beyond 16 MiB."""
        parts, size, deadline = [], 0, time.monotonic() + self._seconds
        for part in response.stream(2**16):
            parts.append(part)
            size += len(part)
            if size > _LARGEST:
                raise RecognitionError(f"{self.url} answers with more than {_LARGEST // 2**20} MiB")
            if time.monotonic() > deadline:
                raise self._urllib3.exceptions.TimeoutError(f"no whole answer within {self._seconds:g} s")
        return b"".join(parts)

    def _checked(self, status: int, answer: bytes, headers: Any) -> bytes:
        """Return the body of a good answer; raise the error that another one is."""
        if 200 <= status < 300:
            with self._lock:
                self._taken = True
            return answer
        if 300 <= status < 400:
            place = self._clean(str(headers.get("Location", "nowhere")))
            raise RecognitionError(
                f"{self.url} redirects to {place}, which is not followed; give that address"
            )
        told = f"{self.url} answers {status}{self._told(answer)}"
        if status in (401, 403):
            raise RecognitionError(f"{told}; give its key by DIAR_ASR_KEY or `asr_key_file`")
        if status not in _REFUSED:
            raise RecognitionError(told)
        with self._lock:
            self._refused += 1
            all_refused = not self._taken and self._refused >= _MOST_REFUSED
        raise RecognitionError(f"{told}, as to everything so far") if all_refused else UnrecognisedError(told)

    def _told(self, answer: bytes) -> str:
        told = self._clean(answer.decode("utf-8", "replace"))
        return f": {told}" if told else ""

    def _clean(self, told: str) -> str:
        """Return what a server says in one line that is safe to print and holds no key."""
        if self._key:
            told = told.replace(self._key, "…")
        told = " ".join("".join(c if c.isprintable() else " " for c in told).split())
        return told if len(told) <= _TOLD else told[:_TOLD] + "…"
