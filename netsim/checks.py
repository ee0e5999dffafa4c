"""Rules across the fields of a scenario: one function each, which yields what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netsim.errors import Problem, ScenarioError
from netsim.memory import shortages
from netsim.profiles import strangers
from netsim.roofline import step_times
from netsim.scenario import MOST_WORKERS, Scenario
from netsim.topologies.star import star
from netsim.training.parameter_server import ParameterServer

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
        cluster.network(cluster.hosts(scenario.job.strategy.helpers(workers)))
    except ScenarioError as error:
        yield from error.problems


@rule
def only_all_reduces_run_on_streams(scenario: Scenario) -> Iterator[Problem]:
    """A parameter server takes every bucket as it comes."""
    if isinstance(scenario.job.strategy, ParameterServer) and scenario.job.streams != 1:
        yield Problem("job.streams", f"{scenario.job.streams} streams are for all-reduces; a parameter server has none")


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
