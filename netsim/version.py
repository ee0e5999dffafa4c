"""The version of the distribution, and of what lies there."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    VERSION = version("netsim-training")
except PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0+unknown"


@cache
def identity() -> str:
    """The version with a digest of netsim's own files: another as soon as any of them has changed."""
    package, digest = Path(__file__).parent, hashlib.sha256()
    for file in sorted(each for each in package.rglob("*") if each.suffix in (".py", ".csv")):
        digest.update(str(file.relative_to(package)).encode() + b"\n" + file.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:16]}"
