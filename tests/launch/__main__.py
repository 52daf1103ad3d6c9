"""Print the table of every manifest and recipe; exit codes: 1 one is not valid, 3 a tool is missing."""

import sys

from tests.launch.checks import INVALID, MISSING, check_all


def main() -> int:
    rows = list(check_all())
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row[:3], wide, strict=True)), row[3])
    verdicts = [row[3] for row in rows]
    bad, missing = (sum(one.startswith(word) for one in verdicts) for word in (INVALID, MISSING))
    print(f"{len(rows)} checks, {bad} not valid, {missing} not made because a tool is missing")
    return 1 if bad else 3 if missing else 0


sys.exit(main())
