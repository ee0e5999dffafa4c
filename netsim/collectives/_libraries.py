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
