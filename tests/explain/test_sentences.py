from __future__ import annotations

from typing import Any

from netsim.explain import how_it_changes, how_two_change_it, verdict, why

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
    assert said[0] == "Tree is fastest up to 4 workers, ring at 8."


def test_a_winner_throughout_is_said_to_be_so() -> None:
    rows = [row(name, t * n, workers=n) for n in (2, 4) for name, t in (("ring", 0.01), ("tree", 0.02))]
    assert how_it_changes(rows, STRATEGY, WORKERS)[0] == "Ring is fastest at every number of workers, from 2 to 4."


def test_where_more_no_longer_helps_is_said() -> None:
    rows = [
        {**row(name, t), "job.strategy.servers": k, WORKERS: 8}
        for name, times in (("ring", (0.4, 0.2, 0.1, 0.1)), ("tree", (0.5, 0.5, 0.5, 0.5)))
        for k, t in zip((1, 2, 4, 8), times, strict=True)
    ]
    assert how_it_changes(rows, STRATEGY, "job.strategy.servers")[-1] == "Beyond 4 servers ring gains less than 5 %."


def test_a_lead_is_said_at_both_ends_and_where_it_is_largest() -> None:
    seconds = {"off": (0.10, 0.09, 0.05), "on": (0.10, 0.06, 0.04)}
    rows = [row(name, t, workers=n) for name, times in seconds.items() for n, t in zip((2, 4, 8), times, strict=True)]
    assert "by a factor of 1 at 2 workers, 1.5 at 4 and 1.25 at 8." in how_it_changes(rows, STRATEGY, WORKERS)[1]


def latencies(**seconds: tuple[float, ...]) -> list[dict[str, Any]]:
    axis = ("10 us", "100 us", "1 ms")
    return [
        {**row(name, t), "cluster.link.latency": at}
        for name, times in seconds.items()
        for at, t in zip(axis, times, strict=True)
    ]


def test_of_three_it_is_said_who_overtakes_whom_and_who_is_never_bad() -> None:
    rows = latencies(ring=(0.03, 0.05, 0.50), tree=(0.04, 0.04, 0.10), binomial_tree=(0.06, 0.06, 0.09))
    said = how_it_changes(rows, STRATEGY, "cluster.link.latency")
    assert said[0] == "Ring is fastest at a link latency of 10 us, tree at 100 us, binomial tree at 1 ms."
    assert said[2] == (
        "Tree overtakes ring between 10 us and 100 us; binomial tree overtakes ring between 100 us and 1 ms; "
        "binomial tree overtakes tree between 100 us and 1 ms."
    )
    assert said[3] == "Tree is never more than 33 % slower than the fastest."


def test_what_bounds_a_contender_is_said_where_it_changes() -> None:
    rows = latencies(ring=(0.03, 0.05, 0.5), tree=(0.04, 0.04, 0.1))
    for each in rows:
        slow = each["cluster.link.latency"] == "1 ms" and each[STRATEGY] == "ring"
        each["bottleneck"] = "latency" if slow else "compute"
    assert (
        "Ring is bound by computing up to a link latency of 100 us, by latency at 1 ms; tree is bound by computing "
        "throughout." in how_it_changes(rows, STRATEGY, "cluster.link.latency")
    )


def test_along_two_axes_each_value_of_the_second_has_its_winners() -> None:
    rows = [
        {**row(name, t), "cluster.workers": n, "cluster.link.rate": rate}
        for name, n, rate, t in [
            ("ring", 2, "1 Gbit/s", 0.10), ("tree", 2, "1 Gbit/s", 0.20),
            ("ring", 4, "1 Gbit/s", 0.10), ("tree", 4, "1 Gbit/s", 0.30),
            ("ring", 2, "10 Gbit/s", 0.02), ("tree", 2, "10 Gbit/s", 0.02),
            ("ring", 4, "10 Gbit/s", 0.02), ("tree", 4, "10 Gbit/s", 0.02),
        ]
    ]  # fmt: skip
    assert how_two_change_it(rows, STRATEGY, WORKERS, "cluster.link.rate") == [
        "At a link rate of 1 Gbit/s ring is fastest at every number of workers, from 2 to 4, by a factor of 2 to 3.",
        "At a link rate of 10 Gbit/s ring and tree tie at every number of workers, from 2 to 4.",
    ]


def test_models_are_spelled_as_they_are_typed() -> None:
    rows = [{**row("ring", t), "job.model": name} for name, t in (("lightrnn", 0.1), ("rnn_lm", 0.4))]
    assert verdict(rows, "job.model").sentences[0].startswith("lightrnn is fastest on 8 workers")


def test_many_that_tie_say_their_key_once() -> None:
    rows = [{**row("ring", 0.1), "job.bucket": size} for size in ("layer", "1 MB", "2 MB")]
    assert verdict(rows, "job.bucket").sentences[0].startswith("Bucket layer, 1 MB and 2 MB tie on 8 workers")


def test_a_faster_link_is_the_reason_where_the_bytes_are_the_same() -> None:
    slow = {**row("ring", 0.2, busiest_link_rate_bytes_per_s=125e6), "cluster.link": "1gbe"}
    fast = {**row("ring", 0.03), "cluster.link": "10gbe"}
    assert verdict([slow, fast], "cluster.link").sentences[1] == (
        "1gbe is held back by server0's outgoing port, which carries 28 MB (1.75 x the gradients) an iteration, "
        "224 ms of sending at 1 Gbit/s; with 10gbe the same is 22.4 ms of sending at 10 Gbit/s."
    )


def test_a_single_line_says_how_the_speed_goes_and_what_makes_no_difference() -> None:
    rows = [row("ring", 0.04, workers=2), row("ring", 0.04, workers=4, samples_per_s=12_800.0)]
    assert how_it_changes(rows, None, WORKERS) == [
        "From 2 workers to 4 the throughput goes from 6,400 samples/s to 12,800 samples/s.",
        "The scaling efficiency stays at 50 %.",
    ]
    same = [{**row("ring", 0.04), "seed": seed} for seed in (1, 2)]
    assert how_it_changes(same, None, "seed") == ["The seed makes no difference, from 1 to 2."]


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
