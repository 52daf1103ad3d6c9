"""What `verify` finds in an output: problems, which are damage, and notes, which are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

# Kinds of problems
DAMAGED = "damaged"  # cannot be read, holds other bytes than were written, or what no writer writes
MISSING = "missing"
WRONG = "wrong"  # readable, but its content contradicts itself or another file
DUPLICATE = "duplicate"
# Kinds of notes
UNFINISHED = "unfinished"  # the next run does it
LEFTOVER = "leftover"  # of a killed run; `--repair` removes it
ORPHAN = "orphan"  # diar wrote it, but no recording of the plan needs it any more
FOREIGN = "foreign"  # diar did not write it
UNSEALED = "unsealed"  # written before files had checksums

PURGE_UNDER_WAY = "a purge was interrupted; the same command goes on with it"

PROBLEMS = (DAMAGED, MISSING, WRONG, DUPLICATE)


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    kind: str
    where: str  # a file or folder, relative to the output
    reason: str  # in words
    recording_id: str | None = None
    shard: int | None = None


@dataclass
class Findings:
    """Everything that was found in one output.

    Attributes:
        place: the output.
        what: `extraction` or `result`.
        counts: of what was looked at, by name.
        problems: damage.
        notes: what is no damage.
        repaired: what `--repair` did, in words.
    """

    place: str
    what: str
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    def add(
        self,
        kind: str,
        where: str,
        reason: str,
        *,
        recording_id: str | None = None,
        shard: int | None = None,
    ) -> None:
        """Add a problem or a note."""
        found = Finding(kind, where, reason, recording_id, shard)
        (self.problems if kind in PROBLEMS else self.notes).append(found)

    def record(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "place": self.place,
            "what": self.what,
            "clean": not self.problems,
            "counts": dict(self.counts),
            "problems": [asdict(problem) for problem in self.problems],
            "notes": [asdict(note) for note in self.notes],
            "repaired": self.repaired,
        }
