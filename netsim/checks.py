"""Rules across the fields of a scenario: one function each, which yields what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.families import kind_of
from netsim.memory import shortages
from netsim.profiles import strangers
from netsim.roofline import step_times
from netsim.scenario import MOST_WORKERS, Scenario
from netsim.topologies.base import Topology, burst_problems
from netsim.topologies.star import star
from netsim.training.buckets import Horovod
from netsim.training.parameter_server import ParameterServer
from netsim.units import show, shown

Rule = Callable[[Scenario], Iterator[Problem]]
RULES: list[Rule] = []


def rule(check: Rule) -> Rule:
    """Has the function run on every scenario that is loaded."""
    RULES.append(check)
    return check


def problems(scenario: Scenario) -> list[Problem]:
    """Everything that the rules find wrong."""
    return [problem for check in RULES for problem in check(scenario)]


@rule
def workers_are_given_once(scenario: Scenario) -> Iterator[Problem]:
    """Either `workers` equal ones or groups."""
    cluster = scenario.cluster
    if cluster.workers is None and not cluster.group:
        yield Problem("cluster.workers", "is missing; give a number of workers, or groups of them as [[cluster.group]]")
    if cluster.workers is not None and cluster.group:
        yield Problem("cluster.workers", "stands beside [[cluster.group]]; the groups' counts say it all")


@rule
def all_groups_together_are_a_number_of_workers(scenario: Scenario) -> Iterator[Problem]:
    """As many as `workers` may be."""
    count = sum(group.count for group in scenario.cluster.group)
    if count > MOST_WORKERS:
        yield Problem("cluster.group", f"has {count} workers in all; it must be at most {MOST_WORKERS}")


@rule
def a_model_takes_time(scenario: Scenario) -> Iterator[Problem]:
    """Nothing can be said of the speed of what takes none."""
    model = scenario.job.model
    for device in {group.device for group in scenario.cluster.groups if group.device}:
        if not step_times(model, scenario.job.batch, device).total > 0:
            yield Problem("job.model", f"has nothing to compute, so an iteration takes no time on {device.name}")


@rule
def every_worker_has_a_device_and_a_link(scenario: Scenario) -> Iterator[Problem]:
    """The cluster's own, or its group's."""
    cluster = scenario.cluster
    for key in ("device", "link"):
        if getattr(cluster, key) is not None:
            continue
        if not cluster.group:
            yield Problem(f"cluster.{key}", f"is missing; the workers need a {key}")
        for number, group in enumerate(cluster.group):
            if getattr(group, key) is None:
                yield Problem(f"cluster.group[{number}].{key}", f"is missing, and the cluster has no {key} either")


@rule
def fair_links_have_no_queues(scenario: Scenario) -> Iterator[Problem]:
    """Messages on fair links all move at once; those on fifo links go one by one, so that nothing is shared out."""
    cluster = scenario.cluster
    if cluster.forwarding == "store_and_forward" and cluster.sharing != "fifo":
        yield Problem("cluster.forwarding", 'store_and_forward is for links with queues; add sharing = "fifo"')
    links = [("cluster.link", cluster.link), ("cluster.server_link", cluster.server_link)]
    links += [(f"cluster.group[{number}].link", group.link) for number, group in enumerate(cluster.group)]
    for path, link in links:
        if link and link.host_rate is not None and cluster.sharing == "fifo":
            yield Problem(f"{path}.host_rate", 'is shared out among messages; it needs sharing = "fair"')


@rule
def bursts_pass_queues_that_stay_as_they_are(scenario: Scenario) -> Iterator[Problem]:
    """Said of links that are given one, whatever network they will be laid to."""
    cluster = scenario.cluster
    for problem in burst_problems(scenario.has_bursts, sharing=cluster.sharing, faults=bool(cluster.fault)):
        yield problem.within("cluster")


@rule
def servers_stand_somewhere(scenario: Scenario) -> Iterator[Problem]:
    """Servers apart need a link of their own where workers' links differ; co-located ones need a worker each."""
    cluster, strategy = scenario.cluster, scenario.job.strategy
    if not isinstance(strategy, ParameterServer):
        for key in ("server_link", "server_device", "server_rate"):
            if getattr(cluster, key) is not None:
                yield Problem(f"cluster.{key}", "is given, but the strategy has no servers; leave it out")
        return
    if cluster.server_device is not None and cluster.reduction_rate is not None:
        yield Problem("cluster.reduction_rate", "is given, but the server's device says how fast it adds; leave it out")
    links = {group.link for group in cluster.groups}
    if strategy.placement == "apart" and len(links) > 1 and cluster.server_link is None:
        yield Problem("cluster.server_link", "is missing; the groups' links differ, so say which one servers have")
    if strategy.placement == "colocated" and cluster.server_link is not None:
        yield Problem("cluster.server_link", "is given, but co-located servers use their worker's link; leave it out")


