# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""Hosts' streams, on each of which exchanges follow one another: the twin of reference/allreduces.py.

An exchange of a bucket has a slot while any host is in it; turns.py decides which bucket is next, where something is
more urgent. streams.pxd has the types.
"""

from __future__ import annotations

from typing import Any

from netsim.engine.fast.kernels.steps import Steps


class Streams(Steps):
    """Hosts that offer buckets, and join in an exchange of each.

    The agenda has hosts' joining on a stream behind as many `messages`. Hosts from `joining` on are servers, which take
    part in each exchange as soon as anybody does.
    """

    def __init__(self, numbers: dict[str, int], network: Any, turns: Any, agenda: Any, arrays: Any) -> None:
        """turns: how the order of buckets is found, where it is not that in which they are ready."""
        super().__init__(numbers, network, agenda, arrays)
        self.turns, self.hosts, self.messages = turns, numbers["hosts"], numbers["messages"]
        self.slots, self.streams = numbers["slots"], numbers["streams"]
        self.play, self.hosts_left = arrays["play"], arrays["hosts_left"]  # of each slot
        self.bucket, self.turn, self.asks = arrays["bucket"], arrays["turn"], arrays["asks"]  # of each host and stream

    def _come(self, slot: int, host: int, bucket: int) -> None:
        """The host takes part in the exchange in this slot."""

    def _begin_all(self) -> None:
        for host in range(self.joining):
            self._begin(host, 0.0)
            if self.in_turn:
                for stream in range(self.streams):
                    self.turn[host * self.streams + stream] = stream
                    self._ask(host, stream)

    def _begin_exchange(self, host: int) -> None:
        """The host joins in on each stream when it has the stream's first bucket."""
        for stream in range(self.streams):
            if stream < self.buckets and not self.in_turn:
                self.bucket[host * self.streams + stream] = stream
                self._join_later(host, stream, self.offered[host * self.buckets + stream])

    def _offer(self, host: int, bucket: int) -> None:
        self.turns.offer(self.about[host] * self.buckets + bucket)
        self._decide()

    def _join_later(self, host: int, stream: int, when: float) -> None:
        now = self.network.now
        self.agenda.put(self.things + self.messages + host * self.streams + stream, when if when > now else now)

    def _ask(self, host: int, stream: int) -> None:
        """The host's stream is free, and follows what is decided, or will be."""
        self.asks[host * self.streams + stream] = 1
        self.turns.ask(self.turn[host * self.streams + stream])
        if self.turn[host * self.streams + stream] < self.turns.decided:
            self._follow(host, stream)
        self._decide()

    def _decide(self) -> None:
        while self.turns.decides():
            number = self.turns.decided - 1
            stream = number % self.streams
            for host in range(self.joining):
                if self.asks[host * self.streams + stream] and self.turn[host * self.streams + stream] == number:
                    self._follow(host, stream)

    def _follow(self, host: int, stream: int) -> None:
        self.asks[host * self.streams + stream] = 0
        self._join_later(host, stream, self.network.now)

    def _join(self, host: int, stream: int) -> None:
        """The host takes part in its next all-reduce on this stream from now on; the first to come begins it."""
        bucket = self.bucket[host * self.streams + stream]
        on_stream = (self.buckets - stream + self.streams - 1) // self.streams
        turn = self.about[host] * on_stream + bucket // self.streams
        play = self.about[host] * self.buckets + bucket
        if self.in_turn:
            turn = self.turn[host * self.streams + stream] // self.streams
            play = self.turns.turns[self.turn[host * self.streams + stream]]
            bucket = play % self.buckets
        slot = stream * self.slots + turn % self.slots
        if self.play[slot] < 0:
            self.play[slot], self.hosts_left[slot] = play, self.hosts
            for server in range(self.joining, self.hosts):
                self._come(slot, server, bucket)
        elif self.play[slot] != play:
            self._no_room()
            return
        self._come(slot, host, bucket)

    def _is_done(self, slot: int, host: int, bucket: int) -> None:
        """The host has the sum, and goes on on this stream."""
        stream = slot // self.slots
        self.hosts_left[slot] -= 1
        if self.hosts_left[slot] == 0:
            self.play[slot] = -1
        if host < self.joining:
            self._go_on(host, stream, bucket)
            self._has(host, bucket)

    def _go_on(self, host: int, stream: int, bucket: int) -> None:
        """The host goes on on this stream."""
        if self.in_turn:
            self.turn[host * self.streams + stream] += self.streams
            self._ask(host, stream)
        elif bucket + self.streams < self.buckets:
            self.bucket[host * self.streams + stream] = bucket + self.streams
            self._join_later(host, stream, self.offered[host * self.buckets + bucket + self.streams])
