from __future__ import annotations

import copy
import os
from concurrent.futures import ThreadPoolExecutor
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
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


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
        "job.bucket: 25 has no unit; it must be text with a unit such as '25 MB' or 'layer' or 'all' or 'ddp' "
        "or 'horovod' or 'search'",
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
        ({"cluster.topology": "rng"}, "cluster.topology: no topology 'rng'. Did you mean 'ring'?"),
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
        ({"sweep": {"cluster.workers": 2}}, 'sweep."cluster.workers": 2 is not a list'),
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


def test_fields_that_neither_kind_has_are_refused_not_dropped() -> None:
    overrides = {"job.strategy.slces": 4, "job.strategy.kind": "tree"}
    assert problems(GOOD, overrides) == ["job.strategy.slces: no such key. Did you mean 'slices'?"]


def test_a_model_by_name_takes_the_place_of_layers() -> None:
    layers = {"layers": [{"kind": "dense", "units": 3, "input_shape": [2]}]}
    assert from_table(GOOD, {"job.model": layers, "job.model.kind": "vgg16"}).job.model.kind == "vgg16"


def test_a_value_may_need_the_first_values_of_the_other_axes() -> None:
    sweep = {"job.strategy.kind": ["parameter_server"], "job.strategy.servers": [1, 2]}
    assert len(expand(from_table({**GOOD, "sweep": sweep}))) == 2
    assert problems({**GOOD, "sweep": {**sweep, "job.strategy.servers": [1, 0]}}) == [
        "sweep.\"job.strategy.servers\": 0: job.strategy.servers: no such key. Did you mean 'shares'?",
    ]


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


