"""Collectives of the user's own: proved before they are played, and refused with what is wrong."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.algorithms.code import from_code
from netsim.algorithms.steps import from_file
from netsim.api import allreduce, choose
from netsim.collectives import _libraries
from netsim.collectives.rounds import Collective
from netsim.errors import ScenarioError

NETWORK = {"size": "1 MB", "rate": "1 GB/s", "latency": "10 us"}
SWAP = """
ranks = 2
pieces = 1
[[round]]
add = true
send = [[0, 1, 0], [1, 0, 0]]
"""
CLASS = """
from dataclasses import dataclass
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Round

@dataclass(frozen=True, kw_only=True)
class Mine(Ring):
    left_out: int = 0
    def rounds(self, ranks):
        yield from list(super().rounds(ranks))[self.left_out:]
"""


def of_file(folder: Path, text: str, name: str = "steps.toml") -> Collective:
    (folder / name).write_text(text)
    return from_file(str(folder / name), {})


def complaint(folder: Path, text: str, name: str = "steps.toml") -> str:
    with pytest.raises(ScenarioError) as error:
        of_file(folder, text, name)
    return str(error.value).replace(str(folder) + "/", "")


def test_steps_of_a_file_are_played_like_any_collective(tmp_path: Path) -> None:
    result = allreduce(of_file(tmp_path, SWAP), ranks=2, **NETWORK)
    assert (result.time_s, result.messages, result.ideal_time_s) == (pytest.approx(1.01e-3), 2, None)
    table = {"ranks": 2, "pieces": 1, "round": [{"add": True, "send": [[0, 1, 0, 1], [1, 0, 0, 1]]}]}
    assert allreduce(of_file(tmp_path, json.dumps(table), "steps.json"), ranks=2, **NETWORK).time_s == result.time_s


def test_a_broadcast_may_be_wrong_or_right(tmp_path: Path) -> None:
    text = 'operation = "broadcast"\nranks = 3\npieces = 1\n[[round]]\nadd = false\nsend = [[0, 1, 0]]\n'
    assert complaint(tmp_path, text) == (
        "steps.toml: is no broadcast: rank 2 ends with piece 0 in which the contribution of rank 0 is missing"
    )
    assert of_file(tmp_path, text + "[[round]]\nadd = false\nsend = [[1, 2, 0]]").operation == "broadcast"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[1, 0, 0]]", "[1, 0, 0]]\n[[round]]\nadd = true\nsend = [[0, 1, 0]]", "rank 0 is counted 2 times"),
        ("[0, 1, 0], ", "", "rank 1 ends with piece 0 in which the contribution of rank 0 is missing"),
        ("[0, 1, 0]", "[0, 2, 0]", "round 0 sends from rank 0 to 2; there are ranks 0 to 1"),
        ("[0, 1, 0]", "[0, 1, 1]", "round 0 sends 1 pieces from 1 on; there are 1"),
        ("[0, 1, 0]", "[0, 1]", "send must list transfers as"),
        ("[0, 1, 0]", "[0, 1, true]", "not a whole number"),
        ("pieces = 1", "pieces = 1000000000000", "pieces"),
        ("ranks = 2", "ranks = 4000\nlane = 3", "no such key"),
        ("add = true", "lane = -1\nadd = true", "lane must be"),
        ("ranks = 2", "ranks = ", "cannot be read"),
        ("pieces = 1", "pieces = 999999", "can be proved"),
    ],
)
def test_a_wrong_file_ends_in_a_message(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = SWAP.replace("ranks = 2", "ranks = 4000").replace(old, new) if "999999" in new else SWAP.replace(old, new)
    assert said in complaint(tmp_path, text)


def test_hostile_files_end_in_messages(tmp_path: Path) -> None:
    assert "cannot be read" in complaint(tmp_path, "[" * 100_000, "deep.json")
    assert "is not a table" in complaint(tmp_path, "[]", "list.json")
    assert "neither" in complaint(tmp_path, SWAP, "steps.yaml")
    with pytest.raises(ScenarioError, match="no such file"):
        from_file(str(tmp_path / "none.toml"), {})


def test_a_class_of_ones_own_is_run_only_when_it_is_named_as_code(tmp_path: Path) -> None:
    file = tmp_path / "mine_for_a_test.py"
    file.write_text(CLASS)
    right = from_code(f"{file}:Mine", {"slices": 2}, 5)
    assert (
        allreduce(right, ranks=5, **NETWORK).time_s
        == allreduce({"kind": "ring", "slices": 2}, ranks=5, **NETWORK).time_s
    )
    for place, fields, said in (
        (f"{file}:Mine", {"left_out": 1}, "is no all_reduce: rank"),
        (f"{file}:Other", {}, "has no 'Other' that is a class"),
        (f"{file}:Mine", {"left": 1}, "no such key"),
        (str(file), {}, "is neither FILE.py:NAME nor package.module:NAME"),
        (f"{tmp_path}/none.py:Mine", {}, "no such file"),
    ):
        with pytest.raises(ScenarioError, match=said):
            from_code(place, fields, 5)
    file.write_text("1 / 0")
    with pytest.raises(ScenarioError, match="ends in ZeroDivisionError"):
        from_code(f"{file}:Mine", {}, 5)
    del sys.modules["mine_for_a_test"]


@pytest.mark.parametrize("size", ["100 B", "1 MB", "1 GB"])
def test_the_fastest_kind_is_chosen_by_simulation(size: str) -> None:
    network = {"ranks": 8, "size": size, "rate": "10 Gbit/s", "latency": "100 us"}
    choice = choose(**network)
    assert choice.runner_up is not None and choice.margin is not None and choice.margin >= 0
    assert all(choice.chosen.time_s <= allreduce(kind, **network).time_s for kind in ("ring", "tree", "bruck"))
    assert choice.as_dict()["margin"] == choice.runner_up.time_s / choice.chosen.time_s - 1


def test_a_library_chooses_as_it_documents() -> None:
    network = {"ranks": 16, "rate": "100 Gbit/s", "latency": "10 us"}
    chosen = {
        (library, size): choose(library=library, size=size, **network).chosen.kind  # type: ignore[arg-type]
        for library in ("nccl", "gloo", "openmpi")
        for size in ("4 kB", "64 MB")
    }
    assert chosen == {
        ("nccl", "4 kB"): "double_binary_tree",
        ("nccl", "64 MB"): "ring",
        ("gloo", "4 kB"): "ring",
        ("gloo", "64 MB"): "ring",
        ("openmpi", "4 kB"): "recursive_doubling",
        ("openmpi", "64 MB"): "ring",
    }


@given(ranks=st.integers(2, 512), power=st.integers(0, 23))
def test_nccls_model_is_made_of_the_parts_that_its_source_names(ranks: int, power: int) -> None:
    """src/graph/tuning.cc: latencies alone without bytes, bandwidth beyond them; LL for little, Simple for much."""
    nbytes, steps, hops = 64.0 * 2**power, 2 * (ranks - 1), 2 * math.log2(ranks)
    ring, tree = nbytes * steps / ranks, 2 * nbytes / 0.92  # bytes over the rate are seconds
    low = {"ring": 6.6e-6 + steps * 2.7e-6, "tree": 6.8e-6 + hops * 5e-6}
    assert _libraries._nccl_ring(ranks, nbytes, math.inf) == pytest.approx(low["ring"], rel=1e-12)
    assert _libraries._nccl_tree(ranks, nbytes, math.inf) == pytest.approx(low["tree"], rel=1e-12)
    little, much = 1e-6, 1.0  # s
    share, half = _libraries._TREE_LL[power], _libraries._TREE_SIMPLE[power]
    assert _libraries._nccl_ring(ranks, nbytes, ring / little) == pytest.approx(low["ring"] + 2 * little, rel=1e-12)
    assert _libraries._nccl_tree(ranks, nbytes, tree / little) == pytest.approx(low["tree"] + 3.8 * little / share)
    late = (1.4 if nbytes >= 64 * ranks else 1.0) * (8.4e-6 + steps * 14e-6)
    assert _libraries._nccl_ring(ranks, nbytes, ring / much) - much == pytest.approx(late, rel=1e-6)
    assert _libraries._nccl_tree(ranks, nbytes, tree / much) - much / half == pytest.approx(
        8.4e-6 + hops * 14e-6, rel=1e-6
    )


def test_a_tree_of_nccl_reaches_a_share_of_its_rate_at_each_size_up_to_512_mib() -> None:
    for shares in (_libraries._TREE_LL, _libraries._TREE_SIMPLE):
        assert len(shares) == 24 and all(0 < share <= 1 for share in shares)
    assert _libraries._nccl_tree(8, 1.0, 1e9) <= _libraries._nccl_tree(8, 64.0, 1e9)
    ends = [_libraries._nccl_tree(8, size * 2.0**30, 1e9) for size in (1, 2, 3)]
    assert ends[2] - ends[1] == pytest.approx(ends[1] - ends[0], rel=1e-9)


def test_open_mpi_leaves_recursive_doubling_at_ten_thousand_bytes() -> None:
    kinds = [_libraries.documented("openmpi", 8, nbytes, 1e9) for nbytes in (9_999, 10_000)]
    assert kinds == ["recursive_doubling", "ring"]


def test_an_operation_that_one_kind_has_is_chosen_without_a_runner_up() -> None:
    choice = choose(operation="all_to_all", ranks=4, **NETWORK)
    assert (choice.chosen.kind, choice.runner_up, choice.margin) == ("direct", None, None)


@pytest.mark.parametrize(
    ("kind", "operation", "factor"),
    [("ring", "all_reduce", 1.5), ("ring", "all_gather", 0.75), ("binomial_tree", "broadcast", 1.0)],
)
def test_bus_bandwidth_is_counted_as_nccl_tests_do(kind: str, operation: str, factor: float) -> None:
    result = allreduce({"kind": kind, "operation": operation}, ranks=4, **NETWORK)
    assert result.busbw == pytest.approx(factor * 1e6 / result.time_s)


GENERATOR = """
import numpy as np
from netsim.collectives.rounds import Round

