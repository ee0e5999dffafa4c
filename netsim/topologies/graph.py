"""A network of the user's own: a list of links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Annotated

from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.families import Reads
from netsim.topologies._files import OwnLink, links_schema, read_links
from netsim.topologies._places import spread_out
from netsim.topologies._routes import FewestHops
from netsim.topologies._wiring import Cable, direct, to_switch, wired
from netsim.topologies.base import Host, Topology

Links = Annotated[tuple[OwnLink, ...], Reads(read_links, links_schema)]
_HOST_LIKE = re.compile(r"(worker|rank|server)(\d+)")


def graph(hosts: Sequence[Host], *, links: Links, at: tuple[str, ...] = ()) -> Topology:
    """A network of your own: a list of links, or a file of them (.csv, .graphml).

    links: tables with `ends`, the names of two nodes, `rate`, `latency` and `burst` of this cable, `duplex` (full,
    half, simplex); or the file's name. Nodes with the names of hosts (worker0, server0; rank 0 is worker0, too) are
    these, all others switches. at: or else the nodes at which the hosts are, workers first; more nodes than hosts stay
    idle.
    Routes have as few hops as may be; of equally near next nodes, in the order in which links name them, hosts first, a
    message takes number (destination modulo their number).
    """
    named = _named(hosts, links, at)
    switches = list(dict.fromkeys(node for link in links for node in link.ends if node not in named))
    number = {**named, **{name: len(hosts) + place for place, name in enumerate(switches)}}
    problems = list(_strangers(hosts, links, at, named)) + list(_unpriced(links, {*named, *at}))
    if problems:
        raise ScenarioError(problems)
    cables = [_cable(link, hosts, *(number[end] for end in link.ends)) for link in links]
    built = wired(hosts, switches, cables, places=lambda: spread_out(len(number), [(c.one, c.other) for c in cables]))
    _refuse_islands(built)
    return built


def _named(hosts: Sequence[Host], links: Sequence[OwnLink], at: Sequence[str]) -> dict[str, int]:
    """The number of the host at each node that has one."""
    if at:
        return dict(zip(at, range(len(hosts)), strict=False))
    nodes = {end for link in links for end in link.ends}
    names = [host.name for host in hosts]
    if not nodes & set(names):
        names = [re.sub(r"^rank(?=\d+$)", "worker", name) for name in names]
    return {name: place for place, name in enumerate(names)}


def _strangers(
    hosts: Sequence[Host], links: Sequence[OwnLink], at: Sequence[str], named: dict[str, int]
) -> Iterator[Problem]:
    """Hosts without a node, and nodes that can only be hosts which are not there."""
    nodes = list(chain.from_iterable(link.ends for link in links))
    if at and len(at) < len(hosts):
        yield Problem("at", f"names {len(at)} nodes, but there are {len(hosts)} hosts")
    if len(set(at)) < len(at):
        yield Problem("at", f"names {next(node for node in at if at.count(node) > 1)!r} twice")
    for name in named:
        if name not in nodes:
            yield Problem("at" if at else "links", f"no link leads to {name!r}.{did_you_mean(name, set(nodes))}")
    for place, link in enumerate(links):
        for end in link.ends:
            if end in named or end in at:
                continue
            if _HOST_LIKE.fullmatch(end) and not at:
                yield Problem(f"links[{place}]", f"there is no host {end!r}; there are {_span(hosts)}")
            elif nodes.count(end) == 1:
                told = f"{end!r} is no host and has one link only, so that nothing can pass."
                yield Problem(f"links[{place}]", told + _close(end, {*nodes, *named} - {end}))


def _close(name: str, names: set[str]) -> str:
    said = did_you_mean(name, names)
    return said if said.startswith(" Did") else ""


def _span(hosts: Sequence[Host]) -> str:
    return f"{hosts[0].name} to {hosts[-1].name}" if len(hosts) > 1 else f"{hosts[0].name} alone"


def _unpriced(links: Sequence[OwnLink], known: set[str]) -> Iterator[Problem]:
    """Links between switches that have no host's link to be like."""
    for place, link in enumerate(links):
        for key in ("rate", "latency") if known.isdisjoint(link.ends) else ():
            if getattr(link, key) is None:
                yield Problem(f"links[{place}].{key}", f"is missing; {' and '.join(link.ends)} are no hosts")


def _cable(link: OwnLink, hosts: Sequence[Host], one: int, other: int) -> Cable:
    """The link's own rate, latency and burst, and what it leaves out from the host's, or the hosts'; idle nodes are
    like the first host."""
    if one < len(hosts) and other < len(hosts):
        usual = direct(hosts, one, other)
    else:
        usual = to_switch(hosts, min(one, other) if min(one, other) < len(hosts) else 0, other)
    rate = usual.rate if link.rate is None else link.rate
    latency = usual.latency if link.latency is None else link.latency
    own = usual.burst if min(one, other) < len(hosts) else 0.0
    burst = own if link.burst is None else link.burst
    return Cable(one, other, rate, latency, link.duplex, burst)


def _refuse_islands(topology: Topology) -> None:
    """ScenarioError names each host that the first one cannot reach, or that cannot reach it."""
    ways = FewestHops(len(topology.nodes), topology.arcs)
    back = FewestHops(len(topology.nodes), {(other, one): link for (one, other), link in topology.arcs.items()})
    names = [host.name for host in topology.hosts]
    problems = []
    for host, name in enumerate(names):
        if back.distances(0)[host] is None:
            problems.append(Problem("links", f"there is no way from {names[0]} to {name}"))
        elif ways.distances(0)[host] is None:
            problems.append(Problem("links", f"there is no way from {name} to {names[0]}"))
    if problems:
        raise ScenarioError(problems)
