"""Layer times from a Chrome trace of the PyTorch profiler, in which each layer's call is a `record_function`."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from netsim.errors import ScenarioError

_RANGE, _OPERATOR = "user_annotation", "cpu_op"
_ON_A_GPU = {"kernel", "gpu_memcpy", "gpu_memset"}
_LAUNCHES = {"cuda_runtime", "cuda_driver", "hip_runtime"}
_BACKWARD = "autograd::engine::evaluate_function: "
_SECOND = 1e6  # a Chrome trace counts in microseconds


class Event(NamedTuple):
    name: str
    category: str
    thread: str
    start: float
    duration: float
    sequence: int | None  # the autograd node that a forward operator makes, and that its backward runs
    correlation: int | None  # what a launch and the kernels that it starts have in common

    @property
    def end(self) -> float:
        return self.start + self.duration


def layer_times(text: str) -> dict[str, tuple[float, float]]:
    """Layer -> seconds forward and backward, the mean over the calls of its range in the trace.

    Forward is the time of the range. Backward is that of the autograd nodes that operators within the range made, by
    their sequence numbers; the accumulation of gradients, which belongs to no layer, is left out. What takes time is
    the host, or, where the trace has kernels of a GPU, the kernels that were launched meanwhile. Raises ScenarioError.
    """
    events = list(_events(text))
    spent = _spent(events)
    ranges = sorted((event for event in events if event.category == _RANGE), key=lambda event: event.start)
    if not ranges:
        raise ScenarioError("the trace has no ranges; run each layer within torch.profiler.record_function(its name)")
    operators = [event for event in events if event.category == _OPERATOR and event.sequence is not None]
    nodes: dict[Any, float] = defaultdict(float)
    for event in operators:
        if event.name.startswith(_BACKWARD):
            nodes[event.sequence] += spent(event)
    if not nodes:
        raise ScenarioError("the trace has no backward pass; profile a whole training step")
    made = _sequences(ranges, [event for event in operators if not event.name.startswith(_BACKWARD)])
    calls: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number, event in enumerate(ranges):
        calls[event.name].append((spent(event), math.fsum(nodes.get(sequence, 0.0) for sequence in made[number])))
    return {
        name: (_mean([forward for forward, _ in times]), _mean([backward for _, backward in times]))
        for name, times in calls.items()
    }


def _spent(events: Sequence[Event]) -> Callable[[Event], float]:
    """What an event of the host stands for: its own duration, or that of the kernels which its thread launched during
    it. ScenarioError where a kernel's launch is not in the trace."""
    kernels: dict[int | None, float] = defaultdict(float)
    for event in events:
        if event.category in _ON_A_GPU:
            kernels[event.correlation] += event.duration
    if not kernels:
        return lambda event: event.duration
    launches = sorted(
        (e for e in events if e.category in _LAUNCHES and e.correlation in kernels), key=lambda e: e.start
    )
    lost = set(kernels) - {launch.correlation for launch in launches}
    if lost or None in kernels:
        raise ScenarioError(
            f"the launches of {len(lost)} kernels are not in the trace; profile the CPU's activity, too"
        )
    threads: dict[str, list[Event]] = defaultdict(list)
    for launch in launches:
        threads[launch.thread].append(launch)
    starts = {thread: [launch.start for launch in mine] for thread, mine in threads.items()}
    sums = {
        thread: list(accumulate((kernels[launch.correlation] for launch in mine), initial=0.0))
        for thread, mine in threads.items()
    }

    def launched(event: Event) -> float:
        mine, total = starts.get(event.thread, []), sums.get(event.thread, [0.0])
        return total[bisect_left(mine, event.end)] - total[bisect_left(mine, event.start)]

    return launched


def _sequences(ranges: Sequence[Event], operators: Sequence[Event]) -> Mapping[int, set[Any]]:
    """Number of a range -> the sequence numbers of the operators within it; ScenarioError where ranges overlap."""
    threads: dict[Any, list[int]] = defaultdict(list)
    for number, event in enumerate(ranges):
        before = threads[event.thread]
        if before and ranges[before[-1]].end > event.start:
            both = f"{ranges[before[-1]].name!r} and {event.name!r}"
            raise ScenarioError(f"the ranges {both} overlap, so their operators cannot be told apart")
        before.append(number)
    starts = {thread: [ranges[number].start for number in numbers] for thread, numbers in threads.items()}
    found: dict[int, set[Any]] = defaultdict(set)
    for event in operators:
        place = bisect_right(starts.get(event.thread, []), event.start) - 1
        if place >= 0 and event.end <= ranges[number := threads[event.thread][place]].end:
            found[number].add(event.sequence)
    return found


def _events(text: str) -> Iterator[Event]:
    try:
        events = json.loads(text)["traceEvents"]
        for event in events:
            if event.get("ph") == "X":
                start, duration = float(event["ts"]), float(event["dur"])
                if not 0 <= duration < 1e15 or not abs(start) < 1e18:
                    raise ValueError(f"{event['name']!r} takes {duration} us from {start} us on")
                arguments = event.get("args") or {}
                made, started = (_number(arguments.get(key)) for key in ("Sequence number", "correlation"))
                names = str(event["name"]), str(event.get("cat")), str(event.get("tid"))
                yield Event(*names, start, duration, made, started)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScenarioError(f"is no Chrome trace of the PyTorch profiler: {error!r:.100}") from None


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _mean(microseconds: Sequence[float]) -> float:
    return math.fsum(microseconds) / len(microseconds) / _SECOND
