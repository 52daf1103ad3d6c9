"""Which rank does which shard: ranks claim shards one by one, which balances the load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch.distributed as dist

_POLL = 0.05  # seconds
_STUCK = 10.0  # seconds without progress, after which a rank claims in any case


class Claims:
    """The shards of one rank.

    A counter in the store proposes a position in the order of claiming. The rank then signs the position with
    its number, which nobody can overwrite. So a rank that is started again knows what it had claimed. It also
    takes the positions that were proposed and not yet signed.

    Args:
        store: which all ranks of the run share.
        rank: of this process.
        world_size: number of ranks.
        order: (shard, bytes) of the shards to do, in the order of claiming; the same on all ranks.

    Attributes:
        before: shards that this rank had claimed before it died and was started again.
    """

    def __init__(
        self, store: dist.Store, rank: int, world_size: int, order: Sequence[tuple[int, int]]
    ) -> None:
        self._store = dist.PrefixStore("claims", store)
        self._rank = str(rank)
        self._world_size = world_size
        self._order = order
        sizes = [size for _, size in order]
        self._rest = [*np.cumsum(sizes[::-1])[::-1].tolist(), 0]  # bytes from each position to the end
        self.before = [order[position][0] for position in range(self._proposed()) if self._sign(position)]

    def rounds(self, first: Iterable[int], read: Callable[[], int]) -> Iterator[Iterator[int]]:
        """Yield the only round, which is all `shards`."""
        yield self.shards(first, read)

    def shards(self, first: Iterable[int], read: Callable[[], int]) -> Iterator[int]:
        """Yield the shards in `first`, then claim and yield others until none is left.

        A rank decodes ahead, several recordings at a time. It would go on claiming while it is at a long
        recording, and end last. So it claims only while its backlog is no more than its share of what nobody
        has claimed yet.

        Args:
            first: the unfinished shards of `before`.
            read: returns the bytes that this rank has read so far, as the plan counts them.
        """
        sizes = dict(self._order)
        claimed = read()  # before it died and was started again
        for shard in first:
            claimed += sizes[shard]
            yield shard
        while True:
            self._hold_back(claimed, read)
            position = self._store.add("next", 1) - 1
            if position >= len(self._order):
                return
            if self._sign(position):
                claimed += self._order[position][1]
                yield self._order[position][0]

    def _hold_back(self, claimed: int, read: Callable[[], int]) -> None:
        """Wait while this rank's backlog is more than its share of what is left for all."""
        if self._world_size == 1:
            return
        last, since = read(), time.monotonic()
        while claimed - last > self._rest[self._proposed()] / self._world_size > 0:
            time.sleep(_POLL)
            now = read()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > _STUCK:
                return

    def _proposed(self) -> int:
        """Return how many positions were proposed so far, to all ranks."""
        return min(self._store.add("next", 0), len(self._order))

    def _sign(self, position: int) -> bool:
        """Sign a position if it is free; return whether it is this rank's, now or from before."""
        owner: bytes = self._store.compare_set(f"owner/{position}", "", self._rank)
        return owner.decode() == self._rank
