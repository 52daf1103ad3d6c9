"""The audit log: who did what, when, and how it ended; one JSON object a line, no audio, no voices."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import Any

from diar.errors import DiarError, explain
from diar.service.security.callers import Caller

_NAME = "diar.audit"


class Audit:
    """Writes the log.

    Args:
        place: a file that is appended to, `-` for stderr, empty for none.

    Raises:
        DiarError: the file cannot be written.
    """

    def __init__(self, place: str) -> None:
        self._log = logging.Logger(_NAME)  # of its own: nobody's settings of logging reach it
        if not place:
            return
        try:
            handler = (
                logging.StreamHandler() if place == "-" else logging.FileHandler(place, encoding="utf-8")
            )
        except OSError as error:
            raise DiarError(f"`audit_log`: {explain(error)}") from None
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._log.addHandler(handler)

    def write(self, action: str, caller: Caller | None, outcome: str, **facts: Any) -> None:
        """Write one line.

        Args:
            action: such as `session.start`, `job.create`, `refused`.
            caller: who; None = nobody whose credentials were accepted.
            outcome: `ok`, or the code of a problem.
            facts: identifiers, sizes, seconds; never content.
        """
        entry = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "action": action,
            "tenant": caller.tenant if caller else None,
            "subject": caller.subject if caller else None,
            "how": caller.how if caller else None,
            "outcome": outcome,
            **facts,
        }
        self._log.info(json.dumps(entry, ensure_ascii=False, default=str))

    def close(self) -> None:
        """Close the file."""
        for handler in self._log.handlers:
            handler.close()
