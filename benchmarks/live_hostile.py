"""What a hostile client gets from `diar serve`: one line an attack, and whether the server serves on.

    python benchmarks/live_hostile.py [--connections 1000]

A real server on loopback, with tokens. Random input for every operation: benchmarks/live_fuzz.py.
Exit code 1: an attack got another answer than it should, or the server stopped serving.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from live_attacks import (
    JSON,
    Attack,
    asked,
    begun,
    bomb,
    drip,
    first,
    half_a_request,
    http,
    live,
    many,
    no_reading,
    opus_bomb,
    other_tenant,
    paths,
    unsigned,
    with_token,
)
from live_server import serve, token

OPTIONS = (
    "--idle_seconds",
    5,
    "--slow_seconds",
    2,
    "--job_hours",
    0.02,
    "--upload_megabytes",
    20,
    "--caller_sessions",
    64,
)


def attacks(connections: int) -> list[Attack]:
    """Return all attacks."""
    return [*TOKENS, *MESSAGES, *REQUESTS, (f"{connections} connections", many(connections), SERVED_STILL)]


SERVED_STILL = "open, and a request gets 200"
RANDOM, CLOSE = np.random.default_rng(0).bytes(90_000), json.dumps({"type": "CloseStream"})
NAN, FILE = np.full(1_600, np.nan, "<f4").tobytes(), b'{"url":"file:///etc/passwd"}'
TOKENS: list[Attack] = [
    ("token: expired", with_token(token(exp=time.time() - 60)), "401 unauthorized"),
    ("token: signed with another secret", with_token(token("x" * 40)), "401 unauthorized"),
    ("token: algorithm none", with_token(unsigned("none")), "401 unauthorized"),
    ("token: algorithm NonE", with_token(unsigned("NonE")), "401 unauthorized"),
    ("token: HS256 without signature", with_token(unsigned("HS256")), "401 unauthorized"),
    ("token: no scope", with_token(token(scope="")), "403 forbidden"),
    ("token: 7 kB of a", with_token("a" * 7_000), "401 unauthorized"),
    ("header: 20 kB", lambda served: live(served, Authorization="Bearer " + "a" * 20_000), "400"),
    ("no token", with_token(""), "401 unauthorized"),
    ("another tenant's session", other_tenant, "404 not_found"),
    ("paths as identifiers", paths, "404 not_found"),
    ("page of another site", lambda served: live(served, Origin="https://evil.example"), "403 forbidden"),
]
MESSAGES: list[Attack] = [
    ("first message: audio", first(b"\0" * 100), "4400 bad_request"),
    ("first message: no JSON", first("}{"), "4400 bad_request"),
    ("first message: 20,000 brackets", first("[" * 20_000), "4400 bad_request"),
    ("first message: never", first(), "4408 idle"),
    ("format: mp3", begun(format="mp3"), "4400 bad_request"),
    ("rate: 10^9 Hz", begun(sample_rate=10**9), "4400 bad_request"),
    ("channels: 10^6", begun(channels=10**6), "4400 bad_request"),
    ("audio: NaN", begun(NAN, format="pcm_f32le"), "4400 bad_audio"),
    ("audio: random bytes as float", begun(RANDOM[:9_600], format="pcm_f32le"), "4400 bad_audio"),
    ("audio: random bytes as WebM", begun(RANDOM, CLOSE, format="webm"), "4400 bad_audio"),
    ("audio: WebM whose sizes lie", opus_bomb, "4400 bad_audio"),
    ("audio: 3 bytes, then the end", begun(b"abc", CLOSE), "1000"),
    ("message: 16 MB", begun(bytes(2**24)), "1009 or 1006"),
    ("message: unknown type", begun('{"type":"Shout"}'), "4400 bad_request"),
    ("message: a second opening", begun('{"type":"start"}'), "4400 bad_request"),
    ("says nothing for 5 s", begun(), "4408 idle"),
    ("never reads", no_reading, "dropped slow_reader"),
]
REQUESTS: list[Attack] = [
    ("upload: a byte, then nothing", drip, "408"),
    ("request: half a line, then nothing", half_a_request, "closed"),
    ("upload: 30 MB, 20 allowed", asked("/v1/jobs", bytes(30_000_000)), "413 too_large"),
    ("upload: 20 min of FLAC in kilobytes, 72 s allowed", bomb, "failed too_large"),
    ("body: gzip", asked("/v1/jobs", b"x", Content_Encoding="gzip"), "415 unsupported_format"),
    ("body: 1 MB of JSON", asked("/v1/sessions", b"[" * 10**6, Content_Type=JSON), "413 too_large"),
    ("body: 3 bytes of audio", asked("/diar/stream", b"abc"), "200"),
    ("job: file:///etc/passwd", asked("/v1/jobs", FILE, Content_Type=JSON), "403 forbidden"),
]


def main() -> int:
    """Run all attacks against one server; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=1_000)
    given, bad = parser.parse_args(), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), *OPTIONS, "--requests_per_minute", 100_000) as served,
    ):
        print("| attack | came back | in seconds | serves on |\n|---|---|---|---|")
        for what, attack, wanted in attacks(given.connections):
            started = time.monotonic()
            try:
                got = attack(served)
            except Exception as error:  # the table says it, whatever it is
                got = f"{type(error).__name__}: {error}"[:80]
            serves = served.alive and http(served, "/healthz") == "200"
            right = got in wanted.split(" or ") and serves
            bad += not right
            note = "" if got in wanted.split(" or ") else f" (wanted {wanted})"
            print(
                f"| {what} | {got}{note} | {time.monotonic() - started:.1f} | {'yes' if serves else 'NO'} |",
                flush=True,
            )
        print(f"\nserver: {'serves' if served.alive else 'DEAD'}, {sum(served.memory()) / 2**20:.0f} MiB")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
