from __future__ import annotations

from typing import Any

from netsim.explain import how_it_changes, verdict, why

STRATEGY, WORKERS = "job.strategy.kind", "cluster.workers"


def row(strategy: str, seconds: float, workers: int = 8, **changes: Any) -> dict[str, Any]:
    return {
        STRATEGY: strategy,
        WORKERS: workers,
        "workers": workers,
        "iteration_time_s": seconds,
        "samples_per_s": 256 / seconds,
        "scaling_efficiency": 0.02 / seconds,
        "compute_time_s": 0.02,
        "exposed_communication_s": seconds - 0.02,
        "straggler_wait_s": 0.0,
        "gradient_bytes": 16e6,
        "busiest_link": "server0.up",
        "busiest_link_bytes_per_iteration": 128e6 if strategy == "parameter_server" else 28e6,
        "busiest_link_rate_bytes_per_s": 1.25e9,
        "busiest_link_utilisation": 0.5,
        "messages_per_iteration": 112,
        "bottleneck": "link server0.up",
        **changes,
    }


def test_the_winner_is_named_with_its_lead_and_the_losers_load() -> None:
    said = verdict([row("parameter_server", 0.24), row("ring", 0.05)], STRATEGY)
    assert (said.winner, said.runner_up, round(said.factor or 0, 6)) == ("ring", "parameter_server", 4.8)
    text = " ".join(said.sentences)
    assert "Ring is fastest on 8 workers: 50 ms an iteration" in text
    assert "4.8 x faster than the parameter server" in text
    assert "server0's outgoing port, which carries 128 MB (8 x the gradients)" in text


def test_equals_tie() -> None:
    said = verdict([row("tree", 0.05), row("ring", 0.05)], STRATEGY)
    assert (said.winner, said.factor) == (None, 1.0) and "tie" in said.sentences[0]


def test_the_same_load_is_no_reason_but_what_overlap_hides_is() -> None:
    said = verdict([row("tree", 0.05), row("ring", 0.03)], STRATEGY)
    assert "Their busiest links carry about the same" in said.sentences[1]
    assert "30 ms of the exchange uncovered, with the ring 10 ms" in said.sentences[1]


def test_a_slower_device_is_said_to_compute_longer() -> None:
    slow = row("tree", 0.25, compute_time_s=0.24, exposed_communication_s=0.01)
    assert (
        "The tree computes for 240 ms an iteration, the ring for 20 ms"
        in verdict([slow, row("ring", 0.03)], STRATEGY).sentences[1]
    )


def test_one_worker_has_nobody_to_exchange_with() -> None:
    alone = [row(name, 0.02, workers=1, busiest_link=None, bottleneck="compute") for name in ("ring", "tree")]
    assert "nobody to exchange with" in " ".join(verdict(alone, STRATEGY).sentences)
    assert "nobody to exchange with" in " ".join(verdict(alone[:1], None).sentences)


def test_a_change_of_winner_is_said_with_where_it_happens() -> None:
    rows = [row("tree", t, workers=n) for n, t in ((2, 0.03), (4, 0.04), (8, 0.09))]
    rows += [row("ring", t, workers=n) for n, t in ((2, 0.05), (4, 0.05), (8, 0.05))]
    said = how_it_changes(rows, STRATEGY, WORKERS)
    assert said[0] == "Tree is fastest up to 4 workers, ring at 8 workers."


def test_a_winner_throughout_is_said_to_be_so() -> None:
    rows = [row(name, t * n, workers=n) for n in (2, 4) for name, t in (("ring", 0.01), ("tree", 0.02))]
    assert how_it_changes(rows, STRATEGY, WORKERS)[0] == "Ring is fastest throughout, from 2 workers to 4 workers."


def test_where_more_no_longer_helps_is_said() -> None:
    rows = [
        {**row(name, t), "job.strategy.servers": k, WORKERS: 8}
        for name, times in (("ring", (0.4, 0.2, 0.1, 0.1)), ("tree", (0.5, 0.5, 0.5, 0.5)))
        for k, t in zip((1, 2, 4, 8), times, strict=True)
    ]
    assert (
        how_it_changes(rows, STRATEGY, "job.strategy.servers")[-1]
        == "Within 5 % of the best already: 4 servers for ring."
    )


def test_why_says_what_the_time_goes_to() -> None:
    assert (
        why(row("ring", 0.05))[0]
        == "An iteration is 40 % computing and 60 % communication that computing does not hide."
    )
    assert why(row("ring", 0.02))[0] == "An iteration is all computing: no exchange holds it up."
    waits = why(row("ring", 0.05, straggler_wait_s=0.02, exposed_communication_s=0.01))[0]
    assert waits.endswith("40 % waiting for slower workers.")


def test_nothing_is_said_of_nothing() -> None:
    assert verdict([], STRATEGY).sentences == () and how_it_changes([row("ring", 1.0)], STRATEGY, WORKERS) == []
