"""What one message costs: a ring of 64 ranks in the SimPy engine, beside a plain SimPy loop with one timeout a message.

    python benchmarks/message_cost.py

Both run in turn, so that a machine whose speed drifts slows both alike; the figure is the median of the ratios.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator

import simpy

from netsim.collectives.ring import Ring
from netsim.engine.single import collective

RANKS, SIZE, RATE, LATENCY = 64, 100e6, 1.25e9, 10e-6
MESSAGES = 2 * RANKS * (RANKS - 1)
ROUNDS = 5


def ring() -> int:
    """Messages of one all-reduce in the engine."""
    result = collective(Ring(), ranks=RANKS, size=SIZE, rate=RATE, latency=LATENCY, engine="simpy")
    return result.messages


def plain_loop() -> int:
    """Timeouts of as many processes as there are ranks, one a message, and nothing else."""
    env = simpy.Environment()
    done = 0

    def rank() -> Iterator[simpy.Event]:
        nonlocal done
        for _ in range(2 * (RANKS - 1)):
            yield env.timeout(LATENCY + SIZE / RANKS / RATE)
            done += 1

    for _ in range(RANKS):
        env.process(rank())
    env.run()
    return done


def cost(run: Callable[[], int]) -> float:
    """Seconds of CPU a message."""
    gc.collect()
    start = time.process_time()
    messages = run()
    seconds = time.process_time() - start
    assert messages == MESSAGES, f"{run.__name__}: {messages} messages instead of {MESSAGES}"
    return seconds / messages


def machine() -> str:
    """The machine and the versions that the figures hold for."""
    cores = f"{os.cpu_count()} cores of {platform.processor() or platform.machine()}"
    return f"{cores}, {platform.system()}, Python {platform.python_version()}, SimPy {simpy.__version__}"


def main() -> None:
    """Print one line a round and the medians."""
    cost(ring), cost(plain_loop)  # imports and first calls
    rounds = []
    for number in range(1, ROUNDS + 1):
        engine, plain = cost(ring), cost(plain_loop)
        rounds.append((engine, plain, engine / plain))
        both = f"{engine * 1e6:6.2f} us a message, plain loop {plain * 1e6:5.2f} us"
        print(f"round {number}: {both}: {engine / plain:.2f} x")
    engine, plain, ratio = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"median:  {engine * 1e6:6.2f} us a message, plain loop {plain * 1e6:5.2f} us: {ratio:.2f} x")
    print(f"{MESSAGES} messages a run; {machine()}")


if __name__ == "__main__":
    main()
