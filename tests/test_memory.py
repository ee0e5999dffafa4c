"""The memory line: what a step keeps, and what is said where a device has less."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netsim import presets, units
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation
from netsim.loading import from_table
from netsim.memory import memory_needed, shortage, shortages
from netsim.models.base import Model
from netsim.models.lightrnn import rnn_lm
from netsim.models.vgg import vgg16

TINY = Model(
    "tiny",
    {},
    (
        Dense(name="dense", input_shape=(10,), units=100, bias=False),
        Activation(name="relu", input_shape=(100,)),
        Activation(name="gelu", input_shape=(100,), flop=10),
    ),
)
V100 = presets.device("v100")


def test_parameters_gradients_and_momentum_are_four_bytes_each() -> None:
    needed = memory_needed(TINY, 1, V100)
    assert (needed.parameters, needed.gradients, needed.optimiser) == (4000, 4000, 4000)


def test_activations_are_what_layers_write_but_for_those_in_place() -> None:
    assert memory_needed(TINY, 8, V100).activations == 8 * (100 + 0 + 100) * 4
    assert memory_needed(TINY, 8, replace(V100, precision="fp16")).activations == 8 * 200 * 2


def test_half_precision_keeps_a_copy_of_the_parameters_beside_the_masters() -> None:
    assert memory_needed(TINY, 1, replace(V100, precision="fp16")).parameters == 6 * TINY.params


def test_sparse_gradients_are_not_a_whole_table() -> None:
    model = rnn_lm()
    dense, sparse = (memory_needed(model, 4, V100, sparse=each).gradients for each in (False, True))
    assert dense - sparse == 4 * 793_471 * 500 - 4 * 32 * (4 * 500 + 8)


@pytest.mark.parametrize(
    ("stage", "bytes_a_parameter"),
    [("none", 2 + 2 + 8), ("zero1", 2 + 2 + 8 / 64), ("zero2", 2 + (2 + 8) / 64), ("zero3", (2 + 2 + 8) / 64)],
)
def test_each_stage_of_zero_keeps_what_its_paper_counts(stage: Any, bytes_a_parameter: float) -> None:
    """Rajbhandari et al. 2020, figure 1, with K = 8 for momentum in place of Adam: 2 bytes of parameters, 2 of
    gradients, K of masters and momentum; netsim counts the layer in use beside them."""
    mixed, model = replace(V100, precision="fp16"), vgg16()
    needed = memory_needed(model, 1, mixed, gradient_element=2, sharding=stage, workers=64)
    in_use = 2 * max(layer.params for layer in model.layers) * 63 / 64 if stage == "zero3" else 0
    assert needed.total - needed.activations - in_use == pytest.approx(bytes_a_parameter * model.params)


def test_no_stage_keeps_more_than_the_one_before_or_shards_among_one() -> None:
    stages = ("none", "zero1", "zero2", "zero3")
    for device in (V100, replace(V100, precision="fp16")):
        found = [memory_needed(vgg16(), 8, device, sharding=stage, workers=16).total for stage in stages]
        assert found == sorted(found, reverse=True) and len(set(found)) == 4
        assert len({memory_needed(vgg16(), 8, device, sharding=stage).total for stage in stages}) == 1


def test_a_job_with_shards_or_a_forward_pass_alone_needs_less() -> None:
    def told(**job: Any) -> float:
        cluster = {"workers": 8, "device": "v100", "link": "10gbe"}
        table = {"cluster": cluster, "job": {"model": "vgg16", "batch": 1, "strategy": "ring", **job}}
        lacking = list(shortages(from_table(table, {"cluster.device.memory_size": "1 MB"})))
        return units.parse(lacking[0].message.split("about ")[1].split(" with")[0], "B")

    whole, sharded, forward = told(), told(sharding="zero3"), told(forward_only=True)
    assert whole > sharded and whole > forward
    assert forward == pytest.approx(4 * vgg16().params, rel=0.1)  # the text has three digits; activations of one sample


def test_the_batch_that_is_said_to_fit_does_and_one_more_does_not() -> None:
    model = vgg16()
    (problem,) = shortage(memory_needed(model, 1024, V100), model, 1024, V100)
    fits = int(problem.message.split("; ")[1].split()[0].replace(",", ""))
    for batch, said in ((fits, 0), (fits + 1, 1)):
        assert len(list(shortage(memory_needed(model, batch, V100), model, batch, V100))) == said


def test_a_model_without_room_for_its_parameters_fits_with_no_batch() -> None:
    small = replace(V100, memory_size=1e9)
    (problem,) = shortage(memory_needed(vgg16(), 1, small), vgg16(), 1, small)
    assert problem.message.endswith("; not even one fits")


def test_nothing_is_said_of_a_device_whose_memory_is_not_known() -> None:
    unknown = replace(V100, memory_size=None)
    assert not list(shortage(memory_needed(vgg16(), 10**6, unknown), vgg16(), 10**6, unknown))


def scenario(**job: Any) -> Any:
    link = {"rate": "10 Gbit/s", "latency": "25 us"}
    cluster = {"group": [{"count": 1, "device": "v100"}, {"count": 2, "device": "a100"}], "link": link}
    return from_table({"cluster": cluster, "job": {"model": "vgg16", "batch": 400, "strategy": "ring", **job}})


def test_each_device_that_has_too_little_is_named() -> None:
    assert [problem.path for problem in shortages(scenario())] == ["job.batch"]
    assert "v100 has 17.2 GB of memory" in next(shortages(scenario())).message


def test_too_little_memory_is_an_error_on_request() -> None:
    with pytest.raises(ScenarioError, match=r"job\.batch: 400 samples need about .* with vgg16"):
        scenario(memory="error")
    assert scenario(memory="error", batch=16).job.batch == 16


def test_of_what_others_ran_only_a_batch_of_256_in_fp32_on_16_gb_is_said_not_to_fit() -> None:
    """NVIDIA's page gives that one batch for fp32 and for AMP alike; in fp32 it would need 23 GB."""
    too_large = set()
    with (Path(__file__).parent / "data/published_training_rates.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            kind, *variant = row["model"].split()
            device = replace(presets.device(row["device"]), precision=row["precision"])
            model, batch = FAMILIES["models"].member(kind)(*variant), int(row["batch"])
            if list(shortage(memory_needed(model, batch, device), model, batch, device)):
                too_large.add((row["model"], row["device"], row["precision"], batch))
    assert too_large == {("resnet50 v1.5", "v100", "fp32", 256)}
