"""Messages of others on the job's network, in SimPy."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from simpy.events import Event

from netsim.disturbances import Traffic
from netsim.engine.messages import Message, Tenant
from netsim.engine.reference.network import Network

_PARETO_SHAPE = 1.5


def begin(traffic: Sequence[Traffic], network: Network, hosts: Sequence[str], seed: int) -> list[Tenant]:
    """Has each kind of traffic sent backstage, from a stream of the seed that is its own; whose the messages are."""
    tenants = []
    for number, each in enumerate(traffic):
        random = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(b"traffic"), number]))
        tenant = network.tenant(range(len(hosts)))
        tenant.env.process(_sent(each, tenant.send, tenant.env, hosts, random))
        tenants.append(tenant)
    return tenants


def _sent(
    traffic: Traffic, send: Callable[..., None], env: Any, hosts: Sequence[str], random: np.random.Generator
) -> Generator[Event, Any, None]:
    """Messages one after another, for as long as the run goes on or the traffic is to."""
    yield env.timeout(traffic.start + _pause(traffic, random, first=True))
    for number in itertools.count():
        if traffic.stop is not None and env.now >= traffic.stop:
            return
        src, dst = _ends(traffic, hosts, random)
        nbytes = traffic.size * _size(traffic, random)
        if traffic.arrivals == "back_to_back":
            done = Event(env)
            send(src, dst, nbytes, done.succeed, cap=traffic.rate)
            yield done
        else:
            send(src, dst, nbytes, _nobody_waits, stream=number)  # each a connection of its own
            yield env.timeout(_pause(traffic, random))


def _ends(traffic: Traffic, hosts: Sequence[str], random: np.random.Generator) -> tuple[int, int]:
    """Source and destination: those given, else drawn evenly."""
    src = None if traffic.src is None else hosts.index(traffic.src)
    dst = None if traffic.dst is None else hosts.index(traffic.dst)
    if src is None:
        src = _another(dst, len(hosts), random)
    return src, _another(src, len(hosts), random) if dst is None else dst


def _another(host: int | None, hosts: int, random: np.random.Generator) -> int:
    """Any host but that one."""
    if host is None:
        return int(random.integers(hosts))
    drawn = int(random.integers(hosts - 1))
    return drawn + (drawn >= host)


def _size(traffic: Traffic, random: np.random.Generator) -> float:
    """Of a message, with mean 1."""
    if traffic.sizes == "exponential":
        return float(random.exponential())
    if traffic.sizes == "pareto":  # from (a - 1) / a on
        return float((1 + random.pareto(_PARETO_SHAPE)) * (_PARETO_SHAPE - 1) / _PARETO_SHAPE)
    return 1.0


def _pause(traffic: Traffic, random: np.random.Generator, *, first: bool = False) -> float:
    """Seconds until the next message; the first of a period comes at once."""
    if traffic.arrivals == "poisson":
        return float(random.exponential(traffic.size / traffic.rate))
    return 0.0 if first or traffic.arrivals == "back_to_back" else traffic.size / traffic.rate


def _nobody_waits(_: Message) -> None:
    """Background messages come, and that is all."""
