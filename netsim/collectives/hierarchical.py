"""Hierarchical all-reduce: one kind inside each host, another between hosts (as Horovod's, Sergeev, Del Balso 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Interval

from netsim.collectives._nested import Nested
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective, IntArray, Operation, Round
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, Reads
from netsim.hardware import Link

_A_KIND = Reads(  # whose schema would go on for ever, as hierarchies hold hierarchies
    lambda value: FAMILIES["collectives"].build(value),
    lambda: {"anyOf": [{"enum": FAMILIES["collectives"].names()}, {"type": "object", "required": ["kind"]}]},
)

_RING = Ring()


@dataclass(frozen=True, kw_only=True)
class Hierarchical(Collective):
    """Reduce inside each host, all-reduce between hosts, share inside each host.

    For n = 8 and 4 ranks a host, rings::

        0 -> 1 -> 2 -> 3 -> 0      4 -> 5 -> 6 -> 7 -> 4      reduce-scatter inside
        0 <-> 4   1 <-> 5   2 <-> 6   3 <-> 7                 all-reduce between, each on its quarter
        0 -> 1 -> 2 -> 3 -> 0      4 -> 5 -> 6 -> 7 -> 4      all-gather inside

    per_host: ranks of one host, which are numbered host after host; by default the largest number up to 8 that divides
    the ranks. inside, between: kinds with their fields, hierarchies among them; a kind inside that can only reduce and
    broadcast, as a tree, leaves the way between hosts to the first rank of each. Lanes of theirs go in step.
    """

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "reduce_scatter", "all_gather", "barrier")

    per_host: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    inside: Annotated[Any, _A_KIND] = _RING
    between: Annotated[Any, _A_KIND] = _RING

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, kind in (("inside", self.inside), ("between", self.between)):
            if kind.sliced or kind.library or kind.shares or kind.element:
                raise ValueError(f"{name} has slices, shares or elements of its own; give them to the whole")
            if kind.operation != "all_reduce":
                raise ValueError(f"{name} has an operation of its own; give it to the whole")
            if kind.helpers(2):
                raise ValueError(f"{name} needs servers that stand apart; co-located ones would do")
        if not {"reduce_scatter", "reduce"} & set(self.inside.operations):
            raise ValueError(
                "inside must be a kind that can reduce without spreading, as ring, tree, binomial_tree and direct can"
            )
        if self.operation in ("reduce_scatter", "all_gather"):
            for name, kind in (("inside", self.inside), ("between", self.between)):
                if self.operation not in kind.operations:
                    raise ValueError(f"{name} has no {self.operation}")

    def fit(self, ranks: int) -> None:
        super().fit(ranks)
        size = self._size(ranks)
        if ranks % size:
            raise ScenarioError(f"{size} ranks a host do not divide {ranks} ranks", path="per_host")
        nested = self._nested(ranks)
        for name, kind, many in (("inside", nested.up, size), ("between", nested.between, ranks // size)):
            try:
                kind.fit(many)
            except ScenarioError as error:
                raise ScenarioError("; ".join(map(str, error.problems)), path=name) from None

    def _size(self, ranks: int) -> int:
        return self.per_host or max(size for size in range(1, 9) if ranks % size == 0)

    def _nested(self, ranks: int) -> Nested:
        size = self._size(ranks)
        return Nested(self.inside, self.between, size=size, groups=ranks // size, operation=self.operation)

    def pieces(self, ranks: int) -> int:
        return self._nested(ranks).pieces()

    def owners(self, ranks: int) -> IntArray:
        return self._nested(ranks).owners()

    def rounds(self, ranks: int) -> Iterator[Round]:
        return self._nested(ranks).rounds()

    def fan(self, ranks: int) -> int:
        size = self._size(ranks)
        fans: tuple[int, int] = self.inside.fan(size), self.between.fan(ranks // size)
        return max(fans)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """The sum of three closed forms, where they have one: S inside, S / per_host between, S inside; S between where
        the kind inside cannot scatter. In one lane."""
        return self._nested(ranks).ideal_time(nbytes, link, reduction_rate) if self.lanes(nbytes, ranks) == 1 else None

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """What each host moves inside, and what goes between them."""
        return self._nested(ranks).wire_bytes(nbytes)
