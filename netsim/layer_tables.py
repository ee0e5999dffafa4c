"""What `netsim model` shows: the layers of a model with their counts and times, and two models side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from netsim.hardware import ELEMENT_BYTES, Device
from netsim.layers.base import Layer
from netsim.layers.convolution import Convolution
from netsim.layers.embedding import Embedding, LightrnnEmbedding, table_side
from netsim.layers.softmax import FullSoftmax, LightrnnSoftmax
from netsim.memory import memory_needed
from netsim.models.base import Model
from netsim.roofline import LayerTime, bytes_touched, layer_time, step_times

Row = dict[str, Any]
_QUANTITIES = ("params", "macs", "gradient_bytes", "time_s")


def layer_table(model: Model, device: Device | None, batch: int, *, precision: str = "fp32") -> Row:
    """What `netsim model --json` prints: totals, and each layer with, on a device, its times for a batch. Gradients
    have `precision`."""
    element = ELEMENT_BYTES[precision]
    layers = [_layer(layer, element) for layer in model.layers]
    table: Row = {
        "model": model.kind,
        "options": _options(model),
        "params": model.params,
        "macs": model.macs,
        "flop": 2 * model.macs,
        "gradient_bytes": sum(model.gradient_sizes(element)),
    }
    if device:
        times = step_times(model, batch, device)
        table |= {"device": device.name, "precision": device.precision, "batch": batch}
        table |= {
            "forward_s": math.fsum(times.forward),
            "backward_s": math.fsum(times.backward),
            "update_s": times.update,
        }
        needed = memory_needed(model, batch, device, gradient_element=element)
        table["memory"] = {
            **{f"{part}_bytes": nbytes for part, nbytes in asdict(needed).items()},
            "total_bytes": needed.total,
            "device_bytes": device.memory_size,
        }
        for row, time in zip(layers, _times(model, batch, device), strict=True):
            row |= {"forward_s": time.forward, "backward_s": time.backward, "bound": time.bound}
    return {**table, "layers": layers}


def shares(table: Mapping[str, Any]) -> list[Row]:
    """Each layer's number and name, and its shares (per cent) of the model's flop and, where there are times, of the
    time of its layers."""
    layers = table["layers"]
    timed = "device" in table
    macs = sum(row["macs"] for row in layers)
    seconds = math.fsum(row["forward_s"] + row["backward_s"] for row in layers) if timed else 0.0
    return [
        {
            "layer": number,
            "name": row["name"],
            "flop_share": 100 * row["macs"] / macs if macs else 0.0,
            **({"time_share": 100 * (row["forward_s"] + row["backward_s"]) / seconds} if timed and seconds else {}),
        }
        for number, row in enumerate(layers, 1)
    ]


def under_the_roof(model: Model, device: Device, batch: int) -> list[Row]:
    """Each layer's flop a byte and flop/s, forward, with the kind of its work and the device's peaks (SI units)."""
    rows = []
    for layer, time in zip(model.layers, _times(model, batch, device), strict=True):
        flop, touched = 2.0 * layer.macs * batch, math.fsum(bytes_touched(part, batch, device) for part in layer.parts)
        rows.append(
            {
                "name": layer.name,
                "contender": layer.work,
                "intensity": flop / touched if touched else 0.0,
                "reached_flop_per_s": flop / time.forward if time.forward else 0.0,
                "forward_s": time.forward,
                "peak_flop_per_s": device.peak_rate,
                "memory_bytes_per_s": device.memory_rate,
            }
        )
    return rows


def side_by_side(one: Model, other: Model, device: Device | None, batch: int, *, precision: str = "fp32") -> Row:
    """What `netsim model A --against B --json` prints: parameters, MACs, gradient bytes and, on a device, the time of
    forward and backward, of both and as A over B; in all, and for each stage.

    A stage is the layers whose names have the same first part: "block3" of "block3.depthwise". `formula` says what
    the literature gives for the ratio of the MACs (of the parameters, where there are no MACs), `predicted` its value.
    """
    table: Row = {"model": one.kind, "against": other.kind, "options": [_options(one), _options(other)]}
    if device:
        table |= {"device": device.name, "precision": device.precision, "batch": batch}
    element = ELEMENT_BYTES[precision]
    sums = [_stages(model, device, batch, element) for model in (one, other)]
    layers = [_layers_of_stages(model) for model in (one, other)]
    stages = []
    for stage in dict.fromkeys([*sums[0], *sums[1]]):
        formula = _formula(*(found.get(stage, ()) for found in layers))
        stages.append({"stage": stage, **_ratios(*(found.get(stage) for found in sums)), **formula})
    return {**table, **_ratios(*map(_total, sums)), "stages": stages}


def _total(stages: Mapping[str, Row]) -> Row:
    """Of a whole model: counts are whole, seconds are not."""
    total = {key: [row[key] for row in stages.values()] for key in next(iter(stages.values()), ())}
    return {key: math.fsum(each) if key == "time_s" else sum(each) for key, each in total.items()}


def _options(model: Model) -> Row:
    """The options of a model of the zoo; of the user's own, whose layers are told anyway, the rest."""
    return {key: value for key, value in model.options.items() if not isinstance(value, tuple)}


