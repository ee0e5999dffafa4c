"""What computes and what connects, in SI numbers: what a row of the presets or a table of a scenario becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import inf, log
from typing import Annotated, Literal

from annotated_types import Interval, MinLen

from netsim.errors import Problem, ScenarioError
from netsim.units import Duration, FlopRate, Number, Power, Rate, Size

Precision = Literal["fp32", "tf32", "fp16", "bf16"]
Share = Annotated[float, Interval(gt=0, le=1)]
Samples = Annotated[int, Interval(ge=1, le=10_000_000)]
Curve = Annotated[tuple[tuple[Samples, Annotated[float, Interval(gt=0, le=2.25)]], ...], MinLen(1)]
Efficient = Share | Curve

_VECTOR_WORK = frozenset({"depthwise", "elementwise", "normalisation"})
ELEMENT_BYTES: dict[str, int] = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Messages of `size` bytes and more have this latency (s, end to end), and get at most this rate (bytes/s)."""

    size: Size
    latency: Duration
    rate: Rate


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The messages by which a link was calibrated: from the `smallest` to the `largest` (bytes). Beyond them its
    constants are extrapolated."""

    smallest: Size
    largest: Size

    def __post_init__(self) -> None:
        if self.smallest > self.largest:
            raise ScenarioError("is more than the largest", path="smallest")


@dataclass(frozen=True)
class Link:
    """How a host is connected: at `rate` (bytes/s) each way, or both ways together where `duplex` is half.

    `latency` (s) is end to end, from host to host through a switch with such a link on both sides; each of the two
    hops has half of it. What messages cost beyond, after LogGP (Alexandrov et al. 1995):

    `efficiency`: the share of the rate that is left for payload (protocol headers).
    `overhead` (s): of the host's processor for each message, at the sender and again at the receiver.
    `gap` (s): the least time from one message that the host sends to the next, and so for those that it receives.
    `flow_rate` (bytes/s): the most that one connection gets, as one TCP stream does on a cloud's network card.
    `host_rate` (bytes/s): the most that the host sends and receives in all.
    `curve`: latency and rate by the size of the message, as of eager and rendezvous protocols.
    `window` (bytes): what a connection takes in before its receiver wants it, as TCP does: messages of no more are done
    for their sender at once, the first bytes of longer ones go ahead, and these get at most `window` each round trip.
    `burst` (bytes): what an idle link passes at once before it keeps to its rate, as a token bucket of this depth does
    which is filled at the rate (RFC 2697; Linux's tbf). Of links that serve messages in order of arrival.
    `measured`: the messages that it was calibrated by; a run that sends others says so.
    """

    rate: Rate
    latency: Duration
    efficiency: Share = 1.0
    overhead: Duration = 0.0
    gap: Duration = 0.0
    flow_rate: Rate | None = None
    host_rate: Rate | None = None
    duplex: Literal["full", "half"] = "full"
    curve: tuple[CurvePoint, ...] = ()
    window: Size | None = None
    burst: Size | None = None
    measured: Measured | None = None

    def __post_init__(self) -> None:
        sizes = [point.size for point in self.curve]
        if sizes != sorted(set(sizes)):
            raise ScenarioError("the sizes of the curve's rows must grow from row to row", path="curve")

    @property
    def for_payload(self) -> Link:
        """The link as bytes without headers see it."""
        share, curve = self.efficiency, tuple(replace(p, rate=p.rate * self.efficiency) for p in self.curve)
        caps = [None if rate is None else rate * share for rate in (self.flow_rate, self.host_rate)]
        rate, burst = self.rate * share, None if self.burst is None else self.burst * share
        return replace(self, rate=rate, efficiency=1.0, flow_rate=caps[0], host_rate=caps[1], curve=curve, burst=burst)

    @property
    def plain(self) -> bool:
        """Whether a message costs its latency and its bytes at the link's rate, and nothing else."""
        return self.unpriced and not self.burst

    @property
    def unpriced(self) -> bool:
        """Whether a message costs its latency and its bytes alone; a burst of these may pass at once."""
        known = {"efficiency": self.efficiency, "measured": self.measured, "burst": self.burst}
        return self == Link(self.rate, self.latency, **known)  # type: ignore[arg-type]

    @property
    def lowest_latency(self) -> float:
        """Of any message (s)."""
        return min(self.latency, *(point.latency for point in self.curve)) if self.curve else self.latency

    def latency_of(self, nbytes: float) -> float:
        """Of a message of this size (s)."""
        return next((point.latency for point in reversed(self.curve) if point.size <= nbytes), self.latency)

    def cap_of(self, nbytes: float, latency: float = 0.0) -> float:
        """The most that one message of this size gets (bytes/s) over a route of this latency (s), however free and fast
        links are."""
        curve = next((point.rate for point in reversed(self.curve) if point.size <= nbytes), inf)
        windows = self.window / (2 * latency) if self.window and latency and nbytes > self.window else inf
        return min(curve, windows, inf if self.flow_rate is None else self.flow_rate)


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The fastest that a device multiplies and adds, in flop/s of each precision; None where it has no such unit."""

    fp32: FlopRate | None = None
    tf32: FlopRate | None = None
    fp16: FlopRate | None = None
    bf16: FlopRate | None = None


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """The share of its peak that a device reaches, for each kind of work; and of its memory rate.

    A share may also be a curve over the batch, points of [samples, share]: `[[1, 0.1], [32, 0.5]]`. Between points it
    is a straight line over the logarithm of the batch, beyond them that of the nearest.

    Two sources. [K] single kernels: DeepBench (baidu-research/DeepBench README @106e5236, training kernels, flop/s over
    the card's fp32 peak) and stas00/ml-engineering (compute/accelerator/README.md @744d01e1, best bf16 matrix product).
    [F] fitted: starting from [K], which the fit is held near, to the published training rates of
    docs/explanation/predicted-rates.md, where each model is predicted by constants fitted without it.

    `convolution`: [F] 0.72; [K] 0.55 and 0.59 for 5 x 20 and 5 x 5 kernels, 0.40 for 3 input channels.
    `winograd`: 3 x 3 with stride 1 in fp32, 2.25 times fewer products (Lavin, Gray 2016), so that its share of the
    peak in the products of the plain form may be as much: [F] 1.33; [K] 0.68 and 0.88. In other precisions such a
    layer counts as `convolution`.
    `pointwise`: [F] 0.51, a matrix product with few rows. `grouped`: half of a convolution in [K], an assumption.
    `depthwise`: [F] 0.24, a share of the vector units' peak, as matrix units cannot be used.
    `dense`: [F] 0.78; [K] 0.50 to 0.77 on P100, 0.70 on 1080 Ti, at best 0.87 of an A100 and 0.80 of an H100.
    `recurrent`: [K] 0.11 at batch 16, 0.28 and 0.37 at 32, 0.43 at 128. No published rate has such layers.
    `attention`: many small matrix products, one for each head; taken as `recurrent`; the fit left it at 0.40.
    `elementwise`: activations, pooling, gates, on the vector units, which memory bounds first. An assumption.
    `normalisation`: the elementwise work of normalisations, likewise.
    `memory`: [F] 0.61 of the datasheet's rate.
    """

    convolution: Efficient = 0.72
    winograd: Annotated[float, Interval(gt=0, le=2.25)] | Curve = 1.33
    pointwise: Efficient = 0.51
    grouped: Efficient = 0.3
    depthwise: Efficient = 0.24
    dense: Efficient = 0.78
    recurrent: Efficient = 0.4
    attention: Efficient = 0.4
    elementwise: Efficient = 0.5
    normalisation: Efficient = 0.5
    memory: Efficient = 0.61

    def __post_init__(self) -> None:
        problems = [
            Problem(field.name, "the batches of a curve must rise from point to point")
            for field in fields(self)
            if isinstance(curve := getattr(self, field.name), tuple) and not _rises([batch for batch, _ in curve])
        ]
        if problems:
            raise ScenarioError(problems)

    def share(self, work: str, batch: float) -> float:
        """The share for a kind of work, or for `memory`, with so many samples.

        >>> round(Efficiency(dense=((1, 0.1), (100, 0.5))).share("dense", 10), 6)
        0.3
        """
        share: float | Curve = getattr(self, work)
        if not isinstance(share, tuple):
            return share
        batches, shares = zip(*share, strict=True)
        if batch <= batches[0]:
            return float(shares[0])
        for (low, before), (high, after) in pairwise(share):
            if batch <= high:
                return before + (after - before) * log(batch / low) / log(high / low)
        return float(shares[-1])


def _rises(numbers: Sequence[float]) -> bool:
    return all(one < other for one, other in pairwise(numbers))


@dataclass(frozen=True, kw_only=True)
class Device:
    """What computes: peak rates, memory, and how much of them a kind of work reaches.

    `precision` is the one in which layers multiply and keep their activations. `kernel_overhead` (s) is paid by every
    kernel that a layer launches: 41 us is fitted to published training rates (docs/explanation/predicted-rates.md), the
    time that frameworks of 2017 to 2020 spent on an operator rather than that of a bare launch, some 5 us.
    `sustained` is the share of the peak's clock that the device holds under load. `power` (W) is what it may draw,
    `price_per_hour` (USD) what it costs to rent.
    """

    name: str = "device"
    peak: Peak
    memory_rate: Rate
    memory_size: Size | None = None
    precision: Precision = "fp32"
    efficiency: Efficiency = Efficiency()
    kernel_overhead: Duration = 41e-6
    sustained: Share = 1.0
    power: Power | None = None
    price_per_hour: Annotated[float, Number("a price", at_least=0, at_most=1e6)] | None = None

    def __post_init__(self) -> None:
        if getattr(self.peak, self.precision) is None:
            raise ScenarioError(
                f"{self.name} has no {self.precision} peak; there are: {', '.join(self.precisions) or 'none'}",
                path="precision",
            )

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that this device has a peak for."""
        return tuple(name for name in ELEMENT_BYTES if getattr(self.peak, name) is not None)

    @property
    def peak_rate(self) -> float:
        """flop/s in this device's precision."""
        rate: float = getattr(self.peak, self.precision)
        return rate

    @property
    def vector_rate(self) -> float:
        """flop/s of work that is no matrix product: the fp32 peak, or the only one that is known."""
        return self.peak.fp32 or self.peak_rate

    def rate(self, work: str, batch: float) -> float:
        """flop/s that this device reaches on a kind of work, an entry of its `efficiency`, with so many samples."""
        if work == "winograd" and self.precision != "fp32":
            work = "convolution"
        share = self.efficiency.share(work, batch) * self.sustained
        return share * (self.vector_rate if work in _VECTOR_WORK else self.peak_rate)

    def reached_memory_rate(self, batch: float) -> float:
        """bytes/s that this device reaches of its memory rate with so many samples."""
        return self.memory_rate * self.efficiency.share("memory", batch)

    @property
    def element_bytes(self) -> int:
        """Bytes of one activation in this device's precision."""
        return ELEMENT_BYTES[self.precision]
