from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from netsim.collectives.ring import Ring
from netsim.collectives.tree import Tree
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, Family, Reads, json_schema, kind_of, parameters, snake_case
from netsim.hardware import Link
from netsim.topologies.base import Host

PLUGIN = '''
"""A collective in a file of its own."""
from dataclasses import dataclass
from netsim.collectives.rounds import Collective

@dataclass(frozen=True, kw_only=True)
class ButterflyTwo(Collective):
    """Does nothing."""
    stride: int = 3

@dataclass(frozen=True)
class NotACollective:
    """Something else that the file needs."""
'''


def problems(family: str, value: object) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        FAMILIES[family].build(value, "job.strategy")
    return [str(problem) for problem in error.value.problems]


def test_a_member_is_there_when_its_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plugins"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "butterfly.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    family = Family("collective", ("plugins",), "netsim.collectives.rounds:Collective")
    assert family.names() == ["butterfly_two"]
    assert family.build({"kind": "butterfly_two", "stride": 5, "slices": 2}).stride == 5
    del sys.modules["plugins"], sys.modules["plugins.butterfly"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_member_says_what_it_is_and_has_a_schema(name: str) -> None:
    family = FAMILIES[name]
    assert family.names()
    for member in family.names():
        assert (family.member(member).__doc__ or "").strip()
        assert json_schema(family.member(member), left_out=family.given, kind=member)["properties"]["kind"]


def test_a_name_or_a_table_makes_a_member() -> None:
    assert FAMILIES["strategies"].build("ring") == Ring()
    assert FAMILIES["strategies"].build({"kind": "tree", "arity": 3}) == Tree(arity=3)
    assert kind_of(Tree()) == "tree"


def test_a_list_of_a_file_is_as_good_as_a_tuple() -> None:
    assert FAMILIES["strategies"].build({"kind": "ring", "order": [1, 0]}) == Ring(order=(1, 0))
    assert problems("strategies", {"kind": "ring", "order": [1, "0"]}) == [
        "job.strategy.order[1]: '0' is not a whole number"
    ]


def test_a_topology_is_called_with_the_hosts_later() -> None:
    star = FAMILIES["topologies"].build("star")
    assert star([Host("a", Link(rate=1.0, latency=0.0))]).names == ("a.up", "a.down")
    assert kind_of(star) == "star"
    assert "hosts" in parameters(star.function) and "hosts" not in parameters(star.function, ("hosts",))


def test_the_parameter_server_of_training_stands_for_the_collective_of_that_name() -> None:
    assert hasattr(FAMILIES["strategies"].build("parameter_server"), "keys")
    assert not hasattr(FAMILIES["collectives"].build("parameter_server"), "keys")


@pytest.mark.parametrize(
    ("value", "complaints"),
    [
        ("rign", ["job.strategy: no strategy 'rign'. Did you mean 'ring'?"]),
        ({"kind": "rign"}, ["job.strategy.kind: no strategy 'rign'. Did you mean 'ring'?"]),
        ({"slices": 2}, ["job.strategy.kind: is missing; give the name of a strategy"]),
        (7, ["job.strategy: 7 is not a strategy; give a name or a table with a kind"]),
        ({"kind": 7}, ["job.strategy.kind: no strategy 7."]),
        (
            {"kind": "tree", "aritty": 2, "slices": "many"},
            [
                "job.strategy.slices: 'many' is not a whole number",
                "job.strategy.aritty: no such key. Did you mean 'arity'?",
            ],
        ),
        ({"kind": "tree", "arity": 0}, ["job.strategy.arity: 0 is too small; it must be at least 1"]),
        (
            {"kind": "ring", "slices": 2, "slice": "1 MB"},
            ["job.strategy: slices and slice both given; one of them says it all"],
        ),
        (
            {"kind": "parameter_server", "placement": "co-located"},
            ["job.strategy.placement: 'co-located' will not do; it must be 'apart' or 'colocated'"],
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(value: object, complaints: list[str]) -> None:
    assert problems("strategies", value) == complaints


def test_keys_of_a_file_are_shown_on_one_line_whatever_they_are() -> None:
    for key, shown in (("\x1b[31m", r"\x1b[31m"), ("a\nb", r"a\nb"), ("", '""'), ("k" * 10_000, "k" * 900)):
        (problem,) = problems("strategies", {"kind": "ring", key: 1})
        assert problem.startswith(f"job.strategy.{shown}") and problem.isprintable() and len(problem) < 1200


def test_names_become_snakes() -> None:
    assert [snake_case(name) for name in ("Ring", "DoubleBinaryTree", "Torus2D", "vit_b16")] == [
        "ring",
        "double_binary_tree",
        "torus_2d",
        "vit_b16",
    ]


def test_what_equal_tables_stand_for_is_shared_and_unequal_ones_are_told_apart() -> None:
    read = Reads(lambda value: [value], dict)
    assert read({"a": 1}) is read({"a": 1})
    assert [type(read({"a": value})[0]["a"]) for value in (1, 1.0, True)] == [int, float, bool]


def test_a_file_is_read_again_once_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    read = Reads(lambda value: file.read_text(), dict)
    file.write_text("one")
    assert read({"file": str(file)}) == "one"
    file.write_text("another")
    assert read({"file": str(file)}) == "another"
