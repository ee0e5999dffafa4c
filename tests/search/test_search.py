from __future__ import annotations

from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot

from netsim import plots
from netsim.engine.run import simulate
from netsim.errors import RunError, ScenarioError
from netsim.frames import read_csv
from netsim.loading import from_table, load, vary
from netsim.search import crossover, optimize, results
from netsim.sweeps import kept_in

TABLE: dict[str, Any] = {
    "cluster": {"workers": 8, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {"model": "alexnet", "batch": 8, "strategy": "ring", "bucket": "all"},
}
SCENARIO = from_table(TABLE)
needs_optuna = pytest.mark.skipif(not find_spec("optuna"), reason="Optuna is not installed")
FASTEST = (optimize.Goal("iteration_time_s"),)
KINDS = {"job.strategy.kind": ["ring", "tree", "parameter_server"], "job.batch": [8, 16]}
SPACE = {"job.bucket": {"from": "1 MB", "to": "1 GB", "spacing": "log"}, "job.strategy.kind": ["ring", "tree"]}


def time_at(at: dict[str, Any]) -> float:
    return float(simulate(vary(SCENARIO, at), detail="summary").summary()["iteration_time_s"])


def test_at_a_crossing_both_strategies_take_equally_long() -> None:
    along, kinds = crossover.Along.of("latency", "10 us", "1 s"), ("ring", "recursive_doubling")
    found = crossover.crossover(SCENARIO, kinds, along, precision=1e-6)
    (crossing,) = found["crossings"]
    at = along.written(crossing["at"])
    times = [time_at({"job.strategy.kind": kind, "cluster.link.latency": at}) for kind in kinds]
    assert times[0] == pytest.approx(times[1], rel=1e-5)
    assert found["along"] == "cluster.link.latency_s"
    assert (crossing["below"], crossing["above"]) == ("ring", "recursive doubling")


def test_strategies_that_never_cross_say_who_is_ahead() -> None:
    along = crossover.Along.of("cluster.workers", 2, 5)
    found = crossover.crossover(SCENARIO, ("parameter_server", "ring"), along, precision=0.1)
    assert found["crossings"] == [] and found["ahead_at_first"] == "ring"


@pytest.mark.parametrize(
    ("low", "high", "message"), [("ring", 2, "not two numbers"), (4, 2, "less than --to"), (0, 2, "more than 0")]
)
def test_ends_that_make_no_axis_are_refused(low: Any, high: Any, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        crossover.Along.of("job.batch", low, high)


def tried(folder: Path | None, count: int, space: Any = KINDS, goals: Any = FASTEST) -> Any:
    search = optimize.Search.of(SCENARIO, space, goals, seed=3)
    with kept_in(folder) as store:
        return search, list(optimize.trials(search, store, count, folder))


@needs_optuna
def test_where_all_settings_can_be_tried_the_best_of_them_is_found(tmp_path: Path) -> None:
    search, trials = tried(tmp_path, 50)
    assert len(trials) == 6
    (best,) = optimize.best(search, trials)
    grid = [{"job.strategy.kind": kind, "job.batch": batch} for kind in KINDS["job.strategy.kind"] for batch in (8, 16)]
    assert best.coordinates == min(grid, key=time_at)


@needs_optuna
def test_a_search_that_is_resumed_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    for folder in ("stopped", "whole"):
        (tmp_path / folder).mkdir()
    tried(tmp_path / "stopped", 4, SPACE)
    resumed, whole = (tried(tmp_path / folder, 14, SPACE)[1] for folder in ("stopped", "whole"))
    assert resumed == whole and len({repr(trial.coordinates) for trial in whole}) > 8


@needs_optuna
def test_a_front_has_what_no_other_setting_beats(tmp_path: Path) -> None:
    goals = (optimize.Goal("iteration_time_s"), optimize.Goal("samples_per_s", most=True))
    search, trials = tried(None, 20, {"job.batch": [8, 16, 32, 64], "job.strategy.kind": ["ring", "tree"]}, goals)
    front = optimize.best(search, trials)
    assert {trial.coordinates["job.strategy.kind"] for trial in front} == {"ring"} and len(front) > 1
    results.draw(tmp_path / "front.png", search, trials)
    assert (tmp_path / "front.png").is_file()


@needs_optuna
@pytest.mark.parametrize("figure", ["training_cost_usd", "training_energy_kwh"])
def test_the_cheapest_settings_and_those_of_least_energy_are_found(figure: str) -> None:
    kinds = ["ring", "parameter_server"]
    space: dict[str, list[Any]] = {
        "cluster.workers": [2, 8],
        "cluster.device": ["v100", "t4", "a100"],
        "job.strategy.kind": kinds,
    }
    search = optimize.Search.of(
        vary(SCENARIO, {"job.samples": 50_000, "job.epochs": 3}), space, [optimize.Goal(figure)], seed=3
    )
    with kept_in(None) as store:
        found = list(optimize.trials(search, store, 12))
    (best,) = optimize.best(search, found)

    def figure_at(at: dict[str, Any]) -> float:
        return float(simulate(vary(search.scenario, at), detail="summary").summary()[figure])

    grid = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    assert best.coordinates == min(grid, key=figure_at)
    assert best.values(search.goals) == (figure_at(best.coordinates),)


@needs_optuna
def test_settings_whose_price_nobody_knows_are_named_and_never_the_cheapest() -> None:
    unpriced = {"peak": {"fp32": "1 Pflop/s"}, "memory_rate": "1 TB/s"}
    space = {"cluster.device": ["v100", unpriced]}
    search = optimize.Search.of(vary(SCENARIO, {"job.samples": 100}), space, [optimize.Goal("epoch_cost_usd")])
    with kept_in(None) as store:
        found = list(optimize.trials(search, store, 2))
    assert [best.coordinates for best in optimize.best(search, found)] == [{"cluster.device": "v100"}]
    (warning,) = results.warnings_of(search, found)
    assert warning.startswith("1 of 2 trials have no epoch_cost_usd and count for nothing, the first at cluster.device")


@needs_optuna
def test_settings_that_cannot_be_are_trials_that_failed() -> None:
    search, trials = tried(None, 10, {"job.strategy": ["ring", {"kind": "tree", "slices": 2}], "job.batch": [1, 0]})
    told = results.told(search, trials)
    assert (told["trials"], told["failed"]) == (4, 2)
    assert "0 is not a batch size" in results.warnings_of(search, trials)[0]


@needs_optuna
def test_where_every_setting_is_refused_so_is_the_search() -> None:
    search, trials = tried(None, 5, {"job.btch": [8, 16]})
    with pytest.raises(ScenarioError, match=r"2 of 2 trials failed, the first at job\.btch=8.* Did you mean 'batch'"):
        results.told(search, trials)


def test_a_figure_that_no_summary_has_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"no figure 'iteration_times'\. Did you mean 'iteration_time_s'"):
        optimize.Search.of(SCENARIO, KINDS, [optimize.Goal("iteration_times")])


def test_a_cost_without_the_size_of_the_data_says_what_it_needs() -> None:
    with pytest.raises(ScenarioError, match=r"no figure 'epoch_cost_usd' here: it needs job\.samples"):
        optimize.Search.of(SCENARIO, KINDS, [optimize.Goal("epoch_cost_usd")])


def test_a_front_of_money_and_time_has_their_units_on_its_axes() -> None:
    rows = pd.DataFrame({"epoch_time_s": [60.0, 90.0], "epoch_cost_usd": [2.0, 1.5], "best": [True, True]})
    _, ax = pyplot.subplots()
    plots.figures()["pareto"](rows, ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch time (s)", "epoch cost (USD)")
    pyplot.close()


def test_a_precision_that_brackets_nothing_is_refused() -> None:
    along = crossover.Along.of("cluster.workers", 2, 5)
    for precision in (0.0, 1.0):
        with pytest.raises(ScenarioError, match=f"^--precision: {precision:g} will not do; a share from 1e-9"):
            crossover.crossover(SCENARIO, ("ring", "tree"), along, precision=precision)


def test_what_is_drawn_along_an_axis_are_the_times_of_simulations() -> None:
    along = crossover.Along.of("cluster.workers", 2, 4)
    rows = crossover.drawn(SCENARIO, ("ring", "parameter_server"), along, "auto")
    places = [(kind, workers) for kind in ("ring", "parameter_server") for workers in (2, 3, 4)]
    assert [(row["contender"], row["cluster.workers"]) for row in rows] == [
        (kind.replace("_", " "), workers) for kind, workers in places
    ]
    times = [time_at({"job.strategy.kind": kind, "cluster.workers": workers}) for kind, workers in places]
    assert [row["iteration_time_s"] for row in rows] == times


@needs_optuna
def test_a_search_whose_store_is_no_database_of_optuna_says_so(tmp_path: Path) -> None:
    (tmp_path / "optuna.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(RunError, match=r"optuna\.sqlite cannot be used: "):
        tried(tmp_path, 2)


@needs_optuna
def test_what_is_kept_of_a_search_are_its_trials_and_the_best_settings(tmp_path: Path) -> None:
    search, trials = tried(None, 6, {"job.batch": {"from": 8, "to": 16}, "job.strategy.kind": ["ring", "tree"]})
    results.save(tmp_path, search, trials)
    kept = read_csv(tmp_path / "trials.csv")
    assert kept["iteration_time_s"].tolist() == [trial.outcome.row["iteration_time_s"] for trial in trials]
    best = load(tmp_path / "best.toml")
    assert simulate(best, detail="summary").summary()["iteration_time_s"] == kept["iteration_time_s"].min()
    with pytest.raises(ScenarioError, match=r"--plot: .*front\.png cannot be written: No such file"):
        results.draw(tmp_path / "nowhere" / "front.png", search, trials)
