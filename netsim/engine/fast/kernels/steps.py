# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""Hosts' steps, one after another: the twin of a worker's life in reference/engine.py, and of the one in layerwise.py.

What a host computes without a pause is known when it begins; only where the order of buckets is found on the way, or
the next forward pass goes on layer by layer, it comes back to the agenda in between. steps.pxd has the types.
"""

from __future__ import annotations

from typing import Any

from netsim.engine.fast.kernels.moments import Moments

# What a host is at, where it comes back to the agenda.
BACKWARD, FORWARD, WAITING, UPDATE = 0, 1, 2, 3


class Steps(Moments):
    """Hosts that compute, and go on when buckets are in.

    `layers`: which the next forward pass waits for one by one; 0 where it waits for all buckets. `in_turn`: buckets are
    offered when they are ready, to whoever decides which is next. The agenda has hosts, for what they compute, from
    `computing` on.
    """

    def __init__(self, numbers: dict[str, int], network: Any, agenda: Any, arrays: Any) -> None:
        super().__init__(network, agenda, numbers["joining"], (numbers["record_from"], numbers["record_to"]))
        self.joining, self.buckets, self.layers = numbers["joining"], numbers["buckets"], numbers["layers"]
        self.iterations, self.rows, self.overlap = numbers["iterations"], numbers["rows"], numbers["overlap"]
        self.in_turn, self.computing = numbers["in_turn"], numbers["computing"]
        self.forward, self.gaps, self.update = arrays["forward"], arrays["gaps"], arrays["update"]  # of rows and hosts
        self.forward_of, self.update_of = arrays["forward_of"], arrays["update_of"]  # and of each of their layers, s
        self.first_of, self.bucket_of = arrays["first_of"], arrays["bucket_of"]  # the buckets of each layer
        self.iteration, self.about = arrays["iteration"], arrays["about"]  # that a host is in, and exchanges
        self.phase, self.stage, self.asked = arrays["phase"], arrays["stage"], arrays["asked"]  # at which layer, bucket
        self.offered, self.done, self.is_in = arrays["offered"], arrays["done"], arrays["is_in"]  # of each bucket
        self.buckets_left = arrays["buckets_left"]
        self.start, self.computed, self.exchanged = arrays["start"], arrays["computed"], arrays["exchanged"]
        self.exchanging, self.waited, self.end = arrays["exchanging"], arrays["waited"], arrays["end"]
        self.forward_end, self.update_end = arrays["forward_end"], arrays["update_end"]

    def _begin_exchange(self, host: int) -> None:
        """It is known when the host will have each of a step's buckets."""

    def _offer(self, host: int, bucket: int) -> None:
        """The host has this bucket's gradients ready."""

    def _row(self, host: int, iteration: int) -> int:
        """Where what a host's step takes is found."""
        return (iteration if self.rows > 1 else 0) * self.joining + host

    def _begin(self, host: int, start: float) -> None:
        """A host's step: forward, then backward."""
        iteration = self.iteration[host]
        self.start[iteration * self.joining + host] = start
        if self.layers > 0:
            self.stage[host] = 0
            self._next_layer(host)
        else:
            self._backward(host, start + self.forward[self._row(host, iteration)])

    def _backward(self, host: int, now: float) -> None:
        """From now on backward; buckets are ready one after another, or all in the end."""
        row = self._row(host, self.iteration[host])
        for bucket in range(self.buckets):
            now = now + self.gaps[row * (self.buckets + 1) + bucket]
            self.offered[host * self.buckets + bucket] = now
            self.is_in[host * self.buckets + bucket] = 0
        now = now + self.gaps[row * (self.buckets + 1) + self.buckets]
        self.computed[self.iteration[host] * self.joining + host] = now
        if not self.overlap:
            for bucket in range(self.buckets):
                self.offered[host * self.buckets + bucket] = now
        self.about[host], self.buckets_left[host] = self.iteration[host], self.buckets
        self.phase[host], self.stage[host] = BACKWARD, 0 if self.in_turn else self.buckets
        self._pass_back(host)
        self._begin_exchange(host)

    def _has(self, host: int, bucket: int) -> None:
        """The host has the sum of a bucket, and goes on if it waited for no more than that."""
        self.done[host * self.buckets + bucket], self.is_in[host * self.buckets + bucket] = self.network.now, 1
        self.buckets_left[host] -= 1
        if self.layers > 0:
            if self.phase[host] == WAITING:
                self._take_over(host)
        elif self.buckets_left[host] == 0:
            self._end_step(host)

    def _end_step(self, host: int) -> None:
        """All buckets are in: when backward has ended, too, the host updates, and begins anew."""
        at = self.iteration[host] * self.joining + host
        exchanged = self.computed[at] if self.computed[at] > self.network.now else self.network.now
        self.exchanged[at], self.exchanging[at] = exchanged, self._under_way(host)
        self._end(host, exchanged + self.update[self._row(host, self.iteration[host])])

    def _under_way(self, host: int) -> float:
        """For how long any of a step's buckets was on its way for the host (s)."""
        under_way, until = 0.0, 0.0
        for bucket in range(self.buckets):
            begin, end = self.offered[host * self.buckets + bucket], self.done[host * self.buckets + bucket]
            begin = begin if begin > until else until
            if end > begin:
                under_way += end - begin
            until = end if end > until else until
        return under_way

    def _end(self, host: int, now: float) -> None:
        self.end[self.iteration[host] * self.joining + host] = now
        self.iteration[host] += 1
        if host == 0 and self.iteration[host] == self.record_from and self.record_to > self.record_from:
            self.network.watch(now)
        if self.iteration[host] < self.iterations:
            self._begin(host, now)
        else:
            self.unfinished -= 1

    # What comes back to the agenda

    def _compute_until(self, host: int, when: float) -> None:
        self.agenda.put(self.things + self.computing + host, when)

    def _goes_on(self, host: int) -> None:
        """It has computed another part of its step."""
        if self.phase[host] == BACKWARD:
            self._passed_back(host)
        elif self.phase[host] == FORWARD:
            self._passed(host)
        else:
            self._updated(host)

    def _pass_back(self, host: int) -> None:
        """On to the next bucket that is to be offered, or to the end of the backward pass."""
        if self.stage[host] < self.buckets:
            self._compute_until(host, self.offered[host * self.buckets + self.stage[host]])
        elif self.layers > 0:
            self._compute_until(host, self.computed[self.iteration[host] * self.joining + host])

    def _passed_back(self, host: int) -> None:
        bucket = self.stage[host]
        self.stage[host] += 1
        if bucket < self.buckets:
            self._offer(host, bucket)
            self._pass_back(host)
        elif self.iteration[host] < self.iterations - 1:
            self._end(host, self.network.now)
        else:
            self.stage[host] = 0
            self._reach(host)

    # Layer by layer

    def _next_layer(self, host: int) -> None:
        """Forward through a layer: at once in the first step, later on when it is updated."""
        if self.iteration[host] > 0:
            self._reach(host)
        else:
            self._pass(host)

    def _reach(self, host: int) -> None:
        self.asked[host] = self.network.now
        self._take_over(host)

    def _take_over(self, host: int) -> None:
        """Wait until a layer's sums of an iteration are in, and update the layer."""
        layer, about = self.stage[host], self.about[host]
        for place in range(self.first_of[layer], self.first_of[layer + 1]):
            if not self.is_in[host * self.buckets + self.bucket_of[place]]:
                self.phase[host] = WAITING
                return
        self.waited[self.iteration[host] * self.joining + host] += self.network.now - self.asked[host]
        if layer == self.layers - 1:
            self.exchanging[about * self.joining + host] = self._under_way(host)
        self.phase[host] = UPDATE
        self._compute_until(host, self.network.now + self.update_of[self._row(host, about) * self.layers + layer])

    def _updated(self, host: int) -> None:
        self._note_layer(host, self.about[host], self.update_end)
        if self.about[host] < self.iteration[host]:
            self._pass(host)
            return
        self.stage[host] += 1
        if self.stage[host] < self.layers:
            self._reach(host)
        else:
            self._end(host, self.network.now)

    def _pass(self, host: int) -> None:
        row = self._row(host, self.iteration[host]) * self.layers
        self.phase[host] = FORWARD
        self._compute_until(host, self.network.now + self.forward_of[row + self.stage[host]])

    def _passed(self, host: int) -> None:
        """A layer is done; after the last one, what is left of the step."""
        self._note_layer(host, self.iteration[host], self.forward_end)
        self.stage[host] += 1
        if self.stage[host] < self.layers:
            self._next_layer(host)
        else:
            self._backward(host, self.network.now + self.forward[self._row(host, self.iteration[host])])

    def _note_layer(self, host: int, iteration: int, ends: Any) -> None:
        if self.record_from <= iteration < self.record_to:
            row = (iteration - self.record_from) * self.joining + host
            ends[row * self.layers + self.stage[host]] = self.network.now
