"""One collective by itself: choose the engine, play, and say what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import simpy

from netsim import families
from netsim.collectives.rounds import Collective, FloatArray
from netsim.engine.fast import engine as fast
from netsim.engine.fast.patterns import Meeting
from netsim.engine.invariants import always, check_collective
from netsim.engine.limits import Size, most_messages, refuse_if_too_large
from netsim.engine.measured import outside
from netsim.engine.messages import STUCK
from netsim.engine.record.clock import Timer
from netsim.engine.record.sent import Sent
from netsim.engine.reference.network import Network
from netsim.engine.reference.play import Adder, Countdown, Play, Steps
from netsim.engine.reference.sharing import network_of
from netsim.engine.run import busiest_link, check_engine, whole
from netsim.errors import RunError, ScenarioError
from netsim.hardware import Link
from netsim.topologies.base import AlikeHosts, Topology, built_of, burst_problems, routed


@dataclass(frozen=True, kw_only=True)
class CollectiveResult:
    """One collective on one network; times in s, from all ranks' being ready to the last one's holding the sum."""

    kind: str
    operation: str
    ranks: int
    size_bytes: float
    rate_bytes_per_s: float
    latency_s: float
    topology: str
    sharing: str
    engine: str
    time_s: float
    ideal_time_s: float | None
    lower_bound_s: float
    messages: int
    wire_bytes: float
    busiest_link: str | None
    busiest_link_bytes: float
    warnings: tuple[str, ...] = ()

    @property
    def algbw(self) -> float:
        """Bytes of the buffer a second (bytes/s), as nccl-tests counts them; 0 where no time passes."""
        return self.size_bytes / self.time_s if self.time_s else 0.0

    @property
    def busbw(self) -> float:
        """`algbw` times what an ideal algorithm moves over each link for a byte of the buffer (nccl-tests,
        doc/PERFORMANCE.md): 2 (n - 1) / n for all-reduce, 1 to or from a root, (n - 1) / n for the rest."""
        if self.operation in ("broadcast", "reduce"):
            return self.algbw
        return self.algbw * (2 if self.operation == "all_reduce" else 1) * (self.ranks - 1) / self.ranks

    def as_dict(self) -> dict[str, Any]:
        """The keys of `netsim collective --json`; `warnings` only where there are any."""
        return {key: value for key, value in asdict(self).items() if key != "warnings" or value}


class _Played(NamedTuple):
    """Seconds until the last rank is done, and what the links have carried."""

    time: float
    network: Network | fast.Used


class _Setting(NamedTuple):
    """What is played, where, and how."""

    kind: Collective
    ranks: int
    size: float  # bytes
    wiring: Topology
    ready: FloatArray  # s, of each host
    reduction_rate: float | None
    sharing: str
    forwarding: str
    shared: Callable[..., Network]  # what makes such a network

    def on_arrays(self, symmetry: bool) -> _Played | str:
        """Or why that would not be exact."""
        try:
            played = fast.play(
                self.kind, self.ranks, self.wiring, nbytes=self.size, ready=self.ready, sharing=self.sharing,
                forwarding=self.forwarding, rate=self.reduction_rate, symmetry=symmetry,
            )  # fmt: skip
        except Meeting as meeting:
            return str(meeting)
        return _Played(*played)

    def in_simpy(self, sent: Sent | None) -> _Played:
        """RunError where nothing can move any more."""
        env = simpy.Environment()
        network = self.shared(env, self.wiring, sent)
        steps = Steps(self.kind, self.ranks)
        adders = [Adder(env, self.reduction_rate) for _ in range(steps.hosts)]
        play = Play(network, adders, steps, nbytes=self.size, stream=0, label=None)
        ended = Countdown(env, steps.hosts)

        def join(host: int) -> None:
            done = play.join(host)
            assert done.callbacks is not None
            done.callbacks.append(ended.tick)

        for host, at in enumerate(self.ready.tolist()):
            Timer(env, at, lambda timer: join(timer._value), host) if at else join(host)
        try:
            env.run(until=ended)  # not until nothing is left: outdated timers of the network may be
        except RuntimeError:
            raise RunError(f"{STUCK} at {env.now:g} s, and the collective is not done") from None
        return _Played(float(env.now), network)


def collective(
    kind: Collective,
    *,
    ranks: int,
    size: float,
    rate: float,
    latency: float,
    topology: Any = None,
    routing: str = "shortest",
    seed: int = 0,
    sharing: str = "fair",
    forwarding: str = "cut_through",
    reduction_rate: float | None = None,
    engine: str = "auto",
    links: Mapping[int, Link] | None = None,
    late: Mapping[int, float] | None = None,
    symmetry: bool = True,
    link: Link | None = None,
    check: bool = False,
    limit_memory: float | None = None,
) -> CollectiveResult:
    """Play one collective on hosts with equal links (SI units), all ranks ready at once.

    topology: a function from hosts to a Topology, by default the star. routing: "shortest", or "ecmp", for which `seed`
    draws the ways. link: of all hosts, which has more to it than a
    rate and a latency; its rate and latency are then the ones given. links: of hosts that have others than the rest.
    late: for how long (s) a host, by its number, is not ready; servers are numbered after the ranks. The closed form
    and the lower bound know of neither. symmetry: whether one of many hosts that are alike may be played for all, which
    changes nothing but how long it takes. check: have the reference play it, too, and hold all its messages to the
    rules that hold of any run, and the other engine to it. ScenarioError where kind and ranks do not fit.
    """
    check_engine(engine)
    shared = network_of(sharing, forwarding)
    kind.fit(ranks)
    helpers, size = kind.helpers(ranks), 0.0 if kind.operation == "barrier" else size
    link = (link or Link(rate=rate, latency=latency)).for_payload
    fastest = Link(rate=link.rate, latency=link.lowest_latency, burst=link.burst)
    own = {host: each.for_payload for host, each in (links or {}).items()}
    name = lambda host: f"rank{host}" if host < ranks else f"server{host - ranks}"  # noqa: E731
    hosts = AlikeHosts(ranks + helpers, name, link, own=own, apart=ranks)
    ready = np.zeros(len(hosts))
    for host, at in (late or {}).items():
        ready[host] = at
    build = topology or families.FAMILIES["topologies"].build("star")
    wiring = routed(built_of(build, hosts, path="topology"), routing, seed=seed)
    if wrong := burst_problems(bool(wiring.bursts), sharing=sharing):
        raise ScenarioError(wrong)
    setting = _Setting(kind, ranks, size, wiring, ready, reduction_rate, sharing, forwarding, shared)
    played, by = _play(setting, engine != "simpy", symmetry=symmetry, check=check, limit=limit_memory)
    known = wiring.ideal and link.plain and not (kind.announced and sharing == "fifo")
    network, busiest = played.network, busiest_link(played.network.use())
    return CollectiveResult(
        kind=families.kind_of(kind),
        operation=kind.operation,
        ranks=ranks,
        size_bytes=size,
        rate_bytes_per_s=rate,
        latency_s=latency,
        topology=families.kind_of(build),
        sharing=sharing,
        engine=by,
        time_s=played.time,
        ideal_time_s=kind.closed_form(ranks, size, link, reduction_rate) if known else None,
        lower_bound_s=kind.lower_bound(ranks, size, fastest if wiring.ideal else wiring.fastest_port),
        messages=network.messages,
        wire_bytes=whole(network.nbytes),
        busiest_link=busiest.link if busiest else None,
        busiest_link_bytes=whole(busiest.nbytes) if busiest else 0.0,
        warnings=outside(kind, ranks, size, link),
    )


def _play(
    setting: _Setting, on_arrays: bool, *, symmetry: bool, check: bool, limit: float | None
) -> tuple[_Played, str]:
    """What the engine found that is the fastest exact one, and its name; the reference's word on it, if it is to be
    checked."""
    played = setting.on_arrays(symmetry) if on_arrays else "it was not asked for"
    if isinstance(played, _Played) and not check:
        return played, "fast"
    kind, ranks = setting.kind, setting.ranks
    messages = kind.messages_of(setting.size, ranks, enough=most_messages(limit))
    refuse_if_too_large(Size(workers=ranks, at_once=messages), limit=limit, path="ranks")
    sent = Sent() if check or always() else None
    slow = setting.in_simpy(sent)
    if sent is not None:
        told = played if isinstance(played, str) else (played.time, played.network.messages, played.network.nbytes)
        plain = setting.wiring.unpriced
        check_collective(sent.traffic(setting.wiring, slow.network.use(), undisturbed=plain), slow.time, told)
    return (slow, "simpy") if isinstance(played, str) else (played, "fast")
