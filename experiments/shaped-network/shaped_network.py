"""Real collectives over a real, slow network on one machine, as a source that `netsim validate` reads.

Hosts are network namespaces, each with a veth into a bridge; a token bucket (tc tbf) limits both directions of every
link. The exchanges are those of netsim's own collectives, round by round, with real bytes over TCP, and every sum is
checked. Beforehand a ping-pong and one stream are measured on the same links: they alone predict the rest.

Needs Linux, root and iproute2, and says so. It touches only namespaces that it made, and removes them whatever happens.

    python experiments/shaped-network/shaped_network.py -o measured
    netsim validate measured
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import multiprocessing
import os
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netsim.collectives.rounds import unrolled
from netsim.families import FAMILIES

KINDS = (
    "ring",
    "tree",
    "binomial_tree",
    "halving_doubling",
    "recursive_doubling",
    "parameter_server",
    '{ kind = "parameter_server", servers = 2 }',
)
SERVERS = 2  # hosts beside the ranks
ASYNCHRONOUS_ROUNDS = 4
PORT, TIMEOUT_S = 17771, 60.0
CLONE_NEWNET = 0x40000000
SYSCTL = {  # windows of 128 kB that stay as they are, and no memory of earlier connections
    "net.ipv4.tcp_rmem": "131072 131072 131072",
    "net.ipv4.tcp_wmem": "131072 131072 131072",
    "net.ipv4.tcp_moderate_rcvbuf": "0",
    "net.ipv4.tcp_slow_start_after_idle": "0",
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.tcp_congestion_control": "reno",
}
Buffers = Sequence[tuple[int, memoryview]]  # peers, and what to send to them or where to receive from them


def why_not() -> str | None:
    """What keeps this machine from building the network, in words; None where nothing does."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    missing = [tool for tool in ("ip", "tc") if not shutil.which(tool)]
    if missing:
        return f"{' and '.join(missing)} of iproute2 is not installed"
    name = f"netsim-{os.getpid()}-try"
    try:
        do(f"ip netns add {name}")
        do(f"tc -n {name} qdisc add dev lo root tbf rate 1mbit burst 10k limit 100k")
    except RuntimeError as error:
        return f"namespaces are not allowed here: {error}"
    finally:
        remove(name)
    return None


def do(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")


ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def remove(name: str) -> None:
    """Removes a namespace, if it is there; whoever wants the program to end meanwhile waits for that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def network(hosts: int, rate_mbit: float, mtu: int) -> Iterator[list[str]]:
    """Names of the hosts' namespaces, for as long as the network stands."""
    prefix = f"netsim-{os.getpid()}-"
    names, switch = [f"{prefix}{host}" for host in range(hosts)], f"{prefix}sw"
    burst = int(mtu + 14 + rate_mbit * 1e6 / 8 * 400e-6)  # one frame, and 400 us so that a late timer costs no rate
    shaped = f"root tbf rate {rate_mbit}mbit burst {burst} limit 8000000"
    with ExitStack() as cleaning:
        for name in (switch, *names):
            cleaning.callback(remove, name)
            do(f"ip netns add {name}")
        do(f"ip -n {switch} link add br0 mtu {mtu} type bridge stp_state 0 forward_delay 0")
        do(f"ip -n {switch} link set br0 up")
        for host, name in enumerate(names):
            do(f"ip -n {name} link add eth0 mtu {mtu} type veth peer name p{host} mtu {mtu} netns {switch}")
            do(f"ip -n {name} addr add {address(host)}/24 dev eth0")
            for where, device in ((name, "lo"), (name, "eth0"), (switch, f"p{host}")):
                do(f"ip -n {where} link set {device} up")
            do(f"ip -n {switch} link set p{host} master br0")
            for where, device in ((name, "eth0"), (switch, f"p{host}")):
                do(f"tc -n {where} qdisc replace dev {device} {shaped}")
                if shutil.which("ethtool"):  # frames as the network has them, not 64 kB at a time
                    do(f"ip netns exec {where} ethtool -K {device} tso off gso off gro off")
            for key, value in SYSCTL.items():
                subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", f"{key}={value}"], check=True)
        yield names


def address(host: int) -> str:
    return f"10.78.0.{host + 1}"


class Mesh:
    """A host's connections to all others."""

    def __init__(self, me: int, hosts: int, barrier: Any) -> None:
        self.me, self.hosts, self.barrier = me, hosts, barrier
        self.peers: dict[int, socket.socket] = {}
        listening = socket.create_server((address(me), PORT), backlog=hosts)
        barrier.wait(TIMEOUT_S)
        for peer in range(me):
            self.peers[peer] = socket.create_connection((address(peer), PORT), timeout=TIMEOUT_S)
            self.peers[peer].sendall(bytes([me]))
        for _ in range(hosts - 1 - me):
            connection, _ = listening.accept()
            self.peers[connection.recv(1)[0]] = connection
        listening.close()
        for connection in self.peers.values():
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)

    def exchange(self, sends: Buffers, receives: Buffers) -> None:
        """Sends and receives all of it, at once; messages between two hosts in the order in which they are given."""
        work: dict[int, dict[int, list[memoryview]]] = {}
        for way, buffers in ((selectors.EVENT_WRITE, sends), (selectors.EVENT_READ, receives)):
            for peer, buffer in buffers:
                work.setdefault(peer, {}).setdefault(way, []).append(buffer.cast("B"))
        with selectors.DefaultSelector() as selector:
            for peer, ways in work.items():
                selector.register(self.peers[peer], sum(ways), peer)
            while work:
                ready = selector.select(TIMEOUT_S)
                if not ready:
                    raise TimeoutError(f"host {self.me}: nothing moves")
                for key, events in ready:
                    ways = work[key.data]
                    for way in (selectors.EVENT_WRITE, selectors.EVENT_READ):
                        if events & way & sum(ways):
                            self._move(self.peers[key.data], way, ways)
                    if ways:
                        selector.modify(self.peers[key.data], sum(ways), key.data)
                    else:
                        selector.unregister(self.peers[key.data])
                        del work[key.data]

    def _move(self, peer: socket.socket, way: int, ways: dict[int, list[memoryview]]) -> None:
        queue = ways[way]
        moved = peer.send(queue[0]) if way == selectors.EVENT_WRITE else peer.recv_into(queue[0])
        if moved == 0 and len(queue[0]):
            raise ConnectionError("a host has gone")
        queue[0] = queue[0][moved:]
        if not len(queue[0]):
            queue.pop(0)
        if not queue:
            del ways[way]


