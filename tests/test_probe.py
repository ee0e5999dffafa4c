from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from netsim import probe
from netsim.calibrated import calibrate_link
from netsim.cli import main
from netsim.errors import NetsimError, RunError, ScenarioError
from netsim.logs.base import read

ROOT = Path(__file__).parents[1]
needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """The address of somebody who treats one connection in a way of his own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def act() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@contextmanager
def serving(**options: float) -> Iterator[str]:
    """The address of a probe that answers one peer."""
    ports: list[int] = []
    known = threading.Event()

    def ready(port: int) -> None:
        ports.append(port)
        known.set()

    serve = threading.Thread(
        target=lambda: probe.serve(0, host="127.0.0.1", once=True, ready=ready, **options), daemon=True
    )
    serve.start()
    assert known.wait(10)
    yield f"127.0.0.1:{ports[0]}"
    serve.join(10)
    assert not serve.is_alive()


def test_every_size_goes_there_and_back_as_often_as_asked() -> None:
    with serving() as peer:
        trips = list(probe.measure(peer, sizes=[0, 1, 100_000], repeat=3))
    assert [trip.size for trip in trips] == [0, 0, 0, 1, 1, 1, 100_000, 100_000, 100_000]
    assert all(trip.round_trip > 0 for trip in trips)


def test_when_time_is_up_each_size_still_has_one_message() -> None:
    with serving() as peer:
        trips = list(probe.measure(peer, sizes=[0, 1, 2], repeat=1000, seconds=0))
    assert [trip.size for trip in trips] == [0, 1, 2]


def test_a_server_leaves_strangers_alone_and_answers_the_next() -> None:
    with serving(silence=0.5) as peer:
        host, port = probe.address(peer)
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"netsim probe 1\n" + b"\xff" * 8, b""):
            with socket.create_connection((host, port)) as stranger:
                stranger.sendall(nonsense)
        assert len(list(probe.measure(peer, sizes=[10], repeat=1))) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n" * 9), "is no netsim probe"),
        (lambda connection: connection.recv(15), "is no netsim probe, or has hung up"),
        (lambda connection: threading.Event().wait(1.5), "does not answer"),
        (lambda connection: connection.sendall(b"netsim probe 1\n" + b"\1" * 8), "no netsim probe"),
    ],
)
def test_a_peer_that_is_strange_or_silent_is_a_message(answer: Callable[[socket.socket], object], message: str) -> None:
    with answering(answer) as peer, pytest.raises(RunError, match=message):
        list(probe.measure(peer, sizes=[4], repeat=1, silence=0.3))


def test_nobody_there_is_a_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RunError, match="cannot be reached: Connection refused"):
        list(probe.measure(f"127.0.0.1:{port}"))


@pytest.mark.parametrize("peer", ["node1", "node1:", ":9000", "node1:99999", "node1:ssh"])
def test_what_is_no_address_is_refused(peer: str) -> None:
    with pytest.raises(NetsimError, match="is not HOST:PORT"):
        probe.address(peer)
    assert issubclass(ScenarioError, NetsimError)


@pytest.mark.parametrize("host", ["a" * 300, "\udcff", "a..b"])
def test_what_no_host_is_called_is_refused(host: str) -> None:
    with pytest.raises(ScenarioError, match=r"PEER: .* has no name of a host in it"):
        probe.address(f"{host}:9000")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "PEER: is one of: HOST:PORT of the other side, or --listen PORT"),
        (["x:1", "--listen", "2"], "PEER: is one of"),
        (["x:1", "--once"], "--once: does not go with HOST:PORT"),
        (["--listen", "0", "-o", "log.csv", "--sizes", "1 kB"], "--sizes: does not go with --listen"),
        (["x:1", "--seconds", "nan"], "--seconds: nan is no time to measure"),
        (["x:1", "--transport", "tpc"], "--transport: no transport 'tpc'. Did you mean 'tcp'?"),
        (["x:1", "--sizes", "2 GiB"], "--sizes: '2 GiB' is not a size of a message; at most 1 GiB is"),
    ],
)
def test_a_call_that_cannot_be_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["netsim", "probe", *words])
        main()
    assert ended.value.code == 2 and capsys.readouterr().err.startswith(f"netsim: {said}")


@pytest.mark.parametrize("transport", [None, pytest.param("gloo", marks=needs_torch)])
def test_two_commands_make_a_log_that_calibrate_reads(tmp_path: Path, transport: str | None) -> None:
    over = ["--transport", transport] if transport else []
    netsim = [sys.executable, "-m", "netsim", "probe", *over]
    environment = {"PYTHONPATH": str(ROOT)}
    listening = subprocess.Popen(
        [*netsim, "--listen", "0", "--once"], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert listening.stderr is not None
    port = listening.stderr.readline().split()[-1]
    call = [*netsim, f"127.0.0.1:{port}", "--sizes", "0 B,1 kB,100 kB", "--repeat", "5", "-o", "log.csv", "-q"]
    done = subprocess.run(call, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert listening.wait(20) == 0
    listening.stderr.close()
    (log,) = read(str(tmp_path / "log.csv"))
    assert log.what == "one_way" and len(log.samples) == 15


def test_without_pytorch_gloo_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ScenarioError, match=r"--transport: gloo needs PyTorch, which is not installed"):
        list(probe.TRANSPORTS["gloo"].measure("node1:9000"))


RATE, BURST = 20e6 / 8, 4096  # bytes/s, and bytes that may go at once, of frames: more than of payload


def _ip(words: str) -> None:
    subprocess.run(words.split(), check=True, capture_output=True)


@pytest.fixture
def two_hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces, the second at 10.77.0.2, on a link whose two directions have RATE."""
    if not all(shutil.which(each) for each in ("ip", "tc")) or os.geteuid() != 0:
        pytest.skip("network namespaces need root, ip and tc")
    names = f"netsim{os.getpid()}a", f"netsim{os.getpid()}b"
    try:
        try:
            for name in names:
                _ip(f"ip netns add {name}")
            _ip(f"ip link add eth0 netns {names[0]} type veth peer name eth0 netns {names[1]}")
            for number, name in enumerate(names, 1):
                within = f"ip netns exec {name}"
                _ip(f"{within} ip address add 10.77.0.{number}/24 dev eth0")
                _ip(f"{within} ip link set eth0 up")
                _ip(f"{within} tc qdisc add dev eth0 root tbf rate 20mbit burst 4kb latency 1s")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed here: {error.stderr}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def test_no_message_between_two_hosts_is_faster_than_the_rate_that_was_set(
    two_hosts: tuple[str, str], tmp_path: Path
) -> None:
    here, there = (["ip", "netns", "exec", name, sys.executable, "-m", "netsim"] for name in two_hosts)
    about = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "cwd": tmp_path, "text": True}
    listening = subprocess.Popen([*there, "probe", "--listen", "7707", "--once"], stderr=subprocess.PIPE, **about)  # type: ignore[call-overload]
    assert listening.stderr is not None
    listening.stderr.readline()
    sizes = "100 kB,200 kB,400 kB"
    call = [*here, "probe", "10.77.0.2:7707", "--sizes", sizes, "--repeat", "4", "-o", "log.csv", "-q"]
    done = subprocess.run(call, capture_output=True, **about)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert listening.wait(20) == 0
    listening.stderr.close()
    (log,) = read(str(tmp_path / "log.csv"))
    assert sorted({each.size for each in log.samples}) == [1e5, 2e5, 4e5] and len(log.samples) == 12
    # a busy machine only delays, so that a measurement bounds the rate on one side
    assert all(each.seconds >= (each.size - BURST) / RATE for each in log.samples)
    assert calibrate_link([str(tmp_path / "log.csv")])["rate_bytes_per_s"] > 0
