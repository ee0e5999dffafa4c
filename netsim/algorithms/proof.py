"""Collectives of the user's own are played only if they do what they promise."""

from __future__ import annotations

from typing import TypeVar

from netsim.collectives.rounds import Collective, prove
from netsim.errors import RunError, ScenarioError

_MOST_ENTRIES = 50_000_000  # of the table with which a collective is proved

Kind = TypeVar("Kind", bound=Collective)


def proved(kind: Kind, ranks: int) -> Kind:
    """The same collective; ScenarioError with the rank, the piece and the contribution if it does not do what it
    promises among so many ranks."""
    kind.fit(ranks)
    if (entries := ranks * kind.pieces(ranks) * ranks) > _MOST_ENTRIES:
        told = f"{ranks} ranks with {kind.pieces(ranks)} pieces would be {entries} contributions to follow"
        raise ScenarioError(f"{told}; at most {_MOST_ENTRIES} can be proved")
    try:
        prove(kind, ranks)
    except RunError as error:
        raise ScenarioError(f"is no {kind.operation}: {error}") from None
    return kind
