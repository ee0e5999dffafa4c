"""How much sooner the fast engine is: one ring of 256 ranks in both engines, and one of 1,024 in the fast one.

    python benchmarks/engines.py

Both engines run in turn, so that a machine whose speed drifts slows both alike; the figure is the median of the ratios.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time

from netsim.collectives.ring import Ring
from netsim.engine.run import collective

SIZE, RATE, LATENCY, ROUNDS = 100e6, 1.25e9, 10e-6, 5


def cost(engine: str, ranks: int) -> float:
    """Seconds of CPU a message of one ring."""
    gc.collect()
    start = time.process_time()
    result = collective(Ring(), ranks=ranks, size=SIZE, rate=RATE, latency=LATENCY, engine=engine)
    seconds = time.process_time() - start
    assert result.engine == engine
    assert result.messages == 2 * ranks * (ranks - 1)
    return seconds / result.messages


def main() -> None:
    """Print one line a round and the medians."""
    cost("simpy", 8), cost("fast", 8)  # imports and first calls
    ratios, large = [], []
    for number in range(1, ROUNDS + 1):
        slow, fast = cost("simpy", 256), cost("fast", 256)
        large.append(cost("fast", 1024))
        ratios.append(slow / fast)
        print(f"round {number}: simpy {slow * 1e9:6.0f} ns a message, fast {fast * 1e9:4.0f} ns: {slow / fast:.0f} x")
    print(f"median:  {statistics.median(ratios):.0f} x; 1,024 ranks: {statistics.median(large) * 1e9:.0f} ns a message")
    print(f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
