"""Text files of the user's: read whole, or refused with a sentence."""

from __future__ import annotations

from pathlib import Path

from netsim.errors import ScenarioError

_LARGEST_FILE = 10_000_000  # bytes; such a file has a line a layer


def read_text(file: str, *, path: str = "") -> str:
    """The text of a file; ScenarioError, at `path`, if it cannot be one."""
    place = Path(file)
    try:
        if place.is_dir():
            raise ScenarioError(f"{file} is a directory", path=path)
        if (size := place.stat().st_size) > _LARGEST_FILE:
            raise ScenarioError(f"{file} has {size} bytes; a table has at most {_LARGEST_FILE}", path=path)
        return place.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScenarioError(f"{file} is no text in UTF-8", path=path) from None
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ScenarioError(f"{file} cannot be read: {reason}", path=path) from None
