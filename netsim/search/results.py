"""What `netsim optimize` shows and keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netsim.errors import RunError, ScenarioError
from netsim.frames import frame
from netsim.loading import dump, vary
from netsim.search.optimize import Search, Trial, best


def told(search: Search, tried: Sequence[Trial]) -> dict[str, Any]:
    """What `netsim optimize --json` prints. Raises RunError where every trial failed."""
    front = best(search, tried)
    if not front:
        refused = all(trial.outcome.refused for trial in tried)
        raise (ScenarioError if refused else RunError)("; ".join(warnings_of(search, tried)))
    wanted = [goal.figure for goal in search.goals]
    return {
        "scenario": search.scenario.name,
        "goals": [{"figure": goal.figure, "direction": "most" if goal.most else "least"} for goal in search.goals],
        "trials": len(tried),
        "failed": sum(trial.outcome.error is not None for trial in tried),
        "combinations": int(search.combinations) if search.combinations < 1e15 else None,
        "as_it_stands": {figure: search.base[figure] for figure in wanted},
        "best": [
            {**trial.coordinates, **{figure: (trial.outcome.row or {})[figure] for figure in wanted}} for trial in front
        ],
    }


def warnings_of(search: Search, tried: Sequence[Trial]) -> list[str]:
    """Why trials failed, the first of them, and how many lack a figure that is wanted."""
    failed = [trial for trial in tried if trial.outcome.error is not None]
    lacking = [trial for trial in tried if trial.outcome.error is None and trial.values(search.goals) is None]
    wanted = ", ".join(goal.figure for goal in search.goals)
    said = f"{len(failed)} of {len(tried)} trials failed, the first at"
    lack = f"{len(lacking)} of {len(tried)} trials have no {wanted} and count for nothing, the first at"
    return [f"{said} {_at(trial)}: {trial.outcome.error}" for trial in failed[:1]] + [
        f"{lack} {_at(trial)}" for trial in lacking[:1]
    ]


def _at(trial: Trial) -> str:
    return ", ".join(f"{path}={value}" for path, value in trial.coordinates.items())


def save(folder: Path, search: Search, tried: Sequence[Trial]) -> None:
    """Writes trials.csv, in the order in which they were made, and the scenario with the best settings, best.toml."""
    rows = [{**trial.coordinates, **(trial.outcome.row or {"error": trial.outcome.error})} for trial in tried]
    frame(rows).to_csv(folder / "trials.csv", index=False, lineterminator="\n")
    if front := best(search, tried):
        (folder / "best.toml").write_text(dump(vary(search.scenario, front[0].coordinates)), encoding="utf-8")


def draw(file: Path, search: Search, tried: Sequence[Trial]) -> None:
    """Draws every trial by two figures, and the front, into a PNG file."""
    from netsim import plots

    front, figures = best(search, tried), [goal.figure for goal in search.goals]
    rows = [
        {**dict(zip(figures, values, strict=True)), "best": trial in front}
        for trial in tried
        if (values := trial.values(search.goals)) is not None
    ]
    try:
        plots.save(plots.figures()["pareto"], frame(rows), file)
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written: {error.strerror}", path="--plot") from None
