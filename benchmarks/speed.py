"""How fast the fast engine is, beside the reference and SimGrid: one table, one figure, one page.

    python benchmarks/speed.py                       # prints the table
    python benchmarks/speed.py -o reports/benchmarks # and writes the page

All cases run in turn, five times, so that a machine whose speed drifts slows all alike; figures are medians of seconds
of CPU after a first call. Each case asserts its number of messages. SimGrid's cases run where its C++ library and a
compiler are (Debian: libsimgrid-dev, g++), and assert the same simulated time.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import simpy
from sweep_cost import sweep_of

from netsim import loading
from netsim.collectives.direct import Direct
from netsim.collectives.ring import Ring
from netsim.collectives.tree import Tree
from netsim.engine.run import simulate
from netsim.engine.single import collective
from netsim.families import FAMILIES
from netsim.hardware import Link

RATE, LATENCY, ROUNDS = 1.25e9, 10e-6, 5
QUICKSTART = Path(__file__).parent.parent / "scenarios" / "quickstart.toml"
PLAIN = ["model:CM02", "TCP-gamma:0", "crosstraffic:0", "latency-factor:1", "bandwidth-factor:1", "weight-S:0"]
POINTS = 100  # of a sweep of 10,000 that two cores are to play in a minute
FLOWS = 2.0**24  # bytes of the smallest flow of the all-to-all


@dataclass(frozen=True)
class Case:
    """Work with its messages, and seconds that it should take at most, if any are set."""

    name: str
    work: Callable[[], tuple[float, int]]  # seconds of CPU, and messages
    messages: int
    target: float | None = None
    rounds: int = ROUNDS


def ring(ranks: int, *, slices: int = 1, unequal: bool = False, engine: str = "fast", symmetry: bool = False) -> Case:
    """A ring all-reduce of 100 MB on a star; unequal: links of 10 to 20 Gbit/s, ranks ready within 10 ms."""
    chance = np.random.default_rng(1)
    links = {r: Link(float(chance.uniform(1, 2)) * RATE, LATENCY) for r in range(ranks)} if unequal else None
    late = dict(enumerate(chance.uniform(0, 0.01, ranks).tolist())) if unequal else None
    options = {"links": links, "late": late, "engine": engine, "symmetry": symmetry}

    def work() -> tuple[float, int]:
        kind = Ring(slices=slices)
        return timed(lambda: collective(kind, ranks=ranks, size=100e6, rate=RATE, latency=LATENCY, **options).messages)

    rounds = ROUNDS if ranks < 10_000 and engine == "fast" else 1
    said = f"ring, {ranks:,} ranks" + (f", {slices} slices" if slices > 1 else "") + (", unequal" if unequal else "")
    said += ", in SimPy" if engine == "simpy" else ""
    return Case(
        said + (", classes of like ranks" if symmetry else ""), work, 2 * ranks * (ranks - 1) * slices, rounds=rounds
    )


def all_to_all(hosts: int, topology: str) -> Case:
    """Flows of unequal sizes between all pairs of hosts, all at once, sharing links fairly."""
    shares = tuple(1 + place / hosts**2 for place in range(hosts**2))
    kind, size = Direct(operation="all_to_all", shares=shares), FLOWS * sum(shares) / hosts
    network = FAMILIES["topologies"].build(topology)

    def work() -> tuple[float, int]:
        options = {"size": size, "rate": RATE, "latency": LATENCY, "topology": network, "engine": "fast"}
        found = []
        seconds = timed(lambda: found.append(collective(kind, ranks=hosts, **options)) or found[0].messages)
        assert found[0].engine == "fast"
        assert topology != "star" or hosts != 64 or abs(found[0].time_s - 1.684340906) < 2e-9  # SimGrid's
        return seconds

    return Case(f"all-to-all, {hosts} hosts, {topology}, unequal flows", work, hosts * (hosts - 1))


def training(name: str, changes: dict[str, object], messages: int) -> Case:
    """A scenario from its file to its summary."""

    def play() -> int:
        trace = simulate(loading.load(QUICKSTART, changes), detail="summary")
        assert trace.engine == "fast" and trace.summary()["workers"] == changes["cluster.workers"]
        return round(trace.facts["messages"])

    return Case(name, lambda: timed(play), messages)


def points_of_a_sweep() -> Case:
    """Every so many-th point of the sweep that sweep_cost.py plays whole, from coordinates to the summary."""
    sweep = sweep_of(10_000)
    chosen = [point.coordinates for point in sweep][:: len(sweep) // POINTS][:POINTS]
    pairs = {"ring": lambda n: n * (n - 1), "binomial_tree": lambda n: n - 1, "parameter_server": lambda n: n}

    def play() -> int:
        scenarios = (loading.from_table(sweep.table, each) for each in chosen)
        return sum(round(simulate(each, detail="summary").facts["messages"]) for each in scenarios)

    messages = 2 * sum(pairs[each["job.strategy.kind"]](each["cluster.workers"]) for each in chosen)
    return Case(f"{POINTS} of the {len(sweep):,} points of a sweep", lambda: timed(play), messages)


def whole_process(name: str, call: list[str], messages: int, *, less: list[str] | None = None) -> Case:
    """`netsim CALL`, from the interpreter's start to its end, without what it takes to do what `less` says."""

    def work() -> tuple[float, int]:
        return cpu_of(netsim(call)) - (cpu_of(netsim(less)) if less else 0.0), messages

    return Case(name, work, messages)


