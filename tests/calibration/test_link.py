from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import api
from netsim.calibrated import calibrate_link
from netsim.calibration.link import fit_link
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.loading import from_table, load
from netsim.logs.base import Log, Sample

ROOT = Path(__file__).parents[2]
SIZES = [float(1 << power) for power in range(6, 27, 2)]


def published() -> dict[str, Log]:
    """All-reduces of NCCL that others have measured, by hardware."""
    table = pd.read_csv(ROOT / "tests" / "data" / "published_sweeps.csv")
    moved = 2 * (table["ranks"] - 1) / table["ranks"] * table["size_bytes"]  # the bytes of a bus bandwidth
    in_time = table["figure"] == "time_us"
    table["seconds"] = (table["value"] * 1e-6).where(in_time, moved / (table["value"] * 1e9))
    return {
        hardware: Log(
            "nccl-tests",
            "all_reduce",
            tuple(Sample(float(size), each) for size, each in zip(rows["size_bytes"], rows["seconds"], strict=True)),
            ranks=int(rows["ranks"].iloc[0]),
        )
        for hardware, rows in table.groupby("hardware")
    }


def pair_of(log: Log) -> tuple[float, float, float, float]:
    """The one latency (us) and rate (GB/s) that fit best, by relative errors, and their mean and largest error."""
    sizes, seconds = np.array([[each.size, each.seconds] for each in log.samples]).T
    terms = np.stack([np.ones_like(sizes), sizes], axis=1) / seconds[:, None]
    pair = np.linalg.lstsq(terms, np.ones_like(sizes), rcond=None)[0]
    errors = np.abs(terms @ pair - 1)
    return float(pair[0] * 1e6), float(1e-9 / pair[1]), float(errors.mean()), float(errors.max())


def one_way(link: Link, sizes: list[float] = SIZES) -> Log:
    return Log("test", "one_way", tuple(Sample(size, link.latency + size / link.rate) for size in sizes))


@given(rate=st.floats(1e6, 1e12), half=st.floats(100, 1e7))  # bytes that take as long as the latency
@settings(max_examples=15, deadline=None)
def test_times_of_a_link_give_the_link_back(rate: float, half: float) -> None:
    fitted = fit_link([one_way(Link(rate, half / rate))])
    assert fitted.link.rate == pytest.approx(rate, rel=1e-3)
    assert fitted.link.latency == pytest.approx(half / rate, rel=1e-3)
    assert fitted.error[1] < 1e-3
    assert fitted.link.measured is not None and fitted.link.measured.largest == SIZES[-1]


@pytest.mark.parametrize("kind", ["ring", "recursive_doubling", "binomial_tree", "halving_doubling", "direct"])
@pytest.mark.parametrize("ranks", [2, 8])
def test_times_of_a_collective_give_the_link_back_through_its_own_model(kind: str, ranks: int) -> None:
    link, collective = Link(2e9, 15e-6), FAMILIES["collectives"].build(kind)
    samples = tuple(Sample(size, collective.ideal_time(ranks, size, link)) for size in SIZES)
    fitted = fit_link([Log("test", "all_reduce", samples, ranks=ranks)], algorithm=kind)
    assert (fitted.link.rate, fitted.link.latency) == pytest.approx((2e9, 15e-6), rel=1e-3)
    assert fitted.algorithm == kind and len(fitted.pieces) == 1


def test_a_log_of_one_collective_predicts_another_of_the_same_algorithm() -> None:
    network: dict[str, Any] = {"ranks": 8, "rate": 2e9, "latency": 15e-6}
    measured = tuple(Sample(size, api.allreduce("ring", size=size, **network).time_s) for size in SIZES)
    link = fit_link([Log("test", "all_reduce", measured, ranks=8)]).link
    gathered = {"kind": "ring", "operation": "all_gather"}
    predicted = api.allreduce(gathered, ranks=16, size=1e6, link=link).time_s
    assert predicted == pytest.approx(api.allreduce(gathered, size=1e6, **{**network, "ranks": 16}).time_s, rel=1e-3)


def test_protocols_become_pieces_and_noise_does_not() -> None:
    rng = np.random.default_rng(0)
    noise = [float(1 + 0.02 * rng.standard_normal()) for _ in SIZES * 3]
    eager, large = Link(5e8, 5e-6), Link(5e9, 40e-6)
    sizes = sorted(SIZES * 3)
    two = [Sample(s, n * (link.latency + s / link.rate)) for s, n in zip(sizes, noise, strict=True)
           for link in [eager if s < 16000 else large]]  # fmt: skip
    fitted = fit_link([Log("test", "one_way", tuple(two))])
    assert [piece.start for piece in fitted.pieces] == [64, 16384]
    assert fitted.link.latency_of(100) == pytest.approx(5e-6, rel=0.1)
    assert fitted.link.latency_of(1e6) == pytest.approx(40e-6, rel=0.1) and fitted.link.rate == pytest.approx(5e9, 0.1)
    one = [Sample(s, n * (large.latency + s / large.rate)) for s, n in zip(sizes, noise, strict=True)]
    assert len(fit_link([Log("test", "one_way", tuple(one))]).pieces) == 1


