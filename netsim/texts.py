"""Files of the user's: read whole, or refused with a sentence."""

from __future__ import annotations

import zlib
from pathlib import Path

from netsim.errors import ScenarioError

_LARGEST_FILE = 10_000_000  # bytes; such a file has a line a layer


def bounded(place: Path, most: int) -> tuple[bytes, int]:
    """The bytes of a file, cut off behind `most` + 1, and its size. It may be a pipe or a device, without a size and
    without an end. Raises OSError."""
    with place.open("rb") as file:
        content = file.read(most + 1)
    return content, max(place.stat().st_size, len(content))


def why_unreadable(error: Exception) -> str:
    """What keeps a file from being read, in words."""
    return "no such file" if isinstance(error, FileNotFoundError) else str(error)


def read_text(file: str, *, path: str = "", most: int = _LARGEST_FILE) -> str:
    """The text of a file of at most so many bytes, which may be compressed (`.gz`); ScenarioError, at `path`, if it
    cannot be one."""
    place = Path(file)
    try:
        if place.is_dir():
            raise ScenarioError(f"{file} is a directory", path=path)
        content, size = bounded(place, most)
        if place.suffix == ".gz":
            content = zlib.decompressobj(wbits=31).decompress(content, most + 1)
            size = len(content)
        if size > most:
            raise ScenarioError(f"{file} has {size} bytes or more; at most {most} are read", path=path)
        return content.decode("utf-8-sig")
    except zlib.error:
        raise ScenarioError(f"{file} is not compressed by gzip", path=path) from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{file} is no text in UTF-8", path=path) from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{file} cannot be read: {why_unreadable(error)}", path=path) from None
