"""The commands as users and scripts meet them: exit statuses, one JSON document, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netsim import presets
from netsim.cli import main

ROOT = Path(__file__).parents[1]
QUICKSTART = str(ROOT / "scenarios" / "quickstart.toml")
FAST = ["--set", "iterations=1"]
NETWORK = ["--ranks", "8", "--size", "100 MB", "--rate", "10 Gbit/s", "--latency", "10 us"]


class Result:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def netsim(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["netsim", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Result(int(end.value.code or 0), out, err)

    return run


def test_help_names_the_commands(netsim: Any) -> None:
    result = netsim("--help")
    assert result.status == 0
    for command in ("run", "compare", "sweep", "collective", "model", "list", "schema", "report"):
        assert f"\n  {command} " in result.out


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("ring", 2 * 7 * (10e-6 + 100e6 / 8 / 1.25e9)),
        ("binomial_tree", 2 * 3 * (10e-6 + 100e6 / 1.25e9)),
        ("tree", 5 * 10e-6 + 9 * 100e6 / 1.25e9),
        ("parameter_server", 2 * (10e-6 + 8 * 100e6 / 1.25e9)),
        ("ps", 2 * (10e-6 + 8 * 100e6 / 1.25e9)),
    ],
)
def test_a_collective_takes_what_its_formula_says(netsim: Any, kind: str, seconds: float) -> None:
    result = netsim("collective", kind, *NETWORK, "--json")
    assert result.status == 0 and result.err == ""
    document = result.document
    assert document["time_s"] == pytest.approx(seconds, rel=1e-9)
    assert document["ideal_time_s"] == pytest.approx(seconds, rel=1e-9)
    assert set(document) >= set(
        [
            "kind",
            "ranks",
            "size_bytes",
            "rate_bytes_per_s",
            "latency_s",
            "topology",
            "engine",
            "time_s",
            "ideal_time_s",
            "lower_bound_s",
            "messages",
            "wire_bytes",
            "busiest_link",
            "busiest_link_bytes",
        ]
    )


def test_a_collective_takes_its_own_fields(netsim: Any) -> None:
    document = netsim("collective", "tree", *NETWORK, "--set", "arity=7", "--json").document
    assert document["time_s"] == pytest.approx(2 * (10e-6 + 7 * 100e6 / 1.25e9), rel=1e-9)


def test_run_prints_the_promised_keys(netsim: Any) -> None:
    result = netsim("run", QUICKSTART, *FAST, "--seed", "3", "--json")
    assert result.status == 0
    assert set(result.document) >= set(
        [
            "scenario",
            "engine",
            "seed",
            "strategy",
            "workers",
            "iterations",
            "iteration_time_s",
            "compute_time_s",
            "communication_time_s",
            "exposed_communication_s",
            "straggler_wait_s",
            "samples_per_s",
            "scaling_efficiency",
            "gradient_bytes",
            "wire_bytes_per_iteration",
            "busiest_link",
            "busiest_link_bytes_per_iteration",
            "bottleneck",
        ]
    )
    assert result.document["seed"] == 3


@pytest.mark.parametrize(
    "setting", ["job.strategy.kind=ps", "job.strategy=ps", 'job.strategy={ kind = "ps", servers = 2 }']
)
def test_ps_means_parameter_server_wherever_a_strategy_is_named(netsim: Any, setting: str) -> None:
    assert netsim("run", QUICKSTART, *FAST, "--set", setting, "--json").document["strategy"] == "parameter_server"


def test_axes_part_at_commas_that_are_not_within_a_table_or_quotes(netsim: Any) -> None:
    tables = """job.strategy={ kind = "ps", servers = 2 },{ kind = "tree", arity = 3 },ring"""
    strategies = [row["strategy"] for row in netsim("sweep", QUICKSTART, *FAST, "--axis", tables, "--json").document]
    assert strategies == ["parameter_server", "tree", "ring"]


def test_run_writes_a_report_and_a_trace(netsim: Any, tmp_path: Path) -> None:
    result = netsim("run", QUICKSTART, *FAST, "-o", str(tmp_path / "r"), "--trace", str(tmp_path / "t.json"))
    assert result.status == 0
    assert (tmp_path / "r" / "report.html").is_file() and (tmp_path / "r" / "data" / "points.csv").is_file()
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


def test_compare_names_the_winner_and_why(netsim: Any) -> None:
    result = netsim("compare", QUICKSTART, *FAST, "--strategies", "ps,tree,ring", "--json")
    document = result.document
    assert (document["winner"], document["workers"]) == ("ring", 8)
    assert [row["job.strategy.kind"] for row in document["strategies"]] == ["parameter_server", "tree", "ring"]
    assert len(document["along_workers"]) == 12 and document["why"] and document["how_workers_change_it"]


def test_compare_fits_80_columns_without_colours(netsim: Any) -> None:
    result = netsim("compare", QUICKSTART, *FAST)
    assert result.status == 0 and "\x1b" not in result.out + result.err
    assert max(map(len, result.out.splitlines())) <= 80
    assert "Ring is fastest on 8 workers" in result.out


def test_compare_takes_its_scenario_from_the_command_line(netsim: Any) -> None:
    words = ["--model", "lstm_lm", "--workers", "3", "--device", "p100", "--strategies", "ring,binomial_tree", "--json"]
    document = netsim("compare", *words, "--rate", "25 Gbit/s", "--latency", "5 us").document
    assert document["workers"] == 3
    assert sorted({row["cluster.workers"] for row in document["along_workers"]}) == [2, 3, 4]


def test_an_efficiency_that_is_neither_a_share_nor_a_curve_is_refused_once(netsim: Any) -> None:
    device = '{ peak = { fp32 = "1 Tflop/s" }, memory_rate = "1 TB/s", efficiency = { dense = 1.5 } }'
    result = netsim("run", QUICKSTART, *FAST, "--set", f"cluster.device={device}")
    assert result.status == 2
    assert result.err == "netsim: cluster.device.efficiency.dense: 1.5 is too large; it must be at most 1\n"


def test_batches_that_do_not_fit_at_points_of_a_sweep_are_warned_of_without_a_flood(netsim: Any) -> None:
    batches = ",".join(str(batch) for batch in range(20_000, 20_006))
    err = netsim("sweep", QUICKSTART, "--axis", f"job.batch=32,{batches}", "--set", "iterations=1", "-q").err
    warnings = [line for line in err.splitlines() if "warning" in line]
    assert len(warnings) == 4 and "20,000 samples need" in warnings[0]
    assert warnings[-1] == "netsim: warning: and 3 more like these at other points"


@pytest.mark.parametrize("command", ["run", "compare"])
def test_a_batch_that_does_not_fit_the_memory_is_a_warning_on_standard_error(netsim: Any, command: str) -> None:
    large = [command, QUICKSTART, *FAST, "--set", "job.batch=4096", "--json"]
    result = netsim(*large)
    assert result.status == 0 and result.document
    assert result.err.startswith("netsim: warning: job.batch: 4,096 samples need about")
    assert netsim(*large, "--set", "job.memory=ignore").err == ""
    assert netsim(*large, "--set", "job.memory=error").status == 2


def test_compare_of_one_worker_is_a_tie(netsim: Any) -> None:
    document = netsim("compare", QUICKSTART, *FAST, "--set", "cluster.workers=1", "--json").document
    assert document["winner"] is None
    assert {row["exposed_communication_s"] for row in document["strategies"]} == {0.0}


def test_model_counts_layers(netsim: Any) -> None:
    document = netsim("model", "mobilenet_v1", "--set", "width=0.5", "--set", "resolution=160", "--json").document
    assert (document["params"], document["macs"]) == (1_331_592, 76_524_800)
    assert set(document["layers"][0]) >= {"name", "kind", "params", "macs", "output_shape"}
    timed = netsim("model", "mobilenet_v1", "--device", "v100")
    assert "4,231,976 parameters" in timed.out and "bound by" in timed.out


def test_two_models_are_compared_stage_by_stage_beside_the_formula(netsim: Any) -> None:
    words = ["model", "mobilenet_v1", "--against", "mobilenet_conv", "--device", "v100"]
    document = netsim(*words, "--json").document
    assert (document["macs"], document["against_macs"]) == (568_740_352, 4_867_293_184)
    for row in document["stages"][1:14]:
        assert row["formula"] == "1/S + 1/K^2" and row["macs_ratio"] == pytest.approx(row["predicted"])
    shown = netsim(*words).out
    assert "formula: 1/S + 1/K^2" in shown and max(map(len, shown.splitlines())) <= 80


def test_a_setting_goes_to_those_of_two_models_that_have_it(netsim: Any) -> None:
    words = ["model", "lightrnn", "--against", "rnn_lm", "--set", "vocabulary=10000", "--json"]
    document = netsim(*words, "--set", "form=split").document
    assert [options["vocabulary"] for options in document["options"]] == [10_000, 10_000]
    assert document["stages"][0]["params_ratio"] == document["stages"][0]["predicted"] == 100 / 10_000


def test_gradients_and_the_device_take_the_precision(netsim: Any) -> None:
    full, half = (
        netsim("model", "vgg16", "--device", "a100", "--precision", each, "--json").document
        for each in ("fp32", "bf16")
    )
    assert full["gradient_bytes"] == 2 * half["gradient_bytes"] and full["forward_s"] > half["forward_s"]


def test_layers_come_as_comma_separated_values(netsim: Any) -> None:
    lines = netsim("model", "mobilenet_v1", "--csv").out.splitlines()
    assert lines[0] == "name,kind,params,macs,gradient_bytes,output_shape"
    assert lines[1] == "stem,convolution,864,10838016,3456,32x112x112"
    stages = netsim("model", "mobilenet_v1", "--against", "mobilenet_conv", "--csv").out.splitlines()
    assert stages[0].startswith("stage,params,against_params,params_ratio,") and len(stages) == 17


def test_a_model_may_be_a_file(netsim: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("name,kind,input_shape,units\nfirst,dense,784,300\nsecond,dense,,10\n")
    document = netsim("model", str(file), "--device", "v100", "--json").document
    assert (document["model"], document["params"]) == ("mine", 238_510)
    words = ["--workers", "2", "--rate", "10 Gbit/s", "--latency", "25 us", "--device", "v100", "--json"]
    document = netsim("compare", "--model", str(file), *words, "--strategies", "ring").document
    assert document["strategies"][0]["model"] == "mine"


def test_layers_are_drawn(netsim: Any, tmp_path: Path) -> None:
    file = tmp_path / "layers.png"
    assert netsim("model", "squeezenet", "--device", "v100", "--plot", str(file)).status == 0
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_batch_that_a_device_cannot_hold_is_a_warning(netsim: Any) -> None:
    result = netsim("model", "vgg16", "--device", "v100", "--batch", "4096")
    assert result.status == 0 and "memory: " in result.out
    assert result.err.startswith("netsim: warning: job.batch: 4,096 samples need about")


def test_list_names_every_family(netsim: Any) -> None:
    document = netsim("list", "--json").document
    assert set(document) == set(
        ["buckets", "collectives", "strategies", "topologies", "layers", "models", "devices", "links", "figures"]
    )
    assert document["collectives"]["ring"].startswith("Reduce-scatter")
    assert "900 GB/s" in netsim("list", "devices").out


@pytest.mark.parametrize("table", ["devices", "links"])
def test_presets_are_listed_with_their_sources(netsim: Any, table: Literal["devices", "links"]) -> None:
    listed = netsim("list", table, "--json").document[table]
    assert {row["name"]: row["source"] for row in presets.rows(table)} == {
        name: line[line.index("(") + 1 : -1] for name, line in listed.items()
    }


def test_schema_is_a_json_schema(netsim: Any) -> None:
    assert netsim("schema").document["properties"]["cluster"]


def test_report_is_made_again_from_saved_data(netsim: Any, tmp_path: Path) -> None:
    netsim("run", QUICKSTART, *FAST, "-o", str(tmp_path))
    before = (tmp_path / "report.html").read_bytes()
    (tmp_path / "report.html").unlink()
    assert netsim("report", str(tmp_path)).status == 0
    assert (tmp_path / "report.html").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "no.toml"], "no.toml: cannot be read: no such file"),
        (["run", QUICKSTART, "--set", "cluster.workers=0"], "cluster.workers: 0 is not a number of workers"),
        (["run", QUICKSTART, "--set", "cluster.wrkers=2"], "cluster.wrkers: no such key. Did you mean 'workers'?"),
        (["run", QUICKSTART, "--set", "workers"], "--set: 'workers' is not PATH=VALUE"),
        (["run", QUICKSTART, "--engine", "warp"], "engine: no engine 'warp'"),
        (["run", QUICKSTART, "--set", "cluster.workers=1000000"], "cluster.workers: 1000000 workers would need"),
        (["run", QUICKSTART, "--seed", "-1"], "seed: -1 is not a seed"),
        (["run", QUICKSTART, "-o", QUICKSTART], "cannot be written"),
        (["run", QUICKSTART, "--trace", "/no/such/folder/t.json"], "--trace: /no/such/folder/t.json cannot be written"),
        (["compare", QUICKSTART, "--strategies", "ps,rong"], "--strategies: no strategy 'rong'. Did you mean 'ring'?"),
        (["compare", QUICKSTART, "--strategies", ","], "names none"),
        (["compare", QUICKSTART, "--model", "vgg16"], "--model: stands in for FILE, which is given, too"),
        (["compare", "--model", "vgg16"], "--workers: is missing"),
        (["sweep", QUICKSTART, "--axis", "cluster.workers"], "--axis: 'cluster.workers' is not PATH=V1,V2"),
        (["sweep", QUICKSTART, "--axis", "a", "--axis", "=1"], "'=1' is not PATH=V1,V2"),
        (["sweep", QUICKSTART, *["--axis", "cluster.workers=2"] * 2], "--axis: cluster.workers is given twice"),
        (["sweep", QUICKSTART, "--axis", "cluster.wrkers=1,2"], "cluster.wrkers: no such key"),
        (["sweep", QUICKSTART, "--axis", "cluster.workers=2,0"], "(at cluster.workers = 0)"),
        (["sweep", QUICKSTART, "--executor", "cloud"], "--executor: no executor 'cloud'"),
        (["sweep", QUICKSTART, "--jobs", "0"], "Invalid value for '--jobs'"),
        (["collective", "rng", *NETWORK], "kind: no collective 'rng'. Did you mean 'ring'?"),
        (["collective", "ring", *NETWORK, "--set", "slces=2"], "slces: no such key. Did you mean 'slices'?"),
        (["collective", "ring", *NETWORK, "--topology", "str"], "topology: no topology 'str'. Did you mean 'star'?"),
        (["collective", "ring", *NETWORK, "--sharing", "fare"], "sharing: no sharing 'fare'. Did you mean 'fair'?"),
        (["collective", "ring", "--ranks", "8"], "Missing option '--size'"),
        (["collective", "ps", *NETWORK, "--set", "placement=colocated", "--set", "servers=9"], "servers: 9 servers"),
        (["model", "mobilnet_v1"], "no model 'mobilnet_v1'. Did you mean 'mobilenet_v1'?"),
        (["model", "mobilenet_v1", "--device", "v10"], "no device 'v10'. Did you mean 'v100'?"),
        (["model", "tpu", "--device", "v100"], "no model 'tpu'"),
        (["model", "vgg16", "--set", "widht=2"], "widht: no such key"),
        (["model", "vgg16", "--device", "v100", "--precision", "bf16"], "--precision: v100 has no bf16 peak"),
        (["model", "vgg16", "--against", "vgg19", "--plot", "a.png"], "--plot: draws one model"),
        (["model", "vgg16", "--plot", "/no/such/folder/a.png"], "--plot: /no/such/folder/a.png cannot be written"),
        (["model", "no.onnx"], "no.onnx"),
        (["model", "no.csv"], "file: no.csv cannot be read: no such file"),
        (["model", "no.csv", "--set", "unknown=skip"], "unknown: no such key"),
        (["list", "colectives"], "no family 'colectives'. Did you mean 'collectives'?"),
        (["report", str(ROOT / "tests")], "is not a result folder"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_a_wrong_call_is_told_so_and_exits_with_2(netsim: Any, arguments: list[str], complaint: str) -> None:
    result = netsim(*arguments)
    assert (result.status, result.out) == (2, "")
    assert complaint in result.err and "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", QUICKSTART, "--set", "cluster.link.rate=1e-300 B/s"], "it must be at least 1 bit/s"),
        (["sweep", QUICKSTART, "--axis", "seed=" + ",".join(map(str, range(10_001)))], "seed: has 10001 values"),
        (
            ["sweep", QUICKSTART, *FAST, "--axis", "job.strategy=ring", "--axis", "job.strategy.kind=tree"],
            "lies within",
        ),
        (["sweep", QUICKSTART, *FAST, "--axis", "cluster.workers=1000000"], "1000000 workers would need"),
        (["compare", QUICKSTART, *FAST, "--set", "cluster.workers=1000000"], "1000000 workers would need"),
        (["collective", "ring", "--ranks", "1000000000", *NETWORK[2:]], "ranks: 1000000000 is not a number of ranks"),
        (["collective", "ring", *NETWORK, "--set", "kind=tree"], "--set: kind is ring already"),
        (["model", "resnet50", "--set", "kind=vgg16"], "--set: kind is resnet50 already"),
        (["model", "resnet50", "--device", ""], "no device ''. There are:"),
        (["model", "resnet50", "--batch", "1" + "0" * 400], "Invalid value for '--batch'"),
    ],
)
def test_a_call_that_would_hang_or_be_misunderstood_exits_with_2(
    netsim: Any, arguments: list[str], complaint: str
) -> None:
    result = netsim(*arguments)
    assert (result.status, result.out) == (2, "")
    assert complaint in result.err


def test_a_sweep_keeps_the_points_beside_one_that_is_too_large(netsim: Any, tmp_path: Path) -> None:
    call = ["sweep", QUICKSTART, *FAST, "--axis", "cluster.workers=2,1000000", "--json", "-o", str(tmp_path)]
    result = netsim(*call, "--set", "cluster.workers=1000000")
    assert result.status == 1 and "cluster.workers=1000000: " in result.err
    assert [row["cluster.workers"] for row in result.document] == [2]
    assert (tmp_path / "data" / "points.csv").read_text().startswith("cluster.workers,")
    assert (tmp_path / "report.html").is_file()
    assert json.loads((tmp_path / "result.json").read_text())["base"] == {"cluster.workers": 2}


def test_compare_leaves_out_numbers_of_workers_that_nobody_asked_for_and_that_do_not_go(
    netsim: Any, tmp_path: Path
) -> None:
    words = ["--model", "lstm_lm", "--workers", "4", "--device", "p100", "--rate", "25 Gbit/s", "--latency", "5 us"]
    servers = 'job.strategy={ kind = "ps", servers = 3, placement = "colocated" }'
    document = netsim("compare", *words, "--set", servers, "--strategies", "ps,ring", "--json").document
    assert sorted({row["cluster.workers"] for row in document["along_workers"]}) == [4, 8]


def test_what_cannot_be_written_is_a_message(netsim: Any, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    result = netsim("run", QUICKSTART, *FAST, "-o", str(tmp_path))
    assert (result.status, result.err.strip()) == (1, f"netsim: {tmp_path / 'data'}: File exists")


def test_a_trace_that_cannot_be_written_is_refused_before_the_simulation(
    netsim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netsim.engine.run.simulate", lambda *_, **__: pytest.fail("was simulated"))
    assert netsim("run", QUICKSTART, "--trace", str(tmp_path)).status == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_takes_ends_a_command_without_a_traceback(unbuffered: str) -> None:
    command = [sys.executable, "-m", "netsim", "collective", "ring", *NETWORK]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    read, closed = os.pipe()
    os.close(read)
    with open("/dev/full", "w") as full, os.fdopen(closed, "w") as pipe:
        for out, message in ((full, "netsim: output: No space left on device\n"), (pipe, "")):
            done = subprocess.run(command, env=environment, stdout=out, stderr=subprocess.PIPE, text=True)
            assert (done.returncode, done.stderr) == (1, message)


def test_a_file_of_something_else_is_not_answered_with_a_message_for_every_line(netsim: Any, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("".join(f"key{number} = 1\n" for number in range(1000)))
    lines = netsim("run", str(tmp_path / "x.toml")).err.splitlines()
    assert (len(lines), lines[-1]) == (101, "netsim: and 902 more")


def test_a_folder_whose_name_is_no_text_gets_its_report(netsim: Any, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    result = netsim("run", QUICKSTART, *FAST, "-o", str(folder))
    assert result.status == 0 and (folder / "report.html").is_file()
    result.out.encode("utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", QUICKSTART, *FAST],
        ["compare", QUICKSTART, *FAST],
        ["sweep", QUICKSTART, *FAST, "--axis", "cluster.workers=1,2"],
        ["collective", "tree", *NETWORK],
        ["model", "alexnet", "--device", "v100"],
        ["list"],
    ],
)
def test_json_is_one_document_of_finite_numbers_and_nothing_else_is_printed(netsim: Any, arguments: list[str]) -> None:
    result = netsim(*arguments, "--json")
    assert (result.status, result.err) == (0, "")
    json.loads(result.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    printed = netsim(*arguments)
    assert printed.status == 0 and "\x1b" not in printed.out + printed.err


Words = st.sampled_from(
    ["--set", "--axis", "--json", "-q", "-o", "--seed", "--engine", "--strategies", "--ranks", "--batch", "job.batch=0"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    command=st.sampled_from(["run", "compare", "sweep", "collective", "model", "list", "schema", "report", "fly"]),
    words=st.lists(st.one_of(Words, st.text(max_size=12)), max_size=5),
)
def test_any_words_are_answered_without_a_traceback(
    netsim: Any, tmp_path_factory: pytest.TempPathFactory, command: str, words: list[str]
) -> None:
    with contextlib.chdir(tmp_path_factory.mktemp("words")):
        assert netsim(command, *words).status in (0, 2)


def test_all_that_is_wrong_with_a_collective_is_said_at_once(netsim: Any) -> None:
    result = netsim("collective", "rng", "--ranks", "0", "--size", "1", "--rate", "-1 B/s", "--latency", "1 parsec")
    assert result.status == 2
    assert [line.split(":")[1].strip() for line in result.err.splitlines()] == [
        "size",
        "rate",
        "latency",
        "ranks",
        "kind",
    ]


def test_the_same_command_gives_the_same_bytes_in_every_process() -> None:
    outputs = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "netsim", "run", QUICKSTART, *FAST, "--set", "noise.jitter=0.1", "--json"]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        outputs.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(outputs) == 1


def test_help_needs_nothing_heavy() -> None:
    script = "import sys; from netsim.cli import cli; print(sorted({m.split('.')[0] for m in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    for heavy in ("numpy", "pandas", "matplotlib", "pydantic", "pint", "simpy", "rich", "jinja2"):
        assert f"'{heavy}'" not in done.stdout


def test_nccl_tests_prints_a_line_a_size(netsim: Any) -> None:
    network = ["--ranks", "8", "--rate", "10 Gbit/s", "--latency", "10 us", "--nccl-tests", "--size", "1 MiB,8 MiB"]
    lines = [line.split() for line in netsim("collective", "ring", *network).out.splitlines() if line[:1] != "#"]
    assert [line[:5] for line in lines] == [
        ["1048576", "262144", "float", "sum", "-1"],
        ["8388608", "2097152", "float", "sum", "-1"],
    ]
    for line, row in zip(lines, netsim("collective", "ring", *network, "--json").document, strict=True):
        algbw = row["size_bytes"] / row["time_s"] / 1e9
        assert float(line[6]) == pytest.approx(algbw, abs=0.005) and float(line[7]) == pytest.approx(
            algbw * 1.75, abs=0.005
        )


def test_the_columns_of_nccl_tests_are_its_own_whatever_the_size(netsim: Any) -> None:
    """Widths and digits of src/common.cu: sizes of 12, times of 9 without digits from 10 ms on."""
    network = ["--ranks", "4", "--rate", "100 Gbit/s", "--latency", "5 us", "--nccl-tests", "--size", "8 B,1 GiB"]
    out = netsim("collective", "ring", *network).out
    for line in (
        "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw"
        " #wrong",
        "           8             2     float     sum      -1    30.00    0.00    0.00      0    30.00    0.00    0.00"
        "      0",
        "  1073741824     268435456     float     sum      -1   128879    8.33   12.50      0   128879    8.33   12.50"
        "      0",
        "# Avg bus bandwidth    : 6.24875 ",
    ):
        assert line in out.splitlines()


def test_collective_takes_one_of_a_kind_a_file_and_code(netsim: Any, tmp_path: Path) -> None:
    network = ["--ranks", "2", "--size", "1 MB", "--rate", "10 Gbit/s", "--latency", "10 us"]
    steps = tmp_path / "swap.toml"
    steps.write_text("ranks = 2\npieces = 1\n[[round]]\nadd = true\nsend = [[0, 1, 0], [1, 0, 0]]\n")
    assert netsim("collective", "--file", str(steps), *network, "--json").document["messages"] == 2
    assert netsim("collective", "auto", *network, "--json").document["runner_up"]
    for wrong in ([], ["ring", "--file", str(steps)]):
        result = netsim("collective", *wrong, *network)
        assert result.status == 2 and "KIND: is one of" in result.err
    for option, said in (
        (["--nccl-tests"], "--nccl-tests: needs a KIND"),
        (["--plot", str(tmp_path / "a.png")], "--plot: needs a KIND"),
        (["--set", "library=nccl", "--operation", "broadcast"], "library: nccl is known to choose for all_reduce only"),
    ):
        result = netsim("collective", "auto", *network, *option)
        assert result.status == 2 and said in result.err
    result = netsim("collective", "auto", *network, "--set", "library=ncl")
    assert result.status == 2 and "library: 'ncl' will not do" in result.err


def test_collective_takes_a_burst_and_slices_in_flight_or_says_why_not(netsim: Any) -> None:
    network = ["--ranks", "4", "--size", "1 MB"]
    link, fifo, slices = ["--rate", "1 GB/s", "--latency", "1 ms"], ["--sharing", "fifo"], ["--set", "slices=4"]
    plain, ahead, in_turn = (
        netsim("collective", "ring", *network, *link, *more, "--json").document["time_s"]
        for more in (fifo, [*fifo, "--burst", "100 kB"], [*fifo, *slices, "--in-flight", "1"])
    )
    assert ahead == pytest.approx(plain - 6 * 100e-6, rel=1e-9), (
        "what is ahead comes at once, as the link rests between"
    )
    assert in_turn == pytest.approx(plain + 3 * 6e-3, rel=1e-9), "latency is paid four times"
    for options, said in (
        ([*link, "--burst", "100 kB"], "sharing: links with a burst serve messages in order of arrival"),
        ([*link, *fifo, "--burst", "some"], "burst: 'some'"),
        (["--link", "10gbe", *fifo, "--burst", "100 kB"], "burst: is given, and so is a link"),
        ([*link, *slices, "--in-flight", "0"], "in_flight: 0 is too small; it must be at least 1"),
        ([*link, "--in-flight", "2"], "in_flight is of slices, and there are none"),
        ([*link, "--in-flight", "2", "--set", "library=gloo"], "library and in_flight both given"),
    ):
        result = netsim("collective", "ring", *network, *options)
        assert result.status == 2 and said in result.err


def test_crossover_says_where_and_draws_a_map(netsim: Any, tmp_path: Path) -> None:
    ends = ["--along", "size", "--from", "1 kB", "--to", "1 GB"]
    network = ["--ranks", "8", "--rate", "1 GB/s", "--latency", "10 us"]
    picture = tmp_path / "map.png"
    result = netsim("crossover", "ring", "recursive_doubling", *ends, *network, "--plot", str(picture), "--json")
    (one,) = result.document["crossings"]
    assert (one["below"], one["above"]) == ("recursive_doubling", "ring")
    assert one["at"] == pytest.approx(88e3, rel=1e-3) and picture.read_bytes()[:4] == b"\x89PNG"
    assert "recursive doubling is faster below" in " ".join(
        netsim("crossover", "ring", "recursive_doubling", *ends, *network).out.split()
    )
    wrong = netsim("crossover", "ring", "tree", *ends, "--size", "1 MB", "--rate", "1 GB/s")
    assert wrong.status == 2
    for said in ("--size: varies along size; leave it out", "--ranks: is missing", "--latency: is missing"):
        assert said in wrong.err


def test_explain_says_why_and_for_scripts_the_promised_keys(netsim: Any) -> None:
    found = netsim(
        "explain", QUICKSTART, *FAST, "--set", "job.strategy.kind=ps", "--strategies", "ring", "--json"
    ).document
    assert sum(found["decomposition"].values()) == pytest.approx(found["iteration_time_s"], rel=1e-9)
    assert found["bottleneck"] == "link server0.down"
    assert {"change", "predicted_s", "simulated_s", "path_changed"} <= set(found["sensitivities"][0])
    assert found["bounds"]["lower_bound_s"] <= found["iteration_time_s"]
    said = netsim("explain", QUICKSTART, *FAST, "--strategies", "ring")
    assert said.status == 0 and max(map(len, said.out.splitlines())) <= 80
    assert netsim("explain", QUICKSTART, "--strategies", "rings").status == 2


def test_every_member_is_listed_with_one_sentence_that_ends(netsim: Any) -> None:
    listed = netsim("list", "--json").document
    said = [line for family in listed.keys() - {"devices", "links"} for line in listed[family].values()]
    assert said and all(line.endswith(".") and "::" not in line and len(line) <= 140 for line in said)
