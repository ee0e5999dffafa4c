"""What a step in ZeRO's third stage computes with each bucket's parameters, and in which order collectives go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from simpy.events import Event

from netsim import loading
from netsim.engine.record.log import Log
from netsim.engine.reference.sharded import Sharded, _uses
from netsim.engine.run import simulate

FORWARD, BACKWARD = (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)


def uses(buckets: list[tuple[int, ...]], micro_batches: int = 1) -> list[tuple[int, str, bool]]:
    """(bucket, layers computed as "w+x", whether its gradients are then complete) of layers w, x, y and z; backward in
    capitals. Seconds are those of the layers."""
    plan: Any = SimpleNamespace(layers=tuple("wxyz"), buckets=[SimpleNamespace(layers=layers) for layers in buckets])
    computing: Any = SimpleNamespace(forward=FORWARD, backward=BACKWARD, micro_batches=micro_batches)
    found = []
    for bucket, parts, last in _uses(plan, computing):
        for phase, name, seconds in parts:
            assert seconds == dict(zip("wxyz", FORWARD if phase == "forward" else BACKWARD, strict=True))[name]
        names = [name if phase == "forward" else name.upper() for phase, name, _ in parts]
        found.append((bucket, "".join(names), last))
    return found


def test_each_bucket_is_used_forward_then_in_reverse_backward() -> None:
    """Buckets 0 and 1 hold z and y, and x and w."""
    assert uses([(3, 2), (1, 0)]) == [(1, "wx", False), (0, "yz", False), (0, "ZY", True), (1, "XW", True)]


def test_layers_without_parameters_go_with_the_bucket_before_them_and_the_first_with_the_first() -> None:
    """Only x and z have some: w goes with x, as nothing is before it, and y as it is behind x."""
    assert uses([(3,), (1,)]) == [(1, "wxy", False), (0, "z", False), (0, "Z", True), (1, "YXW", True)]
    assert uses([(2,)]) == [(0, "wxyz", False), (0, "ZYXW", True)]
    assert uses([(2,), (1,), (0,)]) == [
        (2, "w", False), (1, "x", False), (0, "yz", False), (0, "ZY", True), (1, "X", True), (2, "W", True)
    ]  # fmt: skip


@pytest.mark.parametrize("times", [1, 2, 3])
def test_gradients_are_complete_in_the_last_micro_batch(times: int) -> None:
    found = uses([(3, 2), (1, 0)], times)
    assert [(bucket, what) for bucket, what, _ in found] == times * [(1, "wx"), (0, "yz"), (0, "ZY"), (1, "XW")]
    assert [last for _, _, last in found] == [False] * (4 * times - 2) + [True, True]


@pytest.mark.parametrize("ahead", [0, 1, 2, 9])
def test_parameters_are_asked_for_so_many_buckets_ahead(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three layers, used forward and backward: when the n-th use is over, those of n and so many more were."""
    asked: list[str] = []
    then: list[int] = []
    ask, lay_out = Sharded.ask, Log.lay_out

    def noted(self: Sharded, worker: int, iteration: int, bucket: int, what: str) -> Event:
        if worker == 0 and what == "gather":
            asked.append(self.plan.buckets[bucket].name)
        return ask(self, worker, iteration, bucket, what)

    def over(self: Log, worker: int, *given: Any) -> None:
        if worker == 0:
            then.append(len(asked))
        lay_out(self, worker, *given)

    monkeypatch.setattr(Sharded, "ask", noted)
    monkeypatch.setattr(Log, "lay_out", over)
    layers = [{"kind": "dense", "input_shape": [10], "units": 10, "name": name} for name in "abc"]
    cluster = {"workers": 2, "device": "v100", "link": "10gbe"}
    job = {"model": {"layers": layers}, "batch": 1, "strategy": "ring", "bucket": "layer"}
    sharded = {"sharding": "zero3", "prefetch": ahead}
    simulate(loading.from_table({"cluster": cluster, "job": job | sharded}))
    assert asked == ["a", "b", "c", "c", "b", "a"]
    assert then == [min(6, use + 1 + ahead) for use in range(6)]