@rule
def a_strategy_sums_gradients_among_these_workers(scenario: Scenario) -> Iterator[Problem]:
    """An all-reduce, and one that fits so many workers."""
    strategy = scenario.job.strategy
    if strategy.operation != "all_reduce":
        yield Problem("job.strategy.operation", f"{strategy.operation!r} does not sum gradients; 'all_reduce' does")
    try:
        strategy.fit(sum(group.count for group in scenario.cluster.groups))
    except ScenarioError as error:
        yield from (Problem(f"job.strategy.{problem.path}", problem.message) for problem in error.problems)


@rule
def a_topology_connects_these_hosts(scenario: Scenario) -> Iterator[Problem]:
    """As many as there are, servers apart among them, by links that lead from each to each. A star takes any."""
    cluster, workers = scenario.cluster, sum(group.count for group in scenario.cluster.groups)
    if cluster.topology.function is star or not workers or not all(group.link for group in cluster.groups):
        return
    try:
        scenario.network()
    except ScenarioError as error:
        yield from error.problems


@rule
def faults_are_of_links_that_there_are(scenario: Scenario) -> Iterator[Problem]:
    """By the link's name, or that of a node at one of its ends."""
    cluster = scenario.cluster
    if cluster.on_failure != "wait" and not cluster.fault:
        yield Problem("cluster.on_failure", "is given, but there is no [[cluster.fault]]; leave it out")
    network = _network(scenario) if cluster.fault else None
    if network is None:
        return
    known = {*network.names, *network.nodes}
    for number, fault in enumerate(cluster.fault):
        if fault.link not in known:
            close = did_you_mean(fault.link, known)
            yield Problem(f"cluster.fault[{number}].link", f"no link or node {fault.link!r}.{close}")


@rule
def traffic_leaves_room(scenario: Scenario) -> Iterator[Problem]:
    """It goes between hosts that there are, and is less than their links carry, so that it does not pile up."""
    network = _network(scenario) if scenario.cluster.traffic else None
    if network is None:
        return
    rates = {host.name: host.link.rate for host in network.hosts}
    for number, traffic in enumerate(scenario.cluster.traffic):
        path = f"cluster.traffic[{number}]"
        ends = {"src": traffic.src, "dst": traffic.dst}
        for key, name in ends.items():
            if name is not None and name not in rates:
                yield Problem(f"{path}.{key}", f"no host {name!r}.{did_you_mean(name, rates)}")
        if len(rates) < 2:
            yield Problem(path, "needs two hosts; there is one")
        if traffic.arrivals == "back_to_back":  # which never has more than one message on its way
            continue
        named = [name for name in ends.values() if name in rates]
        narrowest = min(named or rates, key=lambda name: rates[name])
        share = traffic.rate if named else traffic.rate / len(rates)
        if share >= rates[narrowest]:
            would_do = f"than {narrowest}'s link carries ({show(rates[narrowest], 'B/s')}); messages would pile up"
            yield Problem(f"{path}.rate", f"{show(traffic.rate, 'B/s')} is no less {would_do}")


@rule
def neighbours_stand_somewhere(scenario: Scenario) -> Iterator[Problem]:
    """Under names of their own; colocated ones on the job's hosts, and with their links."""
    workers, names = sum(group.count for group in scenario.cluster.groups), set[str]()
    for number, each in enumerate(scenario.neighbour):
        path = f"neighbour[{number}]"
        if each.name in names:
            yield Problem(f"{path}.name", f"there is another neighbour {each.name!r}")
        names.add(each.name)
        if each.placement == "colocated" and each.workers > workers:
            told = f"{each.workers} colocated workers need as many of the job's, which has {workers}"
            yield Problem(f"{path}.workers", told)
        if each.placement == "colocated" and each.link is not None:
            yield Problem(f"{path}.link", "is given, but colocated workers use the links of the job's; leave it out")
        if each.job.strategy.operation != "all_reduce":
            told = f"{each.job.strategy.operation!r} does not sum gradients; 'all_reduce' does"
            yield Problem(f"{path}.job.strategy.operation", told)
        try:
            each.job.strategy.fit(each.workers)
        except ScenarioError as error:
            yield from (problem.within(f"{path}.job.strategy") for problem in error.problems)


def _network(scenario: Scenario) -> Topology | None:
    """The links of the scenario, if they can be laid; other rules say why not."""
    if not all(group.link for group in scenario.cluster.groups) or not sum(g.count for g in scenario.cluster.groups):
        return None
    try:
        return scenario.network()
    except ScenarioError:
        return None


