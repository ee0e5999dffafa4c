"""Where two collectives are equally fast, against what their formulas say."""

from __future__ import annotations

import math

import pytest

from netsim.api import crossover
from netsim.crossings import crossings
from netsim.errors import ScenarioError

NETWORK = {"rate": "1 GB/s", "latency": "10 us"}


@pytest.mark.parametrize("precision", [1e-2, 1e-4])
def test_a_crossing_is_where_the_closed_forms_are_equal(precision: float) -> None:
    """3 (a + S / B) = 14 (a + S / (8 B)) at S = 11 a B / 1.25."""
    found = crossover(
        "recursive_doubling", "ring", along="size", low="1 kB", high="1 GB", precision=precision, ranks=8, **NETWORK
    )
    (one,) = found.crossings
    assert one.low <= 11 * 1e4 / 1.25 <= one.high <= one.low * (1 + precision)
    assert found.ahead == "recursive_doubling" and one.first


def test_numbers_of_ranks_are_whole() -> None:
    """Binomial tree against ring at 100 kB: 2 ceil(log2 n) (a + S / B) against 2 (n - 1) (a + S / (n B))."""
    times = {n: (2 * math.ceil(math.log2(n)) * 110e-6, 2 * (n - 1) * (10e-6 + 100e-6 / n)) for n in range(2, 65)}
    found = crossover("binomial_tree", "ring", along="ranks", low=2, high=64, size="100 kB", **NETWORK)
    for each in found.crossings:
        assert each.high - each.low == 1
        below, above = (times[int(n)][0] < times[int(n)][1] for n in (each.low, each.high))
        assert (below, above) == (each.first, not each.first)
    assert found.crossings


def test_there_may_be_no_crossing_or_several() -> None:
    same = crossover("direct", "bruck", along="rate", low="1 GB/s", high="9 GB/s", ranks=2, size=1e6, latency=0.0)
    assert (same.crossings, same.ahead) == ([], None)
    never = crossover("direct", "ring", along="size", low="1 kB", high="1 GB", ranks=8, **NETWORK)
    assert (never.crossings, never.ahead) == ([], "direct")
    waves = crossings(lambda x: math.sin(math.log(x)), 1.5, 1000.0, precision=1e-6)
    assert [each.at for each in waves] == pytest.approx([math.exp(math.pi), math.exp(2 * math.pi)], rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"along": "sizes"}, "along: no axis 'sizes'. Did you mean 'size'?"),
        ({"low": "1 GB"}, "from: must be more than 0"),
        ({"low": "1 s"}, "from: "),
        ({"precision": 0.0}, "precision: 0 will not do"),
    ],
)
def test_wrong_ends_are_said(changes: dict[str, object], said: str) -> None:
    asked = {"along": "size", "low": "1 kB", "high": "1 MB", "ranks": 8, **NETWORK, **changes}
    with pytest.raises(ScenarioError) as error:
        crossover("ring", "tree", **asked)  # type: ignore[arg-type]
    assert str(error.value).startswith(said)
