"""What computes and what connects, in SI numbers: a row of the presets or a table of the user's own becomes one of these."""

from __future__ import annotations

from dataclasses import dataclass

from netsim.units import Duration, Rate


@dataclass(frozen=True)
class Link:
    """How a host is connected: full duplex at `rate` (bytes/s) each way.

    `latency` (s) is end to end, from host to host through a switch with such a link on both sides; each of the two
    hops has half of it.
    """

    rate: Rate
    latency: Duration
