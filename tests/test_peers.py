"""Other simulators, programmed by other people, share links as netsim does, on every topology."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netsim.cli import cli
from netsim.engine.single import collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, kind_of
from netsim.validation import in_simgrid, peers
from netsim.validation.in_simgrid import PRECISION

COLLECTIVES, TOPOLOGIES = FAMILIES["collectives"].names(), FAMILIES["topologies"].names()
ON_ALL = ("direct", "double_binary_tree", "tree")  # everyone to everyone; two lanes at once; unlike subtrees
PLAYED = [(kind, name) for name in TOPOLOGIES for kind in (COLLECTIVES if name == "graph" else ON_ALL)]
NETSIM = {"netsim (fast)", "netsim (simpy)"}


@pytest.fixture(scope="module")
def simgrid() -> str:
    python = in_simgrid.interpreter()
    if python is None:
        pytest.skip("SimGrid is not installed")
    return python


def case(kind: str, ranks: int, topology: str) -> peers.Case:
    found = peers.case(FAMILIES["collectives"].build(kind), ranks, topology)
    assert found
    return found


def ours(each: peers.Case) -> tuple[float, float]:
    """netsim's seconds, and how exactly SimGrid knows them: each message may begin and end that much too early."""
    size, rate, latency = peers.SIZE, peers.RATE, peers.LATENCY
    result = collective(each.kind, ranks=each.ranks, size=size, rate=rate, latency=latency, topology=each.build)
    return result.time_s, 2 * result.messages * PRECISION


@pytest.mark.parametrize(("kind", "topology"), PLAYED)
def test_collectives_take_as_long_in_simgrid_on_every_topology(simgrid: str, kind: str, topology: str) -> None:
    each = case(kind, 8, topology)
    seconds, exactly = ours(each)
    found = in_simgrid.played(simgrid, each.kind, each.ranks, peers.SIZE, each.network)
    assert found["time_s"] == pytest.approx(seconds, rel=0, abs=exactly)


@pytest.mark.parametrize("kind", ["direct", "tree"])
def test_simgrid_s_own_shares_are_equal_where_latencies_are(simgrid: str, kind: str) -> None:
    each = case(kind, 8, "star")
    seconds, exactly = ours(each)
    found = in_simgrid.played(simgrid, each.kind, each.ranks, peers.SIZE, each.network, by_latency=True)
    assert found["time_s"] == pytest.approx(seconds, rel=0, abs=exactly)


def test_every_topology_has_cases_and_all_that_are_installed_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "RANKS", (8,))
    cases, left_out = peers.cases()
    assert left_out == ["parameter_server among 8 ranks on a hypercube"], "it has no ninth host"
    done: list[int] = []
    assert {kind_of(each.build) for each in cases} == set(TOPOLOGIES)
    assert len(cases) == len(TOPOLOGIES) * len(peers.KINDS) - 1
    star = [each for each in cases if kind_of(each.build) == "star"]
    rows = list(peers.rows(star, done.append))
    for kind in peers.KINDS:
        times = [row["time_s"] for row in rows if row["collective"] == kind]
        assert times == pytest.approx([times[0]] * len(times), rel=1e-9)
    assert {row["simulator"] for row in rows} >= NETSIM and done == [1, 2, 3, 4, 5, 6]


def test_without_other_simulators_netsim_stands_alone_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "RANKS", (4,))
    monkeypatch.setattr(in_simgrid, "_PYTHONS", ())
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    cli.main(["validate", "--peers", "--json"], standalone_mode=False)
    out, err = capsys.readouterr()
    rows: list[dict[str, Any]] = json.loads(out)["rows"]
    assert {row["simulator"] for row in rows} == NETSIM
    assert {row["topology"] for row in rows} == set(TOPOLOGIES)
    assert "python3-simgrid" in err and "ns.py" in err and "parameter_server among 4 ranks on a hypercube" in err


def test_what_is_of_measured_figures_alone_is_refused_beside_peers() -> None:
    with pytest.raises(ScenarioError) as refused:
        cli.main(
            ["validate", "scenarios/validation", "--peers", "--only", "oracles", "-o", "reports"], standalone_mode=False
        )
    assert [problem.path for problem in refused.value.problems] == ["FOLDER", "--only", "-o"]
