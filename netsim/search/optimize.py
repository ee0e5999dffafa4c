"""The best settings of a scenario, by Optuna: few simulations in a large space, resumed where they stopped.

Each trial draws with a seed of its own number, from the trials before it: interrupted and resumed, a search goes on as
it would have gone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from netsim.axes import measure, text
from netsim.designs import Range, axes_of
from netsim.engine.run import simulate
from netsim.errors import NetsimError, RunError, ScenarioError, did_you_mean
from netsim.loading import vary
from netsim.scenario import Scenario
from netsim.sweeps import Outcome, Point, Store, Sweep
from netsim.units import show

Row = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A figure of the summary, and whether more of it is better."""

    figure: str
    most: bool = False

    @property
    def sign(self) -> int:
        return -1 if self.most else 1


@dataclass(frozen=True)
class Search:
    """What is varied, what is wanted, and the scenario that it begins with."""

    scenario: Scenario
    space: Mapping[str, tuple[Any, ...] | Range]
    goals: tuple[Goal, ...]
    base: Row  # the summary of the scenario as it stands
    seed: int = 0
    engine: str = "auto"

    @classmethod
    def of(
        cls, scenario: Scenario, axes: Mapping[str, Any], goals: Sequence[Goal], *, seed: int = 0, engine: str = "auto"
    ) -> Search:
        """A search over axes as sweeps have them; a range needs no number of points. Raises ScenarioError for axes that
        are none, and for figures that no summary has."""
        space = axes_of(axes)
        base = simulate(vary(scenario, {}), engine=engine, detail="summary").summary()
        numbers = [key for key, value in base.items() if isinstance(value, (int, float))]
        for goal in goals:
            if goal.figure not in numbers:
                raise ScenarioError(_unknown(goal.figure, numbers), path="--minimise")
        return cls(scenario, space, tuple(goals), base, seed, engine)

    @property
    def combinations(self) -> float:
        """How many different settings there are."""
        return math.prod(math.inf if isinstance(axis, Range) else len(axis) for axis in self.space.values())

    @property
    def name(self) -> str:
        """Tells this search from every other one in the same storage."""
        sweep = Sweep.of(self.scenario, {"seed": [self.scenario.seed]}, engine=self.engine)
        told = json.dumps([sweep.key({}), repr(self.space), repr(self.goals), self.seed])
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and what they came to: a row, or why there is none."""

    coordinates: Row
    outcome: Outcome

    def values(self, goals: Sequence[Goal]) -> tuple[float, ...] | None:
        """The figures that are wanted, None where a trial failed or lacks one."""
        found = [(self.outcome.row or {}).get(goal.figure) for goal in goals]
        return None if None in found else tuple(float(value) for value in found if value is not None)


def _unknown(figure: str, known: Sequence[str]) -> str:
    said = f"no figure {figure!r}"
    if figure.startswith(("epoch_", "training_")):
        return f"{said} here: it needs job.samples, for money price_per_hour of every device, for energy its power"
    return f"{said}.{did_you_mean(figure, known)}"


def trials(search: Search, store: Store, count: int, folder: Path | None = None) -> Iterator[Trial]:
    """So many trials, those that were made before included. `folder` keeps Optuna's storage. Where there are no more
    settings than trials, all are tried once. Raises ScenarioError where Optuna is not installed."""
    with _study(search, folder) as study:
        yield from _made(search, study, store, count)


def _made(search: Search, study: Any, store: Store, count: int) -> Iterator[Trial]:
    sweep = Sweep.of(search.scenario, {"seed": [search.scenario.seed]}, engine=search.engine)
    all_of_them = list(_all(search)) if search.combinations <= count else []
    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    told = [_decoded(search, trial.params) for trial in done if trial.params]
    for coordinates in told[:count]:
        yield Trial(coordinates, _outcome(search, sweep, store, coordinates))
    for number in range(len(told), min(count, len(all_of_them) or count)):
        study.sampler = _sampler(search, number)
        if all_of_them:
            study.enqueue_trial(all_of_them[number])
        asked = study.ask()
        coordinates = _suggested(search, asked)
        made = Trial(coordinates, _outcome(search, sweep, store, coordinates))
        values = made.values(search.goals)
        state = _optuna().trial.TrialState
        study.tell(asked, values, state=state.COMPLETE) if values else study.tell(asked, state=state.FAIL)
        yield made


def best(search: Search, found: Sequence[Trial]) -> list[Trial]:
    """Those that no other trial beats in every figure that is wanted: one, or a Pareto front, by the first figure."""
    known: dict[tuple[float, ...], Trial] = {}
    for trial in found:
        if (values := trial.values(search.goals)) is not None:
            known.setdefault(tuple(goal.sign * v for goal, v in zip(search.goals, values, strict=True)), trial)
    front = [mine for mine in known if not any(other != mine and _at_least(other, mine) for other in known)]
    return [known[values] for values in sorted(front)]


def _at_least(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ScenarioError("needs Optuna, which is not installed: pip install 'netsim-training[optimize]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def _study(search: Search, folder: Path | None) -> Iterator[Any]:
    optuna = _optuna()
    url = f"sqlite:///{folder / 'optuna.sqlite'}" if folder else None
    directions = ["maximize" if goal.most else "minimize" for goal in search.goals]
    named: dict[str, Any] = {"study_name": search.name, "directions": directions, "load_if_exists": True}
    with ExitStack() as stack:
        try:
            storage = stack.enter_context(_storage(url)) if url else None
            study = optuna.create_study(storage=storage, **named)
        except Exception as error:  # of SQLAlchemy, whose errors are as many as its databases
            raise RunError(f"{url} cannot be used: {str(error).splitlines()[0]}") from None
        for trial in study.get_trials(deepcopy=False):
            if not trial.state.is_finished():  # killed half way
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        yield study


@contextmanager
def _storage(url: str) -> Iterator[Any]:
    """Optuna's database; no connection stays open, also where it cannot be used."""
    from sqlalchemy.pool import NullPool

    storage = _optuna().storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    try:
        yield storage
    finally:
        storage.remove_session()


