"""Figures: each public function of these modules takes a frame and an axis, draws, and returns the axis."""

from netsim.plots._canvas import save

__all__ = ["save"]
