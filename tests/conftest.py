"""What holds of all tests: every run in them is held to the rules that hold of any run (engine/invariants.py), and no
sum of floats in netsim is left to Python's `sum`, whose last digits are others from Python 3.12 on."""

from __future__ import annotations

import builtins
import os
import sys
from typing import Any

from hypothesis import settings

os.environ["NETSIM_CHECK"] = "1"  # here and in the processes that tests start

# No test may fail for a busy machine, nor today for what it would have let pass yesterday; .ci/fuzz looks for more.
settings.register_profile("netsim", deadline=None, derandomize=True)
settings.load_profile("netsim")

_sum = builtins.sum


def _sum_of_no_floats(values: Any, /, start: Any = 0) -> Any:
    total = _sum(values, start)
    if isinstance(total, float) and str(sys._getframe(1).f_globals.get("__name__")).startswith("netsim"):
        raise AssertionError("a sum of floats; math.fsum has the same digits in every version of Python")
    return total


builtins.sum = _sum_of_no_floats
