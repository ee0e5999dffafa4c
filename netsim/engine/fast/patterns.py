"""The network of rounds in which no two messages meet on a link: patterns of who sends to whom, and what links carry.

Where many hosts are alike, a pattern has one message of each class (symmetry.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Round, digest
from netsim.engine.fast.symmetry import Classes, Messages, apart, classes, firsts, mixed, numbered
from netsim.topologies.base import Topology
from netsim.trace import Columns, LinkUse

Times = npt.NDArray[np.float64]  # of each host, s
Numbers = npt.NDArray[np.int64]
Short = npt.NDArray[np.int32]


class Meeting(Exception):
    """Two messages meet on a link, or may come in another order than they are played in; says which it is."""


@dataclass(frozen=True)
class Pattern:
    """Who sends to whom in a round, as the network sees it: one row a message, or a class of messages all alike."""

    src: Short
    dst: Short
    into: Short  # the message that comes to this one's source, and the one that its destination sends,
    onward: Short  # or itself; both empty where a host has several
    rows: Numbers  # which of the round's messages these are
    alike: Numbers  # for how many messages each stands
    links: Numbers  # [message, hop], one beyond the last link after the end of a route
    connections: Numbers
    wait: Times  # latency of the whole route
    rates: Times  # of its slowest link
    word: Times  # latency of the receiver's word, and the links that this takes; empty where there is none
    word_links: Numbers


class FastNetwork:
    """The routes of a topology as arrays, when each link is free, and what it has carried.

    `queues`: links serve whole messages in order of arrival. As long as none has to wait for another, each is on its
    way for as long as where links are shared; but it may be anywhere on its way from when it is sent on. `announced`:
    each message waits for its receiver's word, which takes no time on shared links.
    """

    def __init__(self, topology: Topology, *, queues: bool = False, announced: bool = False) -> None:
        if topology.bursts:
            raise Meeting("links pass bursts")
        if announced and queues:
            raise Meeting("words of receivers wait behind messages")
        self._announced = announced
        self._topology, self._hosts, self.queues = topology, len(topology.hosts), queues
        self._classes: Classes | None = None
        self._messages: dict[bytes, Messages] = {}
        self._rates, self._latencies = np.asarray(topology.rates), np.asarray(topology.latencies)
        self._totals = np.zeros(4, dtype=np.longdouble)  # messages, bytes, and s of latency and under way

    def begin(self, links: int) -> None:
        """Nothing has been sent; links are classes of links where hosts are played by classes."""
        self._patterns: dict[bytes, Pattern] = {}
        self._pairs: dict[bytes, int] = {}
        self._loaded: Pattern | None = None
        self._free, self._entered = np.zeros(links + 1), np.full(links + 1, -np.inf)
        self._last = np.full(links + 1, -1)  # whose message a link had last
        self._link_bytes, self._link_busy = np.zeros(links + 1, dtype=np.longdouble), np.zeros(links + 1)
        self._link_messages = np.zeros(links + 1, dtype=np.int64)

    def find_classes(self, rounds: Iterable[Round], colours: Numbers) -> Classes | None:
        """From now on, play one host of each class for all; `colours` tell hosts apart that differ in themselves."""
        own = mixed(*map(numbered, (self._rates, self._latencies)))
        all_of_them = [each for one in rounds for each in self._with_words(one)]
        different = {each.who: self._messages_of(each) for each in all_of_them}  # a ring's two halves are the same
        self._classes = classes(list(different.values()), colours, own)
        if self._classes:
            self.begin(len(self._classes.a_link))
        return self._classes

    def use(self) -> Columns[LinkUse]:
        """What each link has carried so far."""
        self._store()
        columns = (self._link_bytes.astype(float), self._link_busy, self._link_messages)
        of = self._classes.links if self._classes else np.arange(len(self._topology.names))
        return Columns.of(LinkUse, self._topology.names, self._topology.rates, *(column[of] for column in columns))

    @property
    def links(self) -> int:
        """How many there are."""
        return len(self._topology.names)

    @property
    def messages(self) -> int:
        """Delivered so far, between hosts."""
        return int(self._total(0))

    @property
    def nbytes(self) -> float:
        """Delivered so far, between hosts."""
        return self._total(1)

    @property
    def latency_sum(self) -> float:
        """Over all messages, s."""
        return self._total(2)

    @property
    def duration_sum(self) -> float:
        """Over all messages, s."""
        return self._total(3)

    def _total(self, what: int) -> float:
        self._store()
        return float(self._totals[what])

    def load(self, each: Round) -> Pattern:
        """Make ready for a round's messages."""
        pattern = self._pattern(each)
        if pattern is not self._loaded:
            self._store()
            self._loaded, links, size = pattern, pattern.links, len(pattern.src)
            mine = self._last[links] == pattern.connections[:, None]
            free = self._free[links]
            self.others = np.where(mine, -np.inf, free).max(axis=1)
            self.own, self.entered = np.where(mine, free, 0.0).max(axis=1), self._entered[links[:, 0]]
            if self.queues:
                self.others = free.max(axis=1) + pattern.wait  # and so before the message is sent
            self.start, self.end, self.under_way = np.zeros((3, size))
            self._sent, self._sent_bytes, self._on_wire = 0, np.zeros(size, dtype=np.longdouble), np.zeros(size)
        return pattern

    def count(self, lasts: Times, sizes: Times, times: int, lanes: int) -> None:
        """So often, in so many lanes in turn, messages of these sizes (bytes) and lengths (s on the wire) were sent."""
        self._sent += times * lanes
        self._sent_bytes += sizes.astype(np.longdouble) * (times * lanes)
        self._on_wire += lasts * (times * lanes)

    def _store(self) -> None:
        """The links of the round that was played last remember whose they were, and what they carried."""
        pattern = self._loaded
        if pattern:
            for hop in pattern.links.T:  # each link is there once: no addition is lost; the last one is nobody's
                self._free[hop], self._last[hop], self._entered[hop] = self.own, pattern.connections, self.entered
                self._link_bytes[hop] += self._sent_bytes
                self._link_busy[hop] += self._sent_bytes / self._rate_of(hop) if self.queues else self._on_wire
                self._link_messages[hop] += self._sent
            for hop in pattern.word_links.T:
                np.add.at(self._link_messages, hop, self._sent)
            messages, words = int(pattern.alike.sum()) * self._sent, (pattern.word * pattern.alike[: len(pattern.word)])
            latencies = (pattern.wait * pattern.alike).sum() * self._sent
            self._totals += np.array([
                messages * (1 + self._announced), (self._sent_bytes * pattern.alike).sum(), latencies,
                (self.under_way * pattern.alike).sum(),
            ])  # fmt: skip
            self._totals[2:] += words.sum() * self._sent
            self._free[-1], self._entered[-1], self._last[-1], self._loaded = 0.0, -np.inf, -1, None

    def _rate_of(self, links: Numbers) -> Times:
        """Of links, or of classes of links (bytes/s); one beyond the last is nobody's."""
        known = self._rates[self._classes.a_link] if self._classes else self._rates
        return np.append(known, 1.0)[links]

    def _pattern(self, each: Round) -> Pattern:
        key = each.who
        if key not in self._patterns:
            messages = self._messages_of(each)
            alone = self._classes is not None or messages.src.size < 2  # classes are of rounds in which all are
            if not alone and np.bincount(messages.links[messages.links >= 0]).max() > 1:
                raise Meeting("several messages share a link")
            self._patterns[key] = self._classed(messages, *map(self._messages_of, self._with_words(each)[1:]))
        return self._patterns[key]

    def _classed(self, messages: Messages, words: Messages | None = None) -> Pattern:
        """The round's messages, or one of each class, and the words about them."""
        src, dst, hops, rows = messages.src, messages.dst, messages.links, np.arange(len(messages.src))
        alike, connections, links = np.ones_like(rows), src * self._hosts + dst, hops
        if self._classes:
            # As many connections as rounds have other pairs: members of a class may change their partners.
            pairs = self._pairs.setdefault(digest(src, dst), len(self._pairs))
            src, dst = self._classes.hosts[src], self._classes.hosts[dst]
            links = np.where(hops >= 0, self._classes.links[hops], -1)
            colour = mixed(src, dst, messages.count, *links.T)
            rows, alike = firsts(colour), np.bincount(colour)
            src, dst, links, hops = src[rows], dst[rows], links[rows], hops[rows]
            connections = pairs * self._hosts**2 + rows
        rates = np.where(hops >= 0, self._rates[hops], np.inf).min(axis=1)
        ends = src.astype(np.int32), dst.astype(np.int32)
        back = hops[:0] if words is None else words.links[rows]
        back_links = np.where(back >= 0, self._classes.links[back], -1) if self._classes else back
        into, onward = neighbours(*ends) if words is None else (ends[0][:0],) * 2
        wait, word = self._latency_of(hops), self._latency_of(back)
        return Pattern(*ends, into, onward, rows, alike, links, connections, wait, rates, word, back_links)

    def _latency_of(self, routes: Numbers) -> Times:
        """Of each route as a whole (s)."""
        wait = np.zeros(len(routes))
        for hop in routes.T:
            wait = wait + np.where(hop >= 0, self._latencies[hop], 0.0)
        return wait

    def _with_words(self, each: Round) -> list[Round]:
        """A round, and that of the words about its messages, if there are any."""
        return [each, replace(each, src=each.dst, dst=each.src)] if self._announced else [each]

    def _messages_of(self, each: Round) -> Messages:
        key = each.who
        if key not in self._messages:
            if (each.src == each.dst).any():
                raise Meeting("a host gives something to itself")
            self._messages[key] = Messages(each.src, each.dst, each.count, self._topology.routes(each.src, each.dst))
        return self._messages[key]


def neighbours(src: Short, dst: Short) -> tuple[Short, Short]:
    """For each message the one that comes to its source, and the one that its destination sends: else itself; nothing
    where a host sends or gets several."""
    if not (apart(src) and apart(dst)):
        return src[:0], src[:0]
    found, own = [], np.arange(len(src), dtype=np.int32)
    for here, there in ((src, dst), (dst, src)):
        at = np.full(1 + max(src.max(initial=0), dst.max(initial=0)), -1, dtype=np.int32)
        at[there] = own
        found.append(np.where(at[here] >= 0, at[here], own))
    return found[0], found[1]
