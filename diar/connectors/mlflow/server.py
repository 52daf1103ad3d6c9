"""A tracking server of MLflow by its REST API (version 2.0), with the standard library.

MLflow's own client takes 3.4 s of a core to import, longer than many a command takes (docs/decisions/091).
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from diar.errors import DiarError
from diar.options.tracking import tracking_address

TIMEOUT = 10.0  # seconds without an answer, of a run that is tracked …
_PATIENCE = 60.0  # … and where somebody waits for the answer
_API = "/api/2.0/mlflow/"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
_LONGEST = 300  # characters of a server's message
_BLOCK = 1 << 20
ABSENT, THERE_ALREADY = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
Values = Mapping[str, Any]


class TrackingError(DiarError):
    """A tracking server that does not answer, or refuses.

    Attributes:
        code: of MLflow, such as RESOURCE_DOES_NOT_EXIST; empty where there was no answer.
        away: whether the same request may succeed later: the server does not answer, or is at fault.
    """

    def __init__(self, message: str, code: str = "", *, away: bool = False) -> None:
        super().__init__(message)
        self.code, self.away = code, away


@dataclass(frozen=True)
class Server:
    """One tracking server.

    Attributes:
        uri: its address, without a slash at its end.
        timeout: seconds without an answer, after which it is taken for away.
    """

    uri: str
    timeout: float = TIMEOUT

    def get(self, path: str, values: Values) -> dict[str, Any]:
        """Ask for something.

        Raises:
            TrackingError: it is not there, or the server does not answer.
        """
        return self._answer("GET", f"{_API}{path}?{urlencode(values)}", None)

    def post(self, path: str, values: Values) -> dict[str, Any]:
        """Tell something; raises what `get` does."""
        return self._answer("POST", _API + path, json.dumps(values).encode())

    def part(self, answer: Any, *names: str) -> Any:
        """Return what an answer holds under names, one within the other.

        Raises:
            TrackingError: it holds none: another program answers.
        """
        for name in names:
            if not isinstance(answer, dict) or name not in answer:
                raise TrackingError(f"{self.uri} does not answer like MLflow; is that its address?")
            answer = answer[name]
        return answer

    def upload(self, path: str, content: bytes | Path) -> None:
        """Store an artifact under a path of the server's store; raises what `get` does, and OSError."""
        target = _ARTIFACTS + quote(path)
        if isinstance(content, bytes):
            self._answer("PUT", target, content)
            return
        with content.open("rb") as file:
            self._answer("PUT", target, file, length=content.stat().st_size)

    def download(self, path: str, target: BinaryIO) -> None:
        """Write an artifact to `target`; raises what `get` does, and OSError."""
        with self._open("GET", _ARTIFACTS + quote(path), None, None) as answer:
            while block := self._read(answer):
                target.write(block)

    def _answer(
        self, method: str, path: str, body: bytes | BinaryIO | None, length: int | None = None
    ) -> dict[str, Any]:
        with self._open(method, path, body, length) as answer:
            text = b"".join(iter(lambda: self._read(answer), b""))
        try:
            told = json.loads(text or b"{}")
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise TrackingError(f"{self.uri} does not answer like MLflow; is that its address?")
        return told

    def _open(
        self, method: str, path: str, body: bytes | BinaryIO | None, length: int | None
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", **_credentials()}
        if length is not None:
            headers["Content-Length"] = str(length)
        request = urllib.request.Request(self.uri + path, body, headers, method=method)
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(
                request, timeout=self.timeout, context=_context(self.uri)
            )
            return answer
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise TrackingError(f"{self.uri} does not answer: {_short(str(reason))}", away=True) from None

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            return answer.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise TrackingError(f"{self.uri} stopped answering: {_short(str(error))}", away=True) from None

    def _refusal(self, error: urllib.error.HTTPError) -> TrackingError:
        """Return what an answer that is an error says."""
        code, message = "", f"HTTP {error.code}"
        try:
            told = json.loads(error.read(_BLOCK))
            code, message = str(told["error_code"]), str(told["message"])
        except (OSError, ValueError, TypeError, KeyError, http.client.HTTPException):
            code = ABSENT if error.code == http.HTTPStatus.NOT_FOUND else ""
        away = error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or error.code in (408, 429)
        return TrackingError(f"{self.uri} refuses: {_short(message)}", code, away=away)


def server_of(uri: str | None) -> Server:
    """Return the server at `uri`, else the one that the variable MLFLOW_TRACKING_URI names.

    Raises:
        TrackingError: there is none, or that is no address.
    """
    found = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not found:
        raise TrackingError("no tracking server is known: give `mlflow`, or set MLFLOW_TRACKING_URI")
    try:
        return Server(tracking_address(found), _PATIENCE)
    except ValueError as error:
        raise TrackingError(f"MLFLOW_TRACKING_URI {error}") from None


def _credentials() -> dict[str, str]:
    """Return the header that MLflow's own variables ask for."""
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    name, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
    if name is None or password is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def _context(uri: str) -> ssl.SSLContext | None:
    """Return TLS with the authorities that MLFLOW_TRACKING_SERVER_CERT_PATH names, else the system's."""
    if not uri.startswith("https:"):
        return None
    return ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"))


def _short(message: str) -> str:
    words = " ".join(message.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
