"""No known figure is silently left out: each is predicted by `netsim validate` or in a test, or says why it is not."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VALIDATION = ROOT / "scenarios" / "validation"
TABLES = {"oracles": 352, "real_allreduce": 459, "published_results": 278}  # rows, of the last those of collectives
MEASURED = {"tests/data/astra_sim.csv": "time_s", "tests/data/simgrid.csv": "time_s"}
CLOSE = {"in_node_nccl": 5e-4}  # of 3 and 4 digits published, in two units; else 6 digits are the same


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


ROWS = table(ROOT / "tests" / "data" / "reference_rows.csv")
PREDICTED = [row for row in ROWS if row["predicted_in"]]


def among(value: str, values: list[float], place: str) -> bool:
    return any(math.isclose(float(value), each, rel_tol=CLOSE.get(place, 5e-6)) for each in values)


def file_of(place: str) -> tuple[Path, str]:
    """The table that a row is in, and its column of measured values."""
    return (ROOT / place, MEASURED[place]) if place in MEASURED else (VALIDATION / f"{place}.csv", "measured")


@pytest.mark.parametrize("name", TABLES)
def test_all_rows_are_listed(name: str) -> None:
    assert sum(row["table"] == name for row in ROWS) == TABLES[name]


@pytest.mark.parametrize("place", sorted({row["predicted_in"] for row in PREDICTED}))
def test_what_is_said_to_be_predicted_is_there(place: str) -> None:
    file, column = file_of(place)
    there = [float(row[column]) for row in table(file)]
    wanted = [row for row in PREDICTED if row["predicted_in"] == place]
    assert [row["case"] for row in wanted if not among(row["measured"], there, place)] == []


def test_a_row_that_is_not_predicted_says_why() -> None:
    for row in ROWS:
        assert bool(row["predicted_in"]) != bool(row["why_not"].strip()), row


@pytest.mark.parametrize("name", ["oracles", "real_allreduce"])
def test_next_to_all_deterministic_and_own_figures_are_predicted(name: str) -> None:
    left = [row["case"] for row in ROWS if row["table"] == name and not row["predicted_in"]]
    assert all("worker1" in case for case in left) and len(left) <= 2, left


def test_nothing_is_predicted_that_is_not_among_the_known_figures() -> None:
    """So that a row that is added to a source is added to the list of known figures, too."""
    for place in ("tc_cluster", "asynchronous", "shaped_network"):
        known = [float(row["measured"]) for row in PREDICTED if row["predicted_in"] == place]
        file, column = file_of(place)
        assert [row for row in table(file) if not among(row[column], known, place)] == [], place