def netsim(call: list[str]) -> list[str]:
    """The command line of it."""
    return [sys.executable, "-m", "netsim", *call]


def run_with(changes: dict[str, str]) -> list[str]:
    """`run` of the quickstart, changed."""
    return ["run", str(QUICKSTART), "-q", *(part for item in changes.items() for part in ("--set", "=".join(item)))]


def cpu_of(command: list[str]) -> float:
    """Seconds of CPU that a process takes, which may keep what it compiles of Python, as it does on any machine."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=usual)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def memory_of_a_large_ring() -> float:
    """The most memory (bytes) that a process of its own holds that plays the unequal ring of 16,384 ranks."""
    program = "import speed; speed.ring(16_384, unequal=True).work(); print(open('/proc/self/status').read())"
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=Path(__file__).parent
    ).stdout
    return 1024.0 * int(next(line for line in told.splitlines() if line.startswith("VmHWM")).split()[1])


def in_simgrid(
    program: Path, work: str, hosts: int, nbytes: float, messages: int, *, seconds: float | None, more: str = ""
) -> Case:
    """The same in SimGrid on a star, or on what `more` makes of it: `seconds` is what it must find, too, if it is asked
    the very same."""
    name = f"SimGrid: {work.replace('_', '-')}, {hosts:,} hosts" + (", fat tree" if more else "")
    platform_file = program.parent / f"{work}{hosts}{bool(more)}.xml"
    cluster = f'<cluster id="all" prefix="h" suffix="" radical="0-{hosts - 1}" speed="1Gf" bw="{RATE:.0f}Bps" {more}'
    platform_file.write_text(
        "<?xml version='1.0'?>\n<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
        f'<platform version="4.1">{cluster} lat="{LATENCY / 2:.9f}s" sharing_policy="SPLITDUPLEX"/></platform>\n'
    )
    options = [f"--cfg=network/{option}" for option in PLAIN]
    call = [str(program), str(platform_file), work, str(hosts), repr(nbytes), *options, "--log=root.thres:warning"]

    def run() -> tuple[float, int]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found, sent = subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert seconds is None or abs(float(found) / seconds - 1) < 1e-5, found  # to the precision of its solver
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(sent)

    return Case(name, run, messages, rounds=1 if work == "ring" else 3)


def timed(work: Callable[[], int]) -> tuple[float, int]:
    """Seconds of CPU, and what was counted."""
    gc.collect()
    start = time.process_time()
    counted = work()
    return time.process_time() - start, counted


def cases(program: Path | None) -> list[Case]:
    """All that is measured, with the seconds that it is to take on two cores."""
    mobilenet = run_with({"cluster.workers": "64", "iterations": "20", "job.bucket": "layer"})
    resnet: dict[str, object] = {"cluster.workers": 1024, "iterations": 1, "job.model": "resnet50"}
    servers: dict[str, object] = {
        "cluster.workers": 256,
        "iterations": 391,
        "job.strategy": {"kind": "parameter_server", "mode": "async"},
    }
    updates = 256 * 391
    network = ["--size", "100 MB", "--rate", "10 Gbit/s", "--latency", "10 us"]
    million, two = (["collective", "ring", "--ranks", ranks, *network] for ranks in ("1000000", "2"))
    found = [
        (ring(1024), 0.02),
        (ring(1024, unequal=True), 0.06),
        (ring(1024, slices=8), 0.5),
        (ring(16_384, unequal=True), 10.0),
        (ring(1_000_000, symmetry=True), 1.0),
        (whole_process("ring, 1,000,000 ranks, whole process less start-up", million, MILLION, less=two), 1.0),
        (all_to_all(64, "star"), None),
        (all_to_all(64, "fat_tree"), None),
        (whole_process("MobileNet, 64 workers, 20 iterations, whole process", mobilenet, 20 * BUCKETS * 8064), 1.5),
        (training("ResNet-50, 1,024 workers, one iteration", resnet, 4 * 2 * 1024 * 1023), 1.0),
        (training(f"asynchronous server, 256 workers, {updates:,} updates", servers, 2 * updates), 2.0),
        (training("the same with jitter of 0.1", {**servers, "noise.jitter": 0.1}, 2 * updates), 2.0),
        (points_of_a_sweep(), 2 * 60.0 * POINTS / 10_000),
        (ring(256, engine="simpy"), None),
    ]
    placed = [replace(each, target=target) for each, target in found]
    if program:
        exact = 2 * 1023 * (LATENCY + 100e6 / 1024 / RATE)
        placed.append(in_simgrid(program, "ring", 1024, 100e6, 2_095_104, seconds=exact))
        placed.append(in_simgrid(program, "all_to_all", 64, FLOWS, 4032, seconds=1.684340906))
        placed.append(in_simgrid(program, "all_to_all", 64, FLOWS, 4032, seconds=None, more=FAT_TREE))
    return placed


MILLION = 2 * 1_000_000 * 999_999
FAT_TREE = 'topology="FAT_TREE" topo_parameters="3;4,4,4;1,4,4;1,1,1"'  # of switches with 8 ports, as netsim's
BUCKETS = 55  # layers of MobileNet with parameters


def growth(rounds: int = 3) -> dict[str, list[tuple[int, float]]]:
    """Messages and seconds of CPU of rings and trees of more and more ranks."""
    found: dict[str, list[tuple[int, float]]] = {"ring": [], "tree": []}
    for kind, ranks in [(Ring(), 2**power) for power in range(6, 14)] + [(Tree(), 2**power) for power in range(9, 18)]:
        options = {"size": 100e6, "rate": RATE, "latency": LATENCY, "symmetry": False}
        work = lambda kind=kind, ranks=ranks, options=options: collective(kind, ranks=ranks, **options).messages  # noqa: E731
        seconds = [timed(work) for _ in range(rounds)]
        found["ring" if isinstance(kind, Ring) else "tree"].append(
            (seconds[0][1], statistics.median(s for s, _ in seconds))
        )
    return found


def exponent(points: list[tuple[int, float]]) -> float:
    """Of the power of the number of messages that the time of the larger half grows with."""
    messages, seconds = np.log(points[len(points) // 2 :]).T
    return float(np.polyfit(messages, seconds, 1)[0])


def compiled(folder: Path) -> Path | None:
    """SimGrid's program, where there is what it takes to make it."""
    source, program = Path(__file__).with_name("simgrid_peer.cpp"), folder / "simgrid_peer"
    if not shutil.which("g++"):
        return None
    made = subprocess.run(["g++", "-O2", str(source), "-o", str(program), "-lsimgrid"], capture_output=True)
    return None if made.returncode else program