def _layer(layer: Layer, element_bytes: int) -> Row:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "params": layer.params,
        "macs": layer.macs,
        "gradient_bytes": element_bytes * layer.params,
        "output_shape": list(layer.output_shape),
    }


def _times(model: Model, batch: int, device: Device) -> list[LayerTime]:
    return [layer_time(layer, batch, device, first=number == 0) for number, layer in enumerate(model.layers)]


def _stage(layer: Layer) -> str:
    return layer.name.partition(".")[0]


def _layers_of_stages(model: Model) -> dict[str, tuple[Layer, ...]]:
    found: dict[str, tuple[Layer, ...]] = {}
    for layer in model.layers:
        found[_stage(layer)] = (*found.get(_stage(layer), ()), layer)
    return found


def _quantities(device: Device | None) -> Sequence[str]:
    return _QUANTITIES if device else _QUANTITIES[:-1]


def _stages(model: Model, device: Device | None, batch: int, element_bytes: int) -> dict[str, Row]:
    """Sums over the layers of each stage."""
    found: dict[str, Row] = {}
    times = _times(model, batch, device) if device else []
    for number, layer in enumerate(model.layers):
        row = found.setdefault(_stage(layer), dict.fromkeys(_quantities(device), 0))
        row["params"] += layer.params
        row["macs"] += layer.macs
        row["gradient_bytes"] += element_bytes * layer.params
        if device:
            row["time_s"] += times[number].forward + times[number].backward
    return found


def _ratios(one: Row | None, other: Row | None) -> Row:
    """Each quantity of both, and the one over the other; None where a side has none of it."""
    row: Row = {}
    for key in one or other or {}:
        ours, theirs = (side[key] if side else None for side in (one, other))
        ratio = ours / theirs if ours is not None and theirs else None
        row |= {key: ours, f"against_{key}": theirs, f"{key}_ratio": ratio}
    return row


def _formula(ours: Sequence[Layer], theirs: Sequence[Layer]) -> Row:
    for one, other, turn in ((ours, theirs, False), (theirs, ours, True)):
        text, value = _separable(one, other) or _square_table(one, other) or ("", 0.0)
        if text:
            return {"formula": f"1 / ({text})" if turn else text, "predicted": 1 / value if turn else value}
    return {"formula": None, "predicted": None}


def _separable(pair: Sequence[Layer], standard: Sequence[Layer]) -> tuple[str, float] | None:
    """1/S + 1/K^2 where a depthwise K x K and a pointwise convolution to S channels stand for a standard K x K
    (Howard et al. 2017, MobileNets, section 3.1)."""
    two, one = _convolutions(pair), _convolutions(standard)
    if len(two) != 2 or len(one) != 1:
        return None
    (depthwise, pointwise), whole = two, one[0]
    alike = depthwise.kernel_size == whole.kernel_size and pointwise.filters == whole.filters
    if (depthwise.work, pointwise.work, whole.groups) != ("depthwise", "pointwise", 1) or not alike:
        return None
    return "1/S + 1/K^2", 1 / whole.filters + 1 / whole.kernel_size


def _convolutions(layers: Sequence[Layer]) -> list[Convolution]:
    """The convolutions of a stage; none if anything else in it multiplies, too."""
    products = [part for layer in layers for part in layer.parts if part.macs]
    found = [part for part in products if isinstance(part, Convolution)]
    return found if len(found) == len(products) else []


def _square_table(two: Sequence[Layer], full: Sequence[Layer]) -> tuple[str, float] | None:
    """2 R / V, or R / V with half vectors: R = ceil(sqrt V) rows and columns stand for V words (Li et al. 2016)."""
    if len(two) != 1 or len(full) != 1:
        return None
    small, large = two[0], full[0]
    embeddings = isinstance(small, LightrnnEmbedding) and isinstance(large, Embedding)
    softmaxes = isinstance(small, LightrnnSoftmax) and isinstance(large, FullSoftmax)
    if not (embeddings or softmaxes) or small.vocabulary != large.vocabulary:  # type: ignore[attr-defined]
        return None
    text, vectors = ("2 R / V", 2) if small.form == "two_step" else ("R / V", 1)  # type: ignore[attr-defined]
    return text, vectors * table_side(large.vocabulary) / large.vocabulary  # type: ignore[attr-defined]
