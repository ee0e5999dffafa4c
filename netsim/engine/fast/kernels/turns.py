# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""What is all-reduced next, decided for all workers alike: the twin of InTurn and Prioritised in allreduces.py.

Workers offer buckets in one order, so that buckets are ready in that order, whatever else happens at a moment. What
hangs on the order within a moment is whether a stream was free before a more urgent bucket was ready: where it does,
the network is `tied`. turns.pxd has the types.
"""

from __future__ import annotations

from typing import Any

ANY = -1  # nothing is so urgent


class Turns:
    """A free stream takes, of the buckets that all workers have, one of the layer that is needed first."""

    def __init__(self, network: Any, waiting: Any, workers: int, arrays: Any) -> None:
        """waiting: an agenda of buckets, in which what is more urgent is earlier."""
        self.network, self.waiting, self.workers = network, waiting, workers
        self.offers, self.rank, self.ready_at = arrays["offers"], arrays["rank"], arrays["ready_at"]  # of each bucket
        self.turns = arrays["turns"]  # what is all-reduced in each: iteration * buckets + bucket
        self.wanted, self.decided = 0, 0  # how many turns are asked for, and decided
        self.freed, self.taken = -1.0, ANY  # when streams were last free, and the least urgent that they took then
        self.iteration = 0  # of all that wait: nobody offers buckets of a step before those of the last one are in

    def offer(self, play: int) -> None:
        """A worker has the gradients of one of a step's buckets."""
        bucket = play % self.rank.shape[0]
        self.offers[bucket] += 1
        if self.offers[bucket] < self.workers:
            return
        self.offers[bucket] = 0
        self.ready_at[bucket], self.iteration = self.network.now, play // self.rank.shape[0]
        if self.rank[bucket] < self.taken and self.network.near(self.freed):
            self.network.tied = 1
        self.waiting.put(bucket, self.rank[bucket])

    def ask(self, number: int) -> None:
        """A stream is free for a turn, which need not be decided yet."""
        if number >= self.wanted:
            self.wanted = number + 1
            if not self.network.near(self.freed):
                self.taken = ANY
            self.freed = self.network.now

    def decides(self) -> bool:
        """Whether the next turn can be decided, not one ahead: a more urgent bucket may still come. It is, then."""
        if self.waiting.size == 0 or self.decided >= self.wanted:
            return False
        bucket = self.waiting.heap[0]
        if self.network.near(self.freed):
            if self.rank[bucket] > self.taken:
                self.taken = self.rank[bucket]
            if self.network.near(self.ready_at[bucket]):
                for other in range(bucket):
                    if self.waiting.place[other] >= 0:
                        self.network.tied = 1  # which was ready before, and might have been taken
        self.waiting.drop(bucket)
        self.turns[self.decided] = self.iteration * self.rank.shape[0] + bucket
        self.decided += 1
        return True
