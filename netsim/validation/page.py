"""The page that a referee reads: every measured figure, its prediction, the error, and what it may be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from netsim import frames
from netsim.plots.errors import errors, errors_by_size
from netsim.plots.predicted import predicted
from netsim.report import Figure, Table, drawn, pages
from netsim.validation import judge
from netsim.validation.judge import MAY_MOVE, Judged, Summary
from netsim.validation.sources import Source, read
from netsim.version import VERSION

_UNITS = {"time_s": "s", "samples_per_s": "samples/s"}
_MANY_SIZES = 100  # times the smallest
_HOW = (
    "An error is (predicted - measured) / measured; means and worst are without sign. No parameter was fitted to a "
    "figure that it is compared with. A row fails outside its tolerance. A known miss is declared in its row with its "
    "error, counts in the mean like any other, and fails when its error moves by more than "
    f"{100 * MAY_MOVE:g} % of the measured value, for the worse or for the better."
)


def write(folder: Path, sources: Sequence[Source], judged: Sequence[Judged], groups: Sequence[Summary]) -> Path:
    """Writes report.html, report.md, figures and data of a validation; gives the path of the page."""
    for part in ("figures", "data"):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
    context = {
        "title": "Validation",
        "answer": _answer(judged, groups),
        "summary": summary_table(groups),
        "errors": _overview(folder, judged),
        "how": _HOW,
        "sources": [_source(folder, source, [j for j in judged if j.source == source.name]) for source in sources],
        "version": VERSION,
        "folder": folder.as_posix(),
    }
    for page in ("md", "html"):
        text = pages().get_template(f"validation.{page}").render(context)
        (folder / f"report.{page}").write_text(text, encoding="utf-8")
    return folder / "report.html"


def _overview(folder: Path, judged: Sequence[Judged]) -> Figure:
    """All errors at once, a line a group."""
    rows = [{"group": f"{each.source}: {each.row.group}".replace("_", " "), "error": each.error} for each in judged]
    frame = frames.frame(rows)
    frame.to_csv(folder / "data" / "errors.csv", index=False, lineterminator="\n", float_format="%.6g")
    caption = "Where netsim is right and where it is wrong: errors of all figures, the best group on top."
    height = 1.2 + 0.19 * frame["group"].nunique()
    return drawn(folder, errors, frame, "errors.png", caption, "errors.csv", height)


def _by_size(folder: Path, source: Source, frame: Any) -> list[Figure]:
    """Errors against the size of the buffer, where the source has many sizes."""
    sizes = frame["size_bytes"].dropna().astype(float)
    if len(sizes) < len(frame) or sizes.min() <= 0 or sizes.max() < _MANY_SIZES * sizes.min():
        return []
    caption = "Errors against the size of the buffer."
    name, data = f"{source.name}_by_size.png", f"{source.name}.csv"
    return [drawn(folder, errors_by_size, frame.astype({"size_bytes": float}), name, caption, data, 4.2)]


def summary_table(groups: Sequence[Summary]) -> Table:
    """A line a group: how many rows, mean and worst error, and what the mean may be."""
    rows = [
        (
            each.source.replace("_", " "),
            each.title,
            str(each.rows),
            f"{100 * each.mean:.1f}",
            "–" if each.mean_allowed is None else f"{100 * each.mean_allowed:g}",
            f"{100 * each.worst.error:+.1f}",
            each.worst.row.case,
            str(each.known_misses),
            str(each.failures + each.mean_failed),
        )
        for each in groups
    ]
    headers = ("source", "rows of", "rows", "mean error (%)", "at most", "worst (%)", "of", "known misses", "failures")
    return Table(headers, tuple(rows))


def _answer(judged: Sequence[Judged], groups: Sequence[Summary]) -> str:
    failures = sum(each.failed for each in judged) + sum(each.mean_failed for each in groups)
    known = sum(each.verdict == "known" for each in judged)
    within = sum(each.verdict == "within" for each in judged)
    failed = f"{failures} fail" if failures else "none fails"
    return (
        f"{len(judged)} measured figures: {within} predicted within their tolerance, {known} are known misses that "
        f"stay what they are declared to be, {failed}."
    )


def _source(folder: Path, source: Source, judged: Sequence[Judged]) -> dict[str, Any]:
    frame = frames.frame([each.as_dict() for each in judged])
    frame.to_csv(folder / "data" / f"{source.name}.csv", index=False, lineterminator="\n", float_format="%.6g")
    frame["quantity"] = source.quantity
    caption = "Predicted over measured, with bands of 5 % and 10 %."
    about = source.about
    return {
        "name": source.name,
        "about": about,
        "facts": [("Where from", about.url), ("Hardware", about.hardware), ("Known", about.known),
                  ("Licence", about.licence)],
        "figures": [
            drawn(folder, predicted, frame, f"{source.name}.png", caption, f"{source.name}.csv", 4.2),
            *_by_size(folder, source, frame),
        ],
        "groups": list(_groups(source, judged)),
        "choices": choices_table(source, judged),
    }  # fmt: skip


def choices_table(source: Source, judged: Sequence[Judged]) -> Table | None:
    """What the errors of a group would be with other free choices, predicted anew, beside those with the ones made."""
    rows = []
    for group in dict.fromkeys(each.group for each in source.choices):
        made = [judge.summaries(source, [row for row in judged if row.row.group == group])]
        titles = ["as predicted"]
        for choice in (each for each in source.choices if each.group == group):
            other = read(source.file, choice)
            made.append(judge.summaries(other, judge.judge(other)))
            titles.append(choice.title)
        for title, (each,) in zip(titles, made, strict=True):
            rows.append((each.title, title, f"{100 * each.mean:.1f}", f"{100 * each.worst.error:+.1f}"))
    headers = ("rows of", "choice", "mean error (%)", "worst (%)")
    return Table(headers, tuple(rows)) if rows else None


def _groups(source: Source, judged: Sequence[Judged]) -> Iterator[dict[str, Any]]:
    for name, group in source.groups.items():
        mine = [each for each in judged if each.row.group == name]
        if mine:
            rows = tuple(_cells(each) for each in mine)
            limits = [
                f"each within {100 * group.within:g} %" if group.within else "each as its row states",
                *([f"{100 * group.mean:g} % on the mean"] if group.mean else []),
            ]
            why = f"{group.why[:1].upper()}{group.why[1:]}. Tolerance: {', '.join(limits)}."
            unit = _UNITS.get(source.quantity, source.quantity)
            measured = (f"measured ({unit})", "lowest to highest", f"predicted ({unit})")
            headers = ("case", *measured, "error (%)", "verdict", "reason")
            yield {"title": group.title, "why": why, "table": Table(headers, rows)}


def _cells(judged: Judged) -> tuple[str, ...]:
    row = judged.row
    spread = "–" if row.low is None or row.high is None else f"{row.low:.5g} to {row.high:.5g}"
    values = (f"{row.measured:.5g}", spread, f"{judged.predicted:.5g}", f"{100 * judged.error:+.2f}")
    return (row.case, *values, judged.verdict, row.reason)
