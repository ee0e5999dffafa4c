from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from netsim import results, tables
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.frames import frame
from netsim.loading import from_table
from netsim.report import words, write
from netsim.sweeps import run_points
from netsim.units import show

TABLE: dict[str, Any] = {
    "iterations": 2,
    "cluster": {"workers": 3, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "25 us"}},
    "job": {"model": "mobilenet_v1", "batch": 4, "strategy": {"kind": "ring"}, "bucket": "4 MB"},
}
AXES: dict[str, dict[str, list[Any]]] = {
    "run": {},
    "strategies over workers": {"job.strategy.kind": ["ring", "tree"], "cluster.workers": [1, 2, 3]},
    "strategies over latency": {
        "job.strategy.kind": ["ring", "parameter_server"],
        "cluster.link.latency": ["1 us", "1 ms"],
    },
    "models over rates": {
        "job.model": ["mobilenet_v1", {"kind": "mobilenet_v1", "width": 0.5}],
        "cluster.link.rate": ["1 Gbit/s", "10 Gbit/s"],
    },
    "a switch": {"job.overlap": [True, False]},
    "numbers alone": {"cluster.workers": [2, 3]},
    "three axes": {"job.strategy.kind": ["ring", "tree"], "cluster.workers": [2, 3], "job.overlap": [True, False]},
}

PAGES = ("report.html", "report.md", "tables.tex")


def folder_of(
    path: Path,
    axes: dict[str, list[Any]],
    *,
    name: str = "tiny",
    question: str = "Why?",
    zipped: Sequence[Sequence[str]] = (),
    **overrides: Any,
) -> Path:
    scenario = from_table(TABLE, overrides, name=name, question=question)
    table = {**axes, "zip": zipped} if zipped else axes
    rows = run_points(scenario, table, simulate=simulate) if axes else [simulate(scenario).summary()]
    told: dict[str, Any] = {"command": "netsim sweep x.toml", "engine": "auto", "zipped": zipped}
    results.save(path, scenario, kind="sweep", axes=axes, rows=rows, **told)
    return path


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364600000000600023081d02f"
    "0000000049454e44ae426082"
)


def hardly_drawn(draw: Any, frame: pd.DataFrame, file: Path, *, height: float = 4.0) -> None:
    """A figure is drawn, but neither laid out nor rendered, which is what takes the time."""
    draw(frame, Figure(figsize=(6.4, height)).add_subplot())
    file.write_bytes(PIXEL)


