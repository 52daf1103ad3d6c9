"""What a caller did wrong, or the server cannot do: one error for HTTP, WebSocket and server-sent events."""

from __future__ import annotations

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What HTTP and WebSocket say of a problem."""

    status: int  # of HTTP
    close: int  # code of WebSocket


KINDS = {
    "bad_request": Kind(400, 4400),
    "bad_audio": Kind(400, 4400),
    "unauthorized": Kind(401, 4401),
    "forbidden": Kind(403, 4403),
    "not_found": Kind(404, 4404),
    "idle": Kind(408, 4408),
    "conflict": Kind(409, 4409),
    "not_ready": Kind(409, 4409),
    "gone": Kind(410, 4410),
    "length_required": Kind(411, 4411),
    "too_large": Kind(413, 4413),
    "unsupported_format": Kind(415, 4415),
    "failed": Kind(422, 4422),
    "too_many": Kind(429, 4429),
    "slow_reader": Kind(408, 4408),
    "internal": Kind(500, 1011),
    "draining": Kind(503, 1012),
    "full": Kind(503, 1013),
}


class Problem(Exception):
    """An error that goes to the caller.

    Attributes:
        code: one of `KINDS`; clients decide by it.
        message: what was found and what to do, for a person.
        retry_after: seconds after which it may work; None = the same request never will.
    """

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.retry_after = code, message, retry_after
        self.kind = KINDS[code]

    def to_dict(self) -> dict[str, Any]:
        """Return the body of the answer, and the event of that name."""
        told: dict[str, Any] = {"type": "error", "code": self.code, "message": self.message}
        if self.retry_after is not None:
            told["retry_after"] = round(self.retry_after, 1)
        return told

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        if self.code == "unauthorized":
            headers["WWW-Authenticate"] = "Bearer"
        return headers
