"""The rows of devices and links: each is usable, and says where it comes from."""

from __future__ import annotations

import pytest

from netsim import presets
from netsim.errors import ScenarioError
from netsim.hardware import Device, Link, Peak

HIGHEST_PLAUSIBLE = 1e16  # flop/s; a row above it has a unit wrong


@pytest.mark.parametrize("table", ["devices", "links"])
def test_every_row_has_a_source_and_a_name_of_its_own(table: presets.Table) -> None:
    rows = presets.rows(table)
    assert all(row["source"] and row["description"] for row in rows)
    assert len({row["name"] for row in rows}) == len(rows)
    assert presets.names(table) == [row["name"] for row in rows]


@pytest.mark.parametrize("name", presets.names("devices"))
def test_every_device_has_a_plausible_peak_and_memory(name: str) -> None:
    device = presets.device(name)
    assert 1e12 < device.peak_rate < HIGHEST_PLAUSIBLE
    assert 1e11 < device.memory_rate < 1e13
    assert device.memory_size is None or 8e9 < device.memory_size < 4e11


@pytest.mark.parametrize("name", presets.names("links"))
def test_every_link_has_a_plausible_rate_and_latency(name: str) -> None:
    link = presets.link(name)
    assert 1e8 < link.rate < 1e12
    assert 1e-7 < link.latency < 1e-4


def test_names_give_the_numbers_of_their_documents() -> None:
    v100 = presets.device("v100")
    assert (v100.peak.fp32, v100.peak.fp16, v100.memory_rate) == (15.7e12, 125e12, 900e9)
    assert presets.link("10gbe") == Link(rate=1.25e9, latency=20e-6)


def test_a_device_without_fp32_works_in_bf16() -> None:
    assert presets.device("tpu_v4").precision == "bf16"


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ScenarioError, match=r"no device 'a10'. Did you mean 'a100'"):
        presets.device("a10")
    with pytest.raises(ScenarioError, match=r"no link '10gb'. Did you mean '10gbe'"):
        presets.link("10gb")


def test_a_precision_without_a_peak_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ScenarioError, match=r"precision: mine has no bf16 peak; there are: fp32, fp16"):
        Device(name="mine", peak=Peak(fp32=1e12, fp16=2e12), memory_rate=1e11, precision="bf16")
