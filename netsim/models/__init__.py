"""Models: functions that return a Model, a list of layers. A function's parameters are the model's options."""

from netsim.models._torch import from_torch

__all__ = ["from_torch"]
