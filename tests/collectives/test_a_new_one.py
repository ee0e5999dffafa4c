"""A collective of one file is there everywhere; and every one has its picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import netsim.collectives
from netsim.families import FAMILIES

ROOT = Path(netsim.collectives.__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "collectives.md"
SCRIPT = """
import sys
import netsim.collectives
netsim.collectives.__path__.append(sys.argv[1])
from netsim.cli import main
from netsim.collectives.rounds import prove
from netsim.families import FAMILIES

for ranks in range(1, 9):
    prove(FAMILIES["collectives"].build("chain"), ranks)
network = ["--size", "1 MB", "--rate", "1 GB/s", "--latency", "1 us", "--json"]
job = ["--model", "alexnet", "--workers", "4", "--rate", "1 GB/s", "--latency", "1 us", "--device", "v100"]
for arguments in (
    ["list", "collectives", "--json"],
    ["schema"],
    ["collective", "chain", "--ranks", "7", *network],
    ["collective", "hierarchical", "--ranks", "8", "--set", "between=chain", *network],
    ["compare", *job, "--strategies", "chain,ring", "--json", "-q"],
):
    sys.argv = ["netsim", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, arguments
    print("\\0")
"""


def test_a_file_in_a_folder_is_listed_described_played_compared_and_proved(tmp_path: Path) -> None:
    how_to = (ROOT / "docs" / "how-to" / "add-a-collective.md").read_text(encoding="utf-8")
    (tmp_path / "chain.py").write_text(how_to.split("```python\n")[1].split("```")[0], encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True)
    listed, schema, played, nested, compared = map(json.loads, done.stdout.split("\0")[:-1])
    assert "chain" in json.dumps(listed) and "chain" in json.dumps(schema)
    assert (played["kind"], played["messages"]) == ("chain", 12)
    assert nested["time_s"] > 0
    assert "chain" in json.dumps(compared)


def test_every_kind_has_its_picture_and_its_place_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in FAMILIES["collectives"].names():
        assert (PAGE.parent / "rounds" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert f"(rounds/{name}.png)" in text and f"`{name}`" in text
