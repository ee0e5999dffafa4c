"""Names that a user, or a file of somebody else's, chose are shown everywhere as they are, and never obeyed."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tomli_w
from click.testing import CliRunner

from netsim.cli import cli
from netsim.errors import ScenarioError
from netsim.loading import from_table

# What HTML, SVG, Markdown, LaTeX, mathtext, rich's markup, CSV and JSON would each obey, and a letter that fonts lack.
HOSTILE = "_{}<b onmouseover=alert(1)>&lt;[/x][red]*{{b}}|`'\",$x^$\\q{{%}}#\u6a21"


def hostile(what: str) -> str:
    return HOSTILE.format(what)


HOSTS = [hostile(f"host{number}") for number in range(5)]
DEVICE = {"name": hostile("device"), "peak": {"fp32": "1 Tflop/s"}, "memory_rate": "1 GB/s"}
LAYERS = [
    {"kind": "dense", "input_shape": [9], "units": 9, "name": hostile("one")},
    {"kind": "dense", "units": 9, "name": hostile("two")},
]
NEIGHBOUR = {
    "name": hostile("neighbour"),
    "workers": 2,
    "job": {"batch": 4, "model": {"name": hostile("other"), "layers": LAYERS}, "strategy": {"kind": "ring"}},
}
TABLE: dict[str, Any] = {
    "iterations": 2,
    "cluster": {
        "workers": 2,
        "device": DEVICE,
        "link": {"rate": "1 GB/s", "latency": "1 us"},
        "topology": {
            "kind": "graph",
            "links": [{"ends": [host, hostile("switch")], "rate": "1 GB/s", "latency": "1 us"} for host in HOSTS],
            "at": HOSTS,
        },
    },
    "job": {"batch": 4, "model": {"name": hostile("model"), "layers": LAYERS}, "strategy": {"kind": "ring"}},
    "neighbour": [NEIGHBOUR],
}
AXES = {"job.model": [{"name": hostile("a"), "layers": LAYERS}, {"name": hostile("b"), "layers": LAYERS[:1]}]}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario, in a file whose name is no better."""
    file = tmp_path_factory.mktemp("scenario") / (hostile("file").replace("/", "") + ".toml")
    file.write_text("# " + hostile("question") + "\n" + tomli_w.dumps({**TABLE, "sweep": AXES}), encoding="utf-8")
    return file


def netsim(*words: str | Path) -> str:
    """What a command prints, which steers no terminal."""
    done = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False, catch_exceptions=False)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.output)
    return done.stdout


def test_a_terminal_shows_names_as_they_are(file: Path) -> None:
    assert hostile("model") in netsim("run", file)
    assert hostile("neighbour") in netsim("topology", file)
    assert hostile("two") in netsim("explain", file, "-q")
    assert hostile("a") in netsim("sweep", file, "-q")
    assert netsim("compare", file, "-q") and netsim("diff", file, file)


def test_json_gives_names_as_they_are(file: Path, tmp_path: Path) -> None:
    assert json.loads(netsim("run", file, "--json"))["model"] == hostile("model")
    assert hostile("two") in set(texts_of(json.loads(netsim("explain", file, "-q", "--json"))))
    netsim("run", file, "--trace", tmp_path / "trace.json")
    named = set(texts_of(json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))))
    assert any(hostile("one") in each for each in named)


def texts_of(value: Any) -> Iterator[str]:
    """All texts in a document, keys included."""
    if isinstance(value, dict):
        yield from value
        value = value.values()
    if isinstance(value, str):
        yield value
    elif not isinstance(value, (int, float, type(None))):
        for each in value:
            yield from texts_of(each)


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(key for key, _ in attrs)}


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_pages_figures_and_data_have_names_as_they_are(command: str, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / hostile("folder").replace("/", "")
    netsim(command, file, "-q", "-o", folder)
    netsim("report", folder, "--plots", "svg")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "onmouseover" not in Tags(page).found and "b" not in Tags(page).found
    markdown = re.sub(r"```.*?```", "", (folder / "report.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<b ", markdown) and "onmouseover" in markdown
    latex = re.sub(r"^%.*$", "", (folder / "tables.tex").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert not re.search(r"(?<!\\)[$#%^]", latex)
    said = [drawn_in(svg) for svg in (folder / "figures").glob("*.svg")]
    assert said and (command != "sweep" or any("<b onm" in text for text in said))
    for data in (folder / "data").glob("*.csv"):
        read = pd.read_csv(data, dtype=str, keep_default_na=False)
        cells = {cell for column in read for cell in read[column] if "onmouseover" in cell}
        assert all(re.search(r"<b onmouseover=alert\(1\)>&lt;\[/?x\]\[red\]\*\{b\}\|`'", cell) for cell in cells)
    assert {each.relative_to(folder).parts[0] for each in tmp_path.rglob("*") if each.is_file()} <= {
        "report.html", "report.md", "tables.tex", "scenario.toml", "result.json", "points.sqlite", "data", "figures",
    }  # fmt: skip


def drawn_in(svg: Path) -> str:
    """The text of a figure, which has nothing that can be run."""
    root = ET.parse(svg).getroot()
    for element in root.iter():
        assert "script" not in element.tag and not any(key.startswith("on") for key in element.attrib)
    return " ".join(root.itertext())


def test_pictures_of_their_own_show_names_as_they_are(file: Path, tmp_path: Path) -> None:
    netsim("topology", file, "--plot", tmp_path / "network.svg")
    table = tmp_path / "layers.toml"
    table.write_text(tomli_w.dumps({"layers": LAYERS}), encoding="utf-8")
    netsim("model", table, "--device", "a100", "--plot", tmp_path / "costs.svg", "--roofline", tmp_path / "roof.svg")
    assert "<b onm" in drawn_in(tmp_path / "costs.svg")
    drawn_in(tmp_path / "network.svg")
    drawn_in(tmp_path / "roof.svg")


@pytest.mark.parametrize("steering", ["\x1b[2J", "\n", "\x9b", "\u202e", "\u2028", "\x7f"])
def test_what_steers_a_terminal_is_no_name(steering: str) -> None:
    table = {
        **TABLE,
        "cluster": {**TABLE["cluster"], "device": {**DEVICE, "name": f"a{steering}"}},
        "job": {**TABLE["job"], "model": {"name": f"b{steering}", "layers": [{**LAYERS[0], "name": f"c{steering}"}]}},
        "neighbour": [{**NEIGHBOUR, "name": f"d{steering}"}],
    }
    with pytest.raises(ScenarioError) as error:
        from_table(table)
    told = {problem.path: problem.message for problem in error.value.problems}
    assert set(told) == {
        "cluster.device.name", "job.model.name", "job.model.layers[0].name", "neighbour[0].name",
    }  # fmt: skip
    assert all("control character" in message and message.isprintable() for message in told.values())
