# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""Links that connections share fairly, on arrays: the twin of fair.py.

Some arrays have one entry for each link of each flow's route. sharing.pxd has the types.
"""

from __future__ import annotations

from typing import Any

from netsim.engine.fast.kernels.moments import Network

SAME = 1e-12  # shares that are nearer than this, of their own size, count as equal


class Fair(Network):
    """Max-min fair sharing between connections, recomputed for what a start or an end can reach."""

    def __init__(self, agenda: Any, ordered: int, bins: int, arrays: Any) -> None:
        """The network's things are the ends of what flows carry, and the next change of a link."""
        super().__init__(agenda, len(arrays["message"]) + 1, ordered, bins, arrays)
        self.flows = 0
        self.whole, self.returns = arrays["whole"], arrays["returns"]  # of each link: its full rate; down, not for ever
        self.met, self.interruptions = arrays["met"], 0  # what met links that are down: when, which, flow, bytes
        self.changing, self.share, self.last_change = -1, 1.0, 0  # the link that changes next, to what, and if for ever
        self.busy_since = arrays["busy_since"]  # of each link, s
        self.crowd, self.head, self.tail = arrays["crowd"], arrays["head"], arrays["tail"]
        # of each link: how many flows, the first and the last
        self.after, self.ahead, self.owner = arrays["after"], arrays["ahead"], arrays["owner"]  # on each of these links
        self.message, self.rate, self.remaining = arrays["message"], arrays["rate"], arrays["remaining"]  # of each flow
        self.since, self.entered, self.opening = arrays["since"], arrays["entered"], arrays["opening"]
        self.alone, self.bottleneck = arrays["alone"], arrays["bottleneck"]
        self.queue, self.last, self.behind = arrays["queue"], arrays["last"], arrays["behind"]
        self.changed, self.is_changed = arrays["changed"], arrays["is_changed"]
        self.left, self.many, self.filling, self.full = (
            arrays["left"], arrays["many"], arrays["filling"], arrays["full"]
        )  # fmt: skip
        self.reached, self.seen = arrays["reached"], arrays["seen"]
        self.level, self.narrowest = arrays["level"], arrays["narrowest"]

    def enter(self, flow: int, message: int, opening: int, order: int) -> None:
        """The message's bytes come to its connection, behind those that are there."""
        if not self.ordered:
            if self.near(self.entered[flow]) and not 0 <= self.opening[flow] <= opening:
                self.tied = 1
            self.entered[flow], self.opening[flow] = self.now, opening
        self.behind[message] = -1
        if self.message[flow] < 0:
            self._start(flow, message)
        elif self.queue[flow] < 0:
            self.queue[flow] = self.last[flow] = message
        elif self.priority.shape[0] > 0 and self.priority[message] < self.priority[self.last[flow]]:
            self._insert(flow, message)
        else:
            self.behind[self.last[flow]] = message
            self.last[flow] = message

    def _insert(self, flow: int, message: int) -> None:
        """The message goes ahead of those that are less urgent."""
        one = self.queue[flow]
        if self.priority[message] < self.priority[one]:
            self.queue[flow], self.behind[message] = message, one
            return
        while self.priority[self.behind[one]] <= self.priority[message]:
            one = self.behind[one]
        self.behind[message] = self.behind[one]
        self.behind[one] = message

    def _start(self, flow: int, message: int) -> None:
        """An idle connection takes up a message: alone on its links at once, else when rates are settled."""
        alone = True
        narrowest = self.links[self.first[flow]]
        whole = self.whole[narrowest]
        for place in range(self.first[flow], self.first[flow + 1]):
            link = self.links[place]
            self.after[place], self.ahead[place] = -1, self.tail[link]
            if self.crowd[link] > 0:
                alone = False
                self.after[self.tail[link]] = place
            else:
                self.busy_since[link] = self.now
                self.head[link] = place
            self.tail[link] = place
            self.crowd[link] += 1
            if self.rates[link] < self.rates[narrowest]:
                narrowest = link
            if self.whole[link] < whole:
                whole = self.whole[link]
            if not self.rates[link] > 0:
                self._interrupted(link, flow, message)
        self._take_up(flow, message)
        self.rate[flow], self.alone[flow], self.bottleneck[flow] = 0.0, whole, -1
        if alone:
            self._give(flow, self.rates[narrowest], narrowest)
        else:
            self._settle_later(flow)

    def _take_up(self, flow: int, message: int) -> None:
        self.message[flow] = message
        self.remaining[flow], self.since[flow] = self.nbytes[message], self.now
        self.begin[message] = self.now

    def _give(self, flow: int, rate: float, bottleneck: int) -> None:
        """From now on the flow has this rate."""
        self._account(flow)
        self.bottleneck[flow] = bottleneck
        if rate != self.rate[flow]:
            self.rate[flow] = rate
            if rate > 0:
                self.agenda.put(flow, self.now + self.remaining[flow] / rate)
            else:
                self.agenda.drop(flow)

    def _account(self, flow: int) -> None:
        """What has passed, and what was lost to others, since the flow's rate was last another."""
        lasted = self.now - self.since[flow]
        if lasted > 0:
            left = self.remaining[flow] - self.rate[flow] * lasted
            self.remaining[flow] = left if left > 0.0 else 0.0
            if self.bottleneck[flow] >= 0 and self.rate[flow] < self.alone[flow]:
                self.waited[self.bottleneck[flow]] += lasted * (1 - self.rate[flow] / self.alone[flow])
            if self.watches:
                for place in range(self.first[flow], self.first[flow + 1]):
                    self._passed(self.links[place], self.since[flow], self.now, self.rate[flow])
        self.since[flow] = self.now

    def happens(self, flow: int) -> int:
        """A message's last byte has come; its number."""
        if flow == self.things - 1:
            self._change()
            return -1
        message: int = self.message[flow]
        following = self.queue[flow]
        self._account(flow)
        if following >= 0:
            self.queue[flow] = self.behind[following]
            self._take_up(flow, following)
            self.agenda.put(flow, self.now + self.remaining[flow] / self.rate[flow])
        else:
            self._stop(flow)
        return message

    def _stop(self, flow: int) -> None:
        self.message[flow], self.rate[flow] = -1, 0.0
        shared = False
        for place in range(self.first[flow], self.first[flow + 1]):
            link = self.links[place]
            if self.ahead[place] >= 0:
                self.after[self.ahead[place]] = self.after[place]
            else:
                self.head[link] = self.after[place]
            if self.after[place] >= 0:
                self.ahead[self.after[place]] = self.ahead[place]
            else:
                self.tail[link] = self.ahead[place]
            self.crowd[link] -= 1
            if self.crowd[link] > 0:
                shared = True
            elif self.rates[link] > 0:
                self.busy[link] += self.now - self.busy_since[link]
        if shared:
            self._settle_later(flow)

    def change_at(self, link: int, share: float, when: float, last: int) -> None:
        """The next change of all: a link has this share of its rate, for ever if that is its `last` one."""
        self.changing, self.share, self.last_change = link, share, last
        self.disturbed, self.coming = 1, 1
        self.agenda.put(self.things - 1, when)

    def _change(self) -> None:
        """A link slows down, fails, or comes back."""
        link, self.coming, self.asks = self.changing, 0, 1
        was = self.rates[link]
        self.rates[link] = self.whole[link] * self.share
        self.hopes -= self.returns[link]
        self.returns[link] = 0 if self.rates[link] > 0 or self.last_change else 1
        self.hopes += self.returns[link]
        if self.crowd[link] == 0:
            return
        if not was > 0:
            self.busy_since[link] = self.now
        elif not self.rates[link] > 0:
            self.busy[link] += self.now - self.busy_since[link]
            entry = self.head[link]
            while entry >= 0:
                self._interrupted(link, self.owner[entry], self.message[self.owner[entry]])
                entry = self.after[entry]
        self._note(link)

    def _interrupted(self, link: int, flow: int, message: int) -> None:
        """A message has met a link that is down."""
        row = 4 * self.interruptions
        self.met[row], self.met[row + 1], self.met[row + 2] = self.now, link, flow
        self.met[row + 3] = self.nbytes[message]
        self.interruptions += 1
        if 2 * row > self.met.shape[0]:
            self.asks = 1  # to be relieved of them

    def _settle_later(self, flow: int) -> None:
        """Rates are settled once for all that changes in this moment."""
        for place in range(self.first[flow], self.first[flow + 1]):
            self._note(self.links[place])

    def _note(self, link: int) -> None:
        if not self.is_changed[link]:
            self.is_changed[link] = 1
            self.changed[self.changes] = link
            self.changes += 1

    def settle(self) -> None:
        """Max-min rates for all flows that the changes can reach through shared links."""
        self._reach()
        self._fill()
        for number in range(self.flows):
            flow = self.reached[number]
            self.seen[flow] = 0
            if self.level[flow] != self.rate[flow] or self.narrowest[flow] != self.bottleneck[flow]:
                self._give(flow, self.level[flow], self.narrowest[flow])
        for number in range(self.changes):
            self.is_changed[self.changed[number]] = 0
        self.changes = 0

    def _reach(self) -> None:
        """The flows and links that a change on some links can reach through shared links; links join the changed."""
        self.flows, number = 0, 0
        while number < self.changes:
            entry = self.head[self.changed[number]]
            number += 1
            while entry >= 0:
                flow = self.owner[entry]
                if not self.seen[flow]:
                    self.seen[flow] = 1
                    self.reached[self.flows] = flow
                    self.flows += 1
                    for place in range(self.first[flow], self.first[flow + 1]):
                        self._note(self.links[place])
                entry = self.after[entry]

    def _fill(self) -> None:
        """Progressive filling (Bertsekas, Gallager: Data Networks, 6.5.2): raise all rates alike until a link is full,
        freeze its flows, go on with the rest. Of links that are full at once, the first by number is to blame.
        Bytes/s."""
        open_links = 0
        for number in range(self.changes):
            link = self.changed[number]
            self.left[link], self.many[link] = self.rates[link], self.crowd[link]
            if self.crowd[link] > 0:
                self.filling[open_links] = link
                open_links += 1
        for number in range(self.flows):
            self.level[self.reached[number]] = -1.0
        all_of_them, self.flows = self.flows, 0  # from here on those that have their rate, in their order of getting it
        while self.flows < all_of_them:
            least = self.filling[0]
            for number in range(1, open_links):
                link = self.filling[number]
                if self.left[link] * self.many[least] < self.left[least] * self.many[link]:  # without dividing
                    least = link
            full, level = 0, self.left[least] / self.many[least]
            for number in range(open_links):
                link = self.filling[number]
                if self.left[link] <= level * (1 + SAME) * self.many[link]:
                    place = full
                    while place > 0 and link < self.full[place - 1]:
                        self.full[place] = self.full[place - 1]
                        place -= 1
                    self.full[place] = link
                    full += 1
            for number in range(full):
                self._freeze(self.full[number], level)
            kept = 0
            for number in range(open_links):
                if self.many[self.filling[number]] > 0:
                    self.filling[kept] = self.filling[number]
                    kept += 1
            open_links = kept

    def _freeze(self, link: int, level: float) -> None:
        """The flows of a full link get this rate, and take it from the other links that they use."""
        entry = self.head[link]
        while entry >= 0:
            flow = self.owner[entry]
            if self.level[flow] < 0:
                self.level[flow], self.narrowest[flow] = level, link
                self.reached[self.flows] = flow
                self.flows += 1
                for place in range(self.first[flow], self.first[flow + 1]):
                    self.left[self.links[place]] -= level
                    self.many[self.links[place]] -= 1
            entry = self.after[entry]
