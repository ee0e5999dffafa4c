"""How communication libraries cut a buffer by their documented defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Library = Literal["nccl", "gloo", "openmpi"]

KIB, MIB = 1024, 1024 * 1024

# NCCL's channel buffer has NCCL_BUFFSIZE = 4 MiB (its documentation of environment variables) in NCCL_STEPS = 8 steps
# (src/include/device.h). A slice of a ring all-reduce is ALLREDUCE_SLICESTEPS = NCCL_STEPS / 4 steps of each piece
# (src/include/collectives.h), one of a tree is a single step (chunkSteps in src/enqueue.cc). Protocol Simple.
NCCL_STEP = 4 * MIB // 8
# Gloo: at most kMaxSegmentSize = 1024 * 1024 bytes an operation "of which two are in flight at all times" in the ring
# (gloo/allreduce.h), so at least two segments a rank.
GLOO_SEGMENT = MIB
# Open MPI's fixed decision gives the segmented ring segments of 1 << 20 bytes of each rank's block; its other
# all-reduces have none (ompi/mca/coll/tuned/coll_tuned_decision_fixed.c).
OPENMPI_SEGMENT = MIB


@dataclass(frozen=True)
class Segments:
    """A piece is cut into segments of at most `size` bytes, and into at least `least` of them."""

    size: float = math.inf
    least: int = 1

    def lanes(self, piece: float) -> int:
        """How many segments a piece of so many bytes has; all pieces' first segments are one lane, and so on.

        >>> Segments(size=1000, least=2).lanes(500), Segments(size=1000).lanes(2500)
        (2, 3)
        """
        return max(self.least, math.ceil(piece / self.size))


# What NCCL multiplies a tree's bandwidth with at 64 B, 128 B, ... 512 MiB (treeCorrectionFactor, src/graph/tuning.cc).
_TREE_LL = (*(1.0,) * 4, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.5, 0.4, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, *(1.0,) * 5)
_TREE_SIMPLE = (
    *(0.9,) * 7, 0.8, 0.7, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.7, 0.7, 0.8, 0.9, 0.9, 0.9,
)  # fmt: skip


def documented(library: Library, ranks: int, nbytes: float, rate: float) -> str:
    """The kind of all-reduce that the library would choose by default for one rank a host on links of that rate.

    NCCL: the least of its cost model's estimates (src/graph/tuning.cc, 2.30.7). Gloo: the ring (gloo/allreduce.cc).
    Open MPI: recursive doubling below 10,000 bytes, else rings, in segments where a rank's block is above 1 MiB
    (coll_tuned_decision_fixed.c up to 4.0, commutative operations).

    >>> [documented("nccl", 64, size, 12.5e9) for size in (1e3, 1e9)], documented("openmpi", 8, 9999, 1e9)
    (['double_binary_tree', 'ring'], 'recursive_doubling')
    """
    if library == "nccl":
        estimates = {"ring": _nccl_ring(ranks, nbytes, rate), "double_binary_tree": _nccl_tree(ranks, nbytes, rate)}
        return min(estimates, key=lambda kind: estimates[kind])
    if library == "openmpi" and nbytes < 10_000:
        return "recursive_doubling"
    return "ring"


def _nccl_ring(ranks: int, nbytes: float, rate: float) -> float:
    """Seconds by NCCL's model: baseLat + 2 (n - 1) hwLat over NET, and S nsteps / (n bw); protocol LL has half of the
    rate, and Simple 1.4 times the latency from 64 bytes a rank on."""
    steps, late = 2 * (ranks - 1), 1.4 if nbytes / ranks >= 64 else 1.0
    moved = nbytes * steps / (ranks * rate)
    return min(6.6e-6 + steps * 2.7e-6 + 2 * moved, late * (8.4e-6 + steps * 14e-6) + moved)


def _nccl_tree(ranks: int, nbytes: float, rate: float) -> float:
    """Seconds by NCCL's model: baseLat + 2 log2(n) hwLat over NET, and 2 S / bw, of which trees reach 0.92, or a 3.8th
    of that in protocol LL, and what is left of it at that size."""
    hops, place = 2 * math.log2(ranks), min(23, max(0, int(math.log2(max(nbytes, 64) / 64))))
    moved = 2 * nbytes / (0.92 * rate)
    low_latency = 6.8e-6 + hops * 5e-6 + moved * 3.8 / _TREE_LL[place]
    return min(low_latency, 8.4e-6 + hops * 14e-6 + moved / _TREE_SIMPLE[place])
