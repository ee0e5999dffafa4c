"""What is to be simulated, as frozen SI numbers: a Scenario is a Cluster, a Job and the noise on them.

The fields are the keys of a scenario file; their annotations say how they are read and within which bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, get_args

from netsim.collectives.parameter_server import ParameterServer
from netsim.disturbances import Fault, Traffic
from netsim.errors import Problem, ScenarioError
from netsim.families import FAMILIES, Chosen, Reads, build, json_schema, kind_of, one_of
from netsim.hardware import ELEMENT_BYTES
from netsim.markup import table
from netsim.models._files import from_file
from netsim.models._tables import stacked
from netsim.models.base import Model
from netsim.noise import Noise
from netsim.outages import WAIT, Recovery, Stop
from netsim.presets import ADevice, ALink
from netsim.profiles import Profile, profile_schema, read_profile
from netsim.topologies.base import Host, Topology, built_of, routed
from netsim.topologies.star import star
from netsim.units import Count, Number, Quantity, Rate, show, shown

MOST_WORKERS = 1_000_000
Sharding = Literal["none", "zero1", "zero2", "zero3"]
STAGES: tuple[Sharding, ...] = get_args(Sharding)
RANKS = Count("a number of ranks", at_most=MOST_WORKERS)


_STAR = Chosen(star, {})


@dataclass(frozen=True, kw_only=True)
class Group:
    """Workers that are alike. `slowdown` multiplies their computing times; `device` and `link` are the cluster's where
    they are left out."""

    count: Annotated[int, Count("a number of workers", at_most=MOST_WORKERS)]
    device: ADevice | None = None
    link: ALink | None = None
    slowdown: Annotated[float, Number("a slow-down", at_least=1e-6, at_most=1e6)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The machines and their network: `workers` equal ones, or `group`s of unequal ones.

    `routing`: messages take one shortest way, or, with ECMP, one that a hash of hosts, stream and seed draws.
    Parameter servers that stand apart have `server_link`, by default the workers' link. `sharing` says how messages
    share a link, and `forwarding` whether switches with fifo links pass a message on while it comes, or when they have
    all of it; `fault`s befall links, for which messages then wait, or are sent another way (`on_failure`), and
    `traffic` of others shares them; `reduction_rate` (bytes/s) is how fast a host adds received gradients to its own,
    None for at no cost.
    A `server_device` adds and makes the optimiser's step at its own memory's rate, and workers then make none;
    `server_rate` (bytes/s) is what a server's software handles, of pushes and answers together. `stop`s say which hosts
    stop when.
    """

    workers: Annotated[int, Count("a number of workers", at_most=MOST_WORKERS)] | None = None
    device: ADevice | None = None
    link: ALink | None = None
    group: tuple[Group, ...] = ()
    topology: Annotated[Any, one_of("topologies")] = _STAR
    routing: Literal["shortest", "ecmp"] = "shortest"
    sharing: Literal["fair", "fifo"] = "fair"
    forwarding: Literal["cut_through", "store_and_forward"] = "cut_through"
    server_link: ALink | None = None
    server_device: ADevice | None = None
    server_rate: Rate | None = None
    reduction_rate: Rate | None = None
    fault: tuple[Fault, ...] = ()
    on_failure: Literal["wait", "reroute"] = "wait"
    traffic: tuple[Traffic, ...] = ()
    stop: tuple[Stop, ...] = ()

    @property
    def groups(self) -> tuple[Group, ...]:
        """The workers as groups with a device and a link each; worker 0 is the first of the first group."""
        given = self.group or (Group(count=self.workers or 0),)
        return tuple(replace(g, device=g.device or self.device, link=g.link or self.link) for g in given)

    def hosts(self, servers: int) -> list[Host]:
        """Workers, then so many servers that stand apart, with their links as bytes without headers see them."""
        links = [link for group in self.groups if group.link for link in [group.link.for_payload] * group.count]
        hosts = [Host(f"worker{number}", link) for number, link in enumerate(links)]
        own = self.server_link.for_payload if self.server_link else links[0]
        return hosts + [Host(f"server{number}", own, apart=True) for number in range(servers)]

    def network(self, hosts: Sequence[Host], *, seed: int = 0) -> Topology:
        """The links between the hosts; ScenarioError, with paths, where the topology does not fit them. `seed`: of
        ECMP."""
        return routed(built_of(self.topology, hosts, path="cluster.topology"), self.routing, seed=seed)


