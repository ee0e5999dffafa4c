from __future__ import annotations

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netsim.collectives.ring import Ring
from netsim.collectives.tree import Tree
from netsim.errors import ScenarioError
from netsim.loading import dump, expand, from_table, load, override_value, schema, vary
from netsim.training.parameter_server import ParameterServer

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "scenarios").glob("*.toml"))
GOOD: dict[str, Any] = {
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {"model": "mobilenet_v1", "batch": 32, "strategy": {"kind": "ring"}},
}


def problems(table: dict[str, Any], overrides: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        from_table(table, overrides)
    return [str(problem) for problem in error.value.problems]


def refusal(path: Path) -> str:
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert len(error.value.problems) == 1
    return str(error.value)


def test_a_small_table_is_a_scenario_with_defaults() -> None:
    scenario = from_table(GOOD)
    assert (scenario.seed, scenario.iterations, scenario.job.overlap, scenario.job.bucket) == (0, 1, True, 25e6)
    assert scenario.job.strategy == Ring()
    (group,) = scenario.cluster.groups
    assert (group.count, group.slowdown) == (4, 1.0) and group.link is not None and group.link.rate == 1.25e9


def test_everything_that_is_wrong_is_said_at_once() -> None:
    bad = {
        "seed": -1,
        "iteratons": 3,
        "cluster": {"workers": 0, "device": "a10", "link": {"rate": "10", "latency": "-5 us"}, "sharing": "fare"},
        "job": {"modl": "vgg16", "batch": True, "strategy": "rign", "bucket": 25, "overlap": "yes", "streams": 1.0},
        "noise": {"jitter": -0.1},
    }
    assert sorted(problems(bad)) == [
        "cluster.device: no device 'a10'. Did you mean 'a100'?",
        "cluster.link.latency: '-5 us' is too small; it must be at least 0 s",
        "cluster.link.rate: '10' has no unit; for example '10 Gbit/s'",
        "cluster.sharing: 'fare' will not do; it must be 'fair' or 'fifo'",
        "cluster.workers: 0 is not a number of workers; it must be at least 1",
        "iteratons: no such key. Did you mean 'iterations'?",
        "job.batch: true is not a batch size; it must be a whole number",
        "job.bucket: 25 has no unit; it must be text with a unit such as '25 MB' or 'layer' or 'all'",
        "job.model: is missing",
        "job.modl: no such key. Did you mean 'model'?",
        "job.overlap: 'yes' is neither true nor false",
        "job.strategy: no strategy 'rign'. Did you mean 'ring'?",
        "job.streams: 1.0 is not a number of streams; it must be a whole number",
        "noise.jitter: -0.1 is not a jitter; it must be at least 0",
        "seed: -1 is not a seed; it must be at least 0",
    ]


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"cluster.link.rate": "0 Gbit/s"}, "cluster.link.rate: '0 Gbit/s' is too small; it must be more than 0 B/s"),
        ({"cluster.link.rate": "nan Gbit/s"}, "'nan Gbit/s' is not a number with a unit"),
        ({"cluster.link": "10gb"}, "cluster.link: no link '10gb'. Did you mean '10gbe'?"),
        ({"cluster.link": 5}, "cluster.link: 5 is not a table; its keys would be rate, latency"),
        ({"cluster.topology": "ring"}, "cluster.topology: no topology 'ring'. There are: star"),
        ({"cluster.workers": 10**9}, "it must be at most 1000000"),
        ({"job.model": "mobilnet_v1"}, "job.model: no model 'mobilnet_v1'. Did you mean 'mobilenet_v1'?"),
        ({"job.model": {"kind": "mobilenet_v1", "widht": 1.0}}, "job.model.widht: no such key. Did you mean 'width'?"),
        ({"job.model": {"layers": []}}, "is not a list of layers"),
        (
            {"job.model": {"layers": [{"kind": "dens"}]}},
            "job.model.layers[0].kind: no layer 'dens'. Did you mean 'dense'?",
        ),
        ({"job.model": {"layers": [{"kind": "dense", "units": 3}]}}, "job.model.layers[0].input_shape: is missing"),
        ({"seed.x": 1}, "seed.x: seed is"),
        ({"cluster.lnk.rate": "1 Gbit/s"}, "cluster.lnk: no such key. Did you mean 'link'?"),
        ({"name": "x"}, "name: no such key"),
        ({"sweep": {"cluster.workers": []}}, 'sweep."cluster.workers": has no values'),
        ({"sweep": {"cluster.wrkers": [1]}}, "cluster.wrkers: no such key. Did you mean 'workers'?"),
        ({"sweep": {"cluster.workers": [2, 0]}}, 'sweep."cluster.workers": 0: cluster.workers: 0 is not a number'),
        ({"sweep": {"cluster.workers": 2}}, "sweep.cluster.workers: 2 is not a list"),
    ],
)
def test_bad_values_are_refused_with_their_path(overrides: dict[str, Any], complaint: str) -> None:
    assert any(complaint in problem for problem in problems({"seed": 1, **GOOD}, overrides))


