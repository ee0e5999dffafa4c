"""What a run leaves behind: typed records in columns, and the summary of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import starmap
from typing import Any, Generic, NamedTuple, TypeVar, get_type_hints

import numpy as np

from netsim.markup import table
from netsim.units import figure_text

Row = TypeVar("Row", bound=NamedTuple)
_DTYPES: dict[type, Any] = {int: np.int64, float: np.float64, str: np.str_}


class Span(NamedTuple):
    """Something that a host did: computed a layer forward or backward, updated, added gradients."""

    host: int
    phase: str  # "forward", "backward", "update", "reduce"
    name: str  # of the layer or bucket
    iteration: int
    start: float  # s
    end: float  # s


class Transfer(NamedTuple):
    """One message: asked for at `sent`, its first byte on the wire at `start`, its last byte delivered at `end`."""

    src: int
    dst: int
    nbytes: float
    label: str  # of the bucket or key
    iteration: int
    sent: float  # s
    start: float  # s
    end: float  # s


NO_CAUSE = -1


class Activity(NamedTuple):
    """Something that took time, and the activity whose end let it begin: together they are what the critical path is
    found in. A message lasts from its sending to its delivery; an exchange between hosts has nothing else."""

    kind: str  # "forward", "backward", "update", "reduce", "message", and "end" of a worker's step, which takes no time
    host: int
    name: str  # of the bucket; "" for what is about none
    iteration: int
    start: float  # s
    end: float  # s
    to: int  # the receiver of a message; else the host
    cause: int  # the row of the activity whose end let this begin; NO_CAUSE at the beginning of what was recorded
    nbytes: float = 0.0  # of a message, like all that follows
    begin: float = 0.0  # s, when its first byte is on the wire
    latency: float = 0.0  # s, of its route
    overhead: float = 0.0  # s, that it costs the two hosts
    wire: float = 0.0  # s, that its bytes need at the full rate of its slowest link
    route: int = -1  # the number of its links in `Trace.routes`


class WorkerStep(NamedTuple):
    """One worker's part in one iteration. The parts sum to its length:
    compute + straggler_wait + exposed_communication + stopped = end - start."""

    iteration: int
    worker: int
    start: float  # s
    end: float  # s, when the next forward pass may start
    compute: float  # s, forward, backward and update
    communication: float  # s during which an exchange that this worker takes part in was going on
    straggler_wait: float  # s of waiting that the slowest worker's longer computing explains
    exposed_communication: float  # s of the other waiting: for an exchange
    stopped: float = 0.0  # s of standing still, of doing again what was lost, and of saving


class Update(NamedTuple):
    """A gradient that became part of the weights, or was thrown away: computed on weights number `held`, applied at
    `time` as part of weights number `version`, the first being 1. Its staleness, version - 1 - held, is the number of
    updates between."""

    time: float  # s, when the last of its keys was applied, or thrown away
    worker: int
    iteration: int  # of the worker
    held: int
    version: int  # all gradients of a synchronous update share it; -1: the gradient was thrown away


class Outage(NamedTuple):
    """A host was away."""

    host: int
    start: float  # s
    end: float  # s; infinity for one that did not return
    lost: float  # s of work that had to be done again


class ServerUse(NamedTuple):
    """What a parameter server did in the whole run."""

    host: int
    nbytes: float  # of pushes and answers
    busy: float  # s of handling messages, adding and applying


class LinkUse(NamedTuple):
    """What one direction of a link carried in the whole run."""

    link: str
    rate: float  # B/s
    nbytes: float
    busy: float  # s during which at least one byte was on its way through it
    messages: int
    waited: float = 0.0  # s that messages lost on it, all together: in its queue, or since they got less than alone
    background: float = 0.0  # bytes of others than the job, not among nbytes


class LinkBin(NamedTuple):
    """What passed one direction of a link in a stretch of time, everybody's bytes."""

    link: str
    start: float  # s
    end: float  # s
    nbytes: float


