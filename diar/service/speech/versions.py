"""Which synthesizer answers for a model's name: versions, and a share of requests for a canary."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diar.errors import DiarError

_ENTRY = re.compile(r"(?:(?P<name>[\w.-]{1,64})=)?(?P<weights>[^=*]+)(?:\*(?P<share>0?\.\d+))?")


@dataclass(frozen=True)
class Version:
    """One synthesizer.

    Attributes:
        name: of the model that callers ask for.
        weights: named weights, a folder, or `espeak`.
        share: of the requests for that name, 0 to 1, if it is a canary; else 0.
    """

    name: str
    weights: str
    share: float = 0.0

    @property
    def label(self) -> str:
        """Name and weights in one word, for answers and metrics."""
        return f"{self.name}@{self.weights.rstrip('/').rpartition('/')[2]}"


def parse_versions(entries: Sequence[str]) -> dict[str, list[Version]]:
    """Read `WEIGHTS`, `NAME=WEIGHTS` and, for a canary of the same name, `NAME=WEIGHTS*0.1`.

    Returns:
        The versions of each name, the main one first.

    Raises:
        DiarError: an entry that is none of these; a canary without a main version, or two main ones.
    """
    found: dict[str, list[Version]] = {}
    for entry in entries:
        parts = _ENTRY.fullmatch(entry.strip())
        if parts is None:
            raise DiarError(f"`voices={entry}`: WEIGHTS, NAME=WEIGHTS or NAME=WEIGHTS*SHARE is needed")
        name = parts["name"] or parts["weights"].rstrip("/").rpartition("/")[2]
        found.setdefault(name, []).append(Version(name, parts["weights"], float(parts["share"] or 0)))
    for name, versions in found.items():
        versions.sort(key=lambda one: one.share > 0)
        if versions[0].share or any(not one.share for one in versions[1:]):
            raise DiarError(f"`voices`: {name} needs one version without a share, and others with one")
        if sum(one.share for one in versions) >= 1:
            raise DiarError(f"`voices`: the shares of {name} leave nothing for its main version")
    return found


def chosen(versions: Mapping[str, Sequence[Version]], model: str, request: str) -> Version | None:
    """Return the version that answers a request; the same request always gets the same one.

    Args:
        versions: by name.
        model: a name; OpenAI's `tts-1` and the like mean the first.
        request: what it consists of, which decides between a version and its canary.

    Returns:
        None for an unknown name.
    """
    if model.startswith(("tts-", "gpt-")) and model not in versions:
        model = next(iter(versions))
    if model not in versions:
        return None
    place = int.from_bytes(hashlib.sha256(request.encode()).digest()[:8], "big") / 2**64
    for canary in versions[model][1:]:
        if place < canary.share:
            return canary
        place -= canary.share
    return versions[model][0]
