"""Routes over a graph: which way is taken where several are as short."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netsim.errors import RunError

Arcs = Mapping[tuple[int, int], int]  # the number of the link from one node to another
Onward = Callable[[int, int], Sequence[int]]  # at a node, for a destination: next nodes on shortest ways, best first
Path = Callable[[int, int, int | None], tuple[int, ...]]

_MASK = (1 << 64) - 1


def flow_of(seed: int, src: int, dst: int, stream: int) -> int:
    """A number for the messages of one stream between two hosts, the same in every process."""
    return mixed(mixed(mixed(mixed(seed) ^ src) ^ dst) ^ stream)


def mixed(number: int) -> int:
    """64 bits of which each depends on each of the number's (SplitMix64; Steele, Lea, Flood 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def path_over(arcs: Arcs, onward: Onward, nodes: Sequence[str]) -> Path:
    """Paths of links that go on from node to node: to the best next one, or to that which a flow draws there."""

    def path(src: int, dst: int, flow: int | None) -> tuple[int, ...]:
        at, links = src, []
        while at != dst:
            choices = onward(at, dst)
            if not choices:
                raise RunError(f"there is no way from {nodes[src]} to {nodes[dst]}")
            chosen = 0 if flow is None or len(choices) == 1 else mixed(flow ^ at) % len(choices)
            links.append(arcs[at, choices[chosen]])
            at = choices[chosen]
        return tuple(links)

    return path


def turned(choices: Sequence[int], number: int) -> Sequence[int]:
    """Next nodes that are equally near, in order, from the destination's number modulo theirs on: destinations spread
    over parallel ways (D-mod-k: Zahavi 2012, and InfiniBand's fat-tree routing)."""
    first = number % len(choices) if choices else 0
    return [*choices[first:], *choices[:first]]


class FewestHops:
    """Next nodes on shortest ways over any graph; distances to a destination are found when it is first asked for."""

    def __init__(self, nodes: int, arcs: Arcs) -> None:
        self._after: list[list[int]] = [[] for _ in range(nodes)]
        self._before: list[list[int]] = [[] for _ in range(nodes)]
        for one, other in sorted(arcs):
            self._after[one].append(other)
            self._before[other].append(one)
        self._distances: dict[int, list[int | None]] = {}

    def __call__(self, at: int, dst: int) -> Sequence[int]:
        far = self.distances(dst)
        here = far[at]
        return turned([node for node in self._after[at] if here and far[node] == here - 1], dst)

    def distances(self, dst: int) -> list[int | None]:
        """Hops from each node to this one; None where there is no way."""
        if dst not in self._distances:
            far: list[int | None] = [None] * len(self._before)
            far[dst], edge = 0, [dst]
            for node in edge:  # which grows meanwhile, nearer nodes first
                for before in self._before[node]:
                    if far[before] is None:
                        far[before] = far[node] + 1  # type: ignore[operator]
                        edge.append(before)
            self._distances[dst] = far
        return self._distances[dst]
