"""Gradients gathered into buckets, in the order in which the backward pass makes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bucket:
    """Gradients that are exchanged together: of `layers` (numbers in the model's order), `nbytes` in all."""

    name: str
    layers: tuple[int, ...]
    nbytes: float


def gather(gradient_bytes: Sequence[float], names: Sequence[str], rule: float | str) -> tuple[Bucket, ...]:
    """Buckets in the order in which they are ready, from the gradients of each layer in the model's order.

    rule: "layer" gives each layer with parameters its own, "all" makes one of all, and a size in bytes closes a bucket
    once it holds that much (PyTorch DDP: Li et al., VLDB 2020, section 3.2.3), so that it may hold more.
    """
    limit = {"layer": 0.0, "all": float("inf")}[rule] if isinstance(rule, str) else rule
    buckets: list[tuple[int, ...]] = []
    current: list[int] = []
    for layer in reversed(range(len(gradient_bytes))):
        if gradient_bytes[layer] > 0:
            current.append(layer)
            if sum(gradient_bytes[i] for i in current) >= limit:
                buckets.append(tuple(current))
                current = []
    if current:
        buckets.append(tuple(current))
    return tuple(Bucket(_name(names, layers), layers, sum(gradient_bytes[i] for i in layers)) for layers in buckets)


def _name(names: Sequence[str], layers: Iterable[int]) -> str:
    first, *rest = (names[layer] for layer in layers)
    return f"{first}..{rest[-1]}" if rest else first