def measured(todo: list[Case]) -> dict[str, list[float]]:
    """Seconds of each case, in turn."""
    seconds: dict[str, list[float]] = {case.name: [] for case in todo}
    for number in range(ROUNDS):
        for case in todo:
            if number < case.rounds:
                if number == 0 and case.rounds == ROUNDS:
                    case.work()  # imports and first calls
                took, messages = case.work()
                assert messages == case.messages, f"{case.name}: {messages} messages instead of {case.messages}"
                seconds[case.name].append(took)
    return seconds


def machine() -> str:
    """What the figures hold for."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, SimPy {simpy.__version__}"
    busy = f"others were busy on it, too: load {os.getloadavg()[2]:.1f} over the last 15 minutes"
    return (
        f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}, {platform.system()}, {versions}; {busy}"
    )


def page(
    todo: list[Case], seconds: dict[str, list[float]], grown: dict[str, list[tuple[int, float]]], held: float
) -> str:
    """The results as a page in Markdown; `held`: bytes of memory of the largest ring."""
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    rows = []
    for case in todo:
        took, spread = medians[case.name], f"{min(seconds[case.name]):.3g} to {max(seconds[case.name]):.3g}"
        target = "" if case.target is None else case.target
        each = took / case.messages * 1e9
        rows.append(f"| {case.name} | {case.messages:,} | {took:.3g} | {each:,.3g} | {target} | {spread} |")
    ratios = []
    for ours, theirs in (("ring, 1,024 ranks", "SimGrid: ring, 1,024 hosts"),
                         ("all-to-all, 64 hosts, star, unequal flows", "SimGrid: all-to-all, 64 hosts"),
                         ("all-to-all, 64 hosts, fat_tree, unequal flows",
                          "SimGrid: all-to-all, 64 hosts, fat tree")):  # fmt: skip
        if theirs in medians:
            ratios.append(f"- {ours}: SimGrid takes {medians[theirs] / medians[ours]:,.1f} times as long.")
    slow, fast = "ring, 256 ranks, in SimPy", "ring, 1,024 ranks"
    per_message = medians[slow] / (2 * 256 * 255) / (medians[fast] / (2 * 1024 * 1023))
    ratios.append(f"- a message of a ring: the reference takes {per_message:,.0f} times as long.")
    grew = [f"- {kind}: messages to the power of {exponent(points):.2f}" for kind, points in grown.items()]
    return "\n".join([
        "# Speed of the engines", "",
        "Made by `python benchmarks/speed.py -o reports/benchmarks`. Seconds of CPU, medians of five runs (one for the "
        "longest), all cases in turn; numbers of messages are asserted, and so are SimGrid's simulated times.", "",
        machine() + ".", "",
        "| work | messages | seconds | ns a message | to reach, s | least to most, s |", "|---|---|---|---|---|---|",
        *rows, "", *ratios,
        f"- memory of the process that plays the ring of 16,384 ranks: {held / 1e6:.0f} MB (at most 200).", "",
        "Time against the number of messages (fitted to the larger half of the points):", "", *grew, "",
        "![Time against messages](growth.png)", "",
    ])  # fmt: skip


def draw(grown: dict[str, list[tuple[int, float]]], file: Path) -> None:
    """The figure of the page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    for kind, points in grown.items():
        ax.loglog(*zip(*points, strict=True), "o-", label=f"{kind}: messages$^{{{exponent(points):.2f}}}$")
    ax.set_xlabel("messages of one all-reduce")
    ax.set_ylabel("seconds of CPU")
    ax.grid(True, which="major", alpha=0.3)
    ax.legend(frameon=False)
    figure.savefig(file, dpi=150)


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="folder of the page")
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        todo = cases(compiled(Path(folder)))
        held = memory_of_a_large_ring()
        seconds, grown = measured(todo), growth()
    text = page(todo, seconds, grown, held)
    print(text)
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / "README.md").write_text(text, encoding="utf-8")
        draw(grown, output / "growth.png")


if __name__ == "__main__":
    main()