@pytest.mark.parametrize(
    ("axes", "complaint"),
    [
        ({"cluster.workers": []}, "cluster.workers: has no values"),
        ({"seed": range(10_001)}, "seed: has 10001 values; it must be at most 10000"),
        (dict.fromkeys(("seed", "iterations", "job.batch"), range(1, 102)), "sweep: has 1030301 points"),
        (
            {"job.strategy": ["ring"], "job.strategy.kind": ["tree"]},
            "job.strategy.kind: lies within job.strategy, which is an axis, too",
        ),
    ],
)
def test_axes_that_cannot_be_played_are_refused_by_a_sweep_and_in_a_file(axes: Any, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        expand(from_table(GOOD), axes)
    quoted = complaint.replace(":", '":', 1).join(('sweep."', "")) if "points" not in complaint else complaint
    assert any(quoted in problem for problem in problems({**GOOD, "sweep": {k: list(v) for k, v in axes.items()}}))


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


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no device without an end")
def test_a_device_without_an_end_is_not_read_to_it() -> None:
    assert "a scenario has at most 1000000" in refusal(Path("/dev/zero"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        pool.submit((tmp_path / "pipe").write_text, tomli_w.dumps(GOOD))
        assert replace(load(tmp_path / "pipe"), name="scenario") == from_table(GOOD)


@pytest.mark.parametrize("written", [b"\xef\xbb\xbf", b"\r\n"])
def test_files_from_other_systems_are_read(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(written + tomli_w.dumps(GOOD).replace("\n", "\r\n").encode())
    assert replace(load(tmp_path / "x.toml"), name="scenario") == from_table(GOOD)


def test_a_file_whose_name_is_no_text_has_a_name_that_is(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"\xff.toml")
    try:
        file.write_text(tomli_w.dumps(GOOD))
    except OSError:
        pytest.skip("names of files are text on this system")
    assert load(file).name == "?"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed = 1\nseed = 2\n", "Cannot overwrite a value (at line 2"),
        ("seed = " + "1" * 5000, "a number in it has too many digits"),
        (".".join("a" * 50_000) + " = 1", "a key has more than 50 dots"),
        ("[" + ".".join("a" * 50_000) + "]", "a key has more than 50 dots"),
        ("x = { " + ".".join("a" * 50_000) + " = 1 }", "a key has more than 50 dots"),
        ("x = " + "[" * 60 + "]" * 60, "nested more than 50 deep"),
        ("x = " + "{ a.a.a.a.a.a.a.a = " * 30 + "1" + "}" * 30, "nested more than 50 deep"),
    ],
)
def test_toml_that_is_wrong_or_would_eat_the_stack_or_the_memory(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    assert complaint in refusal(tmp_path / "x.toml")


def test_dots_in_comments_and_numbers_are_no_keys(tmp_path: Path) -> None:
    sweep = '[sweep]\n"job.batch" = [' + ", ".join(map(str, range(1, 60))) + "]  # " + "." * 200 + "\n"
    (tmp_path / "x.toml").write_text("# " + "." * 200 + "\n" + tomli_w.dumps(GOOD) + sweep)
    assert len(load(tmp_path / "x.toml").sweep["job.batch"]) == 59


def test_a_table_that_holds_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert problems(GOOD, {"job.model": loop})[0] == "job.model: tables or lists are nested more than 50 deep"


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


def quantities(unit: str, low: float, high: float) -> st.SearchStrategy[str]:
    return st.floats(low, high).map(lambda value: f"{value!r} {unit}")


Links = st.one_of(
    st.sampled_from(["10gbe", "25gbe"]),
    st.fixed_dictionaries({"rate": quantities("bit/s", 1, 1e15), "latency": quantities("us", 0, 1e6)}),
)
Devices = st.one_of(
    st.sampled_from(["v100", "p100"]),
    st.fixed_dictionaries(
        {
            "peak": st.fixed_dictionaries({"fp32": quantities("Gflop/s", 1e-6, 1e9)}),
            "memory_rate": quantities("GB/s", 1e-6, 1e9),
        },
        optional={
            "name": st.text(
                st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=9
            ),
            "memory_size": quantities("GiB", 0, 1e6),
            "kernel_overhead": quantities("ns", 0, 1e6),
            "efficiency": st.fixed_dictionaries({"dense": st.floats(1e-9, 1)}),
        },
    ),
)
Layers = st.fixed_dictionaries({"kind": st.just("dense"), "units": st.integers(1, 99), "input_shape": st.just([3])})
Tables = st.fixed_dictionaries(
    {
        "cluster": st.fixed_dictionaries(
            {"workers": st.integers(1, 1_000_000), "device": Devices, "link": Links},
            optional={"sharing": st.sampled_from(["fair", "fifo"]), "reduction_rate": quantities("B/s", 1, 1e17)},
        ),
        "job": st.fixed_dictionaries(
            {
                "model": st.one_of(st.just("lstm_lm"), st.fixed_dictionaries({"layers": st.lists(Layers, min_size=1)})),
                "batch": st.integers(1, 10_000_000),
                "strategy": st.one_of(
                    st.sampled_from(["ring", "parameter_server", {"kind": "tree", "arity": 3}]),
                    st.fixed_dictionaries({"kind": st.just("ring"), "slice": quantities("kB", 0.1, 1e9)}),
                ),
            },
            optional={
                "overlap": st.booleans(),
                "bucket": st.one_of(st.sampled_from(["layer", "all"]), quantities("B", 1e-3, 1e17)),
            },
        ),
    },
    optional={
        "seed": st.integers(0, 2**63 - 1),
        "noise": st.fixed_dictionaries({"jitter": st.floats(0, 3)}),
        "sweep": st.just({"cluster.workers": [2, 4], "job.model": ["vgg16", {"kind": "mobilenet_v1", "width": 0.5}]}),
    },
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(table=Tables)
def test_any_scenario_as_resolved_loads_to_the_same_scenario(table: dict[str, Any]) -> None:
    import tomllib

    scenario = from_table(table)
    assert VALIDATOR.is_valid(table)
    again = from_table(tomllib.loads(dump(scenario)))
    assert again == scenario
    assert dump(again) == dump(scenario)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200))
def test_a_hostile_text_is_a_scenario_or_a_problem(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("hostile") / "x.toml"
    file.write_text(text, encoding="utf-8", errors="ignore")
    with pytest.raises(ScenarioError):
        load(file)
