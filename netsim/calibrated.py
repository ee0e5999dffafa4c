"""What `netsim calibrate LOG` shows and keeps: a link, the error of its fit, and a file of links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netsim.calibration.link import LinkFit, fit_link
from netsim.errors import Problem, ScenarioError
from netsim.loading import dump_links
from netsim.logs.base import Log, read
from netsim.presets.user_links import links_in
from netsim.units import show
from netsim.version import VERSION

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_POOR = 0.2  # mean relative error of samples not seen, above which a fit is not to be relied on


def calibrate_link(
    files: Sequence[str],
    *,
    ranks: int | None = None,
    algorithm: str | None = None,
    name: str = "calibrated",
    output: Path | None = None,
    plot: Path | None = None,
) -> dict[str, Any]:
    """What `netsim calibrate LOG --json` prints. Writes the link into a file of links, and draws the fit, where asked.

    Raises ScenarioError for what is no log, and for logs that determine no link.
    """
    if not _NAME.fullmatch(name):
        raise ScenarioError(f"{name!r} is no name of a link; letters, digits, - and _ make one", path="--name")
    others = _others(output)
    logs = [log for file in files for log in read(file, ranks=ranks)]
    of_collectives = {"--ranks": ranks, "--algorithm": algorithm}
    if all(log.pointwise for log in logs) and any(of_collectives.values()):
        said = "is of collectives, and there are but messages between two hosts here"
        raise ScenarioError([Problem(option, said) for option, value in of_collectives.items() if value])
    fitted = fit_link(logs, algorithm=algorithm)
    told = _told(logs, fitted)
    text = dump_links({name: fitted.link}, comment=told)
    if output:
        _write(output, dump_links({**others, name: fitted.link}, comment=f"links, by netsim calibrate {VERSION}"))
    if plot:
        _draw(plot, fitted)
    mean, worst = fitted.error
    unseen, unseen_worst = fitted.held_out_error
    return {
        "name": name,
        "logs": [{"format": each.format, "what": each.what, "ranks": each.ranks, "samples": len(each.samples)}
                 | {"unread": each.unread} for each in logs],
        "algorithm": fitted.algorithm,
        "rate_bytes_per_s": fitted.link.rate,
        "latency_s": fitted.link.latency,
        "gap_s": fitted.link.gap,
        "pieces": [
            {"from_bytes": each.start, "latency_s": each.latency, "rate_bytes_per_s": 1 / each.per_byte}
            for each in fitted.pieces
        ],
        "measured_from_bytes": float(fitted.observed.message[0]),
        "measured_to_bytes": float(fitted.observed.message[-1]),
        "fit_error": mean,
        "fit_error_worst": worst,
        "held_out_error": unseen,
        "held_out_error_worst": unseen_worst,
        "samples": _samples(fitted),
        "file": str(output) if output else None,
        "warnings": _warnings(logs, fitted),
        "toml": text,
    }  # fmt: skip


def _samples(fitted: LinkFit) -> list[dict[str, Any]]:
    """A row a sample: of a collective, `size_bytes` are those that go in one message."""
    observed = fitted.observed
    columns = observed.message, observed.seconds, fitted.fitted, fitted.held_out
    return [
        {"message_bytes": message, "measured_s": seconds, "fitted_s": fit, "held_out_s": unseen if unseen > 0 else None}
        for message, seconds, fit, unseen in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _told(logs: Sequence[Log], fitted: LinkFit) -> str:
    """Where a link comes from, for whoever finds it in a file."""
    what = "; ".join(
        f"{each.format}, {each.what.replace('_', ' ')}" + (f" of {each.ranks} ranks" if each.ranks else "")
        for each in logs
    )
    read_as = f", read as {fitted.algorithm.replace('_', ' ')}" if fitted.algorithm else ""
    return f"by netsim calibrate {VERSION}: {what}{read_as}; mean error {fitted.error[0]:.1%}"


def _warnings(logs: Sequence[Log], fitted: LinkFit) -> list[str]:
    unread = [f"{each.unread} lines of the {each.format} log could not be read" for each in logs if each.unread]
    unseen, _ = fitted.held_out_error
    if unseen > _POOR:
        unread.append(f"samples that the fit has not seen are off by {unseen:.0%} on average: a link of this kind does "
                      "not describe what was measured")  # fmt: skip
    if max(fitted.observed.message) < 1e6:
        largest = show(float(fitted.observed.message[-1]), "B")
        unread.append(f"the largest message measured is {largest}: the rate of larger ones is not known")
    return unread


def _others(output: Path | None) -> Mapping[str, Any]:
    """The links that the file has already."""
    if output is None or not output.exists():
        return {}
    try:
        return links_in(str(output))
    except ScenarioError as error:
        raise ScenarioError(f"{error.problems[0].message}; it is left as it is", path="-o") from None


def _write(output: Path, text: str) -> None:
    try:
        beside = output.with_name(f".{output.name}.new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(output)
    except OSError as error:
        raise ScenarioError(f"{output} cannot be written: {error.strerror}", path="-o") from None


def _draw(file: Path, fitted: LinkFit) -> None:
    from netsim import plots
    from netsim.frames import frame

    try:
        plots.save(plots.figures()["calibrated"], frame(_samples(fitted)), file, height=4.8)
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written: {error.strerror}", path="--plot") from None