@rule
def only_all_reduces_run_on_streams(scenario: Scenario) -> Iterator[Problem]:
    """A parameter server takes every bucket as it comes."""
    if isinstance(scenario.job.strategy, ParameterServer) and scenario.job.streams != 1:
        yield Problem("job.streams", f"{scenario.job.streams} streams are for all-reduces; a parameter server has none")


@rule
def slices_and_rules_of_buckets_go_together(scenario: Scenario) -> Iterator[Problem]:
    """Horovod's buffers are made of whole gradients, in the order in which they come, and all-reduced."""
    job = scenario.job
    if not isinstance(job.bucket, Horovod):
        return
    if job.partition is not None:
        yield Problem("job.partition", "cuts buckets into slices, and Horovod fuses whole gradients; leave one out")
    if job.schedule != "fifo":
        yield Problem("job.schedule", "priority chooses among slices, and Horovod fuses what is ready; leave one out")
    if isinstance(job.strategy, ParameterServer):
        yield Problem("job.bucket", "Horovod all-reduces what it has fused; servers take buckets of a size")


@rule
def servers_take_what_comes(scenario: Scenario) -> Iterator[Problem]:
    """Sparse gradients and shards are for collectives, and the order of layers for workers that go in step."""
    job = scenario.job
    if not isinstance(job.strategy, ParameterServer):
        return
    if job.strategy.at_once or job.strategy.backup:
        plain = {"local_steps": 1, "next_forward": None, "schedule": "fifo", "shares": "equal"}
        for key, value in plain.items():
            if getattr(job, key) != value:
                told = "is for workers that go in step; leave it out, or take sync servers without backup"
                yield Problem(f"job.{key}", f"{shown(getattr(job, key))} {told}")
    if job.compression and job.compression.sparse:
        yield Problem("job.compression.sparse", "is for gathering the gradients of all; servers add them up")


@rule
def a_forward_pass_has_no_gradients(scenario: Scenario) -> Iterator[Problem]:
    """What is of gradients and updates has no place beside `forward_only`."""
    job, cluster = scenario.job, scenario.cluster
    if not job.forward_only:
        return
    told = "is of gradients, and forward_only has none; leave it out"
    plain = {"accumulate": 1, "local_steps": 1, "sharding": "none", "compression": None, "statistics": None}
    yield from (Problem(f"job.{key}", told) for key, value in plain.items() if getattr(job, key) != value)
    if isinstance(job.strategy, ParameterServer) and not job.strategy.steady:
        yield Problem("job.strategy.backup" if job.strategy.backup else "job.strategy.mode", told)
    if cluster.server_device is not None:
        yield Problem("cluster.server_device", told)


@rule
def parts_are_scattered_and_gathered(scenario: Scenario) -> Iterator[Problem]:
    """A strategy that can do both, bucket after bucket, in every step."""
    job = scenario.job
    missing = {"reduce_scatter", "all_gather"} - set(job.strategy.operations)
    servers = isinstance(job.strategy, ParameterServer)
    if job.compression and job.compression.sparse and "all_gather" in missing and not servers:
        yield Problem("job.compression.sparse", f"needs an all_gather, which {kind_of(job.strategy)} has none of")
    if job.sharding == "none":
        return
    if missing or servers:
        told = (
            f"{job.sharding} scatters and gathers, which is not in the power of {kind_of(job.strategy)}; a ring's it is"
        )
        yield Problem("job.sharding", told)
    if job.compression:
        yield Problem("job.compression", f"stands beside {job.sharding}, whose parameters cannot be gathered encoded")
    if isinstance(job.bucket, Horovod):
        yield Problem("job.bucket", f"{job.sharding} needs buckets that are known beforehand; give a size")
    plain = {"schedule": "fifo", "streams": 1, "local_steps": 1}
    for key, value in plain.items():
        if getattr(job, key) != value:
            yield Problem(f"job.{key}", f"{shown(getattr(job, key))} does not go with {job.sharding}; leave it out")
    if job.by_layer:
        yield Problem("job.next_forward", f"by_layer does not go with {job.sharding}, which gathers in its own order")


@rule
def local_steps_end_with_an_exchange(scenario: Scenario) -> Iterator[Problem]:
    """Whole rounds of local SGD, so that means over steps are those of a long run."""
    steps = scenario.job.local_steps
    if scenario.iterations % steps:
        told = f"{scenario.iterations} iterations are no whole number of rounds of {steps} local steps"
        yield Problem("iterations", f"{told}; {-(-scenario.iterations // steps) * steps} would do")


