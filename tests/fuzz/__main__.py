"""Change files until something breaks: `python -m tests.fuzz [--seconds 600] [--seed 0] [TARGET …]`.

It reads local files only: no case opens a socket. A finding names its seed and case, which give it again.
`--cases 7200 --seconds 36000` is over 100,000 cases, 3,456 of them audio files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.runner import Outcome, fuzz
from tests.fuzz.targets import make_targets


def main() -> int:
    """Print a table of the targets, and some findings of each to stderr; return 1 if there are any."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--cases", type=int, default=10**9, help="most of a target; slow ones have fewer")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        targets = [
            one for one in make_targets(Path(folder)) if one.name in asked.targets or not asked.targets
        ]
        share = asked.seconds / max(1, len(targets))
        outcomes = []
        print(f"seed {asked.seed}\n\n| target | cases | refused | slowest | findings |\n{'|---' * 5}|")
        for target in targets:
            place = Path(folder, target.name)
            place.mkdir(exist_ok=True)
            outcomes.append(fuzz(target, place, asked.cases, asked.seed, time.monotonic() + share))
            print(_line(outcomes[-1]), flush=True)
            for finding in outcomes[-1].findings[:5]:
                print(finding, file=sys.stderr, flush=True)
    cases, findings = (sum(one.cases for one in outcomes), sum(len(one.findings) for one in outcomes))
    print(f"\n{cases:,} cases, {findings} findings")
    return 1 if any(one.findings for one in outcomes) else 0


def _line(one: Outcome) -> str:
    figures = f"{one.cases:,} | {one.refused:,} | {one.slowest:.2f} s | {len(one.findings)}"
    return f"| {one.name} | {figures} |"


if __name__ == "__main__":
    sys.exit(main())
