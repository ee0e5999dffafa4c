"""What was measured, against what is predicted: all sources hold, and a wrong expectation is found out."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result

from netsim.cli import cli
from netsim.collectives.binomial_tree import BinomialTree
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective
from netsim.collectives.tree import Tree
from netsim.engine.single import collective
from netsim.errors import ScenarioError
from netsim.hardware import Link
from netsim.validation import sources
from netsim.validation.exchanges import Part, Piece

FOLDER = Path(__file__).parents[1] / "scenarios" / "validation"
SOURCES = sorted(file.stem for file in FOLDER.glob("*.toml"))

SMALL = """
[source]
title = "A ring"
url = "here"
hardware = "two hosts"
known = "one link"
licence = "ours"

[known.links]
link = { rate = "1 MB/s", latency = "10 ms" }

[expect]
rows = "small.csv"

[expect.groups.all]
title = "all of it"
why = "nothing else is there"
within = 0.01
mean = 0.01
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["validate", *arguments], standalone_mode=False)


def status(result: Result) -> int:
    if isinstance(result.exception, SystemExit):
        return int(result.exception.code or 0)
    assert result.exception is None, result.exception
    return result.exit_code


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """A folder with one source of one row, a ring of 2 ranks with 1 MB: 2 (10 ms + 0.5 s) = 1.02 s."""

    def write(toml: str = SMALL, **cells: Any) -> Path:
        row = {"case": "ring", "group": "all", "collective": "ring", "ranks": 2, "size": "1 MB", "link": "link"}
        row |= {"measured": 1.02, **cells}
        (tmp_path / "small.toml").write_text(toml, encoding="utf-8")
        with (tmp_path / "small.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerow(row)
        return tmp_path

    return write


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_predicted_as_well_as_it_says(name: str) -> None:
    result = invoke(str(FOLDER), "--only", name, "--json")
    document = json.loads(result.stdout)
    assert [row for row in document["rows"] if row["verdict"] in ("outside", "moved")] == []
    assert [group for group in document["groups"] if group["mean_failed"]] == []
    assert status(result) == 0


def test_a_right_prediction_passes(small: Callable[..., Path]) -> None:
    assert status(invoke(str(small()))) == 0


def test_a_spoilt_expectation_fails(small: Callable[..., Path]) -> None:
    result = invoke(str(small(measured=1.2)))
    assert status(result) == 1
    assert "outside" in result.stdout and "-15.0%" in result.stdout
    assert "within 1.0%" in result.stdout and "small, all: nothing else is there." in result.stdout
    document = json.loads(invoke(str(small(measured=1.2)), "--json").stdout)
    assert not document["passed"]
    assert document["rows"][0]["within"] == 0.01 and document["groups"][0]["why"] == "nothing else is there"


def test_a_known_miss_passes_as_long_as_it_is_what_it_is_said_to_be(small: Callable[..., Path]) -> None:
    assert status(invoke(str(small(SMALL.replace("mean = 0.01", ""), measured=1.2, known_error=-0.15)))) == 0


@pytest.mark.parametrize("stated", [-0.10, -0.20, 0.15])
def test_a_known_miss_that_is_worse_or_better_than_it_is_said_to_be_fails(
    small: Callable[..., Path], stated: float
) -> None:
    assert status(invoke(str(small(SMALL.replace("mean = 0.01", ""), measured=1.2, known_error=stated)))) == 1


def test_known_misses_count_in_the_mean_which_fails_on_its_own(small: Callable[..., Path]) -> None:
    result = invoke(str(small(measured=1.2, known_error=-0.15)), "--json")
    assert status(result) == 1
    (group,) = json.loads(result.stdout)["groups"]
    assert group["mean_failed"] and group["failures"] == 0


def test_all_that_is_wrong_with_a_source_is_said_at_once(small: Callable[..., Path]) -> None:
    folder = small(collective="rings", ranks=0, measured="fast")
    with pytest.raises(ScenarioError) as wrong:
        sources.find(folder)
    said = "\n".join(map(str, wrong.value.problems))
    assert "small.csv row 1: measured: 'fast' is not a number" in said
    with pytest.raises(ScenarioError) as wrong:
        sources.find(small(collective="rings", ranks=0))
    said = "\n".join(map(str, wrong.value.problems))
    assert "collective: no collective 'rings'. Did you mean 'ring'?" in said and "ranks: 0 is not" in said
    with pytest.raises(ScenarioError, match=r"small\.csv row 1: link: no link 'lnk'\. Did you mean 'link'\?"):
        sources.find(small(link="lnk"))


@pytest.mark.parametrize("wrong", [{"collective": "tree"}, {"links": '["link"]'}, {"parts": '["reduce"]'}])
def test_gloo_s_loop_is_refused_where_it_is_not_a_plain_ring_s(small: Callable[..., Path], wrong: Any) -> None:
    with pytest.raises(ScenarioError, match="in_flight"):
        sources.find(small(**{"in_flight": 2, **wrong}))


def test_what_is_not_played_of_one_machine_is_refused_with_its_row(small: Callable[..., Path]) -> None:
    of_one = SMALL.replace('latency = "10 ms"', 'latency = "10 ms", programs = "1 ms", piece = "2 kB"')
    assert sources.find(small(of_one))[0].links["link"].overhead == 0.0
    with pytest.raises(ScenarioError, match=r"small\.csv row 1: link: is of one machine"):
        sources.find(small(of_one, late_rank=1, late="1 ms"))
    with pytest.raises(ScenarioError, match=r"known\.links\.link\.piece: must be above 0"):
        sources.find(small(of_one.replace("2 kB", "0 B")))


def test_a_group_without_a_tolerance_wants_the_known_error_of_every_row(small: Callable[..., Path]) -> None:
    with pytest.raises(ScenarioError, match="known_error: is missing"):
        sources.find(small(SMALL.replace("within = 0.01", "")))


def test_a_folder_without_sources_and_a_strange_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="there are no sources"):
        sources.find(tmp_path)
    with pytest.raises(ScenarioError, match=r"--only: no source 'shaped_netwrk'\. Did you mean 'shaped_network'"):
        sources.find(FOLDER, ["shaped_netwrk"])


