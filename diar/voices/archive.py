"""Archives of synthetic voices: files of one person each, in blocks, as people who are recorded in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.demo.sentences import SENTENCES, endless

TRUTH = "truth.csv"  # what `diar score boundaries` reads
_JITTER = 0.15  # by which share a block is longer or shorter
LEAST_FILES = 6  # of a person, so that each block has a place for an odd one
_MARGIN = 2  # least files from an odd one to its block's ends, where it would look like a boundary
_FOLDER = 1_000  # files in one


@dataclass(frozen=True)
class FilePlan:
    """One file before it is spoken."""

    name: str  # below audio/
    person: int
    block: int
    odd: bool  # whether it is of somebody else than its block
    text: str


def plan_files(people: int, files: int, odd: float, rng: np.random.Generator) -> list[FilePlan]:
    """Decide who says what in each file; where there are two people or more, one comes back at the end.

    Args:
        people: who have a block each, in random order.
        files: in a block, give or take.
        odd: chance that a file is of somebody else, but at a block's ends.
        rng: for all of it.
    """
    order = rng.permutation(people).tolist()
    if people > 1:
        order.append(int(rng.choice(order[:-1])))
    sentences, planned = endless(SENTENCES, rng), list[FilePlan]()
    for block, owner in enumerate(order):
        size = max(1, round(files * float(rng.uniform(1 - _JITTER, 1 + _JITTER))))
        others = [person for person in range(people) if person != owner]
        for place in range(size):
            inside = _MARGIN <= place < size - _MARGIN
            is_odd = bool(inside and others and rng.random() < odd)
            person = int(rng.choice(others)) if is_odd else owner
            number = len(planned)
            name = f"{number // _FOLDER:03d}/{number:06d}.wav"
            planned.append(FilePlan(name, person, block, is_odd, next(sentences)))
    return planned
