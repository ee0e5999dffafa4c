"""What a training run takes: time, money and energy of its epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from netsim.hardware import Device
from netsim.scenario import Scenario

_HOUR, _KWH = 3600.0, 3.6e6  # s, J


def costs(scenario: Scenario, samples_per_step: int, step: float) -> dict[str, Any]:
    """Figures of a job whose data have `samples`, at `step` seconds a step; none where it does not say how many.

    An epoch has as many steps as it takes to see all samples once, the last one perhaps not full. Money and energy are
    those of the workers' devices, for as long as it takes; None where a device's price or power is not known.
    """
    job = scenario.job
    if job.samples is None:
        return {}
    steps = -(-job.samples // samples_per_step)
    devices = [group.device for group in scenario.cluster.groups for _ in range(group.count) if group.device]
    price, power = _sum(devices, "price_per_hour"), _sum(devices, "power")
    epoch = steps * step
    cost = None if price is None else price * epoch / _HOUR
    energy = None if power is None else power * epoch / _KWH
    return {
        "steps_per_epoch": steps,
        "epoch_time_s": epoch,
        "training_time_s": job.epochs * epoch,
        "epoch_cost_usd": cost,
        "training_cost_usd": None if cost is None else job.epochs * cost,
        "epoch_energy_kwh": energy,
        "training_energy_kwh": None if energy is None else job.epochs * energy,
    }


def _sum(devices: Sequence[Device], field: str) -> float | None:
    values = [getattr(device, field) for device in devices]
    return None if None in values else math.fsum(values)
