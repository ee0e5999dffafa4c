"""A step of every schedule on two workers and two layers, as a literal list; training-steps.md of the docs draws it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from netsim.trace import Trace

DRAWN: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "explanation" / "draw.py"))

# What worker 0 does and sends: (from, to, what), in milliseconds. Forward takes 1 and 0.5 ms, backward 1 ms each; an
# all-reduce of 4 MB is two messages of 1 + 2 ms, one of 2 MB two of 1 + 1 ms. The first step; where steps meet, both.
STEPS: dict[str, list[tuple[float, float, str]]] = {
    "overlap": [  # Each bucket sets out when its layer's backward pass is over, the second behind the first.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.5, "send second"),
        (4.5, 6.5, "send second"),
        (6.5, 9.5, "send first"),
        (9.5, 12.5, "send first"),
    ],
    "no_overlap": [  # Both wait for the end of the backward pass.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 5.5, "send second"),
        (5.5, 7.5, "send second"),
        (7.5, 10.5, "send first"),
        (10.5, 13.5, "send first"),
    ],
    "one_bucket": [  # One all-reduce of 6 MB, 2 (1 ms + 3 ms), after the backward pass.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 7.5, "send second..first"),
        (7.5, 11.5, "send second..first"),
    ],
    "horovod": [  # The fusion buffer sets out at whole cycles of 2.2 ms: at 4.4 ms it has both gradients.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (4.4, 8.4, "send second..first"),
        (8.4, 12.4, "send second..first"),
    ],
    "streams": [  # Two all-reduces at once share the port.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.5, "send second"),
        (3.5, 7.5, "send first"),
        (4.5, 7.5, "send second"),
        (7.5, 10.5, "send first"),
    ],
    "priority": [  # Slices of 1 MB: the first layer's overtake `second 2/2`, which goes under the next forward pass.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.0, "send second 1/2"),
        (4.0, 5.5, "send second 1/2"),
        (5.5, 7.0, "send first 1/4"),
        (7.0, 8.5, "send first 1/4"),
        (8.5, 10.0, "send first 2/4"),
        (10.0, 11.5, "send first 2/4"),
        (11.5, 13.0, "send first 3/4"),
        (13.0, 14.5, "send first 3/4"),
        (14.5, 16.0, "send first 4/4"),
        (16.0, 17.5, "send first 4/4"),
        (17.5, 18.5, "forward first"),
        (17.5, 19.0, "send second 2/2"),
        (19.0, 20.5, "send second 2/2"),
        (20.5, 21.0, "forward second"),
        (21.0, 22.0, "backward second"),
        (22.0, 23.0, "backward first"),
        (22.0, 23.5, "send second 1/2"),
        (23.5, 25.0, "send second 1/2"),
        (25.0, 26.5, "send first 1/4"),
        (26.5, 28.0, "send first 1/4"),
        (28.0, 29.5, "send first 2/4"),
        (29.5, 31.0, "send first 2/4"),
        (31.0, 32.5, "send first 3/4"),
        (32.5, 34.0, "send first 3/4"),
        (34.0, 35.5, "send first 4/4"),
        (35.5, 37.0, "send first 4/4"),
        (37.0, 38.5, "send second 2/2"),
        (38.5, 40.0, "send second 2/2"),
    ],
    "compression": [  # A quarter of the bytes; encoded in the backward pass; decoding 1 MB takes the last 0.5 ms.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 2.75, "encode second"),
        (2.75, 3.75, "backward first"),
        (2.75, 4.0, "send second"),
        (3.75, 4.25, "encode first"),
        (4.0, 5.25, "send second"),
        (5.25, 6.75, "send first"),
        (6.75, 8.25, "send first"),
    ],
    "accumulate": [  # Two micro-batches; gradients go in the backward pass of the second.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 4.5, "forward first"),
        (4.5, 5.0, "forward second"),
        (5.0, 6.0, "backward second"),
        (6.0, 7.0, "backward first"),
        (6.0, 8.0, "send second"),
        (8.0, 10.0, "send second"),
        (10.0, 13.0, "send first"),
        (13.0, 16.0, "send first"),
    ],
    "local_steps": [  # No exchange in the first step; the second ends with it.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 4.5, "forward first"),
        (4.5, 5.0, "forward second"),
        (5.0, 6.0, "backward second"),
        (6.0, 7.0, "backward first"),
        (6.0, 8.0, "send second"),
        (8.0, 10.0, "send second"),
        (10.0, 13.0, "send first"),
        (13.0, 16.0, "send first"),
    ],
    "zero1": [  # Gradients are scattered, then updated parameters gathered, the first layer's first.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.5, "send scatter second"),
        (4.5, 7.5, "send scatter first"),
        (7.5, 10.5, "send gather first"),
        (10.5, 12.5, "send gather second"),
    ],
    "zero3": [  # Parameters are gathered, one bucket ahead, for each pass; gradients scattered.
        (0.0, 3.0, "send gather first"),
        (3.0, 4.0, "forward first"),
        (3.0, 5.0, "send gather second"),
        (5.0, 5.5, "forward second"),
        (5.0, 7.0, "send gather second"),
        (7.0, 8.0, "backward second"),
        (7.0, 10.0, "send gather first"),
        (10.0, 11.0, "backward first"),
        (10.0, 12.0, "send scatter second"),
        (12.0, 15.0, "send scatter first"),
    ],
    "unequal": [  # The fast worker has its buckets first; both go when the slow one has them.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (5.0, 7.0, "send second"),
        (7.0, 9.0, "send second"),
        (9.0, 12.0, "send first"),
        (12.0, 15.0, "send first"),
    ],
    "shares": [  # Of 1,000 samples the fast worker has 667: both take as long, but for a third of a sample.
        (0.0, 1.334, "forward first"),
        (1.334, 2.001, "forward second"),
        (2.001, 3.335, "backward second"),
        (3.335, 4.669, "backward first"),
        (3.335, 5.335, "send second"),
        (5.335, 7.335, "send second"),
        (7.335, 10.335, "send first"),
        (10.335, 13.335, "send first"),
    ],
}


def history(trace: Trace, worker: int, *, steps: int) -> list[tuple[float, float, str]]:
    """(from, to, what) in order of time, in milliseconds; updates take no time worth a digit."""
    did = [(s.start, s.end, f"{s.phase} {s.name}", s.iteration) for s in trace.spans if s.host == worker]
    sent = [(t.sent, t.end, f"send {t.label}", t.iteration) for t in trace.transfers if t.src == worker]
    kept = [each for each in [*did, *sent] if each[3] < steps and "update" not in each[2]]
    return sorted((round(start * 1e3, 4), round(end * 1e3, 4), what) for start, end, what, _ in kept)


@pytest.mark.parametrize("name", DRAWN["STEPS"])
def test_the_whole_history_of_a_step(name: str) -> None:
    trace, steps = DRAWN["scene"]("steps", name), 2 if name in ("priority", "local_steps") else 1
    assert history(trace, 0, steps=steps) == STEPS[name]
    if name not in ("unequal", "shares"):
        assert history(trace, 1, steps=steps) == STEPS[name]


def test_every_figure_of_a_step_is_on_its_page() -> None:
    """And none is left over."""
    for folder, page in (("steps", "training-steps.md"), ("servers", "parameter-servers.md")):
        text = (Path(__file__).parents[2] / "docs" / "explanation" / page).read_text(encoding="utf-8")
        drawn = {path.stem for path in (Path(__file__).parents[2] / "docs" / "explanation" / folder).glob("*.png")}
        assert drawn == set(DRAWN["SCENES"][folder]) == {name for name in drawn if f"({folder}/{name}.png)" in text}
