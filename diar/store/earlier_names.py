"""Names that plan and index had in earlier outputs: `.parquet`, so that a glob for tracks found them, too."""

from __future__ import annotations

from diar import storage
from diar.store.layout import INDEX_SUFFIX, Layout

_EARLIER_SUFFIX = ".parquet"


def earlier_name(url: str) -> str:
    """Return the name that a plan or an index had."""
    return url.removesuffix(INDEX_SUFFIX) + _EARLIER_SUFFIX


def stored_at(url: str) -> str:
    """Return where a plan or an index lies: `url`, or the earlier name if there is only that."""
    earlier = earlier_name(url)
    return earlier if not storage.exists(url) and storage.exists(earlier) else url


def rename_earlier(layout: Layout) -> None:
    """Give plan and index the names of today, the plan last; may be interrupted and done again.

    For a run that writes here: all its ranks then see the same names.
    """
    earlier = [name for name in storage.list_names(layout.shards) if name.endswith(_EARLIER_SUFFIX)]
    urls = [storage.join(layout.shards, name) for name in sorted(earlier)]
    if storage.exists(earlier_name(layout.plan)):
        urls.append(earlier_name(layout.plan))
    for url in urls:
        today = url.removesuffix(_EARLIER_SUFFIX) + INDEX_SUFFIX
        if not storage.exists(today):
            storage.write_bytes_atomic(today, storage.read_bytes(url))
        storage.remove(url)
