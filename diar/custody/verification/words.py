"""`verify` of the words beside an extraction."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from diar import storage
from diar.custody.files import relative
from diar.custody.verification.findings import DAMAGED, WRONG, Findings
from diar.store.layout import Layout
from diar.store.parquet import StoreError
from diar.store.reader import done_shards, read_shard
from diar.store.words import WordsLayout, read_words


def check_words(root: str, fingerprint: str, findings: Findings, looked_at: Callable[[str], None]) -> None:
    """Look at the words under an output of stage 1, if there are any; `fingerprint` is the extraction's."""
    layout = WordsLayout(root)
    if not storage.exists(layout.config):
        return
    where = relative(root, layout.config)
    try:
        settings = json.loads(storage.read_bytes(layout.config))["settings"]
        if settings["extraction"] != fingerprint:
            findings.add(WRONG, where, "these are words of another extraction")
    except (ValueError, KeyError, TypeError) as error:
        findings.add(DAMAGED, where, f"{type(error).__name__}: {error}")
    extracted = set(done_shards(Layout(root)))
    for shard in done_shards(layout):
        _check_shard(layout, shard, shard in extracted, findings)
        looked_at(layout.shard(shard))


def _check_shard(layout: WordsLayout, shard: int, extracted: bool, findings: Findings) -> None:
    where = relative(layout.root, layout.shard(shard))
    try:
        words = read_words(layout, shard)
    except StoreError as error:
        findings.add(DAMAGED, where, str(error), shard=shard)
        return
    findings.counts["words"] += sum(len(own) for _, own in words.values())
    if not extracted:
        return  # stage 1 is to do the shard again
    try:
        known = set(read_shard(Layout(layout.root), shard, ["recording_id"])["recording_id"].to_pylist())
    except (StoreError, KeyError):
        return  # told with the index
    for recording_id, (_, own) in words.items():
        times = [time for word in own for time in (word.start, word.end)]
        if recording_id not in known:
            findings.add(WRONG, where, "not in the index", recording_id=recording_id, shard=shard)
        elif not all(map(math.isfinite, times)) or any(word.end < word.start for word in own):
            findings.add(WRONG, where, "impossible times", recording_id=recording_id, shard=shard)
