# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""Rounds, one after another, in which no two messages share a link: compiled where a C compiler was at hand.

Arrays have one entry a message of the round (`src`, `dst`, `wait`, ...) or one a host; those with lanes (`ready`,
`lasts`, `adding`) have one row a lane, laid end to end. rounds.pxd has their types.
"""

from __future__ import annotations

from typing import Any

Array = Any  # of numbers: a NumPy array, or a memoryview where this runs uncompiled


def play(
    times: int,
    lanes: int,
    before: int,
    src: Array,
    dst: Array,
    into: Array,
    onward: Array,
    wait: Array,
    word: Array,
    lasts: Array,
    adding: Array,
    others: Array,
    own: Array,
    entered: Array,
    ready: Array,
    adder_free: Array,
    adder_last: Array,
    start: Array,
    end: Array,
    under_way: Array,
) -> int:
    """Play a round so many `times`, in each of the lanes, and give how often that was proven to be exact.

    A message starts when both its ends are `ready`, and its receiver's word has come (`word`: s, if there are any). It
    waits out its latency (`wait`), and then comes to its connection, which passes one after the other at full rate
    (`own`: when it is free), since nobody else is on its links: those who were before have left (`others`: when). It is
    proven to come after all that its connection had before (`entered`), but that lanes begin their first round
    (`before` is 0) together, in order. Where a receiver adds (`adding` s, if any), pieces come to its adder one after
    the other, too. Where no host sends or gets two messages, `into` and `onward` have, for each message, the one that
    comes to its source and the one that its destination sends (or itself, if there is none), and only the first time
    needs to be played so; else, or where there are words, they are empty.
    """
    messages, hosts = src.shape[0], adder_free.shape[0]
    adds, words = adding.shape[0] > 0, word.shape[0] > 0
    for time in range(times):
        if time > 0 and lanes == 1 and not adds and into.shape[0] > 0:
            again(times - time, into, onward, wait, lasts, own, entered, start, under_way)
            for i in range(messages):
                end[i] = ready[src[i]] = own[i]
            for i in range(messages):
                ready[dst[i]] = later(ready[dst[i]], own[i])
            break
        for lane in range(lanes):
            row, first = lane * messages, lane * hosts
            for i in range(messages):
                one, other = ready[first + src[i]], ready[first + dst[i]]
                if words:
                    other += word[i]
                start[i] = one if one > other else other
                end[i] = start[i] + wait[i]
            for i in range(messages):
                if end[i] < others[i] or end[i] < entered[i] or (end[i] == entered[i] and before + time > 0):
                    return time
                entered[i] = end[i]
            for i in range(messages):
                begin = end[i] if end[i] > own[i] else own[i]
                done = begin + lasts[row + i]
                end[i] = own[i] = done
                under_way[i] += done - start[i]
                if done > ready[first + src[i]]:
                    ready[first + src[i]] = done
                if adds and adding[row + i] > 0:
                    host = dst[i]
                    if done <= adder_last[host]:
                        return time
                    adder_last[host] = done
                    busy = adder_free[host] if adder_free[host] > done else done
                    adder_free[host] = busy + adding[row + i]
                    done = done + (adder_free[host] - done)
                if done > ready[first + dst[i]]:
                    ready[first + dst[i]] = done
    return times


def again(
    times: int,
    into: Array,
    onward: Array,
    wait: Array,
    lasts: Array,
    own: Array,
    entered: Array,
    start: Array,
    under_way: Array,
) -> None:
    """Play a round so many `times` more: ends are ready when their messages of the time before have come (`own`).

    So each message comes to its connection when the one before has left it, and nothing is left to prove. Processors
    are good at loops like these: without jumps, and the second one over numbers side by side."""
    messages = own.shape[0]
    for _ in range(times):
        for i in range(messages):
            start[i] = later(own[i], later(own[into[i]], own[onward[i]]))
        for i in range(messages):
            own[i] = start[i] + wait[i] + lasts[i]
            under_way[i] += own[i] - start[i]
    for i in range(messages):
        entered[i] = start[i] + wait[i]


def later(one: float, other: float) -> float:
    """The later of two times."""
    return one if one > other else other
