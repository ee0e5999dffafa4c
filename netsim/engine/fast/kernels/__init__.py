"""The loops that the fast engine spends its time in: one source each, compiled by Cython or run as Python.

`hatch_build.py` compiles them when netsim is installed and a C compiler is there. What is built bears the digest of its
source in its name, so that a source that was changed since is run uncompiled rather than a binary that is out of date.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
from functools import cache
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent
NAMES = ("rounds", "moments", "sharing", "hubs", "queues", "turns", "steps", "streams", "events", "servers")


def digest(folder: Path = FOLDER) -> str:
    """What names the compiled form of just these sources."""
    taken = hashlib.blake2b(digest_size=6)
    for name in NAMES:
        for file in (folder / f"{name}.py", folder / f"{name}.pxd"):
            taken.update(file.read_bytes())
    return taken.hexdigest()


@cache
def load(name: str) -> ModuleType:
    """The kernel of that name, compiled if it can be had; else a line on standard error says what would do."""
    try:
        return importlib.import_module(f"{__name__}.{name}_{digest()}")
    except ModuleNotFoundError:
        _tell()
        return interpreted(name)


def interpreted(name: str) -> ModuleType:
    """The kernel as plain Python."""
    return importlib.import_module(f"{__name__}.{name}")


@cache
def _tell() -> None:
    older = any(FOLDER.glob("*_*.so")) or any(FOLDER.glob("*_*.pyd"))
    why = "are older than their source" if older else "were not compiled when netsim was installed"
    logging.getLogger(__name__).warning(
        f"netsim: the fast engine's kernels {why}, so that large runs take a hundred times as long. "
        "Install netsim again where there is a C compiler (in its sources: pip install -e .)."
    )
