"""Figures at the end of recognition: `E/_words/words_stats.json` and a few lines on the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any

from diar import storage
from diar.jobs.progress.bottleneck import describe_loop, loop_shares
from diar.jobs.progress.counters import Counters
from diar.records import OK
from diar.store.layout import Layout
from diar.store.reader import done_shards
from diar.store.words import WordsLayout, read_told
from diar.wording import counted, duration, times

_LISTED = 10  # failures on the terminal


def write_statistics(
    layout: WordsLayout, settings: dict[str, Any], ranks: list[dict[str, Any]]
) -> dict[str, Any]:
    """Add up all words and this run's ranks; publish and return the result."""
    wanted = set(done_shards(Layout(layout.root)))
    status: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    failed: list[dict[str, str]] = []
    words, heard, outside, repeated = 0, 0.0, 0, 0
    for shard in done_shards(layout):
        if shard not in wanted:
            continue
        recordings, count = read_told(layout, shard)
        words += count
        for told in recordings:
            status[told.status] += 1
            languages.update([told.language or "unknown"] if told.status == OK else [])
            heard += told.seconds
            outside, repeated = outside + told.outside_speech, repeated + told.repeated
            if told.status != OK:
                failed.append({"recording_id": told.recording_id, "status": told.status, "error": told.error})
    statistics = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "recogniser": settings,
        "recordings": {
            "ok": status[OK],
            "failed": sum(status.values()) - status[OK],
            "failed_by_kind": {kind: count for kind, count in status.items() if kind != OK},
        },
        "words": words,
        "dropped": {"outside_speech": outside, "repeated": repeated},
        "languages": dict(languages.most_common()),  # recordings of each
        "recognised_hours": heard / 3600,
        "this_run": _this_run(ranks),
        "failures": failed[:_LISTED],
    }
    storage.write_bytes_atomic(layout.statistics, json.dumps(statistics, indent=2).encode())
    return statistics


def _this_run(ranks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return where the time of this run went, of all ranks together."""
    total = Counters.total(Counters.of(rank) for rank in ranks)
    seconds = max(rank["seconds"] for rank in ranks)
    return {
        "seconds": seconds,
        "recordings": total.files,
        "audio_seconds": total.audio_seconds,
        "times_real_time": total.audio_seconds / max(seconds, 1e-9),
        "batches": {name: sum(rank["batches"][name] for rank in ranks) for name in ranks[0]["batches"]},
        "startup_seconds": max(seconds - max(rank["working_seconds"] for rank in ranks), 0.0),
        "loop": loop_shares(total),
        "ranks": ranks,
    }


def print_summary(layout: WordsLayout, statistics: dict[str, Any]) -> None:
    """Print what was done and the first failures."""
    recordings, dropped, run = statistics["recordings"], statistics["dropped"], statistics["this_run"]
    print(
        f"{counted(statistics['words'], 'word')} in {counted(recordings['ok'], 'recording')}, "
        f"{recordings['failed']:,} failed; left out: {dropped['outside_speech']:,} outside of speech, "
        f"{dropped['repeated']:,} repeated -> {layout.private}",
        file=sys.stderr,
    )
    if run["recordings"]:
        print(
            f"this run: {counted(run['recordings'], 'recording')}, {duration(run['audio_seconds'])} of audio "
            f"in {duration(run['seconds'])} ({times(run['times_real_time'])} real time), "
            f"on {len(run['ranks'])} × {run['ranks'][0]['device']}",
            file=sys.stderr,
        )
        split = describe_loop(run["loop"]).replace("computing", "recognising")
        print(f"time: start-up {duration(run['startup_seconds'])}; then {split}", file=sys.stderr)
    for failure in statistics["failures"]:
        print(f"  {failure['recording_id']}: {failure['error'] or failure['status']}", file=sys.stderr)
