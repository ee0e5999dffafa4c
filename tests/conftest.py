"""What holds of all tests: every run in them is held to the rules that hold of any run (engine/invariants.py)."""

from __future__ import annotations

import os

os.environ["NETSIM_CHECK"] = "1"  # here and in the processes that tests start
