"""Every figure draws a tiny frame, names its axes with units, and says nothing about what is not there."""

from __future__ import annotations

from pathlib import Path

import matplotlib.figure
import pandas as pd
import pytest

from netsim import plots
from netsim.plots._canvas import looks

FRAMES = {
    "breakdown": {
        "contender": ["ring", "tree"],
        "group": ["2 workers", "2 workers"],
        "compute_time_s": [0.02, 0.02],
        "exposed_communication_s": [0.01, 0.05],
        "straggler_wait_s": [0.0, 0.0],
    },
    "critical_path": {
        "contender": ["ring", "ring", "tree", "tree"],
        "part": ["computing", "latency", "computing", "waiting"],
        "seconds": [0.02, 0.01, 0.02, 0.03],
    },
    "calibrated": {
        "message_bytes": [0.0, 1e3, 1e6],
        "measured_s": [1e-5, 2e-5, 1e-3],
        "fitted_s": [1e-5, 2.1e-5, 0.9e-3],
        "held_out_s": [1e-5, None, 0.8e-3],
    },
    "crossover": {
        "contender": ["ring", "ring", "tree", "tree"],
        "cluster.link.latency_s": [1e-6, 1e-3, 1e-6, 1e-3],
        "iteration_time_s": [0.01, 0.5, 0.02, 0.03],
        "closed_form_iteration_time_s": [0.01, None, None, None],
    },
    "errors": {"group": ["ring", "ring", "tree"], "error": [0.01, -0.02, 0.4]},
    "errors_by_size": {"group": ["ring", "tree"], "size_bytes": [1e4, 1e6], "error": [0.4, -0.02]},
    "efficiency": {"contender": ["ring", "ring"], "cluster.workers": [2, 4], "scaling_efficiency": [0.9, 0.8]},
    "layer_costs": {
        "layer": [1, 2],
        "name": ["stem", "dense"],
        "flop_share": [90.0, 10.0],
        "time_share": [60.0, 40.0],
    },
    "link_bytes": {
        "contender": ["ring", "tree"],
        "link": ["worker0.up", "worker0.up"],
        "alike": [4, 1],
        "bytes_per_iteration": [1e6, 3e6],
        "of_gradients": [1.0, 3.0],
    },
    "loss": {"contender": ["ring", "ring"], "time_s": [0.0, 60.0], "loss": [2.3, 0.4], "target": [0.5, 0.5]},
    "network": {
        "link": ["worker0.up", "worker0.down"],
        "source": ["worker0", "switch"],
        "target": ["switch", "worker0"],
        "source_x": [0.0, 1.0],
        "source_y": [0.0, 1.0],
        "target_x": [1.0, 0.0],
        "target_y": [1.0, 0.0],
        "utilisation": [0.5, 0.0],
    },
    "pareto": {
        "iteration_time_s": [0.1, 0.2, 0.3],
        "samples_per_s": [10.0, 30.0, 20.0],
        "best": [True, True, False],
    },
    "predicted": {"group": ["ring", "tree"], "measured": [1.0, 2.0], "predicted": [1.1, 1.8]},
    "roofline": {
        "name": ["stem", "dense"],
        "contender": ["convolution", "dense"],
        "intensity": [40.0, 0.5],
        "reached_flop_per_s": [4e12, 1e11],
        "forward_s": [1e-3, 2e-4],
        "peak_flop_per_s": [1.5e13, 1.5e13],
        "memory_bytes_per_s": [9e11, 9e11],
    },
    "rounds": {"round": [1, 2], "src": [0, 1], "dst": [1, 0], "add": [True, False]},
    "scaling": {
        "contender": ["ring", "ring"],
        "cluster.workers": [2, 4],
        "samples_per_s": [100.0, 180.0],
        "ideal_samples_per_s": [110.0, 220.0],
        "closed_form_samples_per_s": [100.0, None],
        "lower_bound_samples_per_s": [105.0, 200.0],
    },
    "sensitivity": {
        "change": ["links 10 % faster", "links twice as fast", "strategy tree"],
        "saves_share": [3.0, 12.0, -12.0],
        "predicted_share": [3.1, 90.0, None],  # where the path changes
    },
    "shares": {
        "contender": ["ring", "tree"],
        "group": ["", ""],
        "compute_share": [40.0, 1.0],
        "exposed_share": [60.0, 98.0],
        "wait_share": [0.0, 1.0],
        "iteration_time_s": [0.05, 2.0],
    },
    "staleness": {"contender": ["ps", "ps"], "staleness": [0, 1], "share": [40.0, 60.0]},
    "timeline": {
        "row": ["worker0", "worker0.up", "server0.down"],
        "kind": ["forward", "transfer", "transfer"],
        "name": ["stem", "bucket", "bucket"],
        "start_s": [0.0, 1e-3, 1e-3],
        "end_s": [1e-3, 3e-3, 3e-3],
    },
    "utilisation": {
        "link": ["worker0.up"] * 2 + ["worker0.down"] * 2,
        "time_s": [0.5, 1.5, 0.5, 1.5],
        "utilisation": [1.0, 0.0, 0.5, 0.5],
    },
    "winners": {"ranks": [2, 4], "size_bytes": [1e3, 1e6], "contender": ["ring", "tree"], "lead": [0.1, 2.0]},
}