def read_model(value: Any) -> Model:
    """A model of the zoo by name or by a table with its options, a table of `layers`, or one with a `file`."""
    if isinstance(value, Mapping) and "kind" not in value:
        if "file" in value:
            return from_file(value)
        if "layers" in value:
            return _own_layers(value)
    return FAMILIES["models"].build(value)  # type: ignore[no-any-return]


def _has_burst(value: Any) -> bool:
    """Whether a link has one, or any that a topology's options hold."""
    if isinstance(value, (tuple, list)):
        return any(map(_has_burst, value))
    return _has_burst([*value.options.values()]) if isinstance(value, Chosen) else bool(getattr(value, "burst", None))


def _own_layers(table: Mapping[str, Any]) -> Model:
    problems: list[Problem] = []
    name, model = None, None
    try:
        name = build(_named, {key: value for key, value in table.items() if key != "layers"})
    except ScenarioError as error:
        problems += error.problems
    try:
        model = stacked(table["layers"], name)
    except ScenarioError as error:
        problems += error.problems
    if model is None or problems:
        raise ScenarioError(problems)
    return model


def _named(*, name: str | None = None) -> str | None:
    return name


def _model_schema() -> dict[str, Any]:
    layers = {"type": "array", "items": {"type": "object", "required": ["kind"]}, "minItems": 1}
    properties = {"name": {"type": "string"}, "layers": layers}
    own = {"type": "object", "properties": properties, "required": ["layers"], "additionalProperties": False}
    file = {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"]}
    family = FAMILIES["models"]
    tables = [json_schema(family.member(name), kind=name) for name in family.names()]
    return {"anyOf": [{"enum": family.names()}, own, file, *tables]}


_BUCKET = Quantity("B", above=0, at_most=1e18, words=("layer", "all"))


def read_bucket(value: Any) -> Any:
    """A size, "layer" or "all"; or the rule of a framework, by name or by a table with its options."""
    family = FAMILIES["buckets"]
    if isinstance(value, Mapping) or value in family.names():
        return family.build(value)
    try:
        return _BUCKET.read(value)
    except ValueError as error:
        raise ScenarioError(" or ".join([str(error), *map(repr, family.names())])) from None


def _bucket_schema() -> dict[str, Any]:
    size = {"type": "string", "description": _BUCKET.wanted, "examples": ["25 MB", *_BUCKET.words]}
    return {"anyOf": [size, *one_of("buckets").schema()["anyOf"]]}


def read_shares(value: Any) -> Any:
    """ "equal", "proportional", or a list of numbers above 0."""
    if value in ("equal", "proportional"):
        return value
    if not isinstance(value, (list, tuple)) or not value:
        raise ScenarioError(f"{shown(value)} will not do; it must be 'equal', 'proportional' or a list of numbers")
    number = Number("a share", above=0, at_most=1e12)
    try:
        return tuple(number.read(each) for each in value)
    except ValueError as error:
        raise ScenarioError(str(error)) from None


def _shares_schema() -> dict[str, Any]:
    numbers = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 1}
    return {"anyOf": [{"enum": ["equal", "proportional"]}, numbers]}


_CodecRate = Annotated[float | str, Quantity("B/s", above=0, at_least=1 / 8, at_most=1e18, words=("device",))]


