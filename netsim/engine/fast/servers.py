"""The fast engine's servers: workers with iterations of their own (async, ssp), event by event on arrays.

The twin of reference/servers.py. The plan is laid out as events.py does it for servers that answer all together;
kernels/servers.py plays it. `Meeting` is raised where the order of two gradients would hang on rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netsim.engine.fast import kernels, schedules
from netsim.engine.fast.events import EventPlay
from netsim.engine.fast.links import Sharing
from netsim.engine.fast.patterns import Meeting, Times
from netsim.engine.fast.rounds import Progress, timetable
from netsim.engine.messages import STUCK
from netsim.engine.plan import Plan
from netsim.engine.record.log import Log
from netsim.trace import ServerUse
from netsim.training.parameter_server import ParameterServer

_TIE, _MORE, _STUCK = 1, 2, 3
_HUB = 16  # flows that are played together where they share a link; for fewer it is not worth it
_WHY = {_TIE: "what comes at one moment has an order that matters", _STUCK: STUCK}


class ServedPlay(EventPlay):
    """Workers' steps, pushes and pulls, and what the links have carried."""

    def __init__(self, plan: Plan, strategy: ParameterServer) -> None:
        sizes = schedules.sizes_of_servers(plan, strategy)
        steps, cluster = schedules.of_servers(plan, strategy), plan.scenario.cluster
        sharing = Sharing.of(cluster.sharing, cluster.forwarding)
        how: dict[str, Any] = {"streams": len(plan.buckets), "ways": 1, "sharing": sharing, "health": plan.healths()}
        super().__init__(steps, sizes, plan.topology, **how)
        self._plan, self._bound = plan, -1.0 if strategy.bound == math.inf else float(strategy.bound)
        self._keys = int(((sizes.piece >= 0).sum(axis=1) * np.asarray(sizes.slices)).sum())
        self._blurred = False  # whether times may differ from the reference's by rounding
        if not (sizes.piece >= 0).any(axis=1).all():
            raise Meeting("a bucket has no server")

    def play(self, recorded: range) -> dict[str, Any]:
        """What happened when; Meeting where order hangs on rounding."""
        every, columns = self._plan.workers * self._plan.scenario.iterations, self._plan.scenario.iterations + 8
        hubs = 0 if self._health else _HUB  # links of hubs do not change
        while True:
            why, found = self._try(min(columns, every), recorded, hubs)
            if why == _MORE:
                columns *= 2  # a fast worker makes more iterations than there was room for: all over again
            elif why == _TIE and self._blurred:
                hubs = 0  # without them times are the reference's to the last digit, which may tell what is first
            else:
                break
        if why:
            raise Meeting(_WHY[why])
        return found

    def _try(self, columns: int, recorded: range, hubs: int) -> tuple[int, dict[str, Any]]:
        """Where no worker makes more iterations than so many; hubs: of links with so many flows."""
        plan, steps = self._plan, self._steps
        workers, buckets, servers = plan.workers, self._buckets, steps.owns
        messages = buckets * self._lanes * steps.a_lane
        things = messages + workers * (2 + buckets) + servers
        links = self._links(messages, things, ordered=True, watched=bool(recorded), hubs=hubs)
        arrays = self._state(columns, messages, recorded)
        arrays["luck"] = self._luck(columns)
        arrays.update(zip(("forward", "gaps", "update"), self._timetable(arrays["luck"]), strict=True))
        numbers = {
            "workers": workers, "servers": servers, "buckets": buckets, "lanes": self._lanes, "keys": self._keys,
            "overlap": int(plan.scenario.job.overlap), "rows": len(arrays["luck"]),
            "columns": columns, "tickets": workers * plan.scenario.iterations, "messages": messages,
            "record_from": recorded.start, "record_to": recorded.stop if recorded else recorded.start,
        }  # fmt: skip
        run = kernels.load("servers").Run(numbers, self._bound, links.kernel, links.agenda, arrays)
        why = self._to_its_end(run, links, watched=bool(recorded))
        self._blurred = bool(links.kernel.blurred)
        self._times[:] = np.tile(arrays["iteration"], 2 * servers)
        self.duration_sum = run.duration
        arrays["record"], arrays["record_times"] = (
            arrays["record"][: 2 * run.records],
            arrays["record_times"][: 4 * run.records],
        )
        return why, arrays

    def _luck(self, columns: int) -> Times:
        """What noise multiplies workers' computing with, [step, worker]: one row where there is none."""
        noise = self._plan.scenario.noise
        if noise.none:
            return np.ones((1, self._plan.workers))
        return noise.factors(self._plan.scenario.seed, self._plan.workers, columns).T

    def _timetable(self, luck: Times) -> tuple[Times, Times, Times]:
        """Seconds of each part of each worker's steps."""
        forward, gaps, update = timetable(self._plan)
        return (forward * luck).ravel(), (gaps * luck[:, :, None]).ravel(), (update * luck).ravel()

    def _state(self, columns: int, messages: int, recorded: range) -> dict[str, Any]:
        """Of workers, servers and messages, where nothing has begun yet."""
        plan, steps, workers = self._plan, self._steps, self._plan.workers
        buckets, servers, every = self._buckets, steps.owns, workers * plan.scenario.iterations
        kept = self._keys * 2 * min(every, workers * len(recorded))
        zeros = {
            "phase": workers, "iteration": workers, "left": workers * buckets, "buckets_left": workers, "seen": workers,
            **dict.fromkeys(("clocks", "waits"), buckets * self._lanes * workers), "item": servers,
            "inbox_last": servers, "next": messages + workers * servers,
        }  # fmt: skip
        times = {
            "offered": workers * buckets, "done": workers * buckets, "sent": messages, "update_times": every,
            "dealt_with": workers, "released": workers, "record_times": 4 * kept,
        }  # fmt: skip
        longer = {"held": workers, "answered": workers, "updates": 4 * every, "record": 2 * kept}
        names = ("start", "computed", "exchanged", "exchanging", "end", "held_back")
        return {
            **{name: np.zeros(size, dtype=np.int32) for name, size in zeros.items()},
            **{name: np.zeros(size) for name, size in times.items()},
            **{name: np.zeros(size, dtype=np.int64) for name, size in longer.items()},
            **{name: np.full(workers * columns, np.nan) for name in names},
            "member": np.ones(workers, dtype=np.int32), "idle": np.ones(servers, dtype=np.int32),
            "inbox_first": np.full(servers, -1, dtype=np.int32), "flow": self._pair.astype(np.int32),
            "wait": self._entering(self._wait), "local": self._local, "piece": self._sizes.piece.ravel(),
            "slices": np.asarray(self._sizes.slices, dtype=np.int32),
        }  # fmt: skip

    def note(self, log: Log, found: dict[str, Any]) -> None:
        """Steps, updates, and what servers have done."""
        workers = self._plan.workers
        names = ("start", "computed", "exchanged", "exchanging", "end", "held_back")
        log.own_steps(found["luck"].T, *(found[name].reshape(workers, -1) for name in names))
        log.all_updated(found["update_times"], *found["updates"].reshape(-1, 4).T)
        log.transfers += self.transfers([bucket.name for bucket in self._plan.buckets], found)
        owned = sum(np.maximum(self._sizes.piece, 0.0) * np.asarray(self._sizes.slices)[:, None])
        for server, nbytes in enumerate((owned * int(found["iteration"].sum())).tolist()):
            log.servers.append(ServerUse(int(self._steps.machines[workers + server]), 2 * nbytes, 0.0))


def train(plan: Plan, detail: str, progress: Progress | None = None) -> tuple[Log, ServedPlay]:
    """Play all iterations of workers that do not wait for one another; Meeting where that would not be exact."""
    assert isinstance(plan.strategy, ParameterServer)
    log, play = Log(plan, detail), ServedPlay(plan, plan.strategy)
    every = plan.workers * plan.scenario.iterations
    recorded = {"summary": range(0), "last": range(plan.scenario.iterations - 1, plan.scenario.iterations)}
    play.note(log, play.play(recorded.get(detail, range(every))))
    play.ended(log.end)
    for iteration in range(plan.scenario.iterations if progress else 0):
        progress(iteration)  # type: ignore[misc]
    return log, play
