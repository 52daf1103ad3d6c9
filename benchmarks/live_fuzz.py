"""Every operation of the OpenAPI document of `diar serve`, asked with random input: one table of answers.

    python benchmarks/live_fuzz.py [--examples 25] [--seed 1]

schemathesis makes the input: right, wrong, and in an order where one answer's identifier goes into the next
request. The server is a real one on loopback, with tokens and real networks; sessions and jobs have no limit
that a caller could run into, and a session without audio ends after 2 s, so that its events have an end.
Needs `pip install schemathesis`. Exit code 1: an answer of 500 and more, or the server stopped serving.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from live_server import Served, bearer, serve, token

MANY = 100_000
OPTIONS = (
    *("--requests_per_minute", MANY, "--caller_sessions", MANY, "--max_sessions", MANY, "--job_queue", MANY),
    *("--audio_per_minute", 1e9, "--idle_seconds", 2, "--keep_seconds", 2, "--job_hours", 0.02),
)
_ANSWERS = re.compile(r'diar_requests_total\{method="(\w+)",route="(.+)",status="(\d+)"\}')


def fuzz(served: Served, examples: int, seed: int) -> tuple[int, str]:
    """Let schemathesis ask; return its exit code and what it said."""
    program = Path(sys.executable).parent / "schemathesis"
    if not program.exists():
        raise SystemExit("schemathesis is not installed: pip install schemathesis")
    (header,) = bearer(token(scope="live jobs admin")).items()
    call = [str(program), "run", f"http://{served.address}/openapi.json", "-H", ": ".join(header)]
    call += ["--checks", "not_a_server_error", "--max-examples", str(examples), "--seed", str(seed)]
    call += ["--request-timeout", "20", "--continue-on-failure", "--no-color"]
    with tempfile.TemporaryDirectory() as folder:  # it leaves what it remembers where it is called
        done = subprocess.run(call, capture_output=True, text=True, timeout=1_800, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def table(served: Served) -> list[str]:
    """Return how often each operation gave each status."""
    answers: dict[str, Counter[int]] = {}
    for name, count in served.metrics().items():
        if found := _ANSWERS.fullmatch(name):
            method = "other methods" if found[3] == "405" else found[1]
            answers.setdefault(f"{method} {found[2]}", Counter())[int(found[3])] += int(count)
    statuses = sorted({status for counts in answers.values() for status in counts})
    lines = [f"| operation | {' | '.join(map(str, statuses))} |", f"|---|{'---|' * len(statuses)}"]
    for operation, counts in sorted(answers.items(), key=lambda item: (item[0].split()[-1], item[0])):
        lines.append(f"| `{operation}` | {' | '.join(str(counts[one] or '') for one in statuses)} |")
    totals = sum(answers.values(), Counter())
    lines.append(f"| all {totals.total():,} | {' | '.join(f'{totals[one]:,}' for one in statuses)} |")
    return lines


def main() -> int:
    """Ask everything; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=25, help="of each operation, in each phase")
    parser.add_argument("--seed", type=int, default=1)
    given, started = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), *OPTIONS) as served:
        code, said = fuzz(served, given.examples, given.seed)
        print("\n".join(table(served)))
        if code:
            print(said)
        (cases,) = re.findall(r"\d+ generated, .*", said) or ["schemathesis did not come to its end"]
        print(f"\nschemathesis: {cases}, in {time.monotonic() - started:.0f} s")
        print(f"server: {'serves' if served.alive else 'DEAD'}, {sum(served.memory()) / 2**20:.0f} MiB")
        return 1 if code or not served.alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
