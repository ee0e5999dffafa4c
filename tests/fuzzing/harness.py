"""A coverage-guided fuzzer of netsim's readers, by atheris: `python harness.py TARGET SECONDS [LIBFUZZER ARGUMENTS]`.

It ends with status 1 at the first input that is neither read nor refused with a message, or that takes longer than 10 s
or more than 1 GiB of memory, and leaves the input in the current folder. `.ci/fuzz` runs it for all readers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Fuzzes one reader; atheris, which few have, is imported here, so that others can import this file."""
    import atheris

    with atheris.instrument_imports(include=["netsim"]):
        sys.path.insert(0, str(Path(__file__).parent))
        from targets import TARGETS
    name, seconds, *more = sys.argv[1:]
    target = TARGETS[name]
    folder = Path(tempfile.mkdtemp())
    for number, seed in enumerate(target.seeds()):
        (folder / str(number)).write_bytes(seed)
    limits = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-max_len=100000",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], str(folder), *limits, *more], lambda content: void(target, content))
    atheris.Fuzz()


def void(target: object, content: bytes) -> None:
    """What a reader gives is of no use here."""
    target(content)  # type: ignore[operator]


if __name__ == "__main__":
    main()