def test_the_page_has_every_row_and_every_source(small: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "page"
    assert status(invoke(str(small()), "-o", str(folder))) == 0
    assert {file.name for file in folder.iterdir()} == {"report.html", "report.md", "data", "figures"}
    for page in ("report.html", "report.md"):
        text = (folder / page).read_text(encoding="utf-8")
        assert "1 measured figures: 1 predicted within their tolerance" in text and "1.02" in text
    (row,) = csv.DictReader((folder / "data" / "small.csv").read_text(encoding="utf-8").splitlines())
    assert float(row["predicted"]) == pytest.approx(1.02)


CHOICES = """
[[expect.choice]]
title = "half of the rate"
group = "all"
link = { rate = "0.5 MB/s" }

[[expect.choice]]
title = "a tree"
group = "all"
collective = { kind = "binomial_tree" }

[[expect.choice]]
title = "no windows"
group = "all"
without = ["window"]
"""


def test_the_page_says_what_other_choices_would_give(small: Callable[..., Path], tmp_path: Path) -> None:
    """2 (10 ms + 1 s), and 2 (10 ms + 1 s) of a tree of two, beside 1.02 s."""
    assert status(invoke(str(small(SMALL + CHOICES)), "-o", str(tmp_path / "page"))) == 0
    text = (tmp_path / "page" / "report.md").read_text(encoding="utf-8")
    table = text[text.index("### Other free choices") :]
    for title, error in (
        ("as predicted", "0.0"),
        ("half of the rate", "98.0"),
        ("a tree", "98.0"),
        ("no windows", "0.0"),
    ):
        assert f"| all of it | {title} | {error} |" in table
    assert "Other free choices" in (tmp_path / "page" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('group = "al"', r"no group 'al'\. Did you mean 'all'"),
        ('link = { rate = "1 s" }', r"known\.links\.link\.rate"),
        ('link = { speed = "1 MB/s" }', "speed"),
    ],
)
def test_a_wrong_choice_is_refused_whether_a_page_is_asked_for_or_not(
    small: Callable[..., Path], wrong: str, said: str
) -> None:
    choice = f'[[expect.choice]]\ntitle = "x"\n{wrong}\n' + ("" if "group" in wrong else 'group = "all"\n')
    with pytest.raises(ScenarioError, match=said):
        sources.find(small(SMALL + choice))


def test_every_choice_of_every_source_can_be_made() -> None:
    for source in sources.find(FOLDER):
        for choice in source.choices:
            assert sources.read(source.file, choice).rows, (source.name, choice.title)


def test_no_figure_is_without_its_source_and_the_reason_of_its_tolerance() -> None:
    for source in sources.find(FOLDER):
        assert all(vars(source.about).values()), source.name
        assert all(group.why for group in source.groups.values()), source.name
        missed = [row for row in source.rows if row.known_error is not None]
        judged = [row for row in missed if source.groups[row.group].within is not None]
        assert all(row.reason for row in judged), source.name