def swap(ranks):
    rank = np.arange(ranks)
    for bit in range(ranks.bit_length() - 1):
        yield Round.of(rank, rank ^ (1 << bit), add=True)

def half(ranks):
    yield Round.of(np.arange(1, ranks), 0, add=True)

def broken(ranks):
    yield 1 / 0
"""


def test_a_generator_of_rounds_is_an_all_reduce_named_by_its_file_or_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "swaps_for_a_test.py").write_text(GENERATOR)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "swaps_for_a_test.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "elsewhere"), *sys.path])  # the folder of the command comes first
    twin = allreduce("recursive_doubling", ranks=8, **NETWORK)
    for place in ("swaps_for_a_test.py:swap", "swaps_for_a_test:swap"):
        result = allreduce(from_code(place, {}, 8), ranks=8, **NETWORK)
        assert (result.time_s, result.wire_bytes, result.kind) == (twin.time_s, twin.wire_bytes, "swap")
    for place, said in (
        ("swaps_for_a_test:half", "swaps_for_a_test:half: is no all_reduce: rank 1 ends with piece 0"),
        ("swaps_for_a_test:broken", "ends in ZeroDivisionError"),
        ("swaps_for_a_test:NETWORK", "has no 'NETWORK' that is a class"),
        ("no_such_module_here:swap", "ends in ModuleNotFoundError"),
    ):
        with pytest.raises(ScenarioError, match=said):
            from_code(place, {}, 8)
    del sys.modules["swaps_for_a_test"]
