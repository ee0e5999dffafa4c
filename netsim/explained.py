"""Explanations that a result folder keeps (data/explanations.json), as frames that figures and pages show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from netsim.texts import read_json
from netsim.wording import BOUND_NAMES, part_name

FILE = Path("data") / "explanations.json"
Explained = Mapping[str, Any]  # of one contender: what `netsim.explain.kept` gives
_NUMBER = int | float
_SHAPE = {  # of what pages and figures show of it
    "iteration_time_s": _NUMBER,
    "decomposition": {str: _NUMBER},
    "bottleneck": str,
    "sensitivities": [
        {
            "change": str,
            "predicted_s": _NUMBER | None,
            "simulated_s": _NUMBER,
            "saves_share": _NUMBER,
            "path_changed": bool | None,
        }
    ],
    "bounds": {str: _NUMBER | None},
    "sentences": [str],
    "advice": str,
    "staleness": list | None,
    "utilisation": dict | None,
    "network": [{"link": str, "source": str, "target": str, "utilisation": _NUMBER}],
}


def save(folder: Path, explained: Mapping[str, Explained]) -> None:
    """Writes the explanations of contenders, by their values as text."""
    (folder / FILE).write_text(json.dumps(explained, indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Explained]:
    """The explanations by contender; none in a folder without. ScenarioError for a file that holds something else."""
    file = folder / FILE
    if not file.is_file():
        return {}
    found: dict[str, Explained] = read_json(file, {str: _SHAPE})
    return found


def parts(explained: Mapping[str, Explained], names: Mapping[str, str]) -> pd.DataFrame:
    """Parts of the critical path in words, seconds an iteration: contender, part, seconds. `names`: of contenders."""
    return pd.DataFrame(
        [
            {"contender": names.get(contender, contender), "part": part_name(part), "seconds": seconds}
            for contender, each in explained.items()
            for part, seconds in each["decomposition"].items()
        ]
    )


def changes(explained: Explained) -> pd.DataFrame:
    """What would help: change, predicted_s, simulated_s, and shares of the iteration's time that are saved, in %."""
    frame = pd.DataFrame(explained["sensitivities"])
    if len(frame):
        base = explained["iteration_time_s"]
        frame["saves_share"] = 100 * frame["saves_share"]
        frame["predicted_share"] = 100 * (1 - pd.to_numeric(frame["predicted_s"]) / base)
    return frame


def bounds(explained: Explained) -> pd.DataFrame:
    """bound (in words), seconds: the simulated time and what it is held against."""
    found = {"simulated": explained["iteration_time_s"]}
    found |= {words: explained["bounds"].get(key) for key, words in BOUND_NAMES.items()}
    return pd.DataFrame(
        [{"bound": bound, "seconds": seconds} for bound, seconds in found.items() if seconds is not None]
    )


def utilisation(explained: Explained) -> pd.DataFrame:
    """link, time_s, utilisation: how much of their rate the busiest links use over the last iteration."""
    found = explained["utilisation"]
    if not found:
        return pd.DataFrame(columns=["link", "time_s", "utilisation"])
    return pd.DataFrame(
        [
            {"link": link, "time_s": (number + 0.5) * found["step_s"], "utilisation": share}
            for link, shares in found["links"].items()
            for number, share in enumerate(shares)
        ]
    )


def staleness(explained: Mapping[str, Explained], names: Mapping[str, str]) -> pd.DataFrame:
    """contender, staleness (updates), share (% of its updates), for contenders whose servers do not wait for all."""
    rows = [
        {"contender": names.get(contender, contender), "staleness": late, "share": 100 * count / sum(counts)}
        for contender, each in explained.items()
        if (counts := each.get("staleness"))
        for late, count in enumerate(counts)
    ]
    return pd.DataFrame(rows, columns=["contender", "staleness", "share"])


def network(explained: Explained) -> pd.DataFrame:
    """Each link of the network with the places of its ends and the share of its capacity that the run used."""
    return pd.DataFrame(explained["network"])
