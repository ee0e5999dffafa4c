"""The reference engine: workers, links and servers as SimPy processes."""

from __future__ import annotations

from collections.abc import Callable

from netsim.engine.allreduces import AllReduces
from netsim.engine.causes import lasting
from netsim.engine.exchange import Exchange, Process
from netsim.engine.log import Log
from netsim.engine.network import Network
from netsim.engine.plan import Plan
from netsim.engine.servers import Servers
from netsim.engine.sharing import network_of
from netsim.errors import RunError
from netsim.training.parameter_server import ParameterServer

Progress = Callable[[int], None]


def train(plan: Plan, detail: str, progress: Progress | None = None) -> tuple[Log, Network]:
    """Play all iterations; `progress` hears of each that worker 0 has ended. RunError if nothing can go on."""
    log = Log(plan, detail)
    env = log.clock()
    cluster, record = plan.scenario.cluster, None if detail == "summary" else log.delivered
    network = network_of(cluster.sharing, cluster.forwarding)(env, plan.topology, record)
    kind = Servers if isinstance(plan.strategy, ParameterServer) else AllReduces
    exchange = kind(plan, network, log)
    workers = [env.process(_worker(exchange, number, progress)) for number in range(plan.workers)]
    env.run()
    waiting = [plan.hosts[number] for number, worker in enumerate(workers) if worker.is_alive]
    if waiting:
        raise RunError(f"nothing can move any more at {env.now:g} s, and these still wait: {', '.join(waiting)}")
    exchange.ended()
    return log, network


def _worker(exchange: Exchange, worker: int, progress: Progress | None) -> Process:
    """A worker's life: forward, backward, offering buckets as they are ready; wait for the sums; update; again."""
    env, plan, log = exchange.env, exchange.plan, exchange.log
    overlap = plan.scenario.job.overlap
    for iteration in exchange.iterations(worker):
        start = env.now
        computing = plan.computing[worker].slowed(plan.factor(worker, iteration))
        about = worker, (iteration, None)
        yield lasting(env.timeout(sum(computing.forward)), "forward", *about)
        *gaps, rest = computing.backward_until(plan.buckets)
        for bucket, backward in enumerate(gaps):
            yield lasting(env.timeout(backward), "backward", *about)
            if overlap:
                exchange.offer(worker, iteration, bucket)
        yield lasting(env.timeout(rest), "backward", *about)
        log.computed(worker, iteration, start, env.now, computing)
        if not overlap:
            for bucket in range(len(plan.buckets)):
                exchange.offer(worker, iteration, bucket)
        yield exchange.all_in(worker, iteration)
        exchange.close(worker, iteration)
        yield lasting(env.timeout(computing.update), "update", *about)
        log.ended(worker, iteration, env.now, computing.update)
        if progress and worker == 0:
            progress(iteration)
