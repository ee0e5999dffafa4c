"""Sweeps: one scenario with axes becomes many points, which run on an executor and are kept as they come."""

from netsim.sweeps.points import Point, Sweep
from netsim.sweeps.pools import EXECUTORS
from netsim.sweeps.run import Results, computed, cores, run_points
from netsim.sweeps.store import Outcome, Store, alone_in, kept_in

__all__ = [
    "EXECUTORS",
    "Outcome",
    "Point",
    "Results",
    "Store",
    "Sweep",
    "alone_in",
    "computed",
    "cores",
    "kept_in",
    "run_points",
]
