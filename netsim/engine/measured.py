"""Whether a run sends messages by which its links were not calibrated: then their constants are extrapolated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netsim.collectives.rounds import Collective, PieceBytes
from netsim.engine.plan import Plan
from netsim.hardware import Link
from netsim.training.parameter_server import ParameterServer
from netsim.units import show


def leaves_the_measured(the_plan: Plan) -> tuple[str, ...]:
    """A sentence for each calibrated link that carries smaller or larger messages than those measured."""
    links = [link for link in dict.fromkeys(the_plan.links) if link.measured]
    if not links or the_plan.workers == 1:
        return ()
    return tuple(_sentences(links, list(_of_job(the_plan))))


def outside(kind: Collective, ranks: int, nbytes: float, link: Link) -> tuple[str, ...]:
    """The same of one collective on equal links."""
    return tuple(_sentences([link], list(message_sizes(kind, ranks, nbytes)))) if link.measured and ranks > 1 else ()


def message_sizes(kind: Collective, ranks: int, nbytes: float) -> Iterator[float]:
    """The least and the most that a message of each round has (bytes)."""
    slices = kind.lanes(nbytes, ranks)
    piece = PieceBytes(kind, ranks, nbytes, slices=slices)
    for each in kind.rounds(ranks):
        for number in range(slices if piece.uneven else 1):
            sizes = piece(each.first, each.count, slice=number)
            yield from (float(sizes.min()), float(sizes.max()))


def _of_job(the_plan: Plan) -> Iterator[float]:
    strategy, workers = the_plan.strategy, the_plan.workers
    if isinstance(strategy, ParameterServer):
        for bucket, owned in zip(the_plan.buckets, the_plan.owned_of_buckets, strict=True):
            for nbytes in owned:
                yield nbytes / strategy.lanes(bucket.nbytes, workers)
    else:
        for nbytes in {bucket.nbytes for bucket in the_plan.buckets}:
            yield from message_sizes(strategy, workers, nbytes)


def _sentences(links: Iterable[Link], sizes: list[float]) -> Iterator[str]:
    sent = [size for size in sizes if size > 0]
    for link in links:
        if link.measured is None or not sent:
            continue
        smallest, largest = link.measured.smallest, link.measured.largest
        if min(sent) < smallest * (1 - 1e-9) or max(sent) > largest * (1 + 1e-9):
            yield (
                f"messages of {show(min(sent), 'B')} to {show(max(sent), 'B')} leave what the link was measured with, "
                f"{show(smallest, 'B')} to {show(largest, 'B')}: its latency and rate are extrapolated"
            )