def play(mesh: Mesh, kind: Any, ranks: int, mine: np.ndarray) -> None:
    """This host's part of a collective: `mine` becomes the sum."""
    cuts = [len(mine) * piece // kind.pieces(ranks) for piece in range(kind.pieces(ranks) + 1)]
    for each in unrolled(kind.rounds(ranks), kind.pieces(ranks)):
        rows = list(zip(each.src.tolist(), each.dst.tolist(), each.first.tolist(), each.count.tolist(), strict=True))
        part = [slice(cuts[first], cuts[first + count]) for _, _, first, count in rows]
        came = {i: np.empty_like(mine[part[i]]) for i, row in enumerate(rows) if row[1] == mesh.me}
        sends = [(row[1], memoryview(mine[part[i]])) for i, row in enumerate(rows) if row[0] == mesh.me]
        mesh.exchange(sends, [(rows[i][0], memoryview(array)) for i, array in came.items()])
        for i, array in came.items():
            if each.add:
                mine[part[i]] += array
            else:
                mine[part[i]] = array


def allreduce(text: str, ranks: int, nbytes: int) -> Callable[[Mesh], bool]:
    """A collective as a case; whether the sum is right."""
    kind = kind_of(text)

    def case(mesh: Mesh) -> bool:
        me = mesh.me
        if me >= ranks + kind.helpers(ranks):
            return True
        mine = np.full(nbytes // 4, me + 1 if me < ranks else 0, dtype=np.float32)
        play(mesh, kind, ranks, mine)
        return me >= ranks or bool((mine == ranks * (ranks + 1) / 2).all())

    return case


def asynchronous(ranks: int, nbytes: int) -> Callable[[Mesh], bool]:
    """Workers push and pull some rounds; the server, the first host behind them, answers each push at once."""

    def case(mesh: Mesh) -> bool:
        data, came = np.ones(nbytes // 4, dtype=np.float32), np.empty(nbytes // 4, dtype=np.float32)
        if mesh.me < ranks:
            for _ in range(ASYNCHRONOUS_ROUNDS):
                mesh.exchange([(ranks, memoryview(data))], [(ranks, memoryview(came))])
        elif mesh.me == ranks:
            serve(mesh, ranks, data)
        return True

    return case


def serve(mesh: Mesh, ranks: int, weights: np.ndarray) -> None:
    """Each worker's pushes are received, and answered when they have come, beside those of the others."""
    wanted = weights.nbytes
    came = dict.fromkeys(range(ranks), 0)  # bytes of all pushes
    answers: dict[int, list[memoryview]] = {worker: [] for worker in range(ranks)}
    total, scratch = wanted * ASYNCHRONOUS_ROUNDS, bytearray(1 << 17)
    with selectors.DefaultSelector() as selector:
        for worker in range(ranks):
            selector.register(mesh.peers[worker], selectors.EVENT_READ | selectors.EVENT_WRITE, worker)
        while selector.get_map():
            for worker in [key.data for key in selector.get_map().values()]:
                reads = selectors.EVENT_READ if came[worker] < total else 0
                events = reads | (selectors.EVENT_WRITE if answers[worker] else 0)
                if events:
                    selector.modify(mesh.peers[worker], events, worker)
                else:
                    selector.unregister(mesh.peers[worker])
            for key, events in selector.select(TIMEOUT_S) if selector.get_map() else []:
                worker = key.data
                if events & selectors.EVENT_READ:
                    before = came[worker]
                    came[worker] += mesh.peers[worker].recv_into(scratch, min(len(scratch), total - before))
                    if came[worker] // wanted > before // wanted:
                        answers[worker].append(memoryview(weights).cast("B"))
                if events & selectors.EVENT_WRITE and answers[worker]:
                    answers[worker][0] = answers[worker][0][mesh.peers[worker].send(answers[worker][0]) :]
                    if not len(answers[worker][0]):
                        answers[worker].pop(0)


def stream(nbytes: int) -> Callable[[Mesh], bool]:
    """Host 0 sends to host 1."""

    def case(mesh: Mesh) -> bool:
        data = memoryview(bytearray(nbytes))
        sends, receives = ([(1, data)], []) if mesh.me == 0 else ([], [(0, data)])
        if mesh.me < 2:
            mesh.exchange(sends, receives)
        return True

    return case


def ping_pong(turns: int) -> Callable[[Mesh], bool]:
    """Hosts 0 and 1 send 4 bytes to and fro."""

    def case(mesh: Mesh) -> bool:
        data = memoryview(bytearray(4))
        for turn in range(2 * turns):
            if mesh.me == turn % 2:
                mesh.exchange([(1 - mesh.me, data)], [])
            elif mesh.me < 2:
                mesh.exchange([], [(1 - mesh.me, data)])
        return True

    return case


def live(
    me: int, names: list[str], cases: Sequence[Callable[[Mesh], bool]], repeat: int, barrier: Any, out: Any
) -> None:
    """One host: enters its namespace and goes through all cases in step with the others."""
    with open(f"/run/netns/{names[me]}") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {names[me]}")
    mesh = Mesh(me, len(names), barrier)
    for number, case in enumerate(cases):
        for turn in range(repeat + 1):  # the first one warms up
            barrier.wait(TIMEOUT_S)
            start = time.monotonic()
            right = case(mesh)
            out.put((number, turn, start, time.monotonic(), right))


def run(names: list[str], cases: Sequence[Callable[[Mesh], bool]], repeat: int) -> list[list[float]]:
    """Seconds of each case's repetitions, from the start to the last host's end."""
    forking = multiprocessing.get_context("fork")
    barrier, out = forking.Barrier(len(names)), forking.Queue()
    hosts = [forking.Process(target=live, args=(me, names, cases, repeat, barrier, out)) for me in range(len(names))]
    for host in hosts:
        host.start()
    try:
        found: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for _ in range(len(cases) * (repeat + 1) * len(names)):
            number, turn, start, end, right = out.get(timeout=TIMEOUT_S)
            if not right:
                raise RuntimeError(f"case {number}: a host ends with a wrong sum")
            found.setdefault((number, turn), []).append((start, end))
    finally:
        for host in hosts:
            host.terminate()
            host.join()
    spans = {key: max(end for _, end in times) - min(start for start, _ in times) for key, times in found.items()}
    return [[spans[number, turn] for turn in range(1, repeat + 1)] for number in range(len(cases))]


def kind_of(text: str) -> Any:
    from netsim.loading import override_value

    return FAMILIES["collectives"].build(override_value(text))


TOML = """[source]
title = "Shaped network, measured here"
url = "experiments/shaped-network/shaped_network.py"
hardware = "{hosts} network namespaces, token buckets of {rate:g} Mbit/s, MTU {mtu}"
known = "half of a ping-pong's round trip, and the slope of one stream between 100 kB and 1 MB"
licence = "your own measurement"

[known.links]
link = {{ rate = "{goodput:.0f} B/s", latency = "{latency:.7f} s", window = "116 kB" }}  # of 128 kB

[expect]
rows = "here.csv"

[expect.groups.equal]
title = "equal links"
within = 0.08
mean = 0.02
why = "what the same exchanges reached where the project's own rows were measured"
"""

ASYNCHRONOUS_TOML = """[source]
title = "Shaped network, measured here: a parameter server that answers each push at once"
url = "experiments/shaped-network/shaped_network.py"
hardware = "{hosts} network namespaces, token buckets of {rate:g} Mbit/s, MTU {mtu}"
known = "half of a ping-pong's round trip, and the slope of one stream between 100 kB and 1 MB"
licence = "your own measurement"

# A push is one sample, which takes no time to compute.
[known.scenario]
iterations = {rounds}

[known.scenario.cluster]
device = "v100"
link = {{ rate = "{goodput:.0f} B/s", latency = "{latency:.7f} s" }}

[known.scenario.job]
batch = 1
bucket = "all"
overlap = false
strategy = {{ kind = "parameter_server", mode = "async" }}

[expect]
rows = "asynchronous.csv"
quantity = "samples_per_s"

[expect.groups.together]
title = "pushes that are answered, workers that start together"
within = 0.12
mean = 0.12
why = "fair sharing has all pushes end together and all answers begin together; on real links some of them overlap"
"""


def measure(ranks: int, rate: float, mtu: int, sizes: Sequence[int], repeat: int, folder: Path) -> None:
    """Measures, and writes here.toml with here.csv, and asynchronous.toml with asynchronous.csv."""
    turns, short, long = 100, 100_000, 1_000_000
    texts = [(text, size) for size in sizes for text in KINDS]
    cases = [ping_pong(turns), stream(short), stream(long)]
    cases += [allreduce(text, ranks, size) for text, size in texts]
    cases += [asynchronous(ranks, size) for size in sizes]
    with network(ranks + SERVERS, rate, mtu) as names:
        ping, *times = run(names, cases, repeat)
    medians = [statistics.median(each) for each in times[:2]]
    goodput = (long - short) / (medians[1] - medians[0])
    folder.mkdir(parents=True, exist_ok=True)
    latency = statistics.median(ping) / turns / 2
    found = {"hosts": ranks + SERVERS, "rate": rate, "mtu": mtu, "goodput": goodput, "latency": latency}
    (folder / "here.toml").write_text(TOML.format(**found), encoding="utf-8")
    served = ASYNCHRONOUS_TOML.format(rounds=ASYNCHRONOUS_ROUNDS, **found)
    (folder / "asynchronous.toml").write_text(served, encoding="utf-8")
    columns = ["case", "group", "collective", "ranks", "size", "link", "measured", "low", "high"]
    with (folder / "here.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for (text, size), seconds in zip(texts, times[2:], strict=False):
            row = [f"{text}, {size} B".replace('"', ""), "equal", text, ranks, f"{size} B", "link"]
            writer.writerow([*row, *(f"{f(seconds):.6f}" for f in (statistics.median, min, max))])
    with (folder / "asynchronous.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = ["case", "group", "cluster.workers", "job.model", "alone", "measured", "low", "high"]
        writer.writerow(columns)
        for size, seconds in zip(sizes, times[2 + len(texts) :], strict=True):
            model = f'{{ layers = [{{ kind = "dense", input_shape = [1], units = {size // 4}, bias = false }}] }}'
            rates = sorted(ranks * ASYNCHRONOUS_ROUNDS / each for each in seconds)
            pushes = [f"{f(rates):.6g}" for f in (statistics.median, min, max)]
            writer.writerow([f"{ranks} workers, {size} B", "together", ranks, model, 1e6, *pushes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the source that validate reads")
    parser.add_argument("--ranks", type=int, default=4, help=f"hosts, beside {SERVERS} for servers (4)")
    parser.add_argument("--rate", type=float, default=50, help="of every link, each way, Mbit/s (50)")
    parser.add_argument("--mtu", type=int, default=9000, help="bytes (9000)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 4_000_000], help="bytes (1000000 4000000)")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, after one that warms up (5)")
    given = parser.parse_args()
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, _: sys.exit(128 + number))  # so that the network is taken down
    objection = why_not()
    if objection:
        sys.exit(f"shaped_network.py: {objection}")
    measure(given.ranks, given.rate, given.mtu, given.sizes, given.repeat, given.output)


if __name__ == "__main__":
    main()
