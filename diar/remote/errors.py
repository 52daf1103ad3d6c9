"""What an error of a remote store means: worth another try, of one file, or of the whole store.

Drivers raise errors of their own, of botocore, aiohttp or the cloud's library. No driver is imported here:
classes are known by their names, answers by their HTTP status.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

# Names of drivers' classes for a connection that failed or broke off
_BROKEN_OFF = frozenset(
    {
        *("HTTPClientError", "EndpointConnectionError", "ConnectTimeoutError"),  # botocore
        *("IncompleteReadError", "ResponseParserError"),
        *("ClientConnectionError", "ClientPayloadError"),  # aiohttp
        *("IncompleteRead", "ProtocolError"),  # http.client, urllib3
        *("ServiceRequestError", "ServiceResponseError", "TransportError"),  # azure, google.auth
        "FSTimeoutError",
    }
)
_OF_ONE_FILE = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_PASSING = frozenset(
    {
        *(errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.ETIMEDOUT, errno.EPIPE),
        *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH),
    }
)


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status of the answer that `error` tells of, None if there was none."""
    return next((status for one in _causes(error) if (status := _status(one)) is not None), None)


def _status(error: BaseException) -> int | None:
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):  # botocore
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status if isinstance(status, int) else None
    for name in ("status", "status_code", "code"):  # aiohttp, azure, gcsfs
        status = getattr(error, name, None)
        if isinstance(status, int) and 100 <= status < 600:
            return status
    return None


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, _OF_ONE_FILE):
        return False
    for one in _causes(error):
        if _names(one) & _BROKEN_OFF:
            return True
        status = _status(one)
        if status is not None:
            return status in (408, 425, 429) or status >= 500
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno in _PASSING
    return isinstance(error, TimeoutError)  # asyncio's own before Python 3.11


def reason(error: BaseException) -> str:
    """Return the store's message on one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__  # the context may be an earlier request, which was answered