class LinkChange(NamedTuple):
    """From `time` on a link has this share of its rate: 0 while it has failed, 1 when it is whole again."""

    time: float  # s
    link: str
    share: float


class Interruption(NamedTuple):
    """A message met a link that was down: it "waits", or is "rerouted"."""

    time: float  # s
    link: str
    src: int
    dst: int
    nbytes: float
    how: str


@lru_cache(maxsize=64)
def _types(row: Any) -> dict[str, Any]:
    """The type of each field of a row; Python takes longer over it than over the fields of a short run."""
    return get_type_hints(row)


class Columns(Generic[Row]):
    """Rows of one type, kept column by column: `columns["start"]` is an array, iterating gives the rows."""

    def __init__(self, row: type[Row], rows: Sequence[Row]) -> None:
        self._row = row
        types = _types(row)
        self._columns: dict[str, Any] = {
            name: np.asarray([r[i] for r in rows], dtype=_DTYPES[types[name]]) for i, name in enumerate(row._fields)
        }

    @classmethod
    def of(cls, row: type[Row], *columns: Any) -> Columns[Row]:
        """From the columns themselves, in the order of the row's fields; those that are left out hold the default."""
        made, types, size = cls(row, ()), _types(row), len(columns[0])
        for place, name in enumerate(row._fields):
            values = columns[place] if place < len(columns) else np.full(size, row._field_defaults[name])
            changeable = isinstance(values, list | np.ndarray)
            made._columns[name] = np.asarray(values, dtype=_DTYPES[types[name]]) if changeable else values
        return made

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """The column; what was given as another sequence becomes an array when it is first asked for."""
        given = self._columns[name]
        values: np.ndarray[Any, Any] = np.asarray(given, dtype=_DTYPES[_types(self._row)[name]])
        self._columns[name] = values
        return values

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def row(self, place: int) -> Row:
        """One of them."""
        values = (column[place] for column in self._columns.values())
        return self._row(*(value.item() if isinstance(value, np.generic) else value for value in values))

    def __iter__(self) -> Iterator[Row]:
        lists = [column.tolist() for column in self.columns.values()]
        return (self._row(*values) for values in zip(*lists, strict=True))

    @property
    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Name -> array, in the order of the row's fields; ready for `pandas.DataFrame`."""
        return {name: self[name] for name in self._columns}


