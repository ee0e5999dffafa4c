"""What the site needs beyond docs/: files of the repository that pages lead to, under the same names.

A page's links are those of the repository, where `../../scenarios/x.toml` is right. In the site docs/ is the root, so
that whatever lies beside it comes to lie within it, and links are told so.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "scenarios/*.toml", "reports/*/report.html", "reports/*/figures/*.png")
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#\s])")


def on_files(files: Files, config: Any) -> Files:
    """Adds what lies beside docs/."""
    for pattern in BESIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the repository as links of the site."""
    here = Path(page.file.abs_src_path).parent
    there = Path(page.file.src_uri).parent
    return _LINK.sub(lambda link: _in_site(link[1], here, there), markdown)


def _in_site(link: str, here: Path, there: Path) -> str:
    """`link`, from a file in `here`, as it is from a page in `there`."""
    target = (here / link).resolve()
    if not target.is_relative_to(ROOT):
        return link
    name = target.relative_to(ROOT)
    if name.parts[:1] == ("docs",):
        name = name.relative_to("docs")
    if name.parts[:1] == ("reports",) and name.name == "report.md":
        name = name.with_name("report.html")  # the same, with its figures
    return Path(os.path.relpath(name, there)).as_posix()