@rule
def shares_are_dealt_to_all(scenario: Scenario) -> Iterator[Problem]:
    """One a worker, or one a group."""
    shares, counts = scenario.job.shares, [group.count for group in scenario.cluster.groups]
    if not isinstance(shares, str) and len(shares) not in (len(counts), sum(counts)):
        groups = f", or one for each of {len(counts)} groups" if scenario.cluster.group else ""
        yield Problem(
            "job.shares", f"has {len(shares)} numbers; it must be one for each of {sum(counts)} workers{groups}"
        )


@rule
def stragglers_are_workers(scenario: Scenario) -> Iterator[Problem]:
    """Whom noise names is there."""
    workers = sum(group.count for group in scenario.cluster.groups)
    for number, each in enumerate(scenario.noise.straggler):
        for worker in each.workers:
            if worker >= workers:
                told = f"there is no worker {worker}; they are numbered from 0 to {workers - 1}"
                yield Problem(f"noise.straggler[{number}].workers", told)


@rule
def a_step_fits_the_memory_where_it_has_to(scenario: Scenario) -> Iterator[Problem]:
    """`memory = "error"`: a count of what a worker keeps is refused where its device has less."""
    if scenario.job.memory == "error":
        yield from shortages(scenario)


@rule
def measured_layers_are_the_models(scenario: Scenario) -> Iterator[Problem]:
    """A profile of another model is refused."""
    model = scenario.job.model
    yield from strangers(scenario.job.profile, model.kind, {layer.name for layer in model.layers})


@rule
def hosts_that_stop_are_there_and_do_not_end_the_job(scenario: Scenario) -> Iterator[Problem]:
    """Each stop is of hosts that the job has; nobody waits for what never returns."""
    cluster, strategy, recovery = scenario.cluster, scenario.job.strategy, scenario.job.recovery
    if not cluster.stop:
        return  # the names of all hosts take their time
    workers = sum(group.count for group in cluster.groups)
    try:
        servers = strategy.helpers(workers)
    except ScenarioError:
        return  # said by another rule
    hosts = [f"worker{i}" for i in range(workers)] + [f"server{i}" for i in range(servers)]
    loose = recovery.workers == "drop" or (isinstance(strategy, ParameterServer) and strategy.bound == math.inf)
    for number, stop in enumerate(cluster.stop):
        path = f"cluster.stop[{number}]"
        try:
            meant = stop.among(hosts)
        except ScenarioError as error:
            yield from (Problem(f"{path}.{problem.path}", problem.message) for problem in error.problems)
            continue
        for kind, helps in (("worker", loose), ("server", recovery.servers == "replica")):
            if not stop.returns and not helps and any(host.startswith(kind) for host in meant):
                with_it = '"drop"' if kind == "worker" else '"replica"'
                told = f"is missing, so that the job would wait for ever; or add job.recovery.{kind}s = {with_it}"
                yield Problem(f"{path}.lasts", told)


def _cannot_drop(scenario: Scenario) -> Iterator[Problem]:
    job, path = scenario.job, "job.recovery.workers"
    if isinstance(job.strategy, ParameterServer):
        if job.recovery.reform:
            yield Problem("job.recovery.reform", "is for all-reduces; servers go on as they are")
        return
    elsewhere = {
        "sharding": job.sharding != "none",
        "schedule": job.schedule != "fifo",
        "local_steps": job.local_steps > 1,
    }
    for key in [key for key, holds in elsewhere.items() if holds]:
        yield Problem(path, f'"drop" does not go with job.{key} = {getattr(job, key)!r} in this version')
    if isinstance(job.bucket, Horovod):
        yield Problem(path, '"drop" does not go with a fusion buffer in this version')
    workers = sum(group.count for group in scenario.cluster.groups)
    for fewer in range(workers - 1, max(0, workers - 4), -1):
        try:
            job.strategy.fit(fewer)
        except ScenarioError as error:
            yield Problem(path, f'"drop" would leave {fewer} workers: {error.problems[0].message}')
            return


@rule
def a_recovery_fits_the_strategy(scenario: Scenario) -> Iterator[Problem]:
    """Servers alone can leave a worker out, or be replaced; workers that go back to a checkpoint go together."""
    strategy, recovery = scenario.job.strategy, scenario.job.recovery
    servers = strategy if isinstance(strategy, ParameterServer) else None
    if recovery.workers == "drop":
        yield from _cannot_drop(scenario)
    if recovery.servers == "replica" and not (servers and servers.placement == "apart" and (servers.servers or 1) > 1):
        yield Problem("job.recovery.servers", '"replica" needs another server that stands apart')
    if recovery.checkpoint_every is not None and servers and not servers.steady:
        yield Problem("job.recovery.checkpoint_every", "needs workers that go from iteration to iteration together")
