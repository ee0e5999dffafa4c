"""MSCCL's XML: algorithms as its tools write them, played as the kinds that they are; wrong and hostile files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from netsim.algorithms.steps import OwnSteps, from_file
from netsim.api import allreduce
from netsim.errors import ScenarioError

NETWORK = {"size": "1 MB", "rate": "1 GB/s", "latency": "10 us"}


def step(number: int, kind: str, source: str, target: str, *, waits: str = "-1 -1", count: int = 1) -> str:
    """A step from "i 0" to "s 3"."""
    (src, srcoff), (dst, dstoff), (depid, deps) = source.split(), target.split(), waits.split()
    return (
        f'<step s="{number}" type="{kind}" srcbuf="{src}" srcoff="{srcoff}" dstbuf="{dst}" dstoff="{dstoff}" '
        f'cnt="{count}" depid="{depid}" deps="{deps}" hasdep="0"/>'
    )


def block(number: int, send: int, recv: int, steps: Iterable[str]) -> str:
    return f'<tb id="{number}" send="{send}" recv="{recv}" chan="0">{"".join(steps)}</tb>'


def algorithm(coll: str, n: int, blocks: Callable[[int], str], *, in_place: int = 1, scratch: int = 0) -> str:
    gpus = "".join(
        f'<gpu id="{g}" i_chunks="{n}" o_chunks="0" s_chunks="{scratch}">{blocks(g)}</gpu>' for g in range(n)
    )
    head = f'name="x" proto="Simple" nchannels="1" nchunksperloop="{n}" ngpus="{n}" coll="{coll}" inplace="{in_place}"'
    return f"<algo {head}>{gpus}</algo>"


def ring(n: int) -> str:
    def blocks(g: int) -> str:
        kinds = ["s", *["rrs"] * (n - 2), "rrcs", *["rcs"] * (n - 2), "r"]
        places = [f"i {(g - 1 - number) % n}" for number in range(2 * n - 1)]
        steps = [step(k, kind, place, place) for k, (kind, place) in enumerate(zip(kinds, places, strict=True))]
        return block(0, (g + 1) % n, (g - 1) % n, steps)

    return algorithm("allreduce", n, blocks)


def all_pairs(n: int) -> str:
    """Everyone's chunks go to scratch; the first block of each GPU adds them up, and all send the sum."""

    def blocks(g: int) -> str:
        others = [j for j in range(n) if j != g]
        waits = [f"{k} 1" for k in range(1, n - 1)]
        found = []
        for number, j in enumerate(others):
            steps = [("s", f"i {j}", f"s {g}", "-1 -1"), ("r", f"i {g}", f"s {j}", "-1 -1")]
            if number == 0:
                steps += [("nop", "i 0", "i 0", each) for each in waits]
                steps += [("re", f"s {k}", f"i {g}", "-1 -1") for k in others]
            added = "-1 -1" if number == 0 else f"0 {2 + len(waits) + len(others) - 1}"
            steps += [("s", f"i {g}", f"i {g}", added), ("r", f"i {j}", f"i {j}", "-1 -1")]
            found.append(block(number, j, j, (step(k, *each[:3], waits=each[3]) for k, each in enumerate(steps))))
        return "".join(found)

    return algorithm("allreduce", n, blocks, scratch=n)


def all_gather(n: int, *, in_place: int) -> str:
    def blocks(g: int) -> str:
        steps = [step(0, "s", "i 0", f"o {g}")]
        steps += [step(k, "rcs" if k < n - 1 else "r", "i 0", f"o {(g - k) % n}") for k in range(1, n)]
        copy = block(1, -1, -1, [step(0, "cpy", "i 0", f"o {g}")])
        return block(0, (g + 1) % n, (g - 1) % n, steps) + copy * (1 - in_place)

    return algorithm("allgather", n, blocks, in_place=in_place)


