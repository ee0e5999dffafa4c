"""Where the nodes of a network are drawn: rings, rows, grids, layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import cos, fsum, hypot, pi, sin

Place = tuple[float, float]
_MOST_SPREAD = 300  # nodes; more take long, and show little


def circle(count: int, *, radius: float = 1.0, centre: Place = (0.0, 0.0), turned: float = 0.0) -> list[Place]:
    """Places on a circle, clockwise from the top, or from some places before it."""
    angles = [pi / 2 - 2 * pi * (place - turned) / max(1, count) for place in range(count)]
    return [(centre[0] + radius * cos(angle), centre[1] + radius * sin(angle)) for angle in angles]


def row(count: int, width: float, height: float) -> list[Place]:
    """Places side by side at a height, spread over a width."""
    return [((place + 0.5) * width / count, height) for place in range(count)]


def layers(*counts: int) -> list[Place]:
    """Rows one above the other, the first at the bottom, all as wide as the widest."""
    width = float(max(counts))
    heights = [level * width / 6 for level in range(len(counts))]
    return [place for count, height in zip(counts, heights, strict=True) for place in row(count, width, height)]


def tree(hosts: int, room: int, *levels: int) -> list[Place]:
    """Hosts at the bottom, which has room for more, and rows of switches above."""
    return [*layers(room)[:hosts], *layers(room, *levels)[room:]]


def nearest(places: Sequence[Place]) -> float:
    """The least distance between two of the places; 1 where there are not two."""
    pairs = combinations(places, 2)
    return min((hypot(x - u, y - v) for (x, y), (u, v) in pairs if (x, y) != (u, v)), default=1.0)


def shrunk(places: Sequence[Place], radius: float) -> list[Place]:
    """The same places around the origin, none farther away than this."""
    middle = [(max(axis) + min(axis)) / 2 for axis in zip(*places, strict=True)]
    around = [(x - middle[0], y - middle[1]) for x, y in places]
    far = max(hypot(x, y) for x, y in around) or 1.0
    return [(x * radius / far, y * radius / far) for x, y in around]


def grid(coordinates: Sequence[Sequence[int]]) -> list[Place]:
    """Nodes by their coordinates: the last goes right, the one before down, a third one askew between them; more go, by
    turns, right and down from block to block."""
    if not coordinates:
        return []
    dims = [max(axis) + 1 for axis in zip(*coordinates, strict=True)]
    steps: list[Place] = []
    wide, high = 1.0, 1.0  # so far
    for number, size in enumerate(reversed(dims)):
        if number == 2:
            steps.append((0.8 / size, -0.6 / size))
        elif number % 2 == (number > 2):
            steps.append((wide, 0.0))
            wide = wide * size + 0.6
        else:
            steps.append((0.0, -high))
            high = high * size + 0.6
    return [_sum(steps, reversed(each)) for each in coordinates]


def cube(corners: Sequence[Sequence[int]]) -> list[Place]:
    """Corners of a cube of any dimensions: a cube, a cube of cubes, and so on, each a little turned, so that no line
    passes over a corner."""
    steps = []
    for bit in range(len(corners[0])):
        level, axis = divmod(bit, 3)
        x, y = ((1.0, 0.0), (0.0, -1.0), (0.42, 0.32))[axis]
        turn, size = 0.16 * level, 2.4**level
        steps.append((size * (x * cos(turn) - y * sin(turn)), size * (x * sin(turn) + y * cos(turn))))
    return [_sum(steps, corner) for corner in corners]


def _sum(steps: Sequence[Place], times: Iterable[int]) -> Place:
    pairs = list(zip(steps, times, strict=True))
    return fsum(x * many for (x, _), many in pairs), fsum(y * many for (_, y), many in pairs)


def spread_out(nodes: int, links: Sequence[tuple[int, int]]) -> list[Place]:
    """Nodes of any graph so that linked ones are near to each other (Kamada, Kawai 1989); in parts, on a circle."""
    import networkx

    graph = networkx.Graph(links)
    graph.add_nodes_from(range(nodes))
    start = dict(enumerate(circle(nodes)))
    if nodes > _MOST_SPREAD or not networkx.is_connected(graph):
        return list(start.values())
    found = networkx.kamada_kawai_layout(graph, pos=start, scale=nodes**0.5)
    return [(float(x), float(y)) for x, y in (found[node] for node in range(nodes))]