@dataclass(frozen=True)
class Trace:
    """All that a simulation of a scenario left: records, the use of every link, and who the hosts were."""

    scenario: Any  # netsim.scenario.Scenario (a higher floor)
    engine: str
    hosts: tuple[str, ...]  # "worker0", ..., "server0", ...; records name hosts by index
    steps: Columns[WorkerStep]
    links: Columns[LinkUse]
    spans: Columns[Span]
    transfers: Columns[Transfer]
    updates: Columns[Update] = field(default_factory=lambda: Columns(Update, []))
    outages: Columns[Outage] = field(default_factory=lambda: Columns(Outage, []))
    servers: Columns[ServerUse] = field(default_factory=lambda: Columns(ServerUse, []))
    link_bins: Columns[LinkBin] = field(default_factory=lambda: Columns(LinkBin, []))
    link_changes: Columns[LinkChange] = field(default_factory=lambda: Columns(LinkChange, []))
    interruptions: Columns[Interruption] = field(default_factory=lambda: Columns(Interruption, []))
    facts: dict[str, Any] = field(default_factory=dict)  # what the summary needs beside the records
    activities: Columns[Activity] = field(default_factory=lambda: Columns(Activity, ()))
    routes: tuple[tuple[str, ...], ...] = ()  # names of links

    def summary(self) -> dict[str, Any]:
        """The figures of `netsim run --json`, in SI units; times are means over workers and iterations.

        `bottleneck` is what takes longest in an iteration: "compute", "stragglers", "latency" of messages, "work of
        NAME", the busiest server whose software or device takes time, or "link NAME", the busiest, for the time that
        messages spend on getting their bytes through. Exchanges count in full, also what computing hides of them;
        what is waited for, and may be another thing, the critical path says (`netsim explain`).
        """
        facts, steps, iterations = self.facts, self.steps, self.facts["iterations"]
        iteration, lengths = self._pace()
        compute, communication, wait, exposed = (
            float(steps[part].mean())
            for part in ("compute", "communication", "straggler_wait", "exposed_communication")
        )
        needed = facts["needed"]
        if facts["stops"] and len(self.updates) and not facts["at_once"]:
            needed = int((self.updates["version"] > 0).sum()) / iterations
        rate = sum(facts["samples"]) * needed / facts["workers"] / iteration if iteration else None
        each = zip(facts["samples"], facts["computing_s"], strict=True)
        alone = math.fsum(samples / seconds for samples, seconds in each if seconds)
        busiest: LinkUse | None = facts["busiest_link"]
        load = busiest.nbytes / busiest.rate / iterations if busiest else 0.0
        return {
            "scenario": facts["name"],
            "engine": self.engine,
            "why_simpy": facts["why_simpy"],
            "seed": facts["seed"],
            "strategy": facts["strategy"],
            "model": facts["model"],
            "workers": facts["workers"],
            "batch": facts["batch"],
            "iterations": iterations,
            "iteration_time_s": iteration,
            "iteration_time_p50_s": float(np.percentile(lengths, 50)),
            "iteration_time_p95_s": float(np.percentile(lengths, 95)),
            "compute_time_s": compute,
            "communication_time_s": communication,
            "exposed_communication_s": exposed,
            "straggler_wait_s": wait,
            "samples_per_s": rate,
            "scaling_efficiency": rate / alone if rate and alone else None,
            "single_worker_iteration_time_s": facts["computing_s"][0],
            "gradient_bytes": facts["gradient_bytes"],
            "buckets": facts["buckets"],
            "messages_per_iteration": facts["messages"] / iterations,
            "wire_bytes_per_iteration": facts["wire_bytes"] / iterations,
            "formula_wire_bytes_per_iteration": facts["formula_wire_bytes"],
            "busiest_link": busiest.link if busiest else None,
            "busiest_link_bytes_per_iteration": busiest.nbytes / iterations if busiest else 0.0,
            "busiest_link_rate_bytes_per_s": busiest.rate if busiest else None,
            "busiest_link_utilisation": load / iteration if iteration else 0.0,
            "bottleneck": self._bottleneck(compute, communication, wait, load),
            "closed_form_iteration_time_s": facts["closed_form_s"],
            "lower_bound_iteration_time_s": facts["lower_bound_s"],
            **self._updating(iteration),
            **facts.get("others", {}),
            **({"warnings": list(facts["warnings"])} if facts.get("warnings") else {}),
            **facts.get("more", {}),
        }

    def _pace(self) -> tuple[float, np.ndarray[Any, Any]]:
        """Seconds of an iteration on the mean, and of each.

        Where workers have iterations of their own, n workers at the sum of their own paces; so that one that goes on
        alone at the end counts as it did before. Else the time until so many workers as an iteration takes have ended
        the last one."""
        steps, workers = self.steps, self.facts["workers"]
        if self.facts["at_once"]:
            done = np.bincount(steps["worker"], minlength=workers)
            last = np.zeros(workers)
            np.maximum.at(last, steps["worker"], steps["end"])
            if self.facts["stops"]:  # one that does not return has no pace any more
                last[:] = last.max()
            pace = float((done[last > 0] / last[last > 0]).sum())
            return workers / pace if pace else 0.0, steps["end"] - steps["start"]
        order = np.lexsort((steps["end"], steps["iteration"]))
        first = np.searchsorted(steps["iteration"][order], np.arange(self.facts["iterations"]))
        there = np.bincount(steps["iteration"], minlength=len(first))[: len(first)]
        ends = steps["end"][order][first + np.minimum(self.facts["needed"], there) - 1]
        return float(ends[-1]) / len(ends), np.diff(ends, prepend=0.0)

    def _updating(self, iteration: float) -> dict[str, Any]:
        """What a parameter server's updates were like, of which none is a key of a run without servers."""
        figures: dict[str, Any] = {}
        kept = self.updates["version"] > 0
        if self.facts["at_once"]:
            stale = (self.updates["version"] - 1 - self.updates["held"])[kept]
            figures["updates_per_s"] = self.facts["workers"] / iteration if iteration else None
            figures["mean_staleness"] = float(stale.mean()) if len(stale) else 0.0
            figures["max_staleness"] = int(stale.max(initial=0))
            figures["staleness_counts"] = np.bincount(stale).tolist()
        elif self.facts["needed"] < self.facts["workers"]:
            figures["dropped_gradients"] = int((~kept).sum())
        if self.facts["stops"]:
            figures["stopped_s"] = float(self.steps["stopped"].mean())
            figures["outages"] = len(self.outages)
        if len(self.servers):
            figures["server_busy_s"] = self.servers["busy"].tolist()
            figures["server_bytes"] = self.servers["nbytes"].tolist()
            waited = self.steps["straggler_wait"] + self.steps["exposed_communication"]
            sums = np.bincount(self.steps["worker"], waited, minlength=self.facts["workers"])
            steps = np.bincount(self.steps["worker"], minlength=self.facts["workers"])
            figures["worker_waiting_s"] = (sums / np.maximum(1, steps)).tolist()
        return figures

    def _repr_html_(self) -> str:
        """The summary, in notebooks."""
        return table(starmap(figure_text, self.summary().items()))

    def _bottleneck(self, compute: float, communication: float, wait: float, load: float) -> str:
        busiest: LinkUse | None = self.facts["busiest_link"]
        latency = self.facts["latency_share"] * communication
        parts = {"compute": compute, "stragglers": wait, "latency": latency}
        serving = 0.0
        if len(self.servers) and self.facts["serving_costs"]:
            slowest = int(self.servers["busy"].argmax())
            serving = float(self.servers["busy"][slowest]) / self.facts["iterations"]
            parts[f"work of {self.hosts[int(self.servers['host'][slowest])]}"] = serving
        if busiest:
            parts[f"link {busiest.link}"] = max(load, communication - latency - wait - serving)
        return max(parts, key=lambda part: parts[part])


