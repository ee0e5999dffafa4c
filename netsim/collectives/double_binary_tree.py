"""Double binary tree all-reduce (Sanders, Speck, Träff: Two-tree algorithms, Parallel Computing 35, 2009; NCCL 2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netsim.collectives._libraries import NCCL_TREE, Library, Segments
from netsim.collectives.rounds import Collective, Operation, Round
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class DoubleBinaryTree(Collective):
    """Two binary trees, each of which reduces and broadcasts one half of the buffer; who is an inner node of one is a
    leaf of the other, so that all ports work. With slices it nears twice a single pipelined tree's rate.

    The first tree, as NCCL builds it from the lowest set bit of a rank (graph/trees.cc), for n = 8::

        0 -> 4 -> 2, 6    2 -> 1, 3    6 -> 5, 7

    The second is its mirror image (n even), or the same one rank further (n odd). In a broadcast rank 0 stands apart
    and feeds the roots of two trees of the others, as in the paper; in a reduction it takes the sums of both.
    """

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "broadcast", "reduce", "barrier")
    segments: ClassVar[dict[Library, Segments]] = {"nccl": NCCL_TREE}

    def fan(self, ranks: int) -> int:
        return 2

    def pieces(self, ranks: int) -> int:
        return 2

    def rounds(self, ranks: int) -> Iterator[Round]:
        for tree in (0, 1):
            rooted = self.operation in ("broadcast", "reduce")
            levels = self._below_rank_0(ranks, tree) if rooted else self._levels(ranks, tree)
            for parents, children in reversed(levels if self.reduces else []):
                yield Round.of(children, parents, first=tree, add=True, lane=tree)
            for parents, children in levels if self.spreads else []:
                yield Round.of(parents, children, first=tree, add=False, lane=tree)

    def _below_rank_0(self, ranks: int, tree: int) -> list[tuple[list[int], list[int]]]:
        """Rank 0, then the levels of a tree of the others."""
        if ranks == 1:
            return []
        levels = self._levels(ranks - 1, tree)
        below = [([1 + each for each in parents], [1 + each for each in children]) for parents, children in levels]
        return [([0], [1 + self._name(0, ranks - 1, tree)]), *below]

    def _levels(self, ranks: int, tree: int) -> list[tuple[list[int], list[int]]]:
        """Parents and children of each level, from the root down."""
        names = [self._name(rank, ranks, tree) for rank in range(ranks)]
        children: list[list[int]] = [[] for _ in range(ranks)]
        for child in range(1, ranks):
            children[self._parent(child, ranks)].append(child)
        levels, level = [], [0]
        while pairs := [(parent, child) for parent in level for child in children[parent]]:
            levels.append(([names[parent] for parent, _ in pairs], [names[child] for _, child in pairs]))
            level = [child for _, child in pairs]
        return levels

    def _name(self, rank: int, ranks: int, tree: int) -> int:
        """Which rank stands where `rank` stands in the first tree."""
        if tree == 0:
            return rank
        return ranks - 1 - rank if ranks % 2 == 0 else (rank + 1) % ranks

    def _parent(self, rank: int, ranks: int) -> int:
        """NCCL's rule: up to the next higher bit, where there is such a rank, else to the rank without the bit."""
        bit = rank & -rank
        up = (rank ^ bit) | (bit << 1)
        return up if up < ranks else rank ^ bit

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """0 for one rank; no closed form is known here of how the two trees share the ports."""
        return 0.0 if ranks == 1 else None
