from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from netsim import tables
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import from_table, vary
from netsim.sweeps import run_points
from netsim.tables import Saved

TABLE: dict[str, Any] = {
    "iterations": 2,
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "25 us"}},
    "job": {"model": "mobilenet_v1", "batch": 4, "strategy": {"kind": "ring"}, "bucket": "4 MB"},
}
SCENARIO = from_table(TABLE)
STRATEGY, WORKERS, LATENCY = "job.strategy.kind", "cluster.workers", "cluster.link.latency"


def saved_from(folder: Path, axes: dict[str, list[Any]], base: dict[str, Any] | None = None) -> Saved:
    """What is read back of a sweep, with the traces of its contenders."""
    contenders = axes.get(STRATEGY, ["ring"])
    traces = {name: simulate(vary(SCENARIO, {STRATEGY: name})) for name in contenders}
    tables.save(folder, {"axes": axes, "base": base or {}}, run_points(SCENARIO, axes, simulate=simulate), traces)
    return tables.read(folder)


def test_frames_of_a_run_name_hosts_and_sum_to_its_summary() -> None:
    trace = simulate(SCENARIO)
    frames, summary = tables.trace_frames(trace), trace.summary()
    steps, transfers, links = frames["steps"], frames["transfers"], frames["links"]
    assert sorted(set(steps["worker"])) == ["worker0", "worker1", "worker2", "worker3"]
    assert transfers["bytes"].sum() / 2 == pytest.approx(summary["wire_bytes_per_iteration"])
    into_hosts = links[links["link"].str.endswith(".down")]
    assert into_hosts["bytes_per_iteration"].sum() == pytest.approx(summary["wire_bytes_per_iteration"])
    assert links["utilisation"].max() == pytest.approx(summary["busiest_link_utilisation"])
    parts = steps["compute_s"] + steps["straggler_wait_s"] + steps["exposed_communication_s"]
    assert np.allclose(parts, steps["end_s"] - steps["start_s"])


def test_tables_of_the_file_are_text_in_a_frame_and_mappings_when_read(tmp_path: Path) -> None:
    models = ["mobilenet_v1", {"kind": "mobilenet_v1", "width": 0.5}]
    saved = saved_from(tmp_path, {"job.model": models})
    assert saved.points["job.model"].tolist() == ["mobilenet_v1", "mobilenet_v1 (width 0.5)"]
    assert saved.axes["job.model"].values == tuple(models)


def test_a_saved_result_is_read_to_the_last_digit(tmp_path: Path) -> None:
    workers, latencies = [2, 3, 4, 5], ["1 us", "3 us", "70 us"]
    saved = saved_from(tmp_path, {WORKERS: workers, LATENCY: latencies})
    rows = [simulate(vary(SCENARIO, {WORKERS: n, LATENCY: s})).summary() for n in workers for s in latencies]
    for figure in ("iteration_time_s", "exposed_communication_s", "samples_per_s", "busiest_link_utilisation"):
        assert saved.points[figure].tolist() == [row[figure] for row in rows]


def test_switches_and_numbers_are_read_as_the_axis_has_them(tmp_path: Path) -> None:
    saved = saved_from(tmp_path, {"job.overlap": [False, True], "job.batch": [4, 8]})
    assert saved.points["job.overlap"].tolist() == [False, False, True, True]
    assert saved.points["job.batch"].tolist() == [4, 8, 4, 8]
    assert saved.contender_axis == "job.overlap" and saved.names("job.overlap")["off"] == "overlap off"


def test_other_axes_stand_at_their_base_or_else_their_last_value(tmp_path: Path) -> None:
    axes = {STRATEGY: ["tree", "ring"], WORKERS: [2, 4], LATENCY: ["1 us", "1 ms"]}
    saved = saved_from(tmp_path, axes, {WORKERS: 2, LATENCY: "no such value"})
    assert (saved.base(WORKERS), saved.base(LATENCY)) == (2, "1 ms")
    here = saved.at_base(STRATEGY)
    assert here[STRATEGY].tolist() == ["tree", "ring"], "in the axis' order"
    assert set(here[WORKERS]) == {2} and set(here[LATENCY]) == {"1 ms"}
    assert len(saved.at_base(STRATEGY, WORKERS)) == 4


def test_a_line_is_drawn_along_numbers_in_si_with_its_closed_form(tmp_path: Path) -> None:
    saved = saved_from(tmp_path, {STRATEGY: ["parameter_server", "ring"], LATENCY: ["1 ms", "1 us"]})
    line = tables.along(saved, LATENCY)
    assert line.columns[:2].tolist() == ["contender", f"{LATENCY}_s"]
    assert line[f"{LATENCY}_s"].tolist() == [1e-6, 1e-3] * 2, "by size, whatever the order of the axis"
    assert line["contender"].tolist() == ["parameter server"] * 2 + ["ring"] * 2
    assert np.allclose(line["iteration_time_s"], line["closed_form_iteration_time_s"], rtol=1e-9)  # rounding
    assert (line["ideal_samples_per_s"] >= line["samples_per_s"]).all()


