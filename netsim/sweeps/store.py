"""Where outcomes are kept: a SQLite file, which survives a kill at any moment and may be shared by several processes.

A process claims the points that it is about to compute, so that another one on the same store takes others. A claim is
worth as much as its owner lives, who holds a lock on a file beside the store: the system lets go of it however the
process ends. No outcome is ever taken out again, and no row is overwritten.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netsim.errors import RunError
from netsim.sweeps.points import Point

try:
    import fcntl
except ImportError:  # Windows: nobody is known to live, so that two processes may compute the same point
    fcntl = None  # type: ignore[assignment]

Row = dict[str, Any]
_TABLES = """
CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, row TEXT, error TEXT, refused INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT) WITHOUT ROWID;
"""
_OWNERS_NAME = re.compile("[0-9a-f]{16}")
_KEEP = """
INSERT INTO outcomes VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
row = excluded.row, error = excluded.error, refused = excluded.refused WHERE outcomes.error IS NOT NULL
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a point: its row, or the message of why there is none, and whether the scenario is at fault."""

    row: Row | None
    error: str | None
    refused: bool = False


class Store:
    """Outcomes by key; by default in a temporary file that nobody else sees, and that is gone when it is closed.

    In write-ahead mode a commit costs some 20 us: it survives the process, and a machine that loses power loses the
    last moments, but never what was before.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._connection = sqlite3.connect(file or "", timeout=60, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_TABLES)
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where a message quotes the file
            self._connection.close()  # or its locks would stay
            raise sqlite3.DatabaseError(str(error)) from None
        self._owner = _Owner(file) if file else None
        self._again: set[str] = set()

    def __contains__(self, key: object) -> bool:
        return (
            key not in self._again
            and self._connection.execute("SELECT 1 FROM outcomes WHERE key = ?", (key,)).fetchone() is not None
        )

    def __iter__(self) -> Iterator[str]:
        return (key for (key,) in self._connection.execute("SELECT key FROM outcomes"))

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM outcomes").fetchone()[0])

    def get(self, key: str) -> Outcome | None:
        """The outcome of that key, None if there is none yet."""
        found = self._connection.execute("SELECT row, error, refused FROM outcomes WHERE key = ?", (key,)).fetchone()
        return None if found is None else _outcome(*found)

    def keep(self, points: Sequence[Point], outcomes: Sequence[Outcome]) -> None:
        """Writes outcomes down, all of them or none, and gives their points up. A row that is there stays as it is."""
        rows = [
            (point.key, None if each.row is None else json.dumps(each.row), each.error, each.refused)
            for point, each in zip(points, outcomes, strict=True)
        ]
        with self._at_once() as connection:
            connection.executemany(_KEEP, rows)
            connection.executemany("DELETE FROM claims WHERE key = ?", [row[:1] for row in rows])
        self._again.difference_update(point.key for point in points)

    def claim(self, points: Iterable[Point]) -> tuple[list[Point], list[Point]]:
        """Those points that are this process' to compute now, and those that somebody else computes or has done."""
        mine: list[Point] = []
        others: list[Point] = []
        owner = self._owner.name if self._owner else ""
        with self._at_once() as connection:
            for point in points:
                claim = "INSERT OR IGNORE INTO claims VALUES (?, ?)"
                new = point.key not in self and connection.execute(claim, (point.key, owner)).rowcount
                (mine if new else others).append(point)
        return mine, others

    def release_claims(self, *, of_the_dead: bool = True) -> None:
        """Gives up the claims of processes that have ended, or this one's own."""
        known = [owner for (owner,) in self._connection.execute("SELECT DISTINCT owner FROM claims")]
        own = self._owner.name if self._owner else ""
        gone = [each for each in known if self._owner and not self._owner.lives(each)] if of_the_dead else [own]
        if gone:
            with self._at_once() as connection:
                connection.executemany("DELETE FROM claims WHERE owner = ?", [(each,) for each in gone])

    def has_failures(self) -> bool:
        """Whether any point failed, of whichever sweep."""
        return self._connection.execute("SELECT 1 FROM outcomes WHERE error IS NOT NULL").fetchone() is not None

    def retry_failures(self) -> None:
        """Takes points that have failed for not done yet; what is known of them stays until more is."""
        self._again = {key for (key,) in self._connection.execute("SELECT key FROM outcomes WHERE error IS NOT NULL")}

    def close(self) -> None:
        with suppress(sqlite3.Error):  # whatever it was, it has been told; the claims die with their owner
            self.release_claims(of_the_dead=False)
        self._connection.close()
        if self._owner:
            self._owner.close()

    @contextmanager
    def _at_once(self) -> Iterator[sqlite3.Connection]:
        """A transaction that waits for others at its beginning, not half way."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _outcome(row: Any, error: Any, refused: Any) -> Outcome:
    """An outcome as it was kept; a database error where it is something else."""
    try:
        found = json.loads(row or "null")
    except (ValueError, TypeError, RecursionError):
        found = row
    if not isinstance(found, dict | None) or not isinstance(error, str | None):
        raise sqlite3.DatabaseError("it has something else than outcomes of points")
    return Outcome(found, error, bool(refused))


class _Owner:
    """This process as others on the store see it: alive as long as its file is locked."""

    def __init__(self, store: Path) -> None:
        self._stem = str(store)
        self.name = secrets.token_hex(8)
        self._file = os.open(self._path(self.name), os.O_CREAT | os.O_RDWR, 0o644)
        if fcntl:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def _path(self, name: str) -> str:
        return f"{self._stem}-owner-{name}"

    def lives(self, name: str) -> bool:
        """Whether that owner's process still runs."""
        if name == self.name:
            return True
        if not fcntl or not _OWNERS_NAME.fullmatch(str(name)):  # another name might lead to a file of somebody else's
            return False
        try:
            file = os.open(self._path(name), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            with suppress(OSError):
                os.unlink(self._path(name))
            return False
        finally:
            os.close(file)

    def close(self) -> None:
        with suppress(OSError):
            os.unlink(self._path(self.name))
        os.close(self._file)


@contextmanager
def kept_in(folder: Path | None) -> Iterator[Store]:
    """The store of a result folder, or a passing one. Raises RunError, with what was kept left intact, if it cannot be
    written."""
    file = folder / "points.sqlite" if folder else None
    try:
        with closing(Store(file)) as store:
            yield store
    except sqlite3.Error as error:
        kept = "; what was kept stays, and the same command goes on from there" if "full" in str(error) else ""
        raise RunError(f"results cannot be kept in {file or 'a temporary file'}: {error}{kept}") from None


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Where several processes end their sweeps in one result folder, one at a time writes the report there. The folder
    is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    if not fcntl:
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(held, fcntl.LOCK_UN)  # a process that was forked meanwhile has the same lock
        os.close(held)
