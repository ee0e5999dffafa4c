"""Efficiencies and kernel overhead of a device, fitted to measured times of layers or of whole steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np

from netsim.errors import ScenarioError
from netsim.hardware import Device
from netsim.layers.base import Layer
from netsim.models.base import Model
from netsim.profiles import Profile, times_on
from netsim.roofline import bytes_touched, step_times

OVERHEAD = "kernel_overhead"
Constants = Mapping[str, float]  # entries of Efficiency, and OVERHEAD
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# How far, as a factor e^s, a fitted constant may stray before that costs as much as one measurement that is off by e.
_SPREAD = {OVERHEAD: 1.0}
_USUAL_SPREAD = 0.4
_FOLDS = 5
_LAYER_WEIGHT = 1 / 0.2**2  # of a layer whose measured time is typically off by a fifth
_MOST = {"winograd": 2.25}  # the products of the plain form that Winograd's saves (Lavin, Gray 2016)


@dataclass(frozen=True)
class Work:
    """What one measured time is made of, and how long it took: the roofline's counts, one entry a kernel of a layer."""

    device: Device
    batch: int
    kinds: tuple[tuple[str, str], ...]  # of products, and of elementwise work
    counts: Floats  # rows: flop of products, elementwise flop, bytes, kernels, times over
    seconds: float
    weight: float = 1.0

    def predicted(self, constants: Constants) -> float:
        """Seconds by the roofline with these constants in place of the device's."""
        return float(self.of_each(constants).sum())

    def of_each(self, constants: Constants) -> Floats:
        """Seconds of each entry."""
        device = with_constants(self.device, constants)
        distinct, where = self._distinct
        flop, elementwise, nbytes, kernels, times = self.counts
        products, vectors = np.array([device.rate(kind, self.batch) for kind in distinct])[where]
        compute = flop / products + elementwise / vectors
        memory = nbytes / device.reached_memory_rate(self.batch)
        return np.asarray(times * (np.maximum(compute, memory) + kernels * device.kernel_overhead))

    @cached_property
    def _distinct(self) -> tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.intp]]]:
        """The kinds of work, and where among them each entry's two are."""
        distinct = sorted({kind for pair in self.kinds for kind in pair})
        place = {kind: number for number, kind in enumerate(distinct)}
        return distinct, np.array([[place[kind] for kind in pair] for pair in self.kinds]).T


class _Works:
    """Many, of which those on the same device with the same batch are predicted together: a fit asks some thousand
    times."""

    def __init__(self, works: Sequence[Work]) -> None:
        alike: dict[tuple[Device, int], list[int]] = {}
        for place, work in enumerate(works):
            alike.setdefault((work.device, work.batch), []).append(place)
        self._groups = [(places, *_joined([works[place] for place in places])) for places in alike.values()]
        self._count = len(works)

    def predicted(self, constants: Constants) -> Floats:
        """Seconds of each, in their order."""
        found = np.empty(self._count)
        for places, joined, starts in self._groups:
            found[places] = np.add.reduceat(joined.of_each(constants), starts)
        return found


def _joined(works: Sequence[Work]) -> tuple[Work, list[int]]:
    """One work of all entries, and where those of each begin."""
    counts = np.concatenate([work.counts for work in works], axis=1)
    kinds = tuple(kind for work in works for kind in work.kinds)
    starts = [0, *accumulate(len(work.kinds) for work in works[:-1])]
    seconds = math.fsum(work.seconds for work in works)
    return Work(works[0].device, works[0].batch, kinds, counts, seconds), starts


def with_constants(device: Device, constants: Constants) -> Device:
    """The device with these efficiencies and this overhead."""
    shares = {key: value for key, value in constants.items() if key != OVERHEAD}
    overhead = constants.get(OVERHEAD, device.kernel_overhead)
    return replace(device, efficiency=replace(device.efficiency, **shares), kernel_overhead=overhead)


def step_work(model: Model, batch: int, device: Device, seconds: float, *, weight: float = 1.0) -> Work:
    """A whole training step that took so long: forward, backward and update of all layers."""
    kinds, counts = [], []
    for number, layer in enumerate(model.layers):
        for kind, row in _rows(layer, batch, device, first=number == 0, forward=1, backward=1):
            kinds.append(kind)
            counts.append(row)
    update = step_times(model, batch, device).update * device.reached_memory_rate(batch)
    kinds.append(("elementwise", "elementwise"))
    counts.append((0.0, 0.0, update, 0.0, 1.0))
    return Work(device, batch, tuple(kinds), np.array(counts).T, seconds, weight)


def fit(measured: Sequence[Work], start: Constants) -> dict[str, float]:
    """The constants that bring the predicted times nearest to the measured, in the logarithm of their ratio.

    `start` says which constants are free and where they begin; each is held near there, so that what the measurements
    do not determine stays as it is. Levenberg-Marquardt (Marquardt 1963) over the logarithms; deterministic.
    """
    names = list(start)
    origin = np.log([start[name] for name in names])
    spread = np.array([_SPREAD.get(name, _USUAL_SPREAD) for name in names])
    highest = np.array([np.inf if name == OVERHEAD else np.log(_MOST.get(name, 1.0)) for name in names])
    weights = np.sqrt([work.weight for work in measured])
    works, seconds = _Works(measured), np.array([work.seconds for work in measured])

    def constants(at: Floats) -> dict[str, float]:
        return {name: float(value) for name, value in zip(names, np.exp(at), strict=True)}

    def residuals(at: Floats) -> Floats:
        errors = np.log(works.predicted(constants(at)) / seconds)
        return np.concatenate([weights * errors, (at - origin) / spread])

    at, damping = np.minimum(origin, highest), 1e-2
    now = residuals(at)
    for _ in range(60):
        slope = np.stack([(residuals(at + 1e-5 * axis) - now) / 1e-5 for axis in np.eye(len(at))], axis=1)
        step = np.linalg.solve(slope.T @ slope + damping * np.eye(len(at)), -slope.T @ now)
        tried = np.minimum(at + np.clip(step, -0.7, 0.7), highest)
        then = residuals(tried)
        gain = now @ now - then @ then
        damping = damping / 3 if gain > 0 else damping * 5
        if gain > 0:
            at, now = tried, then
        if 0 <= gain < 1e-9 or damping > 1e9:
            break
    return constants(at)


