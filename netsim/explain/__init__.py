"""Sentences about results: who wins and by how much, why, and how that changes along an axis.

Works on plain rows (dicts with coordinates named by their path and the keys of `Trace.summary`), so that the terminal,
the report and a notebook say the same. Every figure in a sentence was measured by the simulation.
"""

from netsim.explain.changes import how_it_changes, how_two_change_it
from netsim.explain.reasons import contrast, why
from netsim.explain.verdicts import Verdict, verdict

__all__ = ["Verdict", "contrast", "how_it_changes", "how_two_change_it", "verdict", "why"]