def scatter_reduce(n: int) -> str:
    def blocks(g: int) -> str:
        steps = [step(0, "s", f"i {(g - 1) % n}", "i 0")]
        kinds = [*["rrs"] * (n - 2), "rrc"]
        steps += [step(k, kind, f"i {(g - 1 - k) % n}", "o 0") for k, kind in enumerate(kinds, 1)]
        return block(0, (g + 1) % n, (g - 1) % n, steps)

    return algorithm("reduce_scatter", n, blocks, in_place=0)


def all_to_all(n: int) -> str:
    def blocks(g: int) -> str:
        others = [j for j in range(n) if j != g]
        pairs = [
            block(k, j, j, [step(0, "s", f"i {j}", f"o {g}"), step(1, "r", "i 0", f"o {j}")])
            for k, j in enumerate(others)
        ]
        return "".join(pairs) + block(n, -1, -1, [step(0, "cpy", f"i {g}", f"o {g}")])

    return algorithm("alltoall", n, blocks, in_place=0)


def chain(n: int) -> str:
    def blocks(g: int) -> str:
        kind = "s" if g == 0 else "r" if g == n - 1 else "rcs"
        steps = [step(k, kind, f"i {k}", f"o {k}") for k in range(n)]
        return block(0, g + 1 if g < n - 1 else -1, g - 1, steps)

    return algorithm("broadcast", n, blocks)


def finer(text: str, parts: int) -> str:
    """The same algorithm on chunks that are cut into so many parts, which travel together."""
    counts = r'(srcoff|dstoff|cnt|[ios]_chunks|nchunksperloop)="(\d+)"'
    return re.sub(counts, lambda found: f'{found[1]}="{int(found[2]) * parts}"', text)


