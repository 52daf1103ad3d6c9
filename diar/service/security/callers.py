"""Who calls, and what they may do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from diar.service.problems import Problem

LIVE, JOBS, SPEECH, ADMIN = "live", "jobs", "speech", "admin"
SCOPES = frozenset({LIVE, JOBS, SPEECH, ADMIN})


@dataclass(frozen=True)
class Caller:
    """Somebody whose credentials were checked.

    Attributes:
        tenant: whose sessions, jobs and results are seen.
        subject: who it is within the tenant.
        scopes: what may be done: `live`, `jobs`, `speech`, `admin`.
        how: `jwt`, `certificate`, `ticket` or `insecure`, for the audit log.
    """

    tenant: str
    subject: str
    scopes: frozenset[str]
    how: str

    @property
    def key(self) -> str:
        """Name that limits are counted under; no tenant can take another's."""
        return json.dumps([self.tenant, self.subject], ensure_ascii=False)

    def require(self, scope: str) -> None:
        """Raise Problem unless the caller has a scope."""
        if scope not in self.scopes:
            raise Problem(
                "forbidden", f"this needs the scope {scope!r}; the credentials have {_listed(self.scopes)}"
            )

    def to_json(self) -> str:
        """Return it as text, for a ticket or a saved session."""
        return json.dumps({**asdict(self), "scopes": sorted(self.scopes)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Caller:
        """Return what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "scopes": frozenset(fields["scopes"])})


ANYBODY = Caller("local", "anybody", SCOPES, "insecure")


def _listed(scopes: frozenset[str]) -> str:
    return ", ".join(sorted(scopes)) or "none"