@dataclass(frozen=True, kw_only=True)
class Compression:
    """Gradients that are encoded before they are sent: `ratio` bytes a byte.

    `sparse`: encoded gradients cannot be added on their way (top-k: indices differ), so that every worker gathers those
    of all. `encode`: bytes of gradients that a worker encodes a second, `decode`: bytes of messages that it decodes;
    "device": as fast as its memory is read and written; None: at no cost.
    """

    ratio: Annotated[float, Number("a ratio", above=0, at_most=2)]
    sparse: bool = False
    encode: _CodecRate | None = None
    decode: _CodecRate | None = None


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A small optimisation that is carried out on the simulated clock, whatever model is simulated.

    Digits are learnt by softmax regression, or with `hidden` units between, in batches of `batch` for each worker, at
    the learning `rate` of the mean gradient. `target`: the loss whose time the summary has.
    """

    hidden: Annotated[int, Count("a number of units", at_least=0, at_most=10_000)] = 0
    batch: Annotated[int, Count("a batch size", at_most=100_000)] = 8
    rate: Annotated[float, Number("a learning rate", above=0, at_most=1e3)] = 0.5
    target: Annotated[float, Number("a loss", above=0, at_most=10)] | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained and how: a model, samples per worker and iteration, a strategy of exchanging gradients.

    `bucket`: "layer", "all", or a size in bytes; gradients are gathered until they have it, then exchanged; or a rule.
    `overlap`: exchange while the backward pass goes on. `streams`: all-reduces in flight at once.
    `partition`: buckets are cut into slices of at most so many bytes. `schedule`: which goes first, the one that was
    ready first ("fifo") or that of the first layers ("priority"). `next_forward`: it begins when all gradients are in,
    or layer by layer, as each one's are; by default so under priorities. `accumulate`: micro-batches of `batch` before
    gradients are exchanged. `local_steps`: steps from one exchange to the next (local SGD).
    `sharding`: what is cut into a part a worker: the optimiser's state (ZeRO-1), gradients too (2), parameters too (3),
    whose buckets are then gathered before they are used, `prefetch` ahead. `shares`: how the global batch, `batch` for
    each worker, is dealt out: equally, in proportion to the workers' speeds, or to given numbers, one a worker, or one
    a group for each of its workers. `samples` of the data, seen `epochs` times, give time, money and energy.
    `statistics`: whether it still learns.
    `gradient_precision`: of the numbers that are exchanged. `embedding_gradients`: whole tables, or "sparse", the rows
    that were looked up. `memory`: what a batch that does not fit the device's memory is: a warning of the command, an
    error, or nothing ("ignore"). `profile`: measured times of layers, which stand in for the roofline's. `recovery`:
    what becomes of the job when hosts stop. `forward_only`: nothing is trained: each iteration is a forward pass, whose
    weights a worker gets from the servers; where there are none, nothing is sent.
    """

    model: Annotated[Any, Reads(read_model, _model_schema)]
    batch: Annotated[int, Count("a batch size", at_most=10_000_000)]
    strategy: Annotated[Any, one_of("strategies")]
    overlap: bool = True
    bucket: Annotated[Any, _BUCKET, Reads(read_bucket, _bucket_schema)] = 25e6
    partition: Annotated[float, Quantity("B", above=0, at_most=1e18)] | None = None
    schedule: Literal["fifo", "priority"] = "fifo"
    next_forward: Literal["after_all", "by_layer"] | None = None
    streams: Annotated[int, Count("a number of streams", at_most=1024)] = 1
    gradient_precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    embedding_gradients: Literal["dense", "sparse"] = "dense"
    memory: Literal["warning", "error", "ignore"] = "warning"
    profile: Annotated[Profile, Reads(read_profile, profile_schema, of_file=True)] = ()
    recovery: Recovery = WAIT
    compression: Compression | None = None
    accumulate: Annotated[int, Count("a number of micro-batches", at_most=1_000_000)] = 1
    local_steps: Annotated[int, Count("a number of steps", at_most=1_000_000)] = 1
    sharding: Sharding = "none"
    shares: Annotated[Any, Reads(read_shares, _shares_schema)] = "equal"
    samples: Annotated[int, Count("a number of samples", at_most=10**15)] | None = None
    statistics: Statistics | None = None
    epochs: Annotated[int, Count("a number of epochs", at_most=10**9)] = 1
    prefetch: Annotated[int, Count("a number of units", at_least=0, at_most=1000)] = 1
    forward_only: bool = False

    @property
    def by_layer(self) -> bool:
        """Whether the next forward pass begins layer by layer, as gradients come back."""
        return self.next_forward == "by_layer" or (self.next_forward is None and self.schedule == "priority")

    def gradient_sizes(self, workers: int) -> tuple[int, ...]:
        """Bytes of each layer's gradient as it is exchanged.

        Of sparse embeddings a worker pushes to servers the rows that its own batch looks up, and gets as many; an
        all-reduce adds buffers of one layout, which has the rows of all workers' batches.
        """
        sharing = 1 if isinstance(self.strategy, ParameterServer) else workers
        samples = self.batch * self.accumulate * sharing if self.embedding_gradients == "sparse" else None
        sizes: tuple[int, ...] = self.model.gradient_sizes(ELEMENT_BYTES[self.gradient_precision], samples)
        return sizes