def read(folder: Path, text: str) -> OwnSteps:
    (folder / "mine.xml").write_text(text)
    return from_file(str(folder / "mine.xml"), {})


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioError) as error:
        read(folder, text)
    return str(error.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("n", [2, 3, 4, 7])
@pytest.mark.parametrize(
    ("text", "twin"),
    [
        (ring, {"kind": "ring"}),
        (all_pairs, {"kind": "direct"}),
        (lambda n: all_gather(n, in_place=1), {"kind": "ring", "operation": "all_gather"}),
        (lambda n: all_gather(n, in_place=0), {"kind": "ring", "operation": "all_gather"}),
        (scatter_reduce, {"kind": "ring", "operation": "reduce_scatter"}),
        (all_to_all, {"kind": "direct", "operation": "all_to_all"}),
    ],
)
def test_an_algorithm_takes_the_time_of_the_kind_that_it_is(
    tmp_path: Path, n: int, text: Callable[[int], str], twin: dict[str, str]
) -> None:
    theirs = allreduce(twin, ranks=n, **NETWORK)
    for each in (text(n), finer(text(n), 3)):
        ours = allreduce(read(tmp_path, each), ranks=n, **NETWORK)
        assert ours.operation == theirs.operation
        assert ours.time_s == pytest.approx(theirs.time_s, rel=1e-9)
        assert (ours.messages, ours.wire_bytes) == (theirs.messages, pytest.approx(theirs.wire_bytes))


def test_what_does_not_wait_for_one_another_is_in_lanes_and_what_does_comes_after(tmp_path: Path) -> None:
    """A chain of chunks, and a relay that waits for nothing but the chunk that it hands on."""
    kind = read(tmp_path, chain(3))
    assert [(len(each), each.add) for each in kind.rounds(3)] == [(3, False), (3, False)]
    result = allreduce(kind, ranks=3, **NETWORK)
    assert result.operation == "broadcast" and result.time_s == pytest.approx(2 * (10e-6 + 1e-3))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('type="rrcs"', 'type="rcs"', "is no all_reduce: rank 0 ends with piece 0 in which the contribution of rank 0"),
        ('s="2" type="rrcs" srcbuf="i" srcoff="0"', 's="2" type="rrcs" srcbuf="i" srcoff="1"', "contribution of rank"),
        ('type="s"', 'type="fly"', "gpu 0, tb 0: step type 'fly' will not do; it must be one of cpy, nop, r"),
        ('srcbuf="i"', 'srcbuf="x"', "buffer 'x' will not do; it must be i, o or s"),
        ('srcoff="2"', 'srcoff="9"', "chunks 9 to 9 of buffer i, which has 3"),
        ('srcoff="2"', 'srcoff="two"', "<step> srcoff: 'two' is no whole number"),
        ('send="1"', 'send="-1"', "gpu 0, tb 0, step 0: the thread block has no gpu to send to"),
        ('send="1"', 'send="7"', "<tb> send: '7' is no whole number from -1 to 2"),
        ('recv="2"', 'recv="0"', "has no gpu to recv from"),
        ('depid="-1" deps="-1"', 'depid="5" deps="0"', "waits for step 0 of tb 5, which is not there"),
        ('depid="-1" deps="-1"', 'depid="0" deps="0"', "step 0 waits for ever"),
        ('cnt="1"', 'cnt="2"', "gpu 0, tb 0, step 0: chunks 2 to 3 of buffer i"),
        ('cnt="1"', 'cnt="0"', "0 chunks; there are 3"),
        ('coll="allreduce"', 'coll="allreduc"', "no collective 'allreduc'. Did you mean 'allreduce'?"),
        ('coll="allreduce"', 'coll="custom"', "no collective 'custom'"),
        ('ngpus="3"', 'ngpus="999999"', "<algo> ngpus: '999999' is no whole number from 1 to 4096"),
        ('nchunksperloop="3"', 'nchunksperloop="1000000"', "at most 20000000 can be proved"),
        (
            'nchunksperloop="3" ngpus="3" coll="allreduce"',
            'nchunksperloop="4" ngpus="3" coll="allgather"',
            "nchunksperloop: 4 is no multiple of the 3 GPUs",
        ),
        ('<tb id="0" send="1"', '<tb id="0"/><tb id="0" send="1"', "two thread blocks of one gpu have the same id"),
        ("<algo", "<algos", "begins with <algos>"),
        ('<gpu id="1"', '<gpu id="0"', "number 0 is there twice"),
        ("<algo", '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><algo', "declares a document type"),
        ("</algo>", "", "is no XML: no element found"),
        ("<algo", "<a>" * 40 + "<algo", "nested too deeply"),
    ],
)
def test_a_wrong_or_hostile_file_ends_in_a_message(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = ring(3)
    assert old in text
    changed = text.replace("</algo>", "") if not new else text.replace(old, new, 1).replace("<algos", "<algos")
    if new.startswith("<algos"):
        changed = changed.replace("</algo>", "</algos>")
    assert said in complaint(tmp_path, changed)


def test_what_is_sent_to_the_wrong_one_does_not_belong_there(tmp_path: Path) -> None:
    text = all_to_all(2).replace('type="s" srcbuf="i" srcoff="1"', 'type="s" srcbuf="i" srcoff="0"', 1)
    assert "rank 1 ends with piece 0 in which the contribution of rank 0 to piece 0 does not belong" in complaint(
        tmp_path, text
    )


def test_messages_of_other_sizes_than_are_received_and_such_that_nobody_receives_are_found(tmp_path: Path) -> None:
    def blocks(count: int, receives: bool) -> Callable[[int], str]:
        send, receive = step(0, "s", "i 0", "o 0", count=2), step(0, "r", "i 0", "o 0", count=count)
        return lambda g: block(0, 1 - g, 1 - g, [send if g == 0 else receive] if g == 0 or receives else [])

    assert "gpu 1, tb 0 receives 1 chunks where gpu 0 sends 2" in complaint(
        tmp_path, algorithm("broadcast", 2, blocks(1, True))
    )
    assert "gpu 1 never receives 1 messages of gpu 0" in complaint(
        tmp_path, algorithm("broadcast", 2, blocks(2, False))
    )
    assert read(tmp_path, algorithm("broadcast", 2, blocks(2, True))).operation == "broadcast"
