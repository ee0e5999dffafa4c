"""Layers of models as tables, and two models side by side."""

from __future__ import annotations

import pytest

from netsim import presets
from netsim.layer_tables import layer_table, shares, side_by_side
from netsim.models.lightrnn import lightrnn, rnn_lm
from netsim.models.mobilenet_v1 import mobilenet_conv, mobilenet_v1
from netsim.models.resnet import resnet18, resnet50
from netsim.models.squeezenet import squeezenet
from netsim.roofline import step_times

V100 = presets.device("v100")


def test_layers_sum_to_the_totals() -> None:
    table = layer_table(squeezenet(), V100, 16)
    for key in ("params", "macs", "gradient_bytes", "forward_s", "backward_s"):
        assert sum(row[key] for row in table["layers"]) == pytest.approx(table[key])
    assert table["memory"]["total_bytes"] == sum(
        table["memory"][f"{part}_bytes"] for part in ("parameters", "gradients", "optimiser", "activations")
    )


def test_shares_are_those_of_all_layers() -> None:
    rows = shares(layer_table(mobilenet_v1(), V100, 16))
    assert sum(row["flop_share"] for row in rows) == pytest.approx(100)
    assert sum(row["time_share"] for row in rows) == pytest.approx(100)
    assert "time_share" not in shares(layer_table(mobilenet_v1(), None, 16))[0]


def test_depthwise_layers_have_a_larger_share_of_the_time_than_of_the_flop() -> None:
    rows = [row for row in shares(layer_table(mobilenet_v1(), V100, 64)) if row["name"].endswith(".depthwise")]
    assert len(rows) == 13 and all(row["time_share"] > row["flop_share"] for row in rows)


def test_stages_sum_to_the_totals_and_every_stage_of_both_is_there() -> None:
    pair = side_by_side(resnet50(), mobilenet_v1(), V100, 8)
    for key in ("params", "macs", "gradient_bytes", "time_s"):
        for side in ("", "against_"):
            assert sum(row[side + key] or 0 for row in pair["stages"]) == pytest.approx(pair[side + key])
    stages = [row["stage"] for row in pair["stages"]]
    assert stages[:3] == ["stem", "stage1", "stage2"] and "block13" in stages
    assert pair["time_s"] == pytest.approx(sum(step_times(resnet50(), 8, V100).forward) * 3, rel=0.1)


def test_a_model_against_itself_has_ratios_of_one() -> None:
    pair = side_by_side(resnet18(), resnet18(), V100, 8)
    assert pair["macs_ratio"] == pair["time_s_ratio"] == 1
    assert {row["formula"] for row in pair["stages"]} == {None}


def test_the_formula_holds_whichever_of_the_two_comes_first() -> None:
    pair = side_by_side(mobilenet_conv(), mobilenet_v1(), None, 1)
    (block,) = [row for row in pair["stages"] if row["stage"] == "block13"]
    assert block["formula"] == "1 / (1/S + 1/K^2)"
    assert block["macs_ratio"] == pytest.approx(block["predicted"]) == pytest.approx(1 / (1 / 1024 + 1 / 9))


def test_no_formula_is_given_where_the_twins_differ_in_width() -> None:
    pair = side_by_side(mobilenet_v1(), mobilenet_conv(width=0.5), None, 1)
    assert {row["formula"] for row in pair["stages"]} == {None}


def test_lightrnn_saves_what_the_square_table_says() -> None:
    stages = {row["stage"]: row for row in side_by_side(lightrnn(), rnn_lm(), None, 1)["stages"]}
    assert stages["embedding"]["params_ratio"] == stages["embedding"]["predicted"] == 2 * 891 / 793_471
    assert stages["softmax"]["macs_ratio"] == pytest.approx(stages["softmax"]["predicted"])
    assert (stages["lstm1"]["macs_ratio"], stages["lstm1"]["formula"]) == (2, None)


def test_gradients_follow_the_precision() -> None:
    full, half = (layer_table(resnet18(), None, 1, precision=each) for each in ("fp32", "bf16"))
    assert full["gradient_bytes"] == 2 * half["gradient_bytes"]
    assert full["layers"][0]["gradient_bytes"] == 2 * half["layers"][0]["gradient_bytes"]
