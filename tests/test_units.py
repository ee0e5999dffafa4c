from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.units import (
    EXAMPLES,
    SCALES,
    Count,
    FlopRate,
    Number,
    Quantity,
    Rate,
    known,
    looked_up,
    parse,
    plain,
    show,
    write,
)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("10 Gbit/s", "B/s", 1.25e9),
        ("10Gbps", "B/s", 1.25e9),
        ("10 Gb/s", "B/s", 1.25e9),
        ("50 GB/s", "B/s", 50e9),
        ("1 GiB/s", "B/s", 2**30),
        ("25 us", "s", 25e-6),
        ("25 µs", "s", 25e-6),
        ("0 s", "s", 0.0),
        ("1.5e-3 ms", "s", 1.5e-6),
        ("2 min", "s", 120.0),
        ("100 MB", "B", 1e8),
        ("64 MiB", "B", 64 * 2**20),
        ("8 bit", "B", 1.0),
        ("1_000 B", "B", 1000.0),
        ("15.7 Tflop/s", "flop/s", 15.7e12),
        ("15.7 TFLOPS", "flop/s", 15.7e12),
    ],
)
def test_quantities_are_read_as_the_nearest_si_number(text: str, unit: str, value: float) -> None:
    assert parse(text, unit) == value


@pytest.mark.parametrize("unit", SCALES)
def test_units_that_are_known_by_heart_are_those_of_the_units_library(unit: str) -> None:
    assert {name: looked_up(name, unit) for name in known(unit)} == pytest.approx(known(unit), rel=1e-15)


@pytest.mark.parametrize(
    ("text", "unit", "complaint"),
    [
        ("25", "s", "has no unit"),
        ("25 parsec", "s", "unknown unit 'parsec'"),
        ("10 mbit/s", "B/s", "unknown unit 'mbit/s'"),
        ("10 s", "B", "is in s, which does not measure this"),
        ("10 GB", "B/s", "does not measure this"),
        ("fast", "B/s", "is not a number with a unit"),
        ("nan s", "s", "is not a number with a unit"),
        ("1e9999 s", "s", "is not a number with a unit"),
        ("1 s" + " " * 200, "s", "is not a number with a unit"),
        ("", "s", "is not a number with a unit"),
        ("2**10 B", "B", "is not a number with a unit"),
    ],
)
def test_what_is_no_quantity_is_refused_with_an_example(text: str, unit: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        parse(text, unit)
    assert EXAMPLES[unit] in str(error.value)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.25e9, "B/s", "10 Gbit/s"),
        (25e-6, "s", "25 us"),
        (0.9999999, "s", "1 s"),
        (16_927_904, "B", "16.93 MB"),
        (0.0, "s", "0 s"),
        (1e-12, "s", "0.001 ns"),
        (math.inf, "B", "inf B"),
        (1.7e15, "B", "1700 TB"),
        (12_345_678e12, "B", "12350000 TB"),
    ],
)
def test_numbers_are_shown_with_a_prefix_that_fits(value: float, unit: str, text: str) -> None:
    assert show(value, unit) == text


@given(value=st.floats(1e-9, 1e17), unit=st.sampled_from(sorted(EXAMPLES)))
def test_what_is_written_reads_back_to_the_same_float(value: float, unit: str) -> None:
    assert parse(write(value, unit), unit) == value


@given(text=st.text(max_size=60), unit=st.sampled_from(sorted(EXAMPLES)))
def test_any_text_is_a_number_or_a_sentence(text: str, unit: str) -> None:
    try:
        assert isinstance(parse(text, unit), float)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("said", [10, 10.5, True, None, [], {}, math.nan])
def test_a_quantity_is_text_with_a_unit(said: object) -> None:
    with pytest.raises(ValueError, match="must be text with a unit such as '10 Gbit/s'"):
        Quantity("B/s").read(said)


@pytest.mark.parametrize(
    ("said", "complaint"), [("0 B/s", "more than 0"), ("-1 B/s", "more than 0"), ("1e30 B/s", "absurdly large")]
)
def test_a_quantity_keeps_its_bounds(said: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Quantity("B/s", above=0, at_most=1e18).read(said)


@pytest.mark.parametrize(("mark", "least"), [(Rate, "1 bit/s"), (FlopRate, "1 flop/s")])
def test_rates_so_small_that_times_would_not_be_finite_are_refused(mark: Any, least: str) -> None:
    quantity: Quantity = mark.__metadata__[0]
    assert quantity.read(least) > 0
    with pytest.raises(ValueError, match=f"is too small; it must be at least {least}"):
        quantity.read(f"1e-300 {quantity.unit}")


def test_numbers_and_arrays_of_numpy_become_those_of_python() -> None:
    assert [type(plain(value)) for value in (np.int64(1), np.float32(1), np.bool_(True), np.arange(2), "x")] == [
        int,
        float,
        bool,
        list,
        str,
    ]


def test_a_quantity_may_have_words_that_do_as_well() -> None:
    bucket = Quantity("B", words=("layer", "all"))
    assert bucket.read("layer") == "layer" and bucket.write("layer") == "layer"
    with pytest.raises(ValueError, match="or 'layer' or 'all'"):
        bucket.read("layers")


def test_numbers_and_counts_say_what_they_are() -> None:
    with pytest.raises(ValueError, match="0 is not a batch size; it must be at least 1"):
        Count("a batch size").read(0)
    with pytest.raises(ValueError, match=r"16\.0 is not a batch size; it must be a whole number"):
        Count("a batch size").read(16.0)
    with pytest.raises(ValueError, match="true is not a jitter; it must be a number"):
        Number("a jitter").read(True)
    with pytest.raises(ValueError, match="nan is not a jitter; it must be finite"):
        Number("a jitter").read(math.nan)
    with pytest.raises(ValueError, match="an integer of 3322 bits is not a batch size; it must be at most 10"):
        Count("a batch size", at_most=10).read(10**1000)
    assert Number("a jitter", at_least=0, at_most=3).read(1) == 1.0
