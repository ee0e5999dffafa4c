"""Figures: each public function of these modules takes a frame and an axis, draws, and returns the axis."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from netsim.plots._canvas import save

__all__ = ["figures", "save"]


def figures() -> dict[str, Callable[..., Any]]:
    """All figures by name."""
    modules = (
        import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__) if each.name[0] != "_"
    )
    return {
        name: member
        for module in modules
        for name, member in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and member.__module__ == module.__name__
    }
