"""Who waits for whom, when nothing can ever move again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netsim.engine.reference.exchange import Exchange
from netsim.engine.reference.network import Network

_MOST = 12  # lines


def describe(exchange: Exchange, network: Network, waiting: Sequence[int]) -> str:
    """What holds these workers up: messages that do not move, with their link, and hosts that wait for others."""
    hosts = exchange.plan.hosts
    who = ", ".join(hosts[worker] for worker in waiting[:_MOST]) + (", ..." if len(waiting) > _MOST else "")
    lines = [*_messages(exchange, network), *_partners(exchange)]
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    first = f"nothing can move any more at {network.env.now:g} s, and these still wait: {who}"
    return "\n  ".join([first, *lines[:_MOST], *more])


def _messages(exchange: Exchange, network: Network) -> Iterator[str]:
    hosts = exchange.plan.hosts
    for message, link in network.held_up():
        what = f"bucket {exchange.plan.named(message.label[1])} from {hosts[message.src]} to {hosts[message.dst]}"
        yield f"{what} waits for " + (f"link {link.name}, which is down for good" if link else "a route: none is left")


def _partners(exchange: Exchange) -> Iterator[str]:
    hosts = exchange.plan.hosts
    for host, other, bucket in exchange.waits():
        yield f"{hosts[host]} waits for {hosts[other]} with bucket {exchange.plan.named(bucket)}"
