# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""Workers with iterations of their own over parameter servers, event by event: the loops of ../servers.py.

The twin of reference/servers.py and updates.py, with their words, on arrays. Which gradient becomes which version of
the weights depends on the order of what happens at one moment: it is SimPy's here, too, since everything that SimPy
would schedule is put in the same agenda in the same order. Where rounding may have put two gradients in another order,
the run is given up. servers.pxd has the types.
"""

from __future__ import annotations

from typing import Any

from netsim.engine.fast.kernels.moments import Moments

# What a worker is at: the gradients of bucket 0, 1, ... of its backward pass, or one of these.
LEAD, WAITING, UPDATE = -1, -2, -3


class Run(Moments):
    """Workers that compute, push keys, and go on when they have pulled all; servers that answer each by itself.

    Numbers: a transfer is (server x 2 x workers + worker), with as many more for the way back; a message is ((bucket x
    lanes + slice x servers) x 2 x workers + transfer), of a key (bucket x lanes + slice x servers + server). The agenda
    has what the network has, then latencies of messages, what workers compute, buckets and gradients that are in, and
    servers' next gradients.
    """

    def __init__(self, numbers: dict[str, int], bound: float, network: Any, agenda: Any, arrays: Any) -> None:
        """bound: iterations that a worker may be ahead of the slowest; below 0 it may be as many as it likes."""
        super().__init__(network, agenda, numbers["workers"], (numbers["record_from"], numbers["record_to"]))
        self.bound = bound
        self.workers, self.servers, self.buckets = numbers["workers"], numbers["servers"], numbers["buckets"]
        self.lanes, self.overlap, self.rows = numbers["lanes"], numbers["overlap"], numbers["rows"]
        self.columns, self.tickets = numbers["columns"], numbers["tickets"]
        self.messages, self.version = numbers["messages"], 0
        self.granted, self.took_at, self.took_of = 0.0, -1.0, -1
        self.flow, self.wait, self.local, self.piece = arrays["flow"], arrays["wait"], arrays["local"], arrays["piece"]
        self.slices = arrays["slices"]  # of each bucket
        self.forward, self.gaps, self.update = arrays["forward"], arrays["gaps"], arrays["update"]
        self.phase, self.iteration, self.member = arrays["phase"], arrays["iteration"], arrays["member"]
        self.left, self.buckets_left = arrays["left"], arrays["buckets_left"]  # pulls of a bucket, buckets of a worker
        self.offered, self.done, self.sent = arrays["offered"], arrays["done"], arrays["sent"]
        self.start, self.computed, self.exchanged = arrays["start"], arrays["computed"], arrays["exchanged"]
        self.exchanging, self.end, self.held_back = arrays["exchanging"], arrays["end"], arrays["held_back"]
        self.dealt_with, self.released = arrays["dealt_with"], arrays["released"]
        self.seen, self.keys = arrays["seen"], numbers["keys"]
        self.held, self.answered = arrays["held"], arrays["answered"]  # versions of the weights
        self.clocks, self.waits = arrays["clocks"], arrays["waits"]  # of each key and worker
        self.idle, self.item = arrays["idle"], arrays["item"]  # of each server: whether it waits for one, or has it
        self.first, self.last, self.next = arrays["inbox_first"], arrays["inbox_last"], arrays["next"]
        self.updates, self.update_times = arrays["updates"], arrays["update_times"]
        self.record, self.record_times = arrays["record"], arrays["record_times"]

    def _begin_all(self) -> None:
        for worker in range(self.workers):
            self._begin(worker)

    def _happens(self, thing: int) -> None:
        if thing < self.messages:
            self._enter(thing, 0)
            return
        thing -= self.messages
        if thing < self.workers:
            self._goes_on(thing)
            return
        thing -= self.workers
        if thing < self.workers * self.buckets:
            self._is_in(thing // self.buckets, thing % self.buckets)
            return
        thing -= self.workers * self.buckets
        if thing < self.workers:
            self._has_all(thing)
            return
        self._serve(thing - self.workers)

    def _soon(self, thing: int) -> None:
        """It happens at this moment, after what was to happen in it before."""
        self.agenda.put(self.things + self.messages + thing, self.network.now)

    # The worker's side

    def _begin(self, worker: int) -> None:
        """The next step, if there is one for this worker: as many are made together as if all went together."""
        now = self.network.now
        if self.tickets == 0:
            if self.network.unsure(self.granted):
                self.network.tied = 1
            self._leave(worker)
            return
        if self.iteration[worker] >= self.columns:
            self._no_room()
            return
        self.tickets -= 1
        self.granted = now
        self.start[worker * self.columns + self.iteration[worker]] = now
        self.buckets_left[worker] = self.buckets
        self.phase[worker] = LEAD
        self._computes(worker, self.forward[self._row(worker)])

    def _row(self, worker: int) -> int:
        """Where what this step takes is found."""
        return (self.iteration[worker] if self.rows > 1 else 0) * self.workers + worker

    def _computes(self, worker: int, seconds: float) -> None:
        self.agenda.put(self.things + self.messages + worker, self.network.now + seconds)

    def _goes_on(self, worker: int) -> None:
        """It has computed another part of its step."""
        phase = self.phase[worker]
        if phase == UPDATE:
            self._end_step(worker)
            return
        if phase == LEAD:
            self.phase[worker] = 0
        elif phase < self.buckets:
            if self.overlap:
                self._offer(worker, phase)
            self.phase[worker] = phase + 1
        else:
            self._has_computed(worker)
            return
        self._computes(worker, self.gaps[self._row(worker) * (self.buckets + 1) + self.phase[worker]])

    def _has_computed(self, worker: int) -> None:
        self.computed[worker * self.columns + self.iteration[worker]] = self.network.now
        if not self.overlap:
            for bucket in range(self.buckets):
                self._offer(worker, bucket)
        self.phase[worker] = WAITING
        if self.buckets_left[worker] < 0:
            self._all_in(worker)

    def _offer(self, worker: int, bucket: int) -> None:
        """Push to every server that owns a part; each worker begins with another one."""
        self.offered[worker * self.buckets + bucket] = self.network.now
        pushes = 0
        for server in range(self.servers):
            if self.piece[bucket * self.servers + server] >= 0:
                pushes += self.slices[bucket]
        self.left[worker * self.buckets + bucket] = pushes
        order = 0
        for slice in range(self.slices[bucket]):
            for turn in range(self.servers):
                server = (worker + 1 + turn) % self.servers
                if self.piece[bucket * self.servers + server] >= 0:
                    key = bucket * self.lanes + slice * self.servers + server
                    self._send(key, server, worker, 0, order)
                    order += 1

    def _is_in(self, worker: int, bucket: int) -> None:
        """All keys of a bucket have been pulled."""
        self.done[worker * self.buckets + bucket] = self.network.now
        self.buckets_left[worker] -= 1
        if self.buckets_left[worker] == 0:
            self._soon(self.workers + self.workers * self.buckets + worker)

    def _has_all(self, worker: int) -> None:
        """All buckets are in; a worker that still computes finds it so later."""
        self.buckets_left[worker] = -1
        if self.phase[worker] == WAITING:
            self._all_in(worker)

    def _all_in(self, worker: int) -> None:
        """The worker updates, and computes its next gradient on what it has pulled."""
        at = worker * self.columns + self.iteration[worker]
        under_way, until = 0.0, 0.0
        for bucket in range(self.buckets):
            begin, end = self.offered[worker * self.buckets + bucket], self.done[worker * self.buckets + bucket]
            begin = begin if begin > until else until
            if end > begin:
                under_way += end - begin
            until = end if end > until else until
        self.exchanged[at], self.exchanging[at] = self.network.now, under_way
        back = self.released[worker] - self.dealt_with[worker]
        self.held_back[at] = back if back > 0.0 else 0.0
        self.held[worker] = self.answered[worker]
        self.phase[worker] = UPDATE
        self._computes(worker, self.update[self._row(worker)])

    def _end_step(self, worker: int) -> None:
        self.end[worker * self.columns + self.iteration[worker]] = self.network.now
        self.iteration[worker] += 1
        if worker == 0 and self.iteration[worker] == self.record_from and self.record_to > self.record_from:
            self.network.watch(self.network.now)
        self._begin(worker)

    def _leave(self, worker: int) -> None:
        """Nobody waits for the worker any more; servers have another look at whom they may answer."""
        self.unfinished -= 1
        self.member[worker] = 0
        for server in range(self.servers):
            self._put(server, self.messages + worker * self.servers + server)

    # The network

    def _send(self, key: int, server: int, worker: int, back: int, order: int) -> None:
        """Push a key to its server, or give it back; what is sent at one moment, in this order."""
        transfer = (2 * server + back) * self.workers + worker
        message = (key - server) * 2 * self.workers + transfer
        self.network.nbytes[message] = self.piece[key // self.lanes * self.servers + server]
        self.sent[message] = self.network.now
        if self.local[transfer]:
            self._came(message)
        elif self.wait[transfer] > 0:
            self.agenda.put(self.things + message, self.network.now + self.wait[transfer])
        else:
            self._enter(message, order)

    def _transfer(self, message: int) -> int:
        return message % (2 * self.workers * self.servers)

    def _key(self, message: int) -> int:
        """Messages of a slice are those of all its servers, each on both ways."""
        ways = 2 * self.workers
        return message // (ways * self.servers) * self.servers + self._transfer(message) // ways

    def _enter(self, message: int, order: int) -> None:
        self.network.enter(self.flow[self._transfer(message)], message, -1, order)

    def _arrived(self, message: int) -> None:
        """The last byte has come over the network."""
        self.duration += self.network.now - self.sent[message]
        iteration = self.iteration[message % self.workers]
        if self.record_from <= iteration < self.record_to:
            row = 4 * self.records
            self.record[2 * self.records] = iteration * self.buckets + self._key(message) // self.lanes
            self.record[2 * self.records + 1] = self._transfer(message)
            self.record_times[row], self.record_times[row + 1] = self.network.nbytes[message], self.sent[message]
            self.record_times[row + 2], self.record_times[row + 3] = self.network.begin[message], self.network.now
            self.records += 1
        self._came(message)

    def _came(self, message: int) -> None:
        transfer = self._transfer(message)
        worker, server = transfer % self.workers, transfer // (2 * self.workers)
        if transfer // self.workers % 2 == 0:
            self._put(server, message)
            return
        place = worker * self.buckets + self._key(message) // self.lanes
        self.left[place] -= 1
        if self.left[place] == 0:
            self._soon(self.workers + place)

    # The server's side

    def _put(self, server: int, item: int) -> None:
        """Into its inbox: what was pushed, or the notice of a worker that leaves."""
        self.next[item] = -1
        if self.idle[server]:
            self._takes_up(server, item)
        elif self.first[server] < 0:
            self.first[server] = self.last[server] = item
        else:
            self.next[self.last[server]] = item
            self.last[server] = item

    def _takes_up(self, server: int, item: int) -> None:
        self.idle[server], self.item[server] = 0, item
        self._soon(2 * self.workers + self.workers * self.buckets + server)

    def _serve(self, server: int) -> None:
        """Take a gradient, apply it, answer whom it may; then the next one."""
        item = self.item[server]
        if item < self.messages:
            key, worker = self._key(item), item % self.workers
            self._take(key, worker)
            if self.bound < 0:
                self._give_back(key, server, worker)
            else:
                self._answer(key, server)
        elif self.bound >= 0:
            for bucket in range(self.buckets):
                if self.piece[bucket * self.servers + server] >= 0:
                    for slice in range(self.slices[bucket]):
                        self._answer(bucket * self.lanes + slice * self.servers + server, server)
        if self.first[server] >= 0:
            following = self.first[server]
            self.first[server] = self.next[following]
            self._takes_up(server, following)
        else:
            self.idle[server] = 1

    def _take(self, key: int, worker: int) -> None:
        """A gradient of a key is applied; with its last key it is an update."""
        now = self.network.now
        if self.took_of != worker and self.network.unsure(self.took_at):
            self.network.tied = 1
        self.took_at, self.took_of = now, worker
        self.clocks[key * self.workers + worker] += 1
        self.waits[key * self.workers + worker] = 1
        self.dealt_with[worker] = now
        self.seen[worker] += 1
        if self.seen[worker] == self.keys:
            self.seen[worker] = 0
            row = 4 * self.version
            self.updates[row], self.updates[row + 1] = worker, self.iteration[worker]
            self.update_times[self.version] = now
            self.version += 1
            self.updates[row + 2], self.updates[row + 3] = self.held[worker], self.version

    def _answer(self, key: int, server: int) -> None:
        """All that wait for the key and are not too far ahead of the slowest."""
        slowest = -1
        for worker in range(self.workers):
            clock = self.clocks[key * self.workers + worker]
            if self.member[worker] and (slowest < 0 or clock < slowest):
                slowest = clock
        for turn in range(self.workers):
            worker = (server + 1 + turn) % self.workers
            place = key * self.workers + worker
            if self.waits[place] and self.clocks[place] - slowest <= self.bound:
                self._give_back(key, server, worker)

    def _give_back(self, key: int, server: int, worker: int) -> None:
        self.waits[key * self.workers + worker] = 0
        self.released[worker] = self.network.now
        self.answered[worker] = self.version
        self._send(key, server, worker, 1, (worker - server - 1 + self.servers * self.workers) % self.workers)