# What frames and files call the columns of records, by the attribute of `Trace`: with their units.
RECORDS = {
    "steps": {
        "start": "start_s",
        "end": "end_s",
        "compute": "compute_s",
        "communication": "communication_s",
        "straggler_wait": "straggler_wait_s",
        "exposed_communication": "exposed_communication_s",
    },
    "spans": {"start": "start_s", "end": "end_s"},
    "transfers": {"nbytes": "bytes", "sent": "sent_s", "start": "start_s", "end": "end_s"},
    "links": {"rate": "rate_bytes_per_s", "nbytes": "bytes", "busy": "busy_s"},
}
OF_LINKS = {"waited": "waited_s", "background": "background_bytes"}  # which older folders lack
OVER_TIME = {  # records of links that notebooks get, and folders where links were disturbed
    "link_bins": {"start": "start_s", "end": "end_s", "nbytes": "bytes"},
    "link_changes": {"time": "time_s"},
    "interruptions": {"time": "time_s", "nbytes": "bytes"},
}
OF_SERVERS = {  # records that only runs with parameter servers, or with hosts that stop, leave
    "outages": {"start": "start_s", "end": "end_s", "lost": "lost_s"},
    "updates": {"time": "time_s"},
    "servers": {"nbytes": "bytes", "busy": "busy_s"},
}
