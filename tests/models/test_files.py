"""Models from tables: in a scenario, in CSV and in TOML files; beside the scenario, and in full in what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netsim.errors import ScenarioError
from netsim.layers.counted import Counted
from netsim.loading import dump, expand, from_table, load
from netsim.models._files import from_file, is_file
from netsim.models.base import Model

CSV = """\
name,kind,input_shape,filters,kernel,padding,units
stem,convolution,3x32x32,16,3x5,1x2,
pool,global_pooling,,,,,
head,dense,,,,,10
"""
TOML = """
[[layers]]
kind = "convolution"
name = "stem"
input_shape = [3, 32, 32]
filters = 16
kernel = [3, 5]
padding = [1, 2]

[[layers]]
kind = "global_pooling"
name = "pool"

[[layers]]
kind = "dense"
name = "head"
units = 10
"""


def read(folder: Path, text: str, name: str = "mine.csv") -> Model:
    (folder / name).write_text(text, encoding="utf-8")
    return from_file({"file": str(folder / name)})


def test_a_csv_and_a_toml_table_are_the_same_model(tmp_path: Path) -> None:
    one, other = read(tmp_path, CSV), read(tmp_path, TOML, "mine.toml")
    assert one == other and one.kind == "mine"
    assert (one.params, one.macs) == (16 * 45 + 16 + 170, 32 * 32 * 16 * 45 + 160)


def test_a_layer_of_which_only_counts_are_known_is_a_line_too(tmp_path: Path) -> None:
    text = "name,kind,input_shape,output_shape,params,macs,work\nfancy,counted,8x8,16,1000,5000,dense\n"
    (layer,) = read(tmp_path, text).layers
    assert isinstance(layer, Counted)
    assert (layer.input_shape, layer.output_shape, layer.params, layer.macs) == ((8, 8), (16,), 1000, 5000)
    assert (layer.input_elements, layer.output_elements, layer.weight_gradients) == (64, 16, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "mine.csv: layers: .* is not a list of layers|mine.csv"),
        ("name,kind\na,convolutoin\n", "mine.csv, line 2: kind: no layer 'convolutoin'. Did you mean 'convolution'"),
        (CSV.replace("16", "-16"), "mine.csv, line 2: filters: -16 is too small"),
        (CSV.replace("units", "unit"), "mine.csv, line 4: unit: no such key. Did you mean 'units'"),
        (CSV + "x,dense,,,,,1,2,3\n", "mine.csv, line 5: has more cells than there are columns"),
        (CSV.replace("pool,g", 'pool,"g'), "mine.csv, line"),
        (CSV.replace("head", "stem"), "several layers are named 'stem'"),
    ],
)
def test_a_table_that_is_wrong_is_told_by_its_line(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        read(tmp_path, text)


def test_a_toml_table_that_is_wrong_is_told_by_its_layer(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"mine.toml, layer 3: units: 0 is too small"):
        read(tmp_path, TOML.replace("units = 10", "units = 0"), "mine.toml")
    with pytest.raises(ScenarioError, match=r"mine.toml is not TOML"):
        read(tmp_path, "[[", "mine.toml")
    with pytest.raises(ScenarioError, match=r"mine.toml: model: no such key"):
        read(tmp_path, "model = 1", "mine.toml")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"file": "no.csv"}, "file: no.csv cannot be read: no such file"),
        ({"file": "model.pt"}, "file: 'model.pt' ends in none of .csv, .onnx, .toml"),
        ({"file": 3}, "file: 3 is not the name of a file"),
        ({"file": "no.csv", "unknown": "skip"}, "unknown: no such key"),
        ({"file": "no.onnx", "unknown": "guess"}, "unknown: 'guess' will not do"),
    ],
)
def test_files_that_will_not_do(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        from_file(table)


def test_binary_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80")
    (tmp_path / "folder.toml").mkdir()
    for name in ("binary.csv", "folder.toml"):
        with pytest.raises(ScenarioError, match=name):
            from_file({"file": str(tmp_path / name)})


def test_files_are_told_from_names_by_their_ending() -> None:
    assert is_file("a/b.onnx") and is_file("B.CSV") and not is_file("vgg16")


SCENARIO = """
[cluster]
workers = 2
device = "v100"
link = "10gbe"

[job]
model = { file = "mine.csv" }
batch = 4
strategy = "ring"

[sweep]
"job.model" = ["vgg16", { file = "mine.csv" }]
"""


def test_a_file_is_found_beside_the_scenario_and_kept_in_full(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(CSV)
    (tmp_path / "scenario.toml").write_text(SCENARIO)
    scenario = load(tmp_path / "scenario.toml")
    assert scenario.job.model.kind == "mine"
    assert [each.job.model.kind for _, each in expand(scenario)] == ["vgg16", "mine"]
    kept = tmp_path / "elsewhere" / "scenario.toml"
    kept.parent.mkdir()
    kept.write_text(dump(scenario).partition("[sweep]")[0])
    (tmp_path / "mine.csv").unlink()
    assert load(kept).job.model == scenario.job.model


def test_layers_in_a_scenario_may_have_a_name() -> None:
    job = {"batch": 1, "strategy": "ring"}
    cluster = {"workers": 1, "device": "v100", "link": "10gbe"}
    layers = [{"kind": "dense", "input_shape": [4], "units": 2}]
    for table, kind in (({"layers": layers}, "layers"), ({"name": "mine", "layers": layers}, "mine")):
        scenario = from_table({"cluster": cluster, "job": {**job, "model": table}})
        assert scenario.job.model.kind == kind
    with pytest.raises(ScenarioError, match=r"job.model.units: no such key"):
        from_table({"cluster": cluster, "job": {**job, "model": {"layers": layers, "units": 1}}})