def test_parts_of_an_iteration_sum_to_it_where_workers_end_together(tmp_path: Path) -> None:
    saved = saved_from(tmp_path, {STRATEGY: ["parameter_server", "ring"], WORKERS: [1, 4]})
    parts = tables.parts(saved, WORKERS)
    assert parts["group"].tolist() == ["1 worker", "1 worker", "4 workers", "4 workers"]
    times = parts[["compute_time_s", "exposed_communication_s", "straggler_wait_s"]].sum(axis=1)
    assert np.allclose(times, parts["iteration_time_s"])
    assert np.allclose(parts[["compute_share", "exposed_share", "wait_share"]].sum(axis=1), 100)
    assert parts["compute_share"][:2].tolist() == [100.0, 100.0], "one worker only computes"


def test_the_busiest_links_are_those_of_the_formulas(tmp_path: Path) -> None:
    saved = saved_from(tmp_path, {STRATEGY: ["parameter_server", "ring"]})
    links = tables.busiest_links(saved).set_index(["contender", "link"])["of_gradients"]
    assert links["parameter server", "server0.up"] == pytest.approx(4)
    assert links["parameter server"].loc["worker0.up"] == pytest.approx(1)
    assert links["ring", "worker0.up"] == pytest.approx(2 * 3 / 4)


def test_bytes_on_the_wire_equal_the_formula_and_approach_the_usual_count(tmp_path: Path) -> None:
    saved = saved_from(tmp_path, {STRATEGY: ["parameter_server", "tree", "ring"]})
    moved = tables.wire_bytes(saved).set_index("contender")
    assert np.allclose(moved["measured_bytes"], moved["formula_bytes"])
    assert (moved["measured_bytes"] / moved["two_n_k_bytes"]).to_dict() == pytest.approx(
        {"parameter server": 1.0, "tree": 3 / 4, "ring": 3 / 4}
    )


def test_a_timeline_begins_with_its_iteration_and_shows_the_first_hosts(tmp_path: Path) -> None:
    saved = saved_from(tmp_path, {STRATEGY: ["parameter_server"]})
    drawn = tables.timeline(saved, "parameter_server")
    assert drawn["start_s"].min() == pytest.approx(0)
    assert list(dict.fromkeys(row.partition(".")[0] for row in drawn["row"])) == [
        "worker0",
        "worker1",
        "worker2",
        "server0",
    ]
    assert (drawn["end_s"] >= drawn["start_s"]).all()
    assert len(tables.timeline(saved, "nobody")) == 0


def spans_of(**seconds: float) -> pd.DataFrame:
    return pd.DataFrame({"host": list(seconds), "start_s": 0.0, "end_s": list(seconds.values())})


def test_a_timeline_shows_the_first_hosts_by_number_and_a_slower_one() -> None:
    alike = spans_of(worker10=1.0, worker2=1.0, worker0=1.0, worker1=1.0, worker3=1.0)
    messages = pd.DataFrame({"src": ["server1"], "dst": ["server0"]})
    assert tables.shown_hosts(alike, messages) == ["worker0", "worker1", "worker2", "server0", "server1"]
    slow = spans_of(worker0=1.0, worker1=1.0, worker2=1.0, worker3=2.0, server0=9.0)
    assert tables.shown_hosts(slow, messages) == ["worker0", "worker1", "worker3", "server0", "server1"]


def test_the_records_of_a_slower_worker_are_kept(tmp_path: Path) -> None:
    groups = [{"count": 5}, {"count": 1, "device": "k80"}]
    scenario = from_table({**TABLE, "cluster": {"link": "10gbe", "device": "v100", "group": groups}})
    trace = simulate(scenario)
    tables.save(tmp_path, {"axes": {}}, [trace.summary()], {"ring": trace})
    drawn = tables.timeline(tables.read(tmp_path), "ring")
    assert "worker5" in set(drawn["row"]) and "worker2" not in set(drawn["row"])


def test_only_the_last_iteration_of_messages_is_kept(tmp_path: Path) -> None:
    saved = saved_from(tmp_path, {STRATEGY: ["ring"]})
    assert set(saved.transfers["iteration"]) == set(saved.spans["iteration"]) == {1}
    assert set(saved.steps["iteration"]) == {0, 1}


def test_the_files_are_tidy_with_units_in_their_columns(tmp_path: Path) -> None:
    saved_from(tmp_path, {STRATEGY: ["ring", "tree"], WORKERS: [2, 4]})
    points = pd.read_csv(tmp_path / "data" / "points.csv")
    assert points.columns[:2].tolist() == [STRATEGY, WORKERS] and len(points) == 4
    for kind in ("steps", "spans", "transfers", "links"):
        assert pd.read_csv(tmp_path / "data" / f"{kind}.csv").columns[0] == "contender"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "not what netsim keeps"),
        ('{"axes": [1]}', "netsim keeps: axes is something else"),
        ('{"axes": {"a": []}}', "axes"),
    ],
)
def test_a_broken_result_is_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(content, encoding="utf-8")
    with pytest.raises(ScenarioError, match=said):
        tables.read(tmp_path)


def test_points_without_an_axis_are_refused_by_its_name(tmp_path: Path) -> None:
    saved_from(tmp_path, {STRATEGY: ["ring"]})
    (tmp_path / "result.json").write_text(json.dumps({"axes": {WORKERS: [2]}}), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"cluster\.workers"):
        tables.read(tmp_path)
