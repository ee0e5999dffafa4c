"""Latency and rate between two processes, measured by ping-pong: over plain TCP, or as torch.distributed sends."""

from netsim.probe import gloo, tcp
from netsim.probe.tcp import SIZES, Trip, address, measure, serve

TRANSPORTS = {"tcp": tcp, "gloo": gloo}

__all__ = ["SIZES", "TRANSPORTS", "Trip", "address", "measure", "serve"]