MAPS = {"network"}  # which have no axes


def test_every_figure_is_drawn_here() -> None:
    assert sorted(plots.figures()) == sorted(FRAMES)


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_a_figure_names_both_axes(name: str) -> None:
    ax = matplotlib.figure.Figure().add_subplot()
    assert plots.figures()[name](pd.DataFrame(FRAMES[name]), ax) is ax
    if name in MAPS:
        assert ax.get_legend().get_texts() and not ax.axison
        return
    assert ax.get_xlabel() and ax.get_ylabel()
    labelled = ax.get_xlabel() + ax.get_ylabel()
    assert "(" in labelled or name == "efficiency", "an axis with a quantity names its unit"
    assert ax.has_data()


def test_a_network_shows_its_rates_or_how_much_of_them_was_used() -> None:
    frame = pd.DataFrame(FRAMES["network"])
    used = matplotlib.figure.Figure().add_subplot()
    plots.figures()["network"](frame, used)
    assert [axes.get_ylabel() for axes in used.figure.axes if axes is not used] == ["utilisation (%)"]
    rates = matplotlib.figure.Figure().add_subplot()
    drawn = plots.figures()["network"](frame.drop(columns="utilisation").assign(rate_bytes_per_s=1.25e9), rates)
    assert [each.get_text() for each in drawn.get_legend().get_texts()] == ["worker (1)", "switch (1)", "10 Gbit/s"]


def test_a_host_without_computing_still_has_its_name_at_its_port() -> None:
    ax = matplotlib.figure.Figure().add_subplot()
    plots.figures()["timeline"](pd.DataFrame(FRAMES["timeline"]), ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["worker0", "out", "server0 in"]


def test_parts_that_are_nowhere_are_not_in_the_legend() -> None:
    ax = matplotlib.figure.Figure().add_subplot()
    plots.figures()["breakdown"](pd.DataFrame(FRAMES["breakdown"]), ax)
    (legend,) = ax.get_figure().legends
    assert [each.get_text() for each in legend.get_texts()] == ["computing", "exposed communication"]


def test_shares_have_the_time_of_each_bar_at_its_end() -> None:
    ax = matplotlib.figure.Figure().add_subplot()
    plots.figures()["shares"](pd.DataFrame(FRAMES["shares"]), ax)
    assert {"50 ms", "2 s"} <= {each.get_text() for each in ax.texts}


def test_a_contender_keeps_its_colour_whoever_else_is_there() -> None:
    assert looks(pd.Series(["ring"]))["ring"] == looks(pd.Series(["tree", "zigzag", "ring"]))["ring"]
    many = looks(pd.Series([f"c{n}" for n in range(8)]))
    assert len(set(many.values())) == 8


def test_an_axis_over_decades_is_logarithmic_and_has_plain_ticks() -> None:
    ax = matplotlib.figure.Figure().add_subplot()
    plots.figures()["crossover"](pd.DataFrame(FRAMES["crossover"]), ax)
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert ax.get_xlabel().startswith("link latency (")
    assert all("^" not in tick.get_text() for tick in [*ax.get_xticklabels(), *ax.get_yticklabels()])


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_figure_is_the_same_bytes_again_in_every_format(ending: str, tmp_path: Path) -> None:
    frame, files = pd.DataFrame(FRAMES["sensitivity"]), [tmp_path / f"{name}.{ending}" for name in "ab"]
    for file in files:
        plots.save(plots.figures()["sensitivity"], frame, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert ending != "svg" or "predicted from the critical path" in files[0].read_text(encoding="utf-8")
