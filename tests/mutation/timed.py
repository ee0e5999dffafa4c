"""A plugin of pytest: leaves the CPU time of each test, and whether it passed, in times.json."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

SEEN: dict[str, tuple[float, bool]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    began = sum(os.times()[:4])
    result = yield
    SEEN[item.nodeid] = (sum(os.times()[:4]) - began, SEEN.get(item.nodeid, (0.0, True))[1])
    return result  # type: ignore[return-value]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    seconds, passed = SEEN.get(report.nodeid, (0.0, True))
    SEEN[report.nodeid] = (seconds, passed and report.passed)


def pytest_sessionfinish() -> None:
    Path("times.json").write_text(json.dumps(SEEN), encoding="utf-8")