@dataclass(frozen=True)
class LayerFit:
    """Seconds of a layer for a batch, forward and backward together: measured, by the fit to all layers, and by a fit
    that has not seen the layer."""

    layer: str
    measured: float
    fitted: float
    held_out: float


@dataclass(frozen=True)
class Calibration:
    """A device with the constants that measured layers give, where they began, and how each layer comes out."""

    device: Device
    start: Constants
    constants: Constants
    layers: tuple[LayerFit, ...]

    @property
    def fit_error(self) -> float:
        """Mean of |fitted / measured - 1| over the layers."""
        return float(np.mean([abs(each.fitted / each.measured - 1) for each in self.layers]))

    @property
    def held_out_error(self) -> float:
        """Mean of |held out / measured - 1| over the layers."""
        return float(np.mean([abs(each.held_out / each.measured - 1) for each in self.layers]))


def calibrate(model: Model, batch: int, device: Device, profile: Profile) -> Calibration:
    """The efficiencies of the kinds of work that the measured layers have, of the memory, and the overhead of a kernel.

    Held-out times come from five fits, each without every fifth layer. Raises ScenarioError where fewer than two layers
    can be used, a layer being of use if it took time and launches kernels.
    """
    works = _layer_works(model, batch, device, profile)
    if len(works) < 2:
        raise ScenarioError(f"{len(works)} of its layers took time and launch kernels; a fit needs 2 at least")
    start = _free(device, [work for pair in works.values() for work in pair])
    constants = fit([work for pair in works.values() for work in pair], start)
    unseen: dict[str, dict[str, float]] = {}
    for number in range(min(_FOLDS, len(works))):
        mine = list(works)[number::_FOLDS]
        others = [work for name, pair in works.items() if name not in mine for work in pair]
        unseen |= dict.fromkeys(mine, fit(others, start))
    layers = [
        LayerFit(
            name,
            math.fsum(work.seconds for work in pair),
            math.fsum(work.predicted(constants) for work in pair),
            math.fsum(work.predicted(unseen[name]) for work in pair),
        )
        for name, pair in works.items()
    ]
    return Calibration(with_constants(device, constants), start, constants, tuple(layers))


def _free(device: Device, works: Sequence[Work]) -> dict[str, float]:
    """What these times can say something of, with the device's own values; of a curve, that at their batch."""
    used = {kind for work in works for (kind, _), flop in zip(work.kinds, work.counts[0], strict=True) if flop}
    if device.precision != "fp32" and "winograd" in used:
        used = used - {"winograd"} | {"convolution"}
    start = {kind: device.efficiency.share(kind, works[0].batch) for kind in sorted(used | {"memory"})}
    return {**start, OVERHEAD: device.kernel_overhead} if device.kernel_overhead else start


def _layer_works(model: Model, batch: int, device: Device, profile: Profile) -> dict[str, tuple[Work, ...]]:
    """Layer -> its forward and its backward pass, where each took time."""
    measured = times_on(profile, device)
    found = {}
    for number, layer in enumerate(model.layers):
        if layer.name in measured and layer.kernels:
            times = measured[layer.name]
            passes = [(times.forward, 1, 0), (times.backward, 0, 1)]
            works = [
                _layer_work(layer, batch, device, seconds, first=number == 0, forward=forward, backward=backward)
                for seconds, forward, backward in passes
                if seconds > 0
            ]
            found[layer.name] = tuple(work for work in works if work.predicted({}) > 0)
    return {name: works for name, works in found.items() if works}


def _layer_work(
    layer: Layer, batch: int, device: Device, seconds: float, *, first: bool, forward: int, backward: int
) -> Work:
    rows = _rows(layer, batch, device, first=first, forward=forward, backward=backward)
    counts = np.array([row for _, row in rows]).T
    return Work(device, batch, tuple(kind for kind, _ in rows), counts, seconds, _LAYER_WEIGHT)


def _rows(
    layer: Layer, batch: int, device: Device, *, first: bool, forward: int, backward: int
) -> list[tuple[tuple[str, str], tuple[float, ...]]]:
    rows: list[tuple[tuple[str, str], tuple[float, ...]]] = []
    for index, part in enumerate(layer.parts):
        passes = part.weight_gradients + (0 if first and index == 0 else part.input_gradients)
        flop, elementwise = 2.0 * part.macs * batch, float(part.elementwise * batch)
        nbytes, times = bytes_touched(part, batch, device), float(forward + backward * passes)
        rows.append(((part.work, part.vector_work), (flop, elementwise, nbytes, float(part.kernels), times)))
    return rows
