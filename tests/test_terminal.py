"""What people read: wrapped to the width, numbers with their units, no blanks at the ends of lines."""

from __future__ import annotations

import pytest

from netsim import terminal

ROW = {
    "job.bucket": "1 MB",
    "iteration_time_s": 0.02,
    "samples_per_s": 1e4,
    "scaling_efficiency": 0.5,
    "bottleneck": "-",
}


def test_sentences_wrap_without_parting_a_number_from_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    for shift in range(12):
        terminal.members({"x" * shift + " " + "a link that carries 135 MB in 20 ms, 2.5 x as much, " * 6: {}})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line[-1:].isdigit()]
    assert not [line for line in lines if line.startswith(("MB", "ms", "x as"))]


def test_lines_of_tables_end_where_their_words_do(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.points([ROW, {**ROW, "bottleneck": "link server0.up"}], {"job.bucket": ["1 MB"]})
    terminal.members({"layers": {"dense": "short", "conv_2d": "a line that is longer"}})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines] and any("1 MB" in line for line in lines)


def test_a_list_among_figures_has_an_entry_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tried = [f"{size} MB: {2 * size} ms" for size in range(10, 30)]
    terminal.summary({"buckets": 3, "buckets_tried": "; ".join(tried)})
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix("buckets tried").strip() for line in lines[1:]] == tried
    assert max(map(len, lines)) <= 80


def test_points_have_bars_as_long_as_their_iterations_where_there_is_room(capsys: pytest.CaptureFixture[str]) -> None:
    times = (0.04, 0.01, 0.02)
    terminal.points([{**ROW, "iteration_time_s": time} for time in times], {"job.bucket": ["1 MB"]})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and "\x1b" not in "".join(lines)
    assert [line.count("█") for line in lines if "1 MB" in line] == [20, 5, 10]
    terminal.points([{**ROW, "bottleneck": "x" * 40}] * 2, {"job.bucket": ["1 MB"]})
    assert "█" not in capsys.readouterr().out


def test_strategies_with_options_fit_the_width_and_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    alike = {"kind": "parameter_server", "servers": 8, "placement": "colocated"}
    strategies = [alike, {**alike, "mode": "ssp", "staleness": 4}]
    rows = [{**ROW, "job.strategy": each, "job.local_steps": 1} for each in strategies]
    terminal.points(rows, {"job.strategy": strategies, "job.local_steps": [1]})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split("  ")[0] for line in lines[3:]] == ["parameter server"] * 2 + ["(mode ssp, staleness 4)"]
