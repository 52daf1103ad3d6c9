"""`verify --repair`: damaged recordings are set to be done again, leftovers go. Nothing else is removed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pyarrow as pa

from diar import storage
from diar.custody.exclusive import as_private_as, kept_out, kept_out_of_result
from diar.custody.verification.findings import LEFTOVER, Finding, Findings
from diar.store.earlier_names import earlier_name, stored_at
from diar.store.layout import Layout
from diar.store.parquet import StoreError, write_table
from diar.store.reader import done_shards, read_shard
from diar.store.schema import PLAN_SCHEMA
from diar.store.words import WordsLayout
from diar.wording import counted, plural

_PLAN = ("_extraction/plan.pq", "_extraction/plan.parquet")
_NAMED = 3  # recordings, in words


def repair_extraction(findings: Findings) -> None:
    """Make stage 1, and `diar words`, do again what is damaged; note in `findings` what was done.

    Raises:
        DiarError: a run is writing there.
        OSError: the output cannot be written to.
    """
    layout = Layout(findings.place)
    with kept_out(findings.place), as_private_as(layout.config):
        if any(problem.where in _PLAN for problem in findings.problems):
            _remake_plan(layout, findings)
        of_shard: dict[int, list[Finding]] = defaultdict(list)
        for problem in findings.problems:
            if problem.shard is not None:
                of_shard[problem.shard].append(problem)
        for shard, problems in sorted(of_shard.items()):
            _redo(layout, shard, problems, findings)
        _sweep(findings)


def sweep_result(findings: Findings) -> None:
    """Remove what killed runs of stage 2 left; note in `findings` what was done.

    Raises:
        DiarError: stage 2 or `diar words` is writing there.
    """
    with kept_out_of_result(findings.place):
        _sweep(findings)


def _redo(layout: Layout, shard: int, problems: list[Finding], findings: Findings) -> None:
    """Remove damaged tracks, then the index, without which the shard is not done: what is whole stays."""
    words = WordsLayout(layout.root)
    in_words = storage.join("_words", "shards", "")
    if any(problem.where.startswith(in_words) for problem in problems):
        storage.remove(words.shard(shard))
        findings.repaired.append(f"shard {shard}: `diar words` recognises it again")
    problems = [problem for problem in problems if not problem.where.startswith(in_words)]
    if not problems:
        return
    for where in dict.fromkeys(problem.where for problem in problems):
        if not where.startswith("_extraction/"):
            storage.remove(storage.join(layout.root, where))
    for url in (layout.shard(shard), earlier_name(layout.shard(shard))):
        storage.remove(url)
    names = list(dict.fromkeys(one.recording_id for one in problems if one.recording_id is not None))
    which = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "") or "its index"
    findings.repaired.append(f"shard {shard}: stage 1 does {which} again")


def _sweep(findings: Findings) -> None:
    leftovers = [note for note in findings.notes if note.kind == LEFTOVER]
    for note in leftovers:
        storage.remove(storage.join(findings.place, note.where))
        _remove_empty(findings.place, note.where)
    if leftovers:
        removed = f"{counted(len(leftovers), 'file')} of killed runs {plural(len(leftovers), 'is')} removed"
        findings.repaired.append(removed)


def _remove_empty(root: str, where: str) -> None:
    """Remove the folders of the sections of a shard that is done, once they are empty."""
    local = storage.local_path(root)
    if local is None or not where.startswith("_extraction/sections/"):
        return
    for folder in list(Path(where).parents)[:-2]:
        if not any((local / folder).iterdir()):
            (local / folder).rmdir()


def _remake_plan(layout: Layout, findings: Findings) -> None:
    """Write a plan of what the indices list; stage 1 lists the archive and adds the rest."""
    parts: list[pa.Table] = []
    seen: set[str] = set()
    for shard in reversed(done_shards(layout)):  # the newest row of a recording counts
        try:
            index = read_shard(layout, shard)
            rows = index.select(
                ["recording_id", "path", "size", "mtime", "offset", "part_seconds"]
            ).to_pylist()
        except (StoreError, KeyError):
            continue  # it is to be done again
        rows = [row for row in rows if row["recording_id"] not in seen]
        seen.update(row["recording_id"] for row in rows)
        part = [{**row, "duration": row.pop("part_seconds"), "shard": shard} for row in rows]
        parts.insert(0, pa.Table.from_pylist(part, schema=PLAN_SCHEMA))
    plan = pa.concat_tables(parts) if parts else PLAN_SCHEMA.empty_table()
    position = PLAN_SCHEMA.get_field_index("position")
    plan = plan.set_column(position, PLAN_SCHEMA.field(position), pa.array(range(len(plan)), pa.int64()))
    url = stored_at(layout.plan)
    write_table(layout.plan, plan, {}, row_group_size=16_384)
    if url != layout.plan:
        storage.remove(url)
    of = counted(len(parts), "index") if len(parts) == 1 else f"{len(parts)} indices"
    findings.repaired.append(f"the plan is made again from {of}; stage 1 lists the archive and adds the rest")
