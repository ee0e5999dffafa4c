"""Algorithms of MSCCL (https://github.com/microsoft/msccl-tools): an XML file of what each thread block of each GPU
sends, receives, adds and copies, step by step.

The file is played without a clock first, chunk by chunk: that proves it, and says which message waits for which. The
messages are then rounds, as early as their dependencies allow; what does not depend on one another is in lanes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from netsim.algorithms.xml import Element
from netsim.collectives.rounds import IntArray, Operation, Round
from netsim.errors import Problem, RunError, ScenarioError, did_you_mean

_MOST_GPUS, _MOST_CHUNKS = 4096, 1_000_000
_MOST_ENTRIES = 20_000_000  # of the table with which an algorithm is proved
_OPERATIONS: dict[str, Operation] = {
    "allreduce": "all_reduce",
    "allgather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "reducescatter": "reduce_scatter",
    "alltoall": "all_to_all",
    "broadcast": "broadcast",
    "reduce": "reduce",
}
_RECEIVES = {"r", "rcs", "rrs", "rrc", "rrcs"}
_REDUCES = {"rrs", "rrc", "rrcs", "re"}
_SENDS = {"s", "rcs", "rrs", "rrcs"}
_WRITES = {"r", "rcs", "rrc", "rrcs", "cpy", "re"}
_TYPES = _RECEIVES | _REDUCES | _SENDS | _WRITES | {"nop"}

Place = tuple[str, int]  # a buffer (i, o or s) and the number of a chunk in it


@dataclass(frozen=True)
class Step:
    """What a thread block does: its type, where it reads and writes, and which step of which block it waits for."""

    type: str
    source: Place
    target: Place
    count: int
    waits_for: tuple[int, int] | None


@dataclass(frozen=True)
class Block:
    """A thread block: its GPU and number, whom it sends to and receives from, on which channel; and its steps."""

    gpu: int
    number: int
    send: int
    recv: int
    channel: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"gpu {self.gpu}, tb {self.number}"


@dataclass(frozen=True)
class Program:
    """An algorithm: what it promises, among how many GPUs, in how many chunks of the whole buffer."""

    operation: Operation
    gpus: int
    chunks: int
    in_place: bool
    scratch: Mapping[int, int]  # GPU -> chunks of scratch
    blocks: tuple[Block, ...]


@dataclass
class Message:
    """Chunks on their way: what they contain, and how many messages in a row have to be over before them."""

    src: int
    dst: int
    count: int
    content: IntArray
    level: int
    first: int = 0
    add: bool = False


@dataclass(frozen=True)
class Reached:
    """How far a thread block is: the level of the next message that it sends, and a message that led there."""

    level: int = 0
    message: int | None = None


def program(root: Element) -> Program:
    """The algorithm of a file; ScenarioError with all that is wrong in it."""
    problems: list[Problem] = []
    if root.tag != "algo":
        raise ScenarioError(f"begins with <{root.tag}>; an MSCCL algorithm begins with <algo>")
    said = root.attributes.get("coll", "")
    if said not in _OPERATIONS:
        problems.append(Problem("coll", f"no collective {said!r}.{did_you_mean(said, _OPERATIONS)}"))
    gpus = _number(root, "ngpus", 1, _MOST_GPUS, problems)
    chunks = _number(root, "nchunksperloop", 1, _MOST_CHUNKS, problems)
    in_place = bool(_number(root, "inplace", 0, 1, problems, default=0))
    if problems:
        raise ScenarioError(problems)
    operation = _OPERATIONS[said]
    if operation in ("all_gather", "reduce_scatter", "all_to_all") and chunks % gpus:
        raise ScenarioError(f"{chunks} is no multiple of the {gpus} GPUs", path="nchunksperloop")
    scratch: dict[int, int] = {}
    blocks: list[Block] = []
    for each in root.children:
        number = _number(each, "id", 0, gpus - 1, problems)
        if each.tag != "gpu" or number in scratch:
            problems.append(Problem("", f"<{each.tag}> number {number} is there twice, or is no gpu"))
        scratch[number] = _number(each, "s_chunks", 0, _MOST_CHUNKS, problems, default=0)
        blocks += [_block(block, number, gpus, problems) for block in each.children]
    found = Program(operation, gpus, chunks, in_place, scratch, tuple(blocks))
    problems = problems or list(_out_of_bounds(found))
    if problems:
        raise ScenarioError(problems)
    return found


def _block(block: Element, gpu: int, gpus: int, problems: list[Problem]) -> Block:
    number = _number(block, "id", 0, _MOST_CHUNKS, problems)
    send, recv = (_number(block, name, -1, gpus - 1, problems, default=-1) for name in ("send", "recv"))
    channel = _number(block, "chan", 0, _MOST_CHUNKS, problems, default=0)
    ordered = sorted(block.children, key=lambda step: _number(step, "s", 0, _MOST_CHUNKS, problems))
    where = f"gpu {gpu}, tb {number}"
    return Block(gpu, number, send, recv, channel, tuple(_step(step, where, problems) for step in ordered))


def _step(step: Element, where: str, problems: list[Problem]) -> Step:
    kind = step.attributes.get("type", "")
    if kind not in _TYPES:
        problems.append(
            Problem(where, f"step type {kind!r} will not do; it must be one of {', '.join(sorted(_TYPES))}")
        )
    places = []
    for end in ("src", "dst"):
        buffer = step.attributes.get(f"{end}buf", "i")
        if buffer not in ("i", "o", "s"):
            problems.append(Problem(where, f"buffer {buffer!r} will not do; it must be i, o or s"))
        places.append((buffer, _number(step, f"{end}off", -1, _MOST_CHUNKS, problems, default=0)))
    block, number = (_number(step, name, -1, _MOST_CHUNKS, problems, default=-1) for name in ("depid", "deps"))
    count = _number(step, "cnt", 0, _MOST_CHUNKS, problems, default=1)
    return Step(kind, places[0], places[1], count, (block, number) if block >= 0 and number >= 0 else None)


def _number(
    element: Element, name: str, low: int, high: int, problems: list[Problem], *, default: int | None = None
) -> int:
    text = element.attributes.get(name)
    if text is None and default is not None:
        return default
    try:
        value = int(text or "", 10)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        problems.append(Problem(f"<{element.tag}> {name}", f"{text!r} is no whole number from {low} to {high}"))
        return low
    return value


def _sizes(program: Program, gpu: int) -> dict[str, int]:
    """Chunks of each buffer of a GPU."""
    part = program.chunks // program.gpus
    first = part if program.operation == "all_gather" else program.chunks
    last = part if program.operation == "reduce_scatter" else program.chunks
    return {"i": first, "o": last, "s": program.scratch.get(gpu, 0)}


def _out_of_bounds(program: Program) -> Iterator[Problem]:
    numbers = {(block.gpu, block.number): len(block.steps) for block in program.blocks}
    if len(numbers) < len(program.blocks):
        yield Problem("tb", "two thread blocks of one gpu have the same id")
    for block in program.blocks:
        sizes = _sizes(program, block.gpu)
        for number, step in enumerate(block.steps):
            where = f"{block}, step {number}"
            used = [step.source] * (step.type not in ("r", "nop", "rcs")) + [step.target] * (step.type in _WRITES)
            for buffer, offset in used:
                if not 0 <= offset <= sizes[buffer] - step.count:
                    told = f"chunks {offset} to {offset + step.count - 1} of buffer {buffer}, which has {sizes[buffer]}"
                    yield Problem(where, told)
            if step.count > program.chunks or (step.count < 1 and step.type != "nop"):
                yield Problem(where, f"{step.count} chunks; there are {program.chunks}")
            for peer, role, types in ((block.send, "send", _SENDS), (block.recv, "recv", _RECEIVES)):
                if step.type in types and (peer < 0 or peer == block.gpu):
                    yield Problem(where, f"the thread block has no gpu to {role} {'to' if role == 'send' else 'from'}")
            if step.waits_for and step.waits_for[1] >= numbers.get((block.gpu, step.waits_for[0]), 0):
                yield Problem(
                    where, f"waits for step {step.waits_for[1]} of tb {step.waits_for[0]}, which is not there"
                )


@dataclass
class Machine:
    """All GPUs at work without a clock. memory[gpu][buffer][chunk, rank * chunks + piece] counts how often the chunk
    contains a rank's contribution to a piece."""

    program: Program
    memory: list[dict[str, IntArray]] = field(init=False)
    messages: list[Message] = field(default_factory=list)
    lanes: list[int] = field(default_factory=list)  # of each message, another one that it has to do with
    _sent: dict[tuple[int, int, int], deque[int]] = field(default_factory=lambda: defaultdict(deque))
    _reached: dict[tuple[int, int], list[Reached]] = field(default_factory=dict)  # of a block, by finished steps

    def __post_init__(self) -> None:
        entries = sum(
            sum(_sizes(self.program, gpu).values()) * self.program.gpus * self.program.chunks
            for gpu in range(self.program.gpus)
        )
        if entries > _MOST_ENTRIES:
            raise ScenarioError(f"would be {entries} contributions to follow; at most {_MOST_ENTRIES} can be proved")
        self.memory = [self._buffers(gpu) for gpu in range(self.program.gpus)]

    def _buffers(self, gpu: int) -> dict[str, IntArray]:
        """A GPU's buffers at the beginning; of those that are used in place, one is a part of the other."""
        width, sizes = self.program.gpus * self.program.chunks, _sizes(self.program, gpu)
        buffers = {name: np.zeros((size, width), dtype=np.int64) for name, size in sizes.items()}
        small, large = sorted("io", key=lambda name: sizes[name])
        if self.program.in_place:
            begin = gpu * sizes[small] if sizes[small] < sizes[large] else 0
            buffers[small] = buffers[large][begin : begin + sizes[small]]
        first = gpu * sizes["i"] if self.program.operation == "all_gather" else 0
        own = np.arange(sizes["i"])
        if self.program.operation != "broadcast" or gpu == 0:
            buffers["i"][own, gpu * self.program.chunks + first + own] = 1
        return buffers

    def run(self) -> None:
        """Every block goes on as long as it can, until all are done; RunError where they wait for one another."""
        waiting = list(self.program.blocks)
        for block in waiting:
            self._reached[block.gpu, block.number] = []
        while waiting:
            moved = [self._advance(block) for block in waiting]
            waiting = [block for block in waiting if len(self._done(block)) < len(block.steps)]
            if waiting and not any(moved):
                block = waiting[0]
                raise RunError(f"{block}, step {len(self._done(block))} waits for ever")

    def _done(self, block: Block) -> list[Reached]:
        return self._reached[block.gpu, block.number]

    def _advance(self, block: Block) -> bool:
        """Whether the block could take a step; it takes as many as it can."""
        done = self._done(block)
        before = len(done)
        while len(done) < len(block.steps):
            step, other = block.steps[len(done)], Reached()
            if step.waits_for:
                its = self._reached[block.gpu, step.waits_for[0]]
                if len(its) <= step.waits_for[1]:
                    break
                other = its[step.waits_for[1]]
            if step.type in _RECEIVES and not self._sent[block.recv, block.gpu, block.channel]:
                break
            done.append(self._take(block, step, done[-1] if done else Reached(), other))
        return len(done) > before

    def _take(self, block: Block, step: Step, before: Reached, other: Reached) -> Reached:
        """Takes a step, after the one before and another block's. What arrives lets others go on; who has sent a
        message goes on at once."""
        memory, now = self.memory[block.gpu], self._later(before, other)
        content = self._chunks(memory, step.source, step.count).copy()
        if step.type in _RECEIVES:
            number = self._sent[block.recv, block.gpu, block.channel].popleft()
            message = self.messages[number]
            if message.count != step.count:
                raise RunError(f"{block} receives {step.count} chunks where gpu {block.recv} sends {message.count}")
            message.level, message.add = max(message.level, other.level), step.type in _REDUCES
            message.first = step.target[1] if step.type in _WRITES and step.target[0] != "s" else 0
            content = message.content + content if message.add else message.content
            now = self._later(now, Reached(message.level + 1, number))
        elif step.type == "re":
            content = content + self._chunks(memory, step.target, step.count)
        if step.type in _WRITES:
            self._chunks(memory, step.target, step.count)[:] = content
        if step.type in _SENDS:
            self._sent[block.gpu, block.send, block.channel].append(len(self.messages))
            self.lanes.append(len(self.messages))
            now = self._later(Reached(now.level, len(self.messages)), now)
            self.messages.append(Message(block.gpu, block.send, step.count, content, now.level))
        return now

    def _later(self, one: Reached, other: Reached) -> Reached:
        """The later of two, whose messages have to do with one another from now on."""
        if one.message is not None and other.message is not None:
            self.lanes[self.lane(one.message)] = self.lane(other.message)
        message = other.message if one.message is None else one.message
        return Reached(max(one.level, other.level), message)

    def lane(self, message: int) -> int:
        """A message that stands for all that this one has to do with."""
        while self.lanes[message] != message:
            self.lanes[message] = self.lanes[self.lanes[message]]
            message = self.lanes[message]
        return message

    def _chunks(self, memory: Mapping[str, IntArray], place: Place, count: int) -> IntArray:
        buffer, offset = place
        return memory[buffer][offset : offset + count]

    def check(self) -> None:
        """RunError unless every GPU ends with what the operation promises, and nothing that was sent is left over."""
        for (src, dst, _), left in self._sent.items():
            if left:
                raise RunError(f"gpu {dst} never receives {len(left)} messages of gpu {src}")
        chunks, gpus = self.program.chunks, self.program.gpus
        for gpu in range(gpus):
            for chunk, wanted in self._goal(gpu):
                found = self.memory[gpu]["o"][chunk]
                wrong = np.flatnonzero(found != wanted)
                if len(wrong):
                    rank, piece = divmod(int(wrong[0]), chunks)
                    times = found[wrong[0]]
                    fault = "is missing" if times == 0 else f"is counted {times} times"
                    if not wanted[wrong[0]]:
                        fault = f"to piece {piece} does not belong"
                    raise RunError(
                        f"rank {gpu} ends with piece {chunk} in which the contribution of rank {rank} {fault}"
                    )

    def _goal(self, gpu: int) -> Iterator[tuple[int, IntArray]]:
        """What has to be in each chunk of a GPU's output: every rank's contribution to a piece, or one rank's."""
        chunks, gpus, operation = self.program.chunks, self.program.gpus, self.program.operation
        part, size = max(1, chunks // gpus), _sizes(self.program, gpu)["o"]
        for chunk in range(size if operation != "reduce" or gpu == 0 else 0):
            ranks: Sequence[int] = range(gpus)
            piece = chunk
            if operation == "reduce_scatter":
                piece = gpu * part + chunk
            elif operation == "all_gather":
                ranks = [chunk // part]
            elif operation == "all_to_all":
                ranks, piece = [chunk // part], gpu * part + chunk % part
            elif operation == "broadcast":
                ranks = [0]
            wanted = np.zeros(gpus * chunks, dtype=np.int64)
            wanted[[rank * chunks + piece for rank in ranks]] = 1
            yield chunk, wanted


def rounds(machine: Machine) -> tuple[Round, ...]:
    """Messages as rounds: each in the round after the last of those that it waits for; messages that have nothing to do
    with one another are in lanes. What is added in a round is all that it carries, if it is any."""
    lanes: dict[int, int] = {}
    together: dict[tuple[int, int], list[Message]] = defaultdict(list)
    for number, message in enumerate(machine.messages):
        together[message.level, lanes.setdefault(machine.lane(number), len(lanes))].append(message)
    return tuple(
        Round.of(
            [each.src for each in group],
            [each.dst for each in group],
            first=[each.first for each in group],
            count=[each.count for each in group],
            add=any(each.add for each in group),
            lane=lane,
        )
        for (_, lane), group in sorted(together.items(), key=lambda item: item[0])
    )


def played(root: Element) -> tuple[Program, tuple[Round, ...]]:
    """The algorithm of a file, proved right, and its rounds; ScenarioError with what is wrong."""
    found = program(root)
    machine = Machine(found)
    try:
        machine.run()
        machine.check()
    except RunError as error:
        raise ScenarioError(f"is no {found.operation}: {error}") from None
    return found, rounds(machine)