def _sampler(search: Search, number: int) -> Any:
    samplers = _optuna().samplers
    return samplers.TPESampler(seed=(search.seed * 1_000_003 + number) % 2**32)


def _all(search: Search) -> Iterator[dict[str, Any]]:
    """Every setting, as Optuna's parameters."""
    names = [_names(axis) for axis in search.space.values() if not isinstance(axis, Range)]
    for chosen in product(*names):
        yield dict(zip(search.space, chosen, strict=True))


def _suggested(search: Search, asked: Any) -> Row:
    ask: Callable[..., Any]
    params = {}
    for path, axis in search.space.items():
        if isinstance(axis, Range):
            ask = asked.suggest_int if axis.whole else asked.suggest_float
            low, high = (round(axis.first), round(axis.last)) if axis.whole else (axis.first, axis.last)
            params[path] = ask(path, low, high, log=axis.spacing == "log")
        elif measure(axis) is not None:
            params[path] = asked.suggest_int(path, 0, len(axis) - 1)  # in order, so that neighbours are alike
        else:
            params[path] = asked.suggest_categorical(path, _names(axis))
    return _decoded(search, params)


def _decoded(search: Search, params: Mapping[str, Any]) -> Row:
    """Optuna's parameters as values of the scenario."""
    found = {}
    for path, axis in search.space.items():
        value = params[path]
        found[path] = _written(axis, value) if isinstance(axis, Range) else axis[_names(axis).index(value)]
    return found


def _written(axis: Range, value: float) -> Any:
    """A value of a range as a person would write it, in four digits."""
    if axis.unit:
        return show(value, axis.unit)
    return axis.written(value) if axis.whole else float(f"{value:.4g}")


def _names(axis: tuple[Any, ...]) -> list[Any]:
    """What Optuna calls values: their places where they are numbers or quantities, else their text."""
    return list(range(len(axis))) if measure(axis) is not None else [text(value) for value in axis]


def _outcome(search: Search, sweep: Sweep, store: Store, coordinates: Row) -> Outcome:
    """What the store has of these settings, or what they come to now."""
    try:
        point = Point(coordinates, sweep.key(coordinates))
        if (known := store.get(point.key)) is not None:
            return known
        trace = simulate(vary(search.scenario, coordinates), engine=search.engine, detail="summary")
        outcome = Outcome(trace.summary(), None)
    except NetsimError as error:
        return Outcome(None, str(error), refused=isinstance(error, ScenarioError))
    store.keep([point], [outcome])
    return outcome
