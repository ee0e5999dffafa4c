"""How communication libraries cut a buffer by their documented defaults, and which slices are under way at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from netsim.collectives._flights import Legs, back_in_whole, in_loops, in_segments

Library = Literal["nccl", "gloo", "openmpi"]

KIB, MIB = 1024, 1024 * 1024

# NCCL's channel buffer has NCCL_BUFFSIZE = 4 MiB (its documentation of environment variables) in NCCL_STEPS = 8 steps
# (src/include/device.h). A slice of a ring all-reduce is ALLREDUCE_SLICESTEPS = NCCL_STEPS / 4 steps of each piece, and
# a chunk ALLREDUCE_CHUNKSTEPS = NCCL_STEPS / 2 (src/include/collectives.h), so two slices, each of at least a 32nd of
# the largest (genericOp of src/device/prims_simple.h). There are two channels at least, since each ring is doubled
# (src/graph/connect.cc). A rank goes loop by loop: it begins the next chunks when it has the present ones (runRing of
# src/device/all_reduce.h). A slice of a tree is a single step (chunkSteps in src/enqueue.cc); what goes up does not
# wait for what comes down (runTreeSplit), and so all slices are under way. Protocol Simple.
NCCL_STEP = 4 * MIB // 8
_NCCL_SLICE, _NCCL_LOOP = 2 * NCCL_STEP, 4
# Gloo: at most kMaxSegmentSize = 1024 * 1024 bytes an operation "of which two are in flight at all times" in the ring
# (gloo/allreduce.h), so at least two segments a rank. It goes through all segments of a step, then through those of the
# next, and ends the reduce-scatter before it begins the all-gather (gloo/allreduce.cc).
GLOO_SEGMENT = MIB
# Open MPI's fixed decision gives the segmented ring segments of 1 << 20 bytes of each rank's block; its other
# all-reduces have none (ompi/mca/coll/tuned/coll_tuned_decision_fixed.c). A block has as many segments as come nearest;
# one after the other goes round and is added up, then whole blocks go round: (segments + 1) (n - 1) steps
# (ompi_coll_base_allreduce_intra_ring_segmented in ompi/mca/coll/base/coll_base_allreduce.c).
OPENMPI_SEGMENT = MIB


@dataclass(frozen=True)
class Segments:
    """count: into how many slices a piece of so many bytes is cut; all pieces' first slices are one lane, and so on.
    legs: in which order so many slices are under way; by default all at once."""

    count: Callable[[float], int] = lambda _: 1
    legs: Callable[[int], Legs] = lambda slices: in_loops(slices, slices)


def at_most(size: float, *, least: int = 1) -> Callable[[float], int]:
    """Slices of at most so many bytes, and at least so many of them.

    >>> at_most(1000, least=2)(500), at_most(1000)(2500)
    (2, 3)
    """
    return lambda piece: max(least, math.ceil(piece / size))


def _nccl(piece: float) -> int:
    """Loops of four slices, of which one alone may have fewer.

    >>> [_nccl(size * MIB) for size in (0, 1 / 16, 1, 4, 5)]
    [1, 2, 4, 4, 8]
    """
    loops, smallest = math.ceil(piece / (_NCCL_LOOP * _NCCL_SLICE)), _NCCL_SLICE / 32
    return loops * _NCCL_LOOP if loops > 1 else min(_NCCL_LOOP, max(1, math.ceil(piece / smallest)))


def _openmpi(piece: float) -> int:
    """Segments nearest to their size; as many are left out as are begun by half of one.

    >>> [_openmpi(size * MIB) for size in (0, 1.5, 1.6, 3)]
    [1, 1, 2, 3]
    """
    return max(1, math.ceil(piece / OPENMPI_SEGMENT - 0.5))


NCCL_RING = Segments(_nccl, lambda slices: in_loops(slices, _NCCL_LOOP))
NCCL_TREE = Segments(at_most(NCCL_STEP))
GLOO_RING = Segments(at_most(GLOO_SEGMENT, least=2), lambda slices: in_segments(slices, 2))
OPENMPI_RING = Segments(_openmpi, back_in_whole)


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
