"""Claims of shards in a run that others may join: what is free first, then what dead processes have left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from diar.jobs.ranks.joined import Joined
from diar.leases.places import Place, State

_STUCK = 10.0  # seconds without progress, after which a process claims in any case


class JoinedClaims:
    """The shards of one process of a run that others may join.

    Args:
        joined: this process.
        order: (shard, bytes) of the shards to do, in the order of claiming.
        done: returns the shards that are done.
        is_over: returns whether nothing more is to be claimed.

    Attributes:
        before: none; a process that died leaves its shards to whoever is there first.
    """

    before: Sequence[int] = ()

    def __init__(
        self,
        joined: Joined,
        order: Sequence[tuple[int, int]],
        done: Callable[[], Collection[int]],
        is_over: Callable[[], bool],
    ) -> None:
        self._joined, self._order, self._done, self._is_over = joined, order, done, is_over
        self._told: set[int] = set()  # places whose work was taken over

    def rounds(self, first: Sequence[int], read: Callable[[], int]) -> Iterator[Iterator[int]]:
        """Yield the shards that nobody has claimed; then one by one those of processes that have died.

        The work of one round is to be done before the next is asked for: others wait for it.
        """
        yield self._free(read)
        while (shard := self._left_over()) is not None:
            yield iter([shard])

    def _free(self, read: Callable[[], int]) -> Iterator[int]:
        claimed = read()
        while True:
            free = self._unclaimed()
            self._hold_back(claimed, read, free)
            if not free:
                return
            taken = next((one for one in free if self._joined.leases.take(str(one[0]))), None)
            if taken is not None and taken[0] not in set(self._done()):
                claimed += taken[1]
                yield taken[0]

    def _unclaimed(self) -> list[tuple[int, int]]:
        claimed, done = self._joined.leases.newest(), set(self._done())
        return [
            (shard, size) for shard, size in self._order if str(shard) not in claimed and shard not in done
        ]

    def _hold_back(self, claimed: int, read: Callable[[], int], free: list[tuple[int, int]]) -> None:
        """Wait while this process's backlog is more than its share of what is left for all."""
        last, since = read(), time.monotonic()
        others = sum(state == State.ALIVE for _, state in self._joined.look().values())
        while others and free and claimed - last > sum(size for _, size in free) / (others + 1):
            time.sleep(self._joined.pause)
            if self._is_over():
                return
            now = read()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > _STUCK:
                return
            free[:] = self._unclaimed()

    def _left_over(self) -> int | None:
        """Wait until all shards are done, and return None; or until one is left over, and return it."""
        while not self._is_over():
            done = set(self._done())
            leases = self._joined.leases
            others = [n for n, _ in self._order if n not in done and not leases.is_own(str(n))]
            if not others:
                return None
            others_at_work, claimed = self._joined.look(), leases.newest()
            for shard in others:
                generation = claimed.get(str(shard))
                if generation is None:
                    if leases.take(str(shard)):
                        return shard
                    continue
                owner = leases.owner(str(shard), generation)
                if self._joined.state(owner) == State.DEAD and leases.take(str(shard), generation + 1):
                    self._tell(owner, others_at_work)
                    return shard
            time.sleep(self._joined.pause)
        return None

    def _tell(self, owner: tuple[int, str] | None, others: dict[int, tuple[Place, State]]) -> None:
        """Say once of each dead process that its work is taken over."""
        if owner is None or owner[0] in self._told:
            return
        self._told.add(owner[0])
        who = str(others[owner[0]][0]) if owner[0] in others else f"process {owner[0]} of this run"
        print(
            f"{who} is dead or cut off: its shards are taken over; the same command, started there again, "
            "joins the rest",
            file=sys.stderr,
            flush=True,
        )
