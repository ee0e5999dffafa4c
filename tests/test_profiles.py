"""Measured times of layers in the place of the roofline's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from netsim import presets
from netsim.errors import ScenarioError
from netsim.loading import dump, load
from netsim.models.vgg import vgg16
from netsim.profiles import Measured, read_profile
from netsim.roofline import step_times

SCENARIO = """
[[cluster.group]]
count = 1
device = "v100"

[[cluster.group]]
count = 1
device = "p100"

[cluster]
link = "10gbe"

[job]
model = "vgg16"
batch = 4
strategy = "ring"
profile = "times.csv"
"""
TIMES = "layer,forward_s,backward_s,device\nconv1_1,0.5,1.5,\nconv1_2,2e-3,3e-3,v100\nconv1_2,5e-3,7e-3,p100\n"


def loaded(folder: Path, times: str = TIMES) -> Any:
    (folder / "times.csv").write_text(times)
    (folder / "scenario.toml").write_text(SCENARIO)
    return load(folder / "scenario.toml")


def test_measured_layers_have_their_times_and_others_the_formulas(tmp_path: Path) -> None:
    profile, v100, p100 = loaded(tmp_path).job.profile, presets.device("v100"), presets.device("p100")
    names = [layer.name for layer in vgg16().layers]
    formula, measured = step_times(vgg16(), 4, v100), step_times(vgg16(), 4, v100, profile=profile)
    for number, name in enumerate(names):
        if name not in ("conv1_1", "conv1_2"):
            assert measured.forward[number] == formula.forward[number]
    at = names.index("conv1_2")
    assert (measured.forward[0], measured.backward[0]) == (0.5, 1.5)
    assert (measured.forward[at], measured.backward[at]) == (2e-3, 3e-3)
    assert step_times(vgg16(), 4, p100, profile=profile).forward[at] == 5e-3
    assert measured.update == formula.update


def test_a_scenario_plays_with_measured_times(tmp_path: Path) -> None:
    from netsim.engine.run import simulate

    assert simulate(loaded(tmp_path), detail="summary").summary()["compute_time_s"] > 2


def test_a_profile_is_kept_in_full(tmp_path: Path) -> None:
    scenario = loaded(tmp_path)
    (tmp_path / "times.csv").unlink()
    (tmp_path / "kept.toml").write_text(dump(scenario))
    assert load(tmp_path / "kept.toml").job.profile == scenario.job.profile


def test_a_profile_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"job.profile: no layer 'conv1_3' in vgg16. Did you mean 'conv"):
        loaded(tmp_path, TIMES.replace("conv1_1", "conv1_3"))


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ("layer,forward_s\n", "times.csv has no column backward_s"),
        ("layer,forward_s,backward_s\n", "times.csv has no lines of times"),
        ("layer,forward_s,backward_s\nconv1_1,fast,1\n", "times.csv, line 2: forward_s: 'fast' is not a number"),
        ("layer,forward_s,backward_s\nconv1_1,1\n", "times.csv, line 2: backward_s: None is not a number"),
        ("layer,forward_s,backward_s\nconv1_1,1,-1\n", "times.csv, line 2: backward_s: '-1' is too small"),
        ("layer,forward_s,backward_s\nconv1_1,nan,1\n", "times.csv, line 2: forward_s: 'nan' is not finite"),
        ("layer,forward_s,backward_s\n,1,1\n", "times.csv, line 2: has no layer"),
        ("layer,forward_s,backward_s\nconv1_1,1,1\nconv1_1,1,1\n", "conv1_1 is there twice"),
    ],
)
def test_times_that_are_wrong_are_told_by_their_line(times: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=f"job.profile: .*{complaint}"):
        loaded(tmp_path, times)


def test_a_profile_may_stand_in_the_scenario_itself() -> None:
    rows = [{"layer": "stem", "forward": "1 ms", "backward": "2 ms"}]
    assert read_profile(rows) == (Measured(layer="stem", forward=1e-3, backward=2e-3),)
    for wrong, complaint in ((3, "neither"), ([{"layer": "stem"}], "is missing"), ("no.csv", "no such file")):
        with pytest.raises(ScenarioError, match=complaint):
            read_profile(wrong)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no device without an end")
def test_a_profile_without_an_end_is_not_read_to_it() -> None:
    with pytest.raises(ScenarioError, match="at most 10000000 are read"):
        read_profile("/dev/zero")


STEP = Path(__file__).parent / "data" / "torch_step.json"


def trace_of(*events: dict[str, object]) -> str:
    common = {"ph": "X", "tid": 1}
    return json.dumps({"traceEvents": [{**common, **event} for event in events]})


def test_a_trace_of_the_pytorch_profiler_gives_its_ranges_forward_and_their_nodes_backward() -> None:
    events = json.loads(STEP.read_text(encoding="utf-8"))["traceEvents"]
    found = {row.layer: row for row in read_profile(str(STEP))}
    assert list(found) == ["stem", "relu", "flat", "head"]
    ranges = [event["dur"] for event in events if event["name"] == "head"]
    nodes = [
        event["dur"]
        for event in events
        for node in ("AddmmBackward0", "TBackward0")  # what a dense layer's call makes
        if event["name"] == f"autograd::engine::evaluate_function: {node}"
    ]
    assert (len(ranges), len(nodes)) == (2, 4)
    assert found["head"].forward == pytest.approx(sum(ranges) / 2 * 1e-6)
    assert found["head"].backward == pytest.approx(sum(nodes) / 2 * 1e-6)


RANGE = {"cat": "user_annotation", "name": "stem", "ts": 0, "dur": 10}
NODE = {
    "cat": "cpu_op",
    "name": "autograd::engine::evaluate_function: X",
    "ts": 20,
    "dur": 5,
    "args": {"Sequence number": 1},
}


def launched(number: int, ts: float, dur: float) -> list[dict[str, object]]:
    """A launch on the host's thread 1, and its kernel on stream 7, much later, as Kineto writes them."""
    args = {"args": {"correlation": number}}
    return [
        {"cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": ts, "dur": 1, **args},
        {"cat": "kernel", "name": "sgemm", "tid": 7, "ts": ts + 1000, "dur": dur, **args},
    ]


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_on_a_gpu_a_layer_takes_the_time_of_the_kernels_that_were_launched_within_it(
    tmp_path: Path, suffix: str
) -> None:
    made = {"cat": "cpu_op", "name": "aten::mm", "ts": 2, "dur": 5, "args": {"Sequence number": 1}}
    kernels = [*launched(1, 3, 300), *launched(2, 5, 400), *launched(3, 15, 5000), *launched(4, 22, 800)]
    file = tmp_path / f"step{suffix}"
    text = trace_of(RANGE, made, NODE, *kernels).encode()
    file.write_bytes(gzip.compress(text) if suffix == ".json.gz" else text)
    (row,) = read_profile(str(file))
    assert (row.forward, row.backward) == pytest.approx((700e-6, 800e-6))


def test_a_profile_that_only_looks_compressed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "step.json.gz"
    file.write_bytes(b"{}")
    with pytest.raises(ScenarioError, match="is not compressed by gzip"):
        read_profile(str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no Chrome trace"),
        ("[]", "is no Chrome trace"),
        ('{"traceEvents": [3]}', "is no Chrome trace"),
        ('{"traceEvents": ' + "[" * 100_000, "is no Chrome trace"),
        (trace_of({**RANGE, "dur": -1}), "is no Chrome trace"),
        (trace_of({**RANGE, "dur": float("nan")}), "is no Chrome trace"),
        (trace_of(NODE), "has no ranges"),
        (trace_of(RANGE), "has no backward pass"),
        (trace_of(RANGE, NODE, {**RANGE, "name": "inner", "ts": 5}), "'stem' and 'inner' overlap"),
        (trace_of(RANGE, NODE, {**RANGE, "cat": "kernel"}), "the launches of 1 kernels are not in the trace"),
        (STEP.read_text(encoding="utf-8")[:5000], "is no Chrome trace"),
    ],
)
def test_a_trace_that_cannot_be_given_to_layers_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "trace.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=said):
        read_profile(str(file))
