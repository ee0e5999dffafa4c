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