def test_strategies_rank_as_they_were_measured_to_in_every_training_that_has_several() -> None:
    rows = json.loads(invoke(str(FOLDER), "--only", "horovod", "--json").stdout)["rows"]
    for model in ("inception_v3", "vgg16"):
        mine = [row for row in rows if model in row["case"] and "16 GPUs" in row["case"]]
        best = max(row["measured"] for row in mine if row["group"] == "server")
        ring = [row for row in mine if row["group"] == "ring"]
        assert ring and all(row["measured"] > best for row in ring)
        served = max(row["predicted"] for row in mine if row["group"] == "server")
        assert all(row["predicted"] > served for row in ring)


LINK = Link(rate=1e6, latency=0.01)


def play(kind: Any, ranks: int = 4, **more: Any) -> float:
    return collective(kind, ranks=ranks, size=1e6, rate=LINK.rate, latency=LINK.latency, **more).time_s


@pytest.mark.parametrize("kind", [Ring(), BinomialTree(), Tree(arity=3)])
@pytest.mark.parametrize("engine", ["simpy", "auto"])
def test_ranks_that_are_all_late_are_done_as_much_later(kind: Any, engine: str) -> None:
    late = dict.fromkeys(range(4), 0.5)
    assert play(kind, late=late, engine=engine) == pytest.approx(play(kind, engine=engine) + 0.5)


@pytest.mark.parametrize("late", [0.0, 0.3])
@pytest.mark.parametrize("slow", [1.0, 0.25])
def test_both_engines_agree_on_unequal_links_and_late_ranks(late: float, slow: float) -> None:
    other = {1: Link(rate=slow * LINK.rate, latency=LINK.latency)}
    times = [play(Ring(), links=other, late={2: late}, engine=engine) for engine in ("simpy", "fast")]
    assert times[0] == pytest.approx(times[1])


def test_a_ring_goes_as_slowly_as_its_slowest_link() -> None:
    slow = Link(rate=LINK.rate / 4, latency=LINK.latency)
    assert play(Ring(), links={1: slow}) == pytest.approx(Ring().ideal_time(4, 1e6, slow))


@pytest.mark.parametrize("ranks", [2, 3, 4, 7, 8])
def test_the_halves_of_a_tree_make_the_whole(ranks: int) -> None:
    halves = [Part(of=BinomialTree(), piece="reduce"), Part(of=BinomialTree(), piece="broadcast")]
    assert sum(play(half, ranks) for half in halves) == pytest.approx(play(BinomialTree(), ranks))


@pytest.mark.parametrize("ranks", [2, 3, 4, 7, 8, 16])
def test_children_that_are_sent_to_at_once_share_their_parent_s_port(ranks: int) -> None:
    """L messages of equal length share the port of the root, then L - 1 that of its first child, and so on:
    L (L + 1) / 2 S / B for a power of two."""
    half = Part(of=BinomialTree(), piece="broadcast, all children at once")
    depth = math.ceil(math.log2(ranks))
    most = depth * (depth + 1) / 2
    time = play(half, ranks)
    assert time <= most * 1e6 / LINK.rate + depth * LINK.latency + 1e-9
    if ranks == 1 << depth:
        assert time == pytest.approx(most * 1e6 / LINK.rate + depth * LINK.latency)


@pytest.mark.parametrize("piece", [piece for piece in get_args(Piece) if piece != "reduce"])
@pytest.mark.parametrize("of", [BinomialTree(), Tree(arity=3)])
@pytest.mark.parametrize("ranks", [2, 3, 5, 8])
def test_a_broadcast_reaches_everyone_once_by_who_has_it(piece: Piece, of: Collective, ranks: int) -> None:
    reached = {0}
    for each in Part(of=of, piece=piece).rounds(ranks):
        assert set(each.src.tolist()) <= reached
        assert not reached & set(each.dst.tolist())
        assert set(each.first.tolist()) == {0}
        assert set(each.count.tolist()) == {of.pieces(ranks)}
        reached |= set(each.dst.tolist())
    assert reached == set(range(ranks))


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
def test_a_broadcast_to_all_at_once_and_one_from_each_to_the_next_take_the_root_s_time(ranks: int) -> None:
    sent = (ranks - 1) * 1e6 / LINK.rate
    assert play(Part(of=BinomialTree(), piece="broadcast, to all at once"), ranks) == pytest.approx(sent + LINK.latency)
    chain = Part(of=BinomialTree(), piece="broadcast, from one to the next")
    assert play(chain, ranks) == pytest.approx(sent + (ranks - 1) * LINK.latency)
