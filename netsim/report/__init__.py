"""Result folders as pages: frames, figures and words on a self-contained report.html, a report.md, and tables.tex.

Nothing is simulated or computed here beyond putting numbers into words: all comes from the folder's saved data.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import jinja2

from netsim import explained, tables
from netsim.report.figures import Figure, drawn, figures
from netsim.report.tabulated import Table, bounds_table, bytes_table, changes_table, path_table, points_table
from netsim.report.words import (
    BYTES_NOTE,
    K_NOTE,
    LIMITS,
    UNEXPLAINED,
    answer,
    assumptions,
    buying,
    contender_name,
    here,
    title,
)

__all__ = ["Figure", "Table", "drawn", "pages", "write"]
_MOST_ROWS = 500  # of the table of all points on a page


def write(folder: Path, *, formats: Sequence[str] = ()) -> Path:
    """Draws the figures and writes report.html, report.md and tables.tex of a result folder; gives the page's path.

    formats: in which figures are drawn beside PNG: "svg", "pdf".
    Raises ScenarioError for a folder that holds no results.
    """
    saved = tables.read(folder)
    shutil.rmtree(folder / "figures", ignore_errors=True)
    (folder / "figures").mkdir()
    found = explained.read(folder)
    names = {each: contender_name(saved, each) or "this run" for each in found}
    main = points_table(saved, saved.at_base(saved.contender_axis))
    context = {
        "result": saved.result,
        "title": title(saved),
        "question": [" ".join(part.split()) for part in str(saved.result["question"]).split("\n\n") if part.strip()],
        "answer": answer(saved),
        "buying": buying(saved, found),
        "why": [(names[each], kept["sentences"], changes_table(kept)) for each, kept in found.items()],
        "path": path_table(saved, found, names) if found else None,
        "bounds": bounds_table(saved, found, names) if found else None,
        "here": here(saved),
        "table": main.readable,
        "bytes": bytes_table(saved),
        "bytes_note": BYTES_NOTE if saved.contender_axis == "job.strategy.kind" else K_NOTE,
        "points": points_table(saved, saved.points[:_MOST_ROWS]) if len(saved.points) > len(main.rows) else None,
        "more_points": max(0, len(saved.points) - _MOST_ROWS),
        "figures": list(figures(saved, folder, formats)),
        "scenario": saved.scenario,
        "unexplained": UNEXPLAINED,
        "limits": LIMITS,
        "assumptions": assumptions(saved),
    }
    for page in ("report.md", "report.html", "tables.tex"):
        (folder / page).write_text(pages().get_template(page).render(context), encoding="utf-8")
    return folder / "report.html"


def pages() -> jinja2.Environment:
    """The templates of all pages, with the filter `md` for text in Markdown."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("netsim"),
        autoescape=lambda page: page is None or page.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["md"] = _markdown
    pages.filters["tex"] = _latex
    return pages


def _markdown(said: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", " ".join(str(said).split()))


def _latex(said: str) -> str:
    """Text that LaTeX shows as it is."""
    marks = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
    return "".join(marks.get(each, f"\\{each}" if each in "&%$#_{}" else each) for each in str(said))