_NONE = Noise()


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Another job on the network, whose training begins anew whenever it has ended, until the job has.

    placement: "apart", on hosts of its own behind the job's, each with the cluster's `link` or its own; or "colocated"
    with the job's first workers, over whose links its messages go, too. `device`: the cluster's where it is left out.
    """

    name: str
    workers: Annotated[int, Count("a number of workers", at_least=2, at_most=MOST_WORKERS)]
    job: Job
    placement: Literal["apart", "colocated"] = "apart"
    device: ADevice | None = None
    link: ALink | None = None

    @property
    def shared(self) -> int:
        """How many hosts it shares with the job: the first ones."""
        return self.workers if self.placement == "colocated" else 0

    def cluster(self, of: Cluster) -> Cluster:
        """What its workers are, as a cluster of their own."""
        first = of.groups[0]
        device, link = self.device or first.device, self.link or first.link
        return Cluster(workers=self.workers, device=device, link=link, reduction_rate=of.reduction_rate)

    def own_hosts(self, of: Cluster) -> list[Host]:
        """Those that it does not share with the job; servers that stand apart are always among them."""
        hosts = self.cluster(of).hosts(self.job.strategy.helpers(self.workers))[self.shared :]
        return [replace(host, name=f"{self.name}.{host.name}") for host in hosts]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One thing to simulate. `table` is the file as nested tables after overrides, from which axes vary it."""

    cluster: Cluster
    job: Job
    seed: Annotated[int, Count("a seed", at_least=0, at_most=2**63 - 1)] = 0
    iterations: Annotated[int, Count("a number of iterations", at_most=10_000_000)] = 1
    replicas: Annotated[int, Count("a number of replicas", at_most=10_000)] = 1
    noise: Noise = _NONE
    neighbour: tuple[Neighbour, ...] = ()
    sweep: Mapping[str, Any] = field(default_factory=dict)  # see netsim.designs
    name: str = "scenario"
    question: str = ""  # the comment at the top of the file
    table: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def hosts(self) -> list[Host]:
        """The job's workers and servers, then its neighbours' own."""
        servers = self.job.strategy.helpers(sum(group.count for group in self.cluster.groups))
        own = [host for each in self.neighbour for host in each.own_hosts(self.cluster)]
        return [*self.cluster.hosts(servers), *own]

    @property
    def has_bursts(self) -> bool:
        """Whether any link passes more at once when it has been idle."""
        cluster = self.cluster
        groups, neighbours = [each.link for each in cluster.group], [each.link for each in self.neighbour]
        return _has_burst([cluster.link, cluster.server_link, *groups, *neighbours, cluster.topology])

    def network(self) -> Topology:
        """The links between all of its hosts; ScenarioError where the topology does not fit them."""
        return self.cluster.network(self.hosts(), seed=self.seed)

    def _repr_html_(self) -> str:
        """What is trained on what, in notebooks."""
        rows = [(name, text) for name, text in self._told() if text]
        return table(rows, caption=self.question or self.name)

    def _told(self) -> Iterator[tuple[str, str]]:
        job, workers = self.job, self.cluster.groups
        yield "workers", str(sum(group.count for group in workers))
        yield "devices", ", ".join(dict.fromkeys(group.device.name for group in workers if group.device))
        links = [f"{show(k.rate, 'B/s')}, {show(k.latency, 's')}" for group in workers if (k := group.link)]
        yield "links", "; ".join(dict.fromkeys(links))
        yield "topology", kind_of(self.cluster.topology)
        yield "model", job.model.kind
        yield "batch", f"{job.batch} samples a worker"
        yield "strategy", kind_of(job.strategy).replace("_", " ")
        yield "buckets", job.bucket if isinstance(job.bucket, str) else show(job.bucket, "B")
        yield "iterations", str(self.iterations)
        yield "seed", str(self.seed)
        yield "sweep", ", ".join(map(str, self.sweep))
