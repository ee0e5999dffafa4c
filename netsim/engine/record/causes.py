"""What released what: every event of a run inherits the activity whose end led to it.

The kernel keeps the book: an event is scheduled in the course of another one, whose cause it takes over. So a process
that waits for the last of many things goes on with that last one as its cause, without a line of its own. Two things
are activities, which become causes when they end: an event that `lasting` names, and a message, from its sending to
its delivery. A wait that nobody names leaves a gap between an activity and its cause, which tests look for.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, TypeVar

from simpy.core import SimTime
from simpy.events import NORMAL, Event, EventPriority

from netsim.engine.record.clock import Clock
from netsim.trace import NO_CAUSE, Activity, Columns

AnEvent = TypeVar("AnEvent", bound=Event)
Label = tuple[int, int | str | None]  # the iteration, and the bucket, or another name, if it is about one


def lasting(event: AnEvent, kind: str, host: int, label: Any) -> AnEvent:
    """The event, which happens when the host has done something of this kind that begins now: an activity.

    kind: "forward", "backward", "update", "reduce", or another word for what takes the time. label: a `Label`.
    """
    event.activity = kind, host, event.env.now, label  # type: ignore[attr-defined]
    return event


class Causal(Clock):
    """An environment that knows at any moment the activity whose end led there (`cause`, its row)."""

    def __init__(self, recorded: Container[int], buckets: Sequence[str]) -> None:
        super().__init__()
        self.cause = NO_CAUSE
        self._recorded, self._buckets = recorded, buckets
        self._activities: list[Activity] = []
        self._routes: dict[tuple[str, ...], int] = {}

    @property
    def activities(self) -> Columns[Activity]:
        return Columns(Activity, self._activities)

    @property
    def routes(self) -> tuple[tuple[str, ...], ...]:
        """The links of each route that a message took; activities name them by number."""
        return tuple(self._routes)

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: SimTime = 0) -> None:
        event.cause = self.cause  # type: ignore[attr-defined]
        super().schedule(event, priority, delay)

    def step(self) -> None:
        if self._queue:
            now, _, _, event = self._queue[0]
            self.cause = getattr(event, "cause", NO_CAUSE)  # those of the backstage have none
            activity = getattr(event, "activity", None) if event.env is self else None
            if activity:
                kind, host, start, label = activity
                self.ends(kind, host, label, start, float(now), cause=self.cause)
        super().step()

    def ends(self, kind: str, host: int, label: Label, start: float, end: float, *, cause: int, **details: Any) -> None:
        """An activity ends now, and is the cause of what follows; of iterations that are not recorded there is none."""
        iteration, bucket = label
        self.cause = NO_CAUSE
        if iteration in self._recorded:
            self.cause = len(self._activities)
            name = bucket if isinstance(bucket, str) else "" if bucket is None else self._buckets[bucket]
            about = {"to": host, "cause": cause, **details}
            self._activities.append(Activity(kind, host, name, iteration, start, end, **about))

    def route(self, links: Sequence[str]) -> int:
        """The number of a route."""
        return self._routes.setdefault(tuple(links), len(self._routes))