def test_an_outlier_moves_a_fit_little() -> None:
    samples = list(one_way(Link(1e9, 1e-5)).samples) * 3
    samples[4] = Sample(samples[4].size, samples[4].seconds * 50)
    fitted = fit_link([Log("test", "one_way", tuple(samples))])
    assert (fitted.link.rate, fitted.link.latency) == pytest.approx((1e9, 1e-5), rel=0.02)


def test_a_stream_beside_a_ping_pong_gives_the_rate_and_the_gap() -> None:
    stream = Log("test", "stream", tuple(Sample(size, 2e-6 + size / 4e9) for size in SIZES))
    link = fit_link([one_way(Link(1e9, 1e-5)), stream]).link
    assert (link.rate, link.gap, link.latency) == pytest.approx((4e9, 2e-6, 1e-5), rel=1e-3)
    with pytest.raises(ScenarioError, match="bandwidth alone has no latency"):
        fit_link([stream])


@pytest.mark.parametrize(
    ("sizes", "message"), [(SIZES[:2], "a fit needs 3 sizes at least"), ([0.0, 1.0, 2.0], "add larger sizes")]
)
def test_samples_that_say_too_little_are_refused(sizes: list[float], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        fit_link([one_way(Link(1e9, 1e-3), sizes)])


def test_what_is_of_collectives_is_refused_beside_messages_of_two_hosts(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(CSV)
    with pytest.raises(ScenarioError) as caught:
        calibrate_link([str(tmp_path / "log.csv")], ranks=8, algorithm="ring")
    assert [problem.path for problem in caught.value.problems] == ["--ranks", "--algorithm"]


def test_a_kind_that_is_no_sum_of_latencies_and_bytes_is_refused() -> None:
    log = Log("test", "all_reduce", one_way(Link(1e9, 1e-5)).samples, ranks=8)
    for kind, message in (
        ("parameter_servr", "Did you mean 'parameter_server'"),
        ("tree", "does not take a sum"),
        ("double_binary_tree", "has no closed form"),
    ):
        with pytest.raises(ScenarioError, match=message):
            fit_link([log], algorithm=kind)


@pytest.mark.parametrize(
    ("hardware", "known", "pieces", "error", "unseen"),
    [
        ("8 A100", (56.28, 120.37, 0.154, 0.362), 4, 0.03, 0.06),
        ("8 H200", (41.38, 253.65, 0.089, 0.211), 4, 0.02, 0.05),
        ("8 B200", (52.76, 410.38, 0.126, 0.369), 3, 0.05, 0.08),
        ("32 B200 in 4 nodes", (409.18, 189.1, 0.088, 0.274), 2, 0.05, 0.08),
    ],
)
def test_pieces_describe_a_real_sweep_better_than_one_pair_of_constants(
    hardware: str, known: tuple[float, ...], pieces: int, error: float, unseen: float
) -> None:
    """`known`: what others have fitted to the same tables; see docs/how-to/calibrate-a-link.md."""
    log = published()[hardware]
    assert pair_of(log) == pytest.approx(known, rel=2e-3, abs=6e-4)  # as far as they are written
    fitted = fit_link([log])
    assert len(fitted.pieces) == pieces
    assert fitted.error[0] < error < known[2] and fitted.held_out_error[0] < unseen < known[2]


@pytest.mark.parametrize("hardware", published())
def test_a_fit_to_a_published_sweep_errs_no_more_than_one_pair_of_constants(hardware: str) -> None:
    log = published()[hardware]
    fitted = fit_link([log])
    assert fitted.error[0] <= 1.001 * pair_of(log)[2]  # constants are rounded to 5 digits
    assert fitted.held_out_error[0] >= fitted.error[0]


CSV = "size_bytes,one_way_s\n" + "".join(f"{size:g},{1e-5 + size / 1e9:.9g}\n" for size in SIZES)


@pytest.fixture
def links(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text(CSV)
    calibrate_link([str(tmp_path / "log.csv")], name="ours", output=tmp_path / "links.toml")
    return tmp_path / "links.toml"


def scenario(links: Path, name: str = "ours", **more: Any) -> dict[str, Any]:
    link = {"file": str(links), "name": name, **more}
    return {
        "cluster": {"workers": 4, "device": "v100", "link": link},
        "job": {"model": "mobilenet_v1", "batch": 1, "strategy": "ring", "bucket": "4 MB"},
    }


def test_a_link_in_a_file_is_found_beside_the_scenario(links: Path) -> None:
    file = links.with_name("study.toml")
    file.write_text(
        '[cluster]\nworkers = 4\ndevice = "v100"\nlink = { file = "links.toml" }\n'
        '[job]\nmodel = "mobilenet_v1"\nbatch = 1\nstrategy = "ring"\n'
    )
    link = load(file).cluster.link
    assert link is not None and link.rate == pytest.approx(1e9, rel=1e-3)
    assert load(file, {"cluster.link.latency": "7 us"}).cluster.link.latency == 7e-6  # type: ignore[union-attr]


def test_a_second_link_is_added_to_a_file_and_a_wrong_name_gets_a_suggestion(links: Path) -> None:
    calibrate_link([str(links.with_name("log.csv"))], name="theirs", output=links)
    for name in ("ours", "theirs"):
        assert from_table(scenario(links, name)).cluster.link
    with pytest.raises(ScenarioError, match=r"cluster.link.name: no link 'thiers' in .* Did you mean 'theirs'"):
        from_table(scenario(links, "thiers"))
    with pytest.raises(ScenarioError, match=r"cluster.link.name: is missing; .* has ours, theirs"):
        from_table({**scenario(links), "cluster": {**scenario(links)["cluster"], "link": {"file": str(links)}}})


def test_a_file_that_is_none_of_links_is_told_and_left_alone(links: Path) -> None:
    for text in ("not TOML", "x = 1\n"):
        links.write_text(text)
        with pytest.raises(ScenarioError, match=r"cluster.link.file: "):
            from_table(scenario(links))
        with pytest.raises(ScenarioError, match="it is left as it is"):
            calibrate_link([str(links.with_name("log.csv"))], name="x", output=links)
        assert links.read_text() == text
    links.write_text('[ours]\nrate = "1 GB"\n')
    with pytest.raises(ScenarioError, match=r"\[ours\] rate: '1 GB' is in GB, which does not measure this"):
        from_table(scenario(links))


def test_a_run_says_where_it_leaves_what_was_measured(links: Path) -> None:
    within = simulate(from_table(scenario(links)), detail="summary").summary()
    assert "warnings" not in within
    beyond = {**scenario(links, measured={"smallest": "64 B", "largest": "100 kB"})}
    (said,) = simulate(from_table(beyond), detail="summary").summary()["warnings"]
    assert "leave what the link was measured with, 64 B to 100 kB" in said
    for strategy in ("tree", {"kind": "parameter_server", "keys": "whole"}):
        beyond["job"] = {**beyond["job"], "strategy": strategy}
        assert simulate(from_table(beyond), detail="summary").summary()["warnings"]


def test_a_calibrated_link_is_as_fast_as_one_of_its_figures(links: Path) -> None:
    plain = {**scenario(links)}
    calibrated = simulate(from_table(scenario(links)), detail="summary").summary()
    plain["cluster"] = {**plain["cluster"], "link": {"rate": "8 Gbit/s", "latency": "10 us"}}
    assert calibrated["engine"] == "fast"
    bare = simulate(from_table(plain), detail="summary").summary()
    assert calibrated["iteration_time_s"] == pytest.approx(bare["iteration_time_s"], rel=1e-3)


def test_from_an_nccl_log_to_the_prediction_of_another_collective_in_two_commands(tmp_path: Path) -> None:
    rows = []
    for size in (1 << power for power in range(12, 28, 2)):
        seconds = 2 * 7 * (10e-6 + size / 8 / 50e9)
        rates = f"{size / seconds / 1e9:8.2f}{size / seconds / 1e9 * 1.75:8.2f}"
        rows.append(f"{size:12d}{size // 4:14d}     float     sum      -1{seconds * 1e6:9.2f}{rates}      0")
    heading = "#       size         count      type   redop    root     time   algbw   busbw #wrong\n"
    (tmp_path / "nccl.log").write_text(heading + "\n".join(rows) + "\n")

    def netsim(*words: str) -> Any:
        call = [sys.executable, "-m", "netsim", *words, "--json"]
        done = subprocess.run(call, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    found = netsim("calibrate", "nccl.log", "-o", "links.toml", "--name", "ours")
    assert found["logs"][0]["ranks"] == 8 and found["algorithm"] == "ring"
    predicted = netsim("collective", "tree", "--ranks", "64", "--size", "1 MB", "--link", "links.toml:ours")
    known = api.allreduce("tree", ranks=64, size="1 MB", rate="50 GB/s", latency="10 us").time_s
    assert predicted["time_s"] == pytest.approx(known, rel=0.01)
