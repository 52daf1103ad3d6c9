"""What a hostile client gets from `diar serve --voices`: one line an attack, and whether others are served.

    python benchmarks/speech_hostile.py [--connections 1000] [--cases 3000] [--seed 1] [--only WORD]

A real server on loopback, with tokens, and espeak-ng as its synthesizer. After each attack another tenant
has a new sentence spoken. At the end, random bodies (`--cases`), then SIGTERM while requests are at work.
Exit code 1: an attack got another answer than it should, a server error, or others were not served.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from live_attacks import many, unsigned
from live_server import Served, bearer, serve, token
from speech_attacks import (
    all_of,
    another_tenants,
    as_long_as,
    at_once,
    body,
    caller,
    honest,
    leaving,
    no_reading,
    raw,
    said,
    slow,
)
from speech_faults import broken_folder, ended, fill, held, killed
from speech_fuzz import fuzz

Attack = tuple[str, Callable[[Served], str], str]
MEGABYTES = 0.5  # of kept answers
SENTENCE = "The ferry left the harbour at dawn, and the gulls followed it far out to sea."
LONG = " ".join([SENTENCE] * 12)
BAD, UNKNOWN = "400 bad_request", {"model": "nothing", "voice": "nobody", "response_format": "midi"}
WRONG = (None, True, 7, 1.5, [], [1], {}, {"a": 1})
HEAD = "POST /v1/audio/speech HTTP/1.1\nHost: {host}\nAuthorization: {Authorization}\n"
TOKENS: list[Attack] = [
    ("no token", raw(body(), {}), "401 unauthorized"),
    (
        "token: signed with another secret",
        raw(body(), caller("a") | bearer(token("x" * 40))),
        "401 unauthorized",
    ),
    ("token: algorithm none", raw(body(), bearer(unsigned("none"))), "401 unauthorized"),
    ("token: expired", lambda served: raw(body(), caller(exp=time.time() - 60))(served), "401 unauthorized"),
    ("token: scopes of sessions and jobs", raw(body(), bearer(token())), "403 forbidden"),
    ("what another tenant had spoken", another_tenants, "0 made for its tenant, 1 for the other"),
]
TEXTS: list[Attack] = [
    ("text: 4,097 characters", said("a" * 4_097), BAD),
    ("text: empty, blanks, none", all_of([body(""), body(" \n\t "), body(...), body(None)]), BAD),
    ("text: punctuation, control characters", all_of([body("?! ... -"), body("\0\1\2")]), "400 failed"),
    ("text: NUL within", as_long_as(f"{SENTENCE}\0 {SENTENCE}", f"{SENTENCE} {SENTENCE}"), "200, whole"),
    (
        "text: espeak-ng's commands (\\x01)",
        as_long_as(f"\x01500S {SENTENCE}", f"500S {SENTENCE}"),
        "200, whole",
    ),
    ("text: `[[phonemes]]`", as_long_as("[[h@loU]] [[w3:ld]]", "h@loU, w3:ld"), "200, whole"),
    ("text: SSML", said("<speak><break time='900s'/><audio src='file:///etc/passwd'/>Yes.</speak>"), "200"),
    ("text: a bomb of entities", said('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;&b;</a>'), "200"),
    ("text: half of a character", said("Good morning \ud83d."), BAD),
    ("text: 100,000 combining marks", said("a" + "\u0301" * 100_000), "413 too_large"),
    ("text: 4,000 combining marks", said("a" + "\u0301" * 4_000), "200"),
    (
        "text: right to left, emoji",
        all_of([body("\u202e\u0645\u0631\u062d\u0628\u0627"), body("\U0001f600")]),
        "200",
    ),
    ("text: dashes between sentences", said(f"{SENTENCE} ------------------ . {SENTENCE}"), "200"),
    ("text: 4,000 letters without a blank", said("abcdefgh" * 500, speed=2), "200"),
]
FIELDS: list[Attack] = [
    *(
        (f"{name}: wrong types", all_of([body(**{name: one}) for one in WRONG if one is not None]), BAD)
        for name in ("model", "voice", "response_format")
    ),
    ("input: wrong types", all_of([body(one) for one in WRONG]), BAD),
    ("speed: wrong types", all_of([body(speed=one) for one in ("1", [], [1], {}, True)]), BAD),
    ("model, voice, format: unknown", all_of([body(**{name: one}) for name, one in UNKNOWN.items()]), BAD),
    (
        "model, voice: paths, 60 kB",
        all_of([body(**{n: one}) for n in UNKNOWN for one in ("../../etc/passwd", "/etc\0", "x" * 60_000)]),
        BAD,
    ),
    (
        "speed: 0, -1, NaN, 1e300, 10^400",
        all_of([body(speed=v) for v in (0, -1, float("nan"), 1e300, 10**400)]),
        BAD,
    ),
]
BODIES: list[Attack] = [
    ("body: no JSON, a list, 20,000 brackets", all_of([b"", b"}{", b"[]", b"\xff\xfe", b"[" * 20_000]), BAD),
    ("body: 1 MB", raw(b"[" * 10**6), "413 too_large"),
    ("body: half of it, then nothing", slow(HEAD + 'Content-Length: 99\n\n{{"input":'), "408"),
    ("body: a byte a second", slow(HEAD + "Content-Length: 9999\n\n{{", b"a"), "408"),
    ("body: a byte a second in chunks", slow(HEAD + "Transfer-Encoding: chunked\n\n", b"1\r\na\r\n"), "408"),
    ("request: half a line, then nothing", slow("POST /v1/audio/sp"), "closed"),
    (
        "request: whole, then a byte a second of another",
        slow("GET /healthz HTTP/1.1\nHost: a\n\n", b"G", last=True),
        "200, closed",
    ),
    (
        "no token: a byte a second",
        slow("POST /v1/audio/speech HTTP/1.1\nHost: a\nContent-Length: 999\n\n", b"a", last=True),
        "401, closed",
    ),
]


def crowds(connections: int, folder: Path) -> list[Attack]:
    """Return attacks by many clients at once, and by what goes wrong on the server's side."""
    refused = {"200", "429 too_many"}
    return [
        ("8 clients never read their audio", no_reading(8, LONG), "8 dropped, 0 at work"),
        ("32 clients leave before there is audio", leaving(32, 8, LONG, heard=False), "0 at work"),
        ("16 clients leave in the middle", leaving(16, 4, LONG, heard=True), "0 at work"),
        ("64 requests of a caller at once", at_once(64, "Good morning.", refused), "refused in part"),
        (
            "64 texts of a caller, 2,000 characters each",
            at_once(64, "ferry " * 330, refused),
            "refused in part",
        ),
        (f"{connections} connections", many(connections), "open, and a request gets 200"),
        (
            f"texts for {MEGABYTES} MB of kept answers",
            fill(folder, MEGABYTES, 8, SENTENCE),
            "within its bound",
        ),
        ("kept answers cannot be written", broken_folder(folder), "200"),
        ("the synthesizer is killed in the middle", killed(SENTENCE), "killed, 200, whole"),
    ]


