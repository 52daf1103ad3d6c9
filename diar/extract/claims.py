"""Which rank does which shard: claimed one by one, so that the load is balanced by construction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch.distributed as dist


class Claims:
    """The shards of one rank: iterating claims the next one that nobody has, until none is left.

    A counter proposes a position in the order of claiming; an owner written under that position, which nobody
    can overwrite, settles it. So what a dead rank had claimed is known when it is started again, and a
    position that it had counted but not yet signed falls to it, too.

    Args:
        store: which all ranks of the run share.
        rank: of this process.
        order: the shards to do, in the order of claiming; the same on all ranks.

    Attributes:
        before: the shards that this rank had claimed before it died and was started again.
    """

    def __init__(self, store: dist.Store, rank: int, order: Sequence[int]) -> None:
        self._store = dist.PrefixStore("claims", store)
        self._rank = str(rank)
        self._order = order
        proposed = min(self._store.add("next", 0), len(order))
        self.before = [order[position] for position in range(proposed) if self._sign(position)]

    def __iter__(self) -> Iterator[int]:
        while (position := self._store.add("next", 1) - 1) < len(self._order):
            if self._sign(position):
                yield self._order[position]

    def _sign(self, position: int) -> bool:
        """Whether the shard at `position` is this rank's, now or from before."""
        owner: bytes = self._store.compare_set(f"owner/{position}", "", self._rank)
        return owner.decode() == self._rank
