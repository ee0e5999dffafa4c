"""Reports in a real browser: nothing fails, nothing sticks out, every figure is there, and a click sorts a table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from netsim import results
from netsim.engine.run import simulate
from netsim.loading import from_table
from netsim.sweeps import run_points

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

# Laid into a copy of the page: the first script hears of all errors, the last one looks round and writes down.
HEARS = """<script>
window.failed = [];
window.addEventListener("error", (event) => failed.push(event.message || String(event.target.src)), true);
console.error = console.warn = (...said) => failed.push(said.join(" "));
</script>"""
LOOKS = """<script>
const table = document.querySelector("table.sortable");
const column = () => [...table.tBodies[0].rows].map((row) => row.children[1].textContent);
const before = column();
const button = table.querySelectorAll("th button")[1];
button.click();
const up = column();
button.click();
const links = [...document.querySelectorAll('a[href^="#"]')].map((link) => link.getAttribute("href").slice(1));
const wide = [...document.querySelectorAll("body *")].filter((each) =>
  !each.closest(".wide, pre") && each.getBoundingClientRect().right > innerWidth + 1);
parent.postMessage(JSON.stringify({
  failed, before, up, down: column(), width: innerWidth,
  overflow: document.documentElement.scrollWidth - innerWidth,
  sticking: wide.map((each) => each.outerHTML.slice(0, 80)),
  images: [...document.images].map((image) => [image.naturalWidth, image.getBoundingClientRect().width]),
  broken: links.filter((id) => !document.getElementById(id)),
  sorted: table.querySelectorAll("th")[1].getAttribute("aria-sort"),
}), "*");
</script>"""
# Windows are never as narrow as a telephone, but frames may be.
FRAME = """<!doctype html><pre id="found"></pre><script>
window.addEventListener("message", (event) => { document.getElementById("found").textContent = event.data; });
</script><iframe src="page.html" style="border: 0; height: 2000px; width: %dpx"></iframe>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    table: dict[str, Any] = {
        "cluster": {"workers": 3, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "25 us"}},
        "job": {"model": "mobilenet_v1", "batch": 4, "strategy": {"kind": "ring"}},
    }
    axes = {"job.strategy.kind": ["parameter_server", "tree", "ring"], "cluster.workers": [2, 3]}
    scenario = from_table(table, name="browsed", question="Which is fastest?")
    rows = run_points(scenario, axes, simulate=simulate)
    command = "netsim compare a_rather_long_folder_name/and_a_rather_long_file_name.toml -o reports/browsed"
    results.save(folder, scenario, kind="compare", axes=axes, rows=rows, command=command, engine="auto")
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_is_whole_in_a_browser(page: str, width: int, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page.replace("<head>", f"<head>{HEARS}").replace("</body>", f"{LOOKS}</body>"), encoding="utf-8")
    (tmp_path / "frame.html").write_text(FRAME % width, encoding="utf-8")
    found = browsed(tmp_path / "frame.html", tmp_path)
    assert found["failed"] == [] and found["broken"] == []
    assert found["width"] == width and found["overflow"] <= 0 and found["sticking"] == []
    assert len(found["images"]) > 5
    assert all(natural > 0 and 0 < shown <= width for natural, shown in found["images"])
    numbers = [float(cell.replace(",", "")) for cell in found["before"]]
    shown = [[float(cell.replace(",", "")) for cell in found[way]] for way in ("up", "down")]
    assert shown == [sorted(numbers), sorted(numbers, reverse=True)] and found["sorted"] == "descending"


def browsed(file: Path, profile: Path) -> Any:
    """What the page found out about itself."""
    assert BROWSER
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile / 'user'}",
    ]
    command = [BROWSER, *options, "--window-size=1500,2000", "--virtual-time-budget=20000", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match and match[1], done.stderr
    return json.loads(unescape(match[1]))
