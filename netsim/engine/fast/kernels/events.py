# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""All-reduces that contend for links, event by event: the loops of ../events.py, compiled where that can be had.

The twin of reference/play.py, with its words, on arrays: a message and a host's part in a collective are numbers, and
what they consist of are entries of arrays. Hosts compute as steps.py says, and join in as streams.py says; links are
shared as sharing.py says, or serve as queues.py says. What happens at one moment happens in any order, which changes
nothing but where two messages of one connection, or two pieces of one adder, come at the same moment: there the run is
given up, unless their order is that in which slices begin. events.pxd has the types.
"""

from __future__ import annotations

from typing import Any

from netsim.engine.fast.kernels.streams import Streams

# What a message waits for.
NOTHING, OTHER_END, LATENCY, LINKS, ADDING = 0, 1, 2, 3, 4

# Of the receiver's word that it is ready for a message, whose number it has: whether it is under way, and waited for.
SAID, AWAITED = 1, 2

# What a host takes up one after the other in a leg of an exchange: slices, or steps that add, or that do not.
SLICES, ADDS, SPREADS = 0, 1, 2


class Run(Streams):
    """Hosts that compute, offer buckets, and all-reduce them one after another on each stream.

    Numbers: message ((slot x lanes + lane) x transfers + transfer) is a transfer in a lane of a play, which has a slot
    while it is under way; part ((slot x lanes + lane) x hosts + host) is a host's part in a lane of it. The agenda has
    what the network has, then what messages wait for, then hosts' joining on a stream, then what hosts compute. Hosts
    below `joining` compute and join; those from there on are servers, which take part in each play as soon as anybody
    does. One that stands on a worker's machine is a host of its own here, and what it is sent from there is `local`.
    """

    def __init__(
        self, numbers: dict[str, int], reduction_rate: float, network: Any, turns: Any, agenda: Any, arrays: Any
    ) -> None:
        super().__init__(numbers, network, turns, agenda, arrays)
        self.reduction_rate = reduction_rate  # bytes/s, 0 for at no cost
        self.transfers, self.lanes, self.owns = numbers["transfers"], numbers["lanes"], numbers["owns"]
        self.ways, self.announced = numbers["ways"], numbers["announced"]
        self.src, self.dst, self.add, self.count = arrays["src"], arrays["dst"], arrays["add"], arrays["count"]
        self.flow, self.wait = arrays["flow"], arrays["wait"]  # of each transfer: its flow on stream 0, and latency, s
        self.local, self.added, self.applied = arrays["local"], arrays["added"], arrays["applied"]
        self.step_of, self.step_first, self.in_step = arrays["step_of"], arrays["step_first"], arrays["in_step"]
        self.piece, self.slices = arrays["piece"], arrays["slices"]  # of each bucket, and lane of the collective's own
        self.uneven, self.size_of = arrays["uneven"], arrays["size_of"]
        self.state, self.sent, self.word = arrays["state"], arrays["sent"], arrays["word"]  # of each message
        self.word_flow, self.word_wait = arrays["word_flow"], arrays["word_wait"]  # of each transfer, the way back
        self.position, self.missing = arrays["position"], arrays["missing"]  # of each part
        self.takes, self.most, self.at_a_time = arrays["takes"], arrays["most"], arrays["at_a_time"]  # of buckets' legs
        self.leg, self.taken_up = arrays["leg"], arrays["taken_up"]  # of each slot and host
        self.units, self.lanes_left, self.oldest = arrays["units"], arrays["lanes_left"], arrays["oldest"]
        self.adding_steps = arrays["adding_steps"]  # of each lane of the collective's own, and host
        self.adder_free, self.adder_last, self.adder_part = (
            arrays["adder_free"], arrays["adder_last"], arrays["adder_part"]
        )  # fmt: skip
        self.priority = arrays["priority"]  # of each bucket, where messages have one
        self.adding, self.inbox, self.behind = arrays["adding"], arrays["inbox"], arrays["behind"]
        self.orders, self.additions = arrays["orders"], 0
        self.record, self.record_times = arrays["record"], arrays["record_times"]

    def _happens(self, thing: int) -> None:
        if thing >= self.computing:
            self._goes_on(thing - self.computing)
        elif thing >= self.messages:
            self._join((thing - self.messages) // self.streams, (thing - self.messages) % self.streams)
        elif self.state[thing] == LATENCY:
            self._enter(thing)
        else:
            self.state[thing] = NOTHING
            self._has_added(thing)

    def _come(self, slot: int, host: int, bucket: int) -> None:
        self.leg[slot * self.hosts + host] = 2 * bucket
        self._take_up(slot, host)

    def _take_up(self, slot: int, host: int) -> None:
        """The host begins a leg: what there is to do in it, of which some is under way at once."""
        at = slot * self.hosts + host
        takes, lanes = self.takes[self.leg[at]], self.slices[self.leg[at] // 2] * self.owns
        self.units[at] = lanes
        if takes != SLICES:
            self.units[at] = lanes * self._steps(host, takes)
        self.taken_up[at], self.oldest[at], self.lanes_left[at] = 0, 0, self.units[at]
        if self.units[at] == 0:
            self._end_leg(slot, host)
        else:
            self._go_further(slot, host)

    def _steps(self, host: int, takes: int) -> int:
        """How many of a host's steps in a lane add, or do not."""
        steps: int = self.adding_steps[host]
        return steps if takes == ADDS else self.step_of[host + 1] - self.step_of[host] - steps

    def _go_further(self, slot: int, host: int) -> None:
        """The host begins what there is room for."""
        at = slot * self.hosts + host
        takes, lanes = self.takes[self.leg[at]], self.slices[self.leg[at] // 2] * self.owns
        while self.taken_up[at] < self.units[at]:
            first, many = self.taken_up[at], self.at_a_time[self.leg[at]]
            done = self.units[at] - self.lanes_left[at]
            if takes != SLICES and many == 1:  # a window, which moves on in order
                self._pass_over_done(slot, host, lanes)
                done = self.oldest[at]
            if first - done + many > self.most[self.leg[at]]:
                return
            if many > self.units[at] - first:
                many = self.units[at] - first
            self.taken_up[at] = first + many
            for unit in range(first, first + many):
                part = (slot * self.lanes + unit % lanes) * self.hosts + host
                self.position[part] = unit // lanes + (self._steps(host, ADDS) if takes == SPREADS else 0)
                self._take_part(part)

    def _pass_over_done(self, slot: int, host: int, lanes: int) -> None:
        """Find the oldest of what the host has under way."""
        at = slot * self.hosts + host
        while self.oldest[at] < self.taken_up[at]:
            part = (slot * self.lanes + self.oldest[at] % lanes) * self.hosts + host
            if self.missing[part] > 0:
                return
            self.oldest[at] += 1

    def _end_leg(self, slot: int, host: int) -> None:
        """The host goes on to the next leg, if there is one, or has the sum."""
        at = slot * self.hosts + host
        if self.takes[self.leg[at]] == ADDS:
            self.leg[at] += 1
            self._take_up(slot, host)
        else:
            self._is_done(slot, host, self.leg[at] // 2)

    def _take_part(self, part: int) -> None:
        """The host's next step in this lane: transfers that start when both their ends have come to them."""
        host, lane_of_slot = part % self.hosts, part // self.hosts
        own = lane_of_slot % self.lanes % self.owns
        step = self.step_of[own * self.hosts + host] + self.position[part]
        bucket = self.play[lane_of_slot // self.lanes] % self.buckets
        if step >= self.step_of[own * self.hosts + host + 1] or self.piece[bucket * self.owns + own] < 0:
            self._through(lane_of_slot // self.lanes, host)
            return
        self.missing[part] = self.step_first[step + 1] - self.step_first[step] + 1
        for sends in range(1 + self.announced):  # words leave before messages do
            for place in range(self.step_first[step], self.step_first[step + 1]):
                message = lane_of_slot * self.transfers + self.in_step[place]
                if not self.announced:
                    self._meet(message)
                elif (host == self.src[self._transfer(message)]) == sends:
                    self._come_to(message, host)
        self._tick(part)  # what happens within a machine may have happened already

    def _meet(self, message: int) -> None:
        """An end has come to a message, which is sent when both have."""
        if self.state[message] == NOTHING:
            self.state[message] = OTHER_END
        else:
            self._send(message)

    def _come_to(self, message: int, host: int) -> None:
        """An end comes to a message; the receiver has come when its word has."""
        transfer = self._transfer(message)
        if self.local[transfer] or (host == self.src[transfer] and self.word[message] == NOTHING):
            self._meet(message)
        elif host == self.src[transfer]:
            self.word[message] = AWAITED
        else:
            self.word[message] = SAID if self.state[message] == NOTHING else AWAITED
            self.network.nbytes[message], self.sent[message], self.state[message] = 0.0, self.network.now, LATENCY
            self._set_out(message, self.word_wait[transfer])

    def _transfer(self, message: int) -> int:
        own = message // self.transfers % self.lanes % self.owns
        return own * self.transfers + message % self.transfers

    def _send(self, message: int) -> None:
        transfer = self._transfer(message)
        lane, bucket = message // self.transfers % self.lanes, self._bucket(message)
        nbytes = self.piece[bucket * self.owns + lane % self.owns] * self.count[transfer]
        if self.size_of[bucket] >= 0:
            nbytes = self.uneven[self.size_of[bucket] + lane // self.owns * self.owns * self.transfers + transfer]
        self.network.nbytes[message], self.sent[message], self.state[message] = nbytes, self.network.now, LATENCY
        if self.local[transfer]:
            self._came(message)
        else:
            self._set_out(message, self.wait[transfer])

    def _set_out(self, message: int, wait: float) -> None:
        """A message, or the word about it, is on its way, and comes to its connection when it has waited."""
        if self.priority.shape[0] > 0:
            self.network.priority[message] = self.priority[self._bucket(message)]
        if wait > 0:
            self.agenda.put(self.things + message, self.network.now + wait)
        else:
            self._enter(message)

    def _bucket(self, message: int) -> int:
        bucket: int = self.play[message // self.transfers // self.lanes] % self.buckets
        return bucket

    def _enter(self, message: int) -> None:
        """The message comes to its connection; it is known to be behind those that came before, or slices begin."""
        transfer, lane_of_slot = self._transfer(message), message // self.transfers
        slot = lane_of_slot // self.lanes
        pair, lane = self.flow[transfer], lane_of_slot % self.lanes
        opens, order = self._opens(slot, lane, self.dst[transfer]), self._order(message)
        if self.announced and self.word[message] != NOTHING:
            pair, order = self.word_flow[transfer], order - self.lanes * self.transfers
        else:
            opens = opens and self._opens(slot, lane, self.src[transfer])
        self.state[message] = LINKS
        flow = pair * self.ways + (slot // self.slots if self.ways > 1 else 0)
        self.network.enter(flow, message, slot if opens else -1, order)

    def _opens(self, slot: int, lane: int, host: int) -> bool:
        """Whether the host has begun several things together, in order, and this is its first step in one of them."""
        leg = self.leg[slot * self.hosts + host]
        position, takes = self.position[(slot * self.lanes + lane) * self.hosts + host], self.takes[leg]
        if takes == SLICES:
            opening: bool = position == 0
        elif self.at_a_time[leg] > 1:
            opening = True
        else:
            opening = position == (self._steps(host, ADDS) if takes == SPREADS else 0) and lane < self.most[leg]
        return opening

    def _order(self, message: int) -> int:
        """Its place among what its host sends: that of its transfer, unless servers have an order of their own."""
        place: int = message % (self.lanes * self.transfers)
        if self.orders.shape[0] == 0:
            return place
        order: int = self.orders[self._bucket(message) * self.lanes * self.transfers + place]
        return order

    def _arrived(self, message: int) -> None:
        """The last byte has come over the network."""
        self.duration += self.network.now - self.sent[message]
        self._note(message)
        if self.announced and self.word[message] != NOTHING:
            self.state[message] = NOTHING if self.word[message] == SAID else OTHER_END
            self.word[message] = NOTHING
            self._meet(message)
        else:
            self._came(message)

    def _came(self, message: int) -> None:
        """The source goes on, and the destination when it has added what it got."""
        transfer, lane_of_slot = self._transfer(message), message // self.transfers
        now, dst = self.network.now, self.dst[transfer]
        part = lane_of_slot * self.hosts + dst
        self._tick(lane_of_slot * self.hosts + self.src[transfer])
        if not self.add[transfer] or self.reduction_rate <= 0:
            self.state[message] = NOTHING
            self._tick(part)
            return
        if self.network.near(self.adder_last[dst]) and self.adder_part[dst] != part:
            self.network.tied = 1
        self.adder_last[dst], self.adder_part[dst] = now, part
        self.state[message] = ADDING
        if self.priority.shape[0] > 0:
            self._put(dst, message)
        else:
            self._adds(dst, message)

    def _adds(self, host: int, message: int) -> None:
        """The host adds what it got to its own, after what it adds already."""
        now = self.network.now
        free = self.adder_free[host] if self.adder_free[host] > now else now
        self.adder_free[host] = free + self.network.nbytes[message] / self.reduction_rate
        self.network.begin[message] = free
        self.agenda.put(self.things + message, now + (self.adder_free[host] - now))

    def _put(self, server: int, message: int) -> None:
        """Into its inbox, behind those of the same priority."""
        if self.adding[server] < 0:
            self.adding[server] = message
            self._adds(server, message)
            return
        priority = self.network.priority
        under_way, before, after = self.adding[server], -1, self.inbox[server]
        if priority[message] < priority[under_way] and self.network.near(self.network.begin[under_way]):
            self.network.tied = 1  # it might have been taken up instead
        while after >= 0 and priority[after] <= priority[message]:
            before, after = after, self.behind[after]
        self.behind[message] = after
        if before < 0:
            self.inbox[server] = message
        else:
            self.behind[before] = message

    def _takes_next(self, server: int) -> None:
        """The most urgent of its inbox is added next."""
        message = self.inbox[server]
        self.adding[server] = message
        if message < 0:
            return
        self.inbox[server] = self.behind[message]
        if self.behind[message] >= 0 and self.network.near(self.adder_last[server]):
            self.network.tied = 1  # what has just come might not have been there yet
        self._adds(server, message)

    def _has_added(self, message: int) -> None:
        transfer, lane_of_slot = self._transfer(message), message // self.transfers
        play = self.play[lane_of_slot // self.lanes]
        if self.priority.shape[0] > 0:
            self._takes_next(self.dst[transfer])
        if self.dst[transfer] >= self.joining and self.record_from <= play // self.buckets < self.record_to:
            row = 2 * self.additions
            self.added[2 * row], self.added[2 * row + 1] = play, self.dst[transfer]
            self.added[2 * row + 2], self.added[2 * row + 3] = self.network.begin[message], self.network.now
            self.additions += 1
        self._tick(lane_of_slot * self.hosts + self.dst[transfer])

    def _note(self, message: int) -> None:
        """Keep what is to be recorded of a message: its play and transfer (words are numbered on), sizes and times."""
        lane_of_slot = message // self.transfers
        play = self.play[lane_of_slot // self.lanes]
        if self.record_from <= play // self.buckets < self.record_to:
            row = 4 * self.records
            self.record[2 * self.records], self.record[2 * self.records + 1] = play, self._transfer(message)
            if self.announced and self.word[message] != NOTHING:
                self.record[2 * self.records + 1] += self.owns * self.transfers
            self.record_times[row], self.record_times[row + 1] = self.network.nbytes[message], self.sent[message]
            self.record_times[row + 2], self.record_times[row + 3] = self.network.begin[message], self.network.now
            self.records += 1

    def _tick(self, part: int) -> None:
        self.missing[part] -= 1
        if self.missing[part] == 0:
            self.position[part] += 1
            if self.position[part] == 1 and part % self.hosts >= self.joining:
                slot = part // self.hosts // self.lanes
                self.applied[self.play[slot] // self.buckets] = self.network.now
            slot = part // self.hosts // self.lanes
            if self.takes[self.leg[slot * self.hosts + part % self.hosts]] == SLICES:
                self._take_part(part)
            else:
                self._through(slot, part % self.hosts)

    def _through(self, slot: int, host: int) -> None:
        """The host has done its part in a lane, or a step of it."""
        at = slot * self.hosts + host
        self.lanes_left[at] -= 1
        if self.lanes_left[at] == 0:
            self._end_leg(slot, host)
        else:
            self._go_further(slot, host)
