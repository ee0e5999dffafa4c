"""What holds of all tests: every run in them is held to the rules that hold of any run (engine/invariants.py)."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["NETSIM_CHECK"] = "1"  # here and in the processes that tests start

# No test may fail for a busy machine, nor today for what it would have let pass yesterday; .ci/fuzz looks for more.
settings.register_profile("netsim", deadline=None, derandomize=True)
settings.load_profile("netsim")
