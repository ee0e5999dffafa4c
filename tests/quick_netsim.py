"""`netsim` for tests that call it a hundred times: a process that has imported it forks for each call.

Server and client in one file: `python quick_netsim.py FD` answers on a listening socket that it inherits, and
`python quick_netsim.py ADDRESS ARGUMENT...` is to its caller what `netsim ARGUMENT...` is: the same arguments,
environment, folder, standard streams and exit status, without the second that imports take. Figures are drawn as for
anybody, with a fifth of the dots an inch.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback

END, STREAMS = "\0\0", (0, 1, 2)


def ask(address: str, arguments: list[str]) -> int:
    """The exit status of a call, which the server's fork makes for this process."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        socket.send_fds(line, [b"!"], STREAMS)
        called = [os.getcwd(), *arguments], [f"{key}={value}" for key, value in os.environ.items()]
        line.sendall(END.join("\0".join(each) for each in called).encode(errors="surrogateescape"))
        line.shutdown(socket.SHUT_WR)
        status = line.recv(1)
    return status[0] if status else 70  # EX_SOFTWARE: the fork died


def serve(listening: socket.socket) -> None:
    """Answers calls until it is told to end."""
    load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for forks
    while True:
        line, _ = listening.accept()
        if os.fork() == 0:
            status = 70
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                status = answer(line)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                line.sendall(bytes([status]))
                os._exit(status)
        line.close()


def load() -> None:
    """Import what any command needs."""
    import contextlib
    import pkgutil
    from importlib import import_module

    import netsim
    from netsim.plots import _canvas

    for module in pkgutil.walk_packages(netsim.__path__, "netsim."):
        if module.name != "netsim.__main__" and "kernels" not in module.name:
            with contextlib.suppress(ImportError):  # of a library that is not installed
                import_module(module.name)
    _canvas._DPI //= 5


def answer(line: socket.socket) -> int:
    """Makes the call that comes over the line, in this process."""
    from netsim.cli import main

    _, streams, _, _ = socket.recv_fds(line, 1, len(STREAMS))
    for stream, mine in zip(streams, STREAMS, strict=True):
        os.dup2(stream, mine)
        os.close(stream)
    told = b"".join(iter(lambda: line.recv(1 << 16), b"")).decode(errors="surrogateescape")
    called, environment = (each.split("\0") for each in told.split(END))
    os.environ.clear()
    os.environ.update(each.split("=", 1) for each in environment)
    os.chdir(called[0])
    sys.argv = ["netsim", *called[1:]]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].isdecimal():
        serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