@pytest.fixture(autouse=True)
def quickly_drawn(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "rendered" not in request.keywords:
        monkeypatch.setattr("netsim.plots.save", hardly_drawn)


class Page(HTMLParser):
    """What a browser would fetch, and the text that it would show."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for key, value in attrs if key == "src"]
        self.links += [value or "" for key, value in attrs if key == "href"]


@pytest.fixture(params=AXES, scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of each kind of result."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("netsim.plots.save", hardly_drawn)
        yield folder_of(tmp_path_factory.mktemp("folder"), AXES[request.param])


def test_a_page_needs_nothing_but_itself_and_links_to_its_data(folder: Path) -> None:
    html = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.sources and all(source.startswith("data:image/png;base64,") for source in page.sources)
    for link in page.links:
        assert link.startswith("#") or (folder / link).is_file()
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]*", "", html)
    html = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not {"None", "nan", "NaN"} & set(re.findall(r"\b\w+\b", re.sub(r"<[^>]*>", " ", html)))


def test_markdown_shows_every_figure_and_point(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert sorted(shown) == sorted(f"figures/{file.name}" for file in (folder / "figures").iterdir())
    points = grid(text, "## All points" if "## All points" in text else "At ")
    count = len(pd.read_csv(folder / "data" / "points.csv"))
    assert len(points) == 1 + count if count > 1 else points[0] == ["figure", "value"]
    assert len({len(row) for row in points}) == 1


def grid(text: str, after: str) -> list[list[str]]:
    """The cells of the first table after some words."""
    lines = text[text.index(after) :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| "))
    table = list(takewhile(lambda line: line.startswith("|"), lines[start:]))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table if "---" not in line]


def test_bytes_on_links_stand_beside_the_usual_counts(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"job.strategy.kind": ["parameter_server", "ring"]}, **{"cluster.workers": 4})
    header, server, ring = grid((folder / "report.md").read_text(encoding="utf-8"), "## Bytes an iteration")
    column = dict(zip(header, range(len(header)), strict=True))
    gradients = float(ring[column["gradients K (MB)"]])
    assert float(server[column["measured on all links (MB)"]]) == pytest.approx(2 * 4 * gradients, rel=1e-3)  # digits
    assert float(server[column["usual count 2 N K (MB)"]]) == pytest.approx(2 * 4 * gradients, rel=1e-3)
    assert float(ring[column["measured on all links (MB)"]]) == pytest.approx(2 * 3 * gradients, rel=1e-3)
    assert [float(row[column["it carries (x K)"]]) for row in (server, ring)] == [4.0, 1.5]


def test_a_sweep_is_answered_by_its_axes_and_a_comparison_by_its_winner(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, AXES["strategies over latency"])
    said = (folder / "report.md").read_text(encoding="utf-8").split("> Why?")[1].strip().splitlines()
    assert "link latency, from 1 us to 1 ms." in said[0] or "up to a link latency of 1 us" in said[0]
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    (folder / "result.json").write_text(json.dumps({**result, "kind": "compare"}), encoding="utf-8")
    write(folder)
    again = (folder / "report.md").read_text(encoding="utf-8").split("> Why?")[1].strip().splitlines()
    assert " is fastest on 3 workers" in again[0] and said[0] in again


def test_of_many_contenders_the_fastest_and_the_slowest_have_timelines(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"job.bucket": ["layer", "1 MB", "4 MB", "all"]})
    assert len(list((folder / "figures").glob("timeline_*.png"))) == 2
    assert not (folder / "figures" / "link_bytes.png").exists(), "all buckets load the links alike"


def test_what_tables_say_alike_is_left_out_of_names(tmp_path: Path) -> None:
    models = [{"kind": "mobilenet_v1", "width": width, "resolution": 128} for width in (0.25, 0.5)]
    page = (folder_of(tmp_path, {"job.model": models}) / "report.md").read_text(encoding="utf-8")
    text = page.split("## To make it again")[0]
    assert "resolution" not in text and "mobilenet_v1 (width 0.25)" in text


def test_axes_that_vary_together_are_one_contender_each_and_the_loss_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    axes = {"job.strategy": ["ring", "ring", "parameter_server"], "job.local_steps": [1, 2, 1]}
    aims = {"job.statistics": {"target": 2.0, "batch": 32}, "iterations": 6}
    folder = folder_of(tmp_path, axes, zipped=[tuple(axes)], **aims)
    page, points = (folder / "report.md").read_text(encoding="utf-8"), pd.read_csv(folder / "data" / "points.csv")
    names = ["ring", "ring (local steps 2)", "parameter server"]
    times = dict(zip(names, points["time_to_target_s"], strict=True))
    first, *others = sorted(names, key=lambda who: times[who])
    seconds = show(times[first], "s", digits=3)
    said = f"A training loss of 2.0 is reached first by {first}, after {seconds}; by {others[0]} after"
    assert points["time_to_target_s"].notna().all() and said in page
    assert "figures/loss.png" in page and "for ring (local steps 2)" in page and "local step, " not in page
    curves = tables.learning(folder, tables.read(folder))
    assert curves is not None and set(curves["contender"]) == set(names) and set(curves["target"]) == {2.0}


def test_a_loss_that_nobody_comes_to_is_said_to_be_so(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    page = (folder_of(tmp_path, {}, **{"job.statistics": {"target": 0.01}}) / "report.md").read_text(encoding="utf-8")
    assert "the run does not come to a loss of 0.01" in page


def test_of_too_many_contenders_figures_have_the_fastest(tmp_path: Path) -> None:
    axes = {"cluster.workers": [2, 3], "job.batch": [*range(1, 15)]}
    folder = folder_of(tmp_path, axes, **{"job.model": "alexnet", "iterations": 1})
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "Where the time of an iteration goes, for the 12 fastest of 14." in page
    assert "Throughput against workers, for the 12 fastest of 14," in page


def test_markdown_shows_marks_as_they_are(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {}, name="<b>*a*|b", question="[x](y)?")
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# \\<b\\>\\*a\\*\\|b\n") and "> \\[x\\](y)?" in text


def test_a_missing_closed_form_is_no_column_and_no_ring(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, AXES["numbers alone"], **{"noise.jitter": 0.1})
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "closed form" not in text and "lower bound" in text


def test_unequal_workers_have_a_column_for_waiting(tmp_path: Path) -> None:
    groups = [{"count": 2}, {"count": 1, "device": "p100"}]
    table = {**TABLE, "cluster": {"link": "10gbe", "device": "v100", "group": groups}}
    scenario = from_table(table, name="unequal")
    rows = [simulate(scenario).summary()]
    results.save(tmp_path, scenario, kind="run", axes={}, rows=rows, command="netsim run x.toml", engine="auto")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| waiting for slower workers (ms) |" in text and "waiting for slower workers." in text


@pytest.mark.rendered
def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, AXES["strategies over workers"])
    files = [folder / "report.html", folder / "report.md", *sorted((folder / "figures").iterdir())]
    before = [file.read_bytes() for file in files]
    write(folder)
    assert [file.read_bytes() for file in files] == before


def test_names_are_shown_and_never_run(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {}, name="<script>alert(1)</script>", question="<img src=x onerror=alert(1)>")
    html = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.tags.count("script") == 1 and page.tags.count("img") == len(page.sources)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in re.sub(r"\\[<>]", "", markdown).split("```")[0]


def test_names_of_models_and_axes_are_shown_on_every_page_and_lead_nowhere(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>$x_1&\\input{/etc/passwd}../../x"
    model = {"name": name, "layers": [{"kind": "dense", "input_shape": [9], "units": 9, "name": name}]}
    folder = folder_of(tmp_path, {"job.model": [model, "mobilenet_v1"]}, **{"cluster.workers": 2})
    html, markdown, latex = ((folder / page).read_text(encoding="utf-8") for page in PAGES)
    assert Page(html).tags.count("script") == 1
    assert "<script" not in re.sub(r"\\<", "", markdown).split("```")[0]
    assert "\\input" not in latex and "$x" not in latex.replace("\\$", "")
    assert {file.parent for file in tmp_path.rglob("*") if file.is_file()} <= {
        folder,
        folder / "data",
        folder / "figures",
    }


def test_a_page_says_how_to_make_it_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {}, seed=5)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "netsim sweep x.toml" in text and "seed 5" in text and "> Why?" in text
    assert 'rate = "1 Gbit/s"' in (folder / "report.html").read_text(encoding="utf-8").replace("&#34;", '"')


def test_one_worker_has_a_report_without_empty_figures(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {}, **{"cluster.workers": 1})
    assert not (folder / "figures" / "link_bytes.png").exists()
    assert "One worker has nobody to exchange with" in (folder / "report.md").read_text(encoding="utf-8")


def test_one_worker_is_drawn_once_for_all_strategies_but_for_each_model(tmp_path: Path) -> None:
    alone = {"cluster.workers": 1}
    strategies = folder_of(tmp_path / "strategies", {"job.strategy.kind": ["ring", "tree"]}, **alone)
    assert [file.name for file in (strategies / "figures").glob("timeline*")] == ["timeline.png"]
    models = folder_of(tmp_path / "models", {"job.model": ["mobilenet_v1", "squeezenet"]}, **alone)
    assert len(list((models / "figures").glob("timeline_*"))) == 2


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="is not a result folder"):
        write(tmp_path)


@pytest.mark.parametrize("damage", ["result.json", "data/points.csv", "data/links.csv"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"a,b\n1"])
def test_a_damaged_folder_is_refused_or_shown_but_never_a_traceback(
    damage: str, content: bytes, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, AXES["numbers alone"])
    (folder / damage).write_bytes(content)
    with pytest.raises(ScenarioError):
        write(folder)


@pytest.mark.parametrize("left", [1, 2, 4])
def test_a_sweep_of_which_points_failed_still_has_a_report(left: int, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, AXES["strategies over workers"])
    points = pd.read_csv(folder / "data" / "points.csv")
    points.iloc[:left].to_csv(folder / "data" / "points.csv", index=False)
    assert write(folder).is_file() and "## All points" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_scenario_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, AXES["numbers alone"])
    (folder / "scenario.toml").write_bytes(b"\xff\x00")
    with pytest.raises(ScenarioError, match=r"scenario\.toml cannot be read"):
        write(folder)


def test_saved_frames_are_read_back_as_they_were(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, AXES["strategies over workers"])
    saved = tables.read(folder)
    rows = run_points(from_table(TABLE), AXES["strategies over workers"], simulate=simulate)
    now = frame(rows)
    for column in ("iteration_time_s", "samples_per_s", "gradient_bytes"):
        assert saved.points[column].tolist() == pytest.approx(now[column].tolist(), rel=1e-12)
    assert set(saved.steps["contender"]) == {"ring", "tree"}
    assert set(saved.transfers["iteration"]) == {1}


def test_a_page_says_what_the_critical_path_is_made_of_and_what_would_help(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"job.strategy.kind": ["parameter_server", "ring"]}, **{"job.overlap": False})
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "- Parameter server: hosts' links twice as fast would make it " in text
    header, server, ring = grid(text, "## Why")
    for row in (server, ring):
        whole, *parts = (float(cell.replace(",", "")) for cell in row[1:])
        assert sum(parts) == pytest.approx(whole, rel=2e-3), "four digits are shown"
    assert "sharing links with others (ms)" in header
    changed = grid(text, "### Of parameter server")
    foretold = {row[0]: (row[1], row[2]) for row in changed[1:] if row[2] != "–"}
    assert all(simulated == predicted for simulated, predicted in foretold.values())
    assert (folder / "data" / "critical_path.csv").is_file()


def test_tables_for_latex_have_as_many_cells_a_row_as_columns_and_no_bare_marks(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, AXES["strategies over workers"], name="a_b & 50 %")
    text = (folder / "tables.tex").read_text(encoding="utf-8")
    tables = re.findall(r"begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tables) >= 4
    for columns, body in tables:
        rows = [line for line in body.splitlines() if line.endswith("\\\\")]
        assert rows and all(len(re.split(r"(?<!\\)&", row)) == len(columns) for row in rows)
    assert not re.search(r"(?<!\\)[%#_]", re.sub(r"(?m)^%.*$|\\label\{.*?\}|\\usepackage\{.*?\}", "", text))


def test_a_folder_without_explanations_still_has_its_page(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {})
    (folder / "data" / "explanations.json").unlink()
    write(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "## Why" not in text and "has no critical path" in text
    (folder / "data" / "explanations.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ScenarioError, match="explanations"):
        write(folder)


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ('bucket = { kind = "ddp" }', "Gradients go into buckets by the rule ddp,"),
        ('bucket = "all"', "All gradients make one bucket,"),
        ('bucket = "25 MB"', "Gradients go into buckets of 25 MB,"),
        ("forward_only = true", "Nothing is trained"),
    ],
)
def test_the_assumptions_say_what_is_exchanged_and_what_makes_buckets(job: str, told: str) -> None:
    saved: Any = SimpleNamespace(scenario=f"cluster = {{ workers = 2 }}\n[job]\n{job}")
    assert any(each.startswith(told) for each in words.assumptions(saved))
