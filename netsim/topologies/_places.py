"""Where the nodes of a network are drawn: rings, rows, grids, layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

Place = tuple[float, float]
_MOST_SPREAD = 300  # nodes; more take long, and show little


def circle(count: int, *, radius: float = 1.0, centre: Place = (0.0, 0.0)) -> list[Place]:
    """Places on a circle, clockwise from the top."""
    angles = [pi / 2 - 2 * pi * place / max(1, count) for place in range(count)]
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


def shrunk(places: Sequence[Place], radius: float) -> list[Place]:
    """The same places around the origin, none farther away than this."""
    middle = [(max(axis) + min(axis)) / 2 for axis in zip(*places, strict=True)]
    around = [(x - middle[0], y - middle[1]) for x, y in places]
    far = max(hypot(x, y) for x, y in around) or 1.0
    return [(x * radius / far, y * radius / far) for x, y in around]


def grid(coordinates: Sequence[Sequence[int]]) -> list[Place]:
    """Nodes by their coordinates: the last goes right, the one before down; those before them go, by turns, right and
    down from block to block."""
    if not coordinates:
        return []
    dims = [max(axis) + 1 for axis in zip(*coordinates, strict=True)]
    steps, sizes = [], [1.0, 1.0]  # of each axis, the last first; so far to the right and down
    for number, size in enumerate(reversed(dims)):
        down = number % 2
        steps.append((0.0, -sizes[1]) if down else (sizes[0], 0.0))
        sizes[down] = sizes[down] * size + 0.6
    return [
        (
            sum(x * at for (x, _), at in zip(steps, reversed(each), strict=True)),
            sum(y * at for (_, y), at in zip(steps, reversed(each), strict=True)),
        )
        for each in coordinates
    ]


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