def test_links_and_devices_are_presets_or_tables() -> None:
    preset, table = (
        from_table(GOOD, {"cluster.link": "10gbe"}),
        from_table(GOOD, {"cluster.link": {"rate": "10 Gbit/s", "latency": "20 us"}}),
    )
    assert preset.cluster == table.cluster
    faster = from_table(GOOD, {"cluster.device.memory_rate": "1 TB/s"}).cluster.device
    assert faster is not None and faster.memory_rate == 1e12 and faster.name == "v100"


def test_another_kind_keeps_the_fields_that_it_has_as_well() -> None:
    table = copy.deepcopy(GOOD)
    table["job"]["strategy"] = {"kind": "parameter_server", "servers": 2, "slices": 3}
    assert from_table(table, {"job.strategy.kind": "tree"}).job.strategy == Tree(slices=3)
    assert from_table(table, {"job.strategy.servers": 4}).job.strategy == ParameterServer(servers=4, slices=3)


def test_layers_take_the_shape_of_the_one_before() -> None:
    layers = [
        {"kind": "convolution", "input_shape": [3, 8, 8], "filters": 4, "kernel": 3, "padding": 1},
        {"kind": "global_pooling"},
        {"kind": "dense", "units": 10, "name": "head"},
    ]
    model = from_table(GOOD, {"job.model": {"layers": layers}}).job.model
    assert [layer.name for layer in model.layers] == ["layer0", "layer1", "head"]
    assert (model.layers[2].input_shape, model.macs) == ((4,), 8 * 8 * 27 * 4 + 40)


def test_groups_take_what_they_lack_from_the_cluster() -> None:
    cluster = {**GOOD["cluster"], "group": [{"count": 2}, {"count": 1, "device": "p100", "slowdown": 2.0}]}
    del cluster["workers"]
    groups = from_table({**GOOD, "cluster": cluster}).cluster.groups
    assert [(g.count, g.device and g.device.name, g.slowdown) for g in groups] == [(2, "v100", 1.0), (1, "p100", 2.0)]


def test_axes_expand_to_all_combinations_the_last_one_fastest() -> None:
    points = expand(from_table(GOOD), {"job.strategy.kind": ["ring", "tree"], "cluster.workers": [2, 4]})
    assert [tuple(coordinates.values()) for coordinates, _ in points] == [
        ("ring", 2),
        ("ring", 4),
        ("tree", 2),
        ("tree", 4),
    ]
    assert [scenario.cluster.workers for _, scenario in points] == [2, 4, 2, 4]


def test_a_combination_that_does_not_work_is_named() -> None:
    table = copy.deepcopy(GOOD)
    table["job"]["strategy"] = {"kind": "parameter_server", "placement": "colocated", "servers": 3}
    with pytest.raises(
        ScenarioError, match=r"3 servers cannot be co-located with 2 workers.* \(at cluster.workers = 2\)"
    ):
        expand(from_table(table), {"cluster.workers": [2, 4]})


def test_a_value_given_twice_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"cluster\.workers: has 2 twice"):
        expand(from_table(GOOD), {"cluster.workers": [2, 4, 2]})


def test_no_axes_are_one_point() -> None:
    assert [coordinates for coordinates, _ in expand(from_table(GOOD))] == [{}]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_as_resolved_loads_to_the_same_scenario(file: Path, tmp_path: Path) -> None:
    scenario = load(file)
    copied = tmp_path / file.name
    copied.write_text(dump(scenario), encoding="utf-8")
    assert load(copied) == scenario
    assert dump(load(copied)) == dump(scenario)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_schema_takes_every_scenario(file: Path) -> None:
    import tomllib

    jsonschema.validate(tomllib.loads(file.read_text(encoding="utf-8")), schema())