def options(folder: Path) -> list[object]:
    """Return the server's options."""
    return [
        *("--voices", "plain=espeak", "--idle_seconds", 5, "--slow_seconds", 2, "--requests_per_minute", 400),
        *("--results_dir", folder / "results", "--results_megabytes", MEGABYTES),
    ]


def line(served: Served, what: str, attack: Callable[[Served], str], wanted: str) -> bool:
    """Attack, print a line of the table, and return whether all is as it should be."""
    started = time.monotonic()
    try:
        got = attack(served)
    except Exception as error:  # the table says it, whatever it is
        got = f"{type(error).__name__}: {error}"[:80]
    took, right = time.monotonic() - started, got in wanted.split(" or ")
    served_still = honest(served) if served.alive else "DEAD"
    note = "" if right else f" (wanted {wanted})"
    print(f"| {what} | {got}{note} | {took:.1f} | {served_still} |", flush=True)
    return right and served_still == "yes"


def random_bodies(served: Served, cases: int, seed: int) -> bool:
    """Send random bodies; print what came back and return whether all is as it should be."""
    before = served.memory()[0]
    answers, longest = fuzz(served, cases, seed)
    grown = (served.memory()[0] - before) / 2**20
    told = ", ".join(f"{count:,} × {status}" for status, count in sorted(answers.items()))
    print(f"\n{cases:,} random bodies: {told}; longest {longest:.1f} s, {grown:+.0f} MiB", flush=True)
    return set(answers) <= {"200", "400", "413"} and grown < 50


def main() -> int:
    """Run all attacks against one server; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--cases", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="attacks whose line has this word")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serve(Path(name), *options(Path(name))) as served:
        honest(served)
        before = held(served)
        attacks = [
            *TOKENS,
            *TEXTS,
            *FIELDS,
            *BODIES,
            *crowds(given.connections, Path(name, "results", "speech")),
        ]
        chosen = [one for one in attacks if given.only in one[0]]
        print("| attack | came back | in seconds | others are served |\n|---|---|---|---|")
        right = [line(served, *one) for one in chosen]
        right.append(random_bodies(served, given.cases, given.seed))
        now = held(served)
        print(f"held before: {json.dumps(before)}, now: {json.dumps(now)}")
        right.append(all(now[key] <= before[key] + 8 for key in now))
        print(f"server errors: {_errors(served):.0f}; {sum(served.memory()) / 2**20:.0f} MiB")
        right.append(not _errors(served) and not any("Traceback" in one for one in served.lines))
        if not right[-1]:
            print("\n".join(served.lines[-60:]))
        end = ended(served, LONG)
        right.append(end == "exit code 0, 0 processes left")
        print(f"SIGTERM while 8 requests are at work: {end}")
    return 0 if all(right) else 1


def _errors(served: Served) -> float:
    return sum(
        count
        for name, count in served.metrics().items()
        if "requests_total" in name and 'status="500"' in name
    )


if __name__ == "__main__":
    raise SystemExit(main())
