from __future__ import annotations

import pytest

from netsim.axes import Axis, contender_axis, distinct, every, label, measure, name, place, text


def test_quantities_are_numbers_in_si_and_words_are_none() -> None:
    assert Axis("cluster.link.rate", ("1 Gbit/s", "10 Gbit/s")).numbers == (125e6, 1.25e9)
    assert Axis("cluster.workers", (2, 4)).numbers == (2.0, 4.0)
    assert Axis("job.strategy.kind", ("ring", "tree")).numbers is None
    assert measure([True, False]) is None and measure(["1 s", "2 B"]) is None and measure([]) is None


def test_the_strategy_competes_or_else_the_first_words() -> None:
    strategy = {"cluster.workers": [1], "job.model": ["a"], "job.strategy.kind": ["ring"]}
    assert contender_axis(strategy) == "job.strategy.kind"
    assert contender_axis({"cluster.workers": [1], "job.overlap": [True, False]}) == "job.overlap"
    assert contender_axis({"cluster.workers": [1]}) is None


@pytest.mark.parametrize(
    ("path", "value", "said", "where"),
    [
        ("cluster.workers", 8, "8 workers", "at 8 workers"),
        ("cluster.workers", 1, "1 worker", "at 1 worker"),
        ("cluster.link.latency", "10 us", "link latency 10 us", "at a link latency of 10 us"),
        ("job.overlap", False, "overlap off", "with overlap off"),
        ("job.strategy.kind", "parameter_server", "parameter server", "for parameter server"),
        ("job.model", "vgg16", "vgg16", "for vgg16"),
        ("job.strategy.servers", 4, "4 servers", "at 4 servers"),
    ],
)
def test_values_are_said_as_people_say_them(path: str, value: object, said: str, where: str) -> None:
    assert (label(path, value), place(path, value)) == (said, where)


def test_tables_are_text_with_their_kind_first() -> None:
    assert text({"kind": "parameter_server", "servers": 2}) == "parameter_server (servers 2)"
    assert name("job.strategy.kind") == "strategy"


def test_a_whole_axis_is_said_once() -> None:
    assert every("cluster.workers", 2, 16) == "at every number of workers, from 2 to 16"
    assert every("cluster.link.rate", "1 Gbit/s", "10 Gbit/s") == "at every link rate, from 1 Gbit/s to 10 Gbit/s"


def test_values_are_told_apart_by_what_differs() -> None:
    tables = [{"kind": "tree", "arity": 2, "slices": 4}, {"kind": "tree", "arity": 3, "slices": 4}]
    assert list(distinct(tables).values()) == ["tree (arity 2)", "tree (arity 3)"]
    assert list(distinct([tables[0], "ring"]).values()) == ["tree (arity 2, slices 4)", "ring"]
    assert distinct([tables[0]]) == {"tree (arity 2, slices 4)": "tree (arity 2, slices 4)"}