@pytest.mark.parametrize(
    "change", [{"sead": 1}, {"seed": "x"}, {"cluster": {"workrs": 2}}, {"job": {"strategy": "rong"}}]
)
def test_the_schema_refuses_what_the_loader_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**GOOD, **change}, schema())
    assert problems({**GOOD, **change})


def test_settings_are_toml_values_or_words() -> None:
    given = ["16", "1.5", "true", "ring", '"10 Gbit/s"', "10 Gbit/s", "[1, 2]", '{ kind = "ring" }', "", "a\nb = 1"]
    meant = [16, 1.5, True, "ring", "10 Gbit/s", "10 Gbit/s", [1, 2], {"kind": "ring"}, "", "a\nb = 1"]
    assert [override_value(text) for text in given] == meant


# Files that are no scenarios


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read: no such file" in refusal(tmp_path / "x.toml")


def test_a_directory(tmp_path: Path) -> None:
    assert "this is a directory" in refusal(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x.toml").touch()
    assert "the file is empty" in refusal(tmp_path / "x.toml")


def test_a_binary_file(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(bytes(range(256)))
    assert "no text in UTF-8" in refusal(tmp_path / "x.toml")


def test_a_file_of_100_megabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.toml").open("wb") as file:
        os.truncate(file.fileno(), 100_000_000)
    assert "this file has 100000000 bytes" in refusal(tmp_path / "x.toml")


def test_broken_toml_is_said_with_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[cluster]\nworkers = = 2\n")
    assert "line 2, column 11" in refusal(tmp_path / "x.toml")


def test_a_path_with_a_null_byte() -> None:
    assert "cannot be read" in refusal(Path("a\0b.toml"))


def test_toml_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("x = " + "[" * 100_000)
    assert "not TOML" in refusal(tmp_path / "x.toml")


def test_the_question_is_the_comment_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("# Why?\n#\n# Because.\n\n# not this\n" + tomli_w.dumps(GOOD))
    assert load(tmp_path / "x.toml").question == "Why?\n\nBecause."


def test_a_variation_leaves_the_sweep_out_and_the_rest_as_it_is() -> None:
    scenario = from_table({**GOOD, "sweep": {"cluster.workers": [2, 4]}}, name="n", question="q")
    assert vary(scenario, {"seed": 3}) == replace(scenario, seed=3, sweep={})


# Hostile tables

Values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(10**20, 10**400),
        st.floats(),
        st.text(max_size=20),
        st.dates(),
        st.sampled_from(
            ["ring", "10 Gbit/s", "25 us", "v100", "10gbe", "star", "layer", "1e400 s", "\0", "a" * 10_000]
        ),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
Paths = st.sampled_from(
    [
        *(f"cluster.{key}" for key in ("workers", "device", "link", "group", "topology", "sharing", "link.rate", "x")),
        *(
            f"job.{key}"
            for key in (
                "model",
                "batch",
                "strategy",
                "bucket",
                "strategy.kind",
                "strategy.slices",
                "streams",
                "model.file",
                "model.layers",
                "profile",
                "gradient_precision",
                "embedding_gradients",
                "memory",
            )
        ),
        *(
            "seed",
            "iterations",
            "noise",
            "noise.jitter",
            "sweep",
            "cluster",
            "job",
            "table",
            "cluster.device.peak.fp32",
        ),
    ]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(overrides=st.dictionaries(Paths, Values, min_size=1, max_size=3))
def test_a_hostile_table_is_a_scenario_or_a_list_of_problems(overrides: dict[str, Any]) -> None:
    try:
        scenario = from_table(GOOD, overrides)
    except ScenarioError as error:
        assert error.problems and all(problem.message for problem in error.problems)
        assert len(str(error)) < 20_000
    else:
        assert from_table(GOOD, overrides) == scenario


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200))
def test_a_hostile_text_is_a_scenario_or_a_problem(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("hostile") / "x.toml"
    file.write_text(text, encoding="utf-8", errors="ignore")
    with pytest.raises(ScenarioError):
        load(file)
