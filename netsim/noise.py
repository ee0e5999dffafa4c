"""Seeded irregularity of computing: what it may be, and the factors that it multiplies computing times with.

Each source draws from streams of its own, one a worker, so that one worker's luck depends neither on how many others
there are, nor on other sources, nor on the strategy: a comparison is of strategies, not of luck.
"""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from netsim.errors import Problem, ScenarioError
from netsim.families import Reads
from netsim.texts import read_text
from netsim.units import Count, Number, shown

Factors = npt.NDArray[np.float64]
_COLUMN, _LONGEST = "step_s", 1e6
_ITERATIONS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Straggler:
    """Workers that compute `slowdown` times as long for a while.

    `workers`: their numbers, all where none are given. From step `start` on, for `lasts` steps (to the end where it is
    left out); or, with a `probability`, for `lasts` steps (1) from each step on in which chance, worker by worker, has
    it so.
    """

    slowdown: Annotated[float, Number("a slow-down", at_least=1e-6, at_most=1e6)]
    workers: tuple[Annotated[int, Count("a worker's number", at_least=0, at_most=_ITERATIONS)], ...] = ()
    start: Annotated[int, Count("the number of a step", at_least=0, at_most=_ITERATIONS)] = 0
    lasts: Annotated[int, Count("a number of steps", at_most=_ITERATIONS)] | None = None
    probability: Annotated[float, Number("a probability", above=0, at_most=1)] | None = None

    def slow(self, draws: Factors) -> npt.NDArray[np.bool_]:
        """In which steps one of these workers is slow; `draws`, uniform from 0 to 1, one a step, decide."""
        step = np.arange(len(draws))
        if self.probability is None:
            return (step >= self.start) & (step < self.start + (self.lasts or len(draws)))
        begins = (draws < self.probability) & (step >= self.start)
        last = np.maximum.accumulate(np.where(begins, step, -_ITERATIONS))
        slow: npt.NDArray[np.bool_] = step - last < (self.lasts or 1)
        return slow


def read_measured(value: Any) -> tuple[float, ...]:
    """Measured times of steps (s) from the name of a CSV file with a column `step_s`, or from a list of numbers."""
    numbers = _from_csv(value) if isinstance(value, str) else value
    if not isinstance(numbers, (list, tuple)) or not numbers:
        raise ScenarioError(f"{shown(value)} is neither the name of a CSV file nor a list of times")
    wrong = [each for each in numbers if isinstance(each, bool) or not isinstance(each, (int, float))]
    wrong = wrong or [each for each in numbers if not 0 < each <= _LONGEST]
    if wrong:
        raise ScenarioError(f"{shown(wrong[0])} is not the time of a step, in seconds")
    return tuple(map(float, numbers))


def _from_csv(file: str) -> list[float]:
    rows = csv.DictReader(read_text(file).splitlines(), strict=True)
    numbers, problems = list[float](), list[Problem]()
    try:
        if _COLUMN not in (rows.fieldnames or ()):
            raise ScenarioError(f"{file} has no column {_COLUMN}")
        for row in rows:
            try:
                numbers.append(float(row[_COLUMN] or ""))
            except ValueError:
                told = f"{shown(row[_COLUMN])} is not a number of seconds"
                problems.append(Problem("", f"{file}, line {rows.line_num}: {told}"))
    except csv.Error as error:
        raise ScenarioError(f"{file}, line {rows.line_num}: {error}") from None
    if problems or not numbers:
        raise ScenarioError(problems or f"{file} has no lines of times")
    return numbers


def _measured_schema() -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Seeded irregularity of computing; sources multiply.

    `jitter`: standard deviation of the logarithm of a worker's computing time in a step, log-normal of median 1;
    `layer_jitter`: of each layer's in each step. `straggler`: workers that are slow for a while. `measured`: times of
    steps, of which each worker's step has one drawn at random, as a factor on their median.
    """

    jitter: Annotated[float, Number("a jitter", at_least=0, at_most=3)] = 0.0
    layer_jitter: Annotated[float, Number("a jitter", at_least=0, at_most=3)] = 0.0
    straggler: tuple[Straggler, ...] = ()
    measured: Annotated[Any, Reads(read_measured, _measured_schema, of_file=True)] = ()

    @property
    def none(self) -> bool:
        """Whether all goes as planned."""
        return self == Noise()

    @property
    def random(self) -> bool:
        """Whether another seed makes other noise."""
        chance = any(each.probability is not None for each in self.straggler)
        return bool(self.jitter or self.layer_jitter or chance or len(set(self.measured)) > 1)

    def factors(self, seed: int, workers: int, steps: int) -> Factors:
        """What multiplies each worker's computing time in each step: [worker, step]."""
        return np.asarray([self.factors_of(seed, worker, steps) for worker in range(workers)]).reshape(workers, steps)

    def factors_of(self, seed: int, worker: int, steps: int) -> Factors:
        """Those of one worker; of more steps, the first ones are the same."""
        factors = np.ones(steps)
        if self.jitter:
            factors = factors * np.exp(self.jitter * stream(seed, "jitter", worker).standard_normal(steps))
        if self.measured:
            drawn = stream(seed, "measured", worker).integers(len(self.measured), size=steps)
            factors = factors * (np.asarray(self.measured) / np.median(self.measured))[drawn]
        for number, each in enumerate(self.straggler):
            if not each.workers or worker in each.workers:
                draws = (
                    stream(seed, f"straggler {number}", worker).random(steps) if each.probability else np.ones(steps)
                )
                factors = np.where(each.slow(draws), factors * each.slowdown, factors)
        return factors

    def layer_factors(self, seed: int, worker: int, step: int, layers: int) -> Factors | None:
        """What multiplies each layer's time in a step of a worker; None where nothing does."""
        if not self.layer_jitter:
            return None
        drawn: Factors = np.exp(self.layer_jitter * stream(seed, "layer jitter", worker, step).standard_normal(layers))
        return drawn


def stream(seed: int, source: str, *which: int) -> np.random.Generator:
    """Random numbers of one source: of a worker, or of a worker's step."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(source.encode()), *which]))
