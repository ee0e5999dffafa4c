"""Tables for notebooks: HTML of what is shown, escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_BAR = "display:inline-block;height:0.7em;background:#0072B2;vertical-align:baseline"


def table(rows: Iterable[Sequence[str]], *, headers: Sequence[str] = (), caption: str = "") -> str:
    """An HTML table of text; the first cell of a row is its header."""
    said = [f"<caption>{escape(caption)}</caption>"] if caption else []
    if headers:
        said.append(f"<thead><tr>{''.join(f'<th>{escape(each)}</th>' for each in headers)}</tr></thead>")
    for first, *rest in rows:
        cells = "".join(f"<td>{each if isinstance(each, Markup) else escape(each)}</td>" for each in rest)
        said.append(f'<tr><th style="text-align:left">{escape(first)}</th>{cells}</tr>')
    return f"<table>{''.join(said)}</table>"


def paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f"<p>{escape(each)}</p>" for each in sentences)


class Markup(str):
    """Text that is HTML already."""


def bar(share: float) -> Markup:
    """A share of one as a bar."""
    return Markup(f'<span style="{_BAR};width:{10 * max(0.0, min(1.0, share)):.2f}em"></span>')
