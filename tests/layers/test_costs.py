"""What layers read, write, keep, compute and launch: what times on a device and the memory of a step are made of."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.errors import ScenarioError
from netsim.layers.attention import AttentionProduct, MultiHeadAttention
from netsim.layers.base import Layer
from netsim.layers.convolution import (
    Convolution,
    DepthwiseSeparableConvolution,
    SpatiallySeparableConvolution,
    TransposedConvolution,
)
from netsim.layers.counted import Counted
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Add, Concatenation, Dropout, LearnedOffset, Scale
from netsim.layers.embedding import Embedding, EmbeddingBag, LightrnnEmbedding
from netsim.layers.normalisation import BatchNormalisation, GroupNormalisation, LayerNormalisation
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.layers.recurrent import Gru, Lstm, Rnn
from netsim.layers.reshaping import FirstStep, Flatten, Sequence
from netsim.layers.softmax import FullSoftmax, HierarchicalSoftmax, LightrnnSoftmax, Softmax
from netsim.layers.squeeze import SqueezeExcitation

T, E = 6, 24  # steps, features
C, N = 16, 9  # channels, side of a map
MAP, STEPS, TOKENS = (C, N, N), (T, E), (T,)
PIXELS = C * N * N


def usual(layer: Layer) -> dict[str, Any]:
    """A layer reads its input, writes and keeps its output, in one kernel; its gradients cost a forward pass each."""
    return {
        "axes": (1, 4),
        "elementwise": 0,
        "input_elements": prod(layer.input_shape),
        "output_elements": prod(layer.output_shape),
        "kept_elements": prod(layer.output_shape),
        "params_read": layer.params,
        "kernels": 1,
        "input_gradients": 1,
        "weight_gradients": 1 if layer.params else 0,
        "gradient_bytes": 4 * layer.params,
        "work": "elementwise",
        "vector_work": "elementwise",
    }


IMAGE, SEQUENCE, LOOKUP = {"axes": (2, 4)}, {"axes": (2, 2)}, {"axes": (1, 1), "params_read": 0, "input_gradients": 0}
DENSE = {"work": "dense"}
NORMAL = {"vector_work": "normalisation", "elementwise": 8 * PIXELS}
VIEW = {"input_elements": 0, "output_elements": 0, "kept_elements": 0, "kernels": 0}
DIFFERENCES: list[tuple[Layer, dict[str, Any]]] = [
    (Convolution(input_shape=MAP, filters=8, kernel=5, padding=2), IMAGE | {"work": "convolution"}),
    (Convolution(input_shape=MAP, filters=8, kernel=1), IMAGE | {"work": "pointwise"}),
    (Convolution(input_shape=MAP, filters=8, kernel=3), IMAGE | {"work": "winograd"}),
    (Convolution(input_shape=(C - 1, N, N), filters=8, kernel=3), IMAGE | {"work": "convolution"}),
    (Convolution(input_shape=MAP, filters=8, kernel=3, stride=2), IMAGE | {"work": "convolution"}),
    (Convolution(input_shape=MAP, filters=8, kernel=3, dilation=2), IMAGE | {"work": "convolution"}),
    (Convolution(input_shape=MAP, filters=8, kernel=3, groups=4), IMAGE | {"work": "grouped"}),
    (Convolution(input_shape=MAP, filters=C, kernel=3, groups=C), IMAGE | {"work": "depthwise"}),
    (TransposedConvolution(input_shape=MAP, filters=8, kernel=3), IMAGE | {"work": "convolution"}),
    (TransposedConvolution(input_shape=MAP, filters=8, kernel=3, groups=2), IMAGE | {"work": "grouped"}),
    (Dense(input_shape=STEPS, units=7), DENSE),
    (
        Dense(input_shape=STEPS, units=7, bias=False, tied=True),
        DENSE | {"params_read": E * 7, "weight_gradients": 1},
    ),
    (Dense(input_shape=STEPS, units=7, tied=True), DENSE | {"params_read": E * 7 + 7}),
    (Activation(input_shape=MAP), {"elementwise": PIXELS, "kept_elements": 0}),
    (Activation(input_shape=MAP, flop=10), {"elementwise": 10 * PIXELS}),
    (Dropout(input_shape=MAP), {"elementwise": 3 * PIXELS}),
    (Add(input_shape=MAP), {"elementwise": PIXELS, "input_elements": 2 * PIXELS, "kept_elements": 0}),
    (Scale(input_shape=MAP), {"elementwise": PIXELS}),
    (Concatenation(input_shape=MAP, channels=(3, 5)), {"input_elements": (C + 3 + 5) * N * N}),
    (LearnedOffset(input_shape=STEPS, tokens=2), SEQUENCE | {"elementwise": (T + 2) * E}),
    (Embedding(input_shape=TOKENS, vocabulary=90, features=E), LOOKUP | {"input_elements": T * E}),
    (
        EmbeddingBag(input_shape=TOKENS, vocabulary=90, features=E),
        LOOKUP | {"input_elements": T * E, "elementwise": T * E},
    ),
    (
        LightrnnEmbedding(input_shape=TOKENS, vocabulary=90, features=E),
        LOOKUP | {"input_elements": 2 * T * E, "kernels": 2},
    ),
    (BatchNormalisation(input_shape=MAP), NORMAL | {"input_elements": 2 * PIXELS, "kernels": 2}),
    (LayerNormalisation(input_shape=MAP), NORMAL),
    (GroupNormalisation(input_shape=MAP, groups=4), NORMAL),
    (Pooling(input_shape=MAP, kernel=3), IMAGE | {"elementwise": C * 3 * 3 * 9}),
    (GlobalPooling(input_shape=MAP), IMAGE | {"elementwise": PIXELS}),
    *(
        (
            cell(input_shape=STEPS, units=7, bidirectional=both),
            SEQUENCE
            | {
                "work": "recurrent",
                "elementwise": (1 + both) * T * gates * 7 * 10,
                "kernels": (1 + both) * (1 + 2 * T),
            },
        )
        for cell, gates in ((Rnn, 1), (Gru, 3), (Lstm, 4))
        for both in (False, True)
    ),
    (FirstStep(input_shape=STEPS), SEQUENCE | VIEW),
    (Flatten(input_shape=MAP), VIEW),
    (Sequence(input_shape=MAP), IMAGE),
    (Softmax(input_shape=STEPS), {"elementwise": 5 * T * E}),
    (
        HierarchicalSoftmax(input_shape=STEPS, vocabulary=100),
        DENSE | {"elementwise": 5 * T * 20, "kernels": 4},
    ),
    (
        HierarchicalSoftmax(input_shape=(1, E), vocabulary=100),
        DENSE | {"elementwise": 5 * 20, "kernels": 4, "params_read": 20 * (E + 1)},
    ),
    (
        LightrnnSoftmax(input_shape=STEPS, vocabulary=100),
        SEQUENCE | DENSE | {"elementwise": 5 * T // 2 * 20, "kernels": 4},
    ),
    (Counted(input_shape=MAP), {}),
]


@pytest.mark.parametrize(("layer", "differences"), DIFFERENCES, ids=lambda it: it.kind if isinstance(it, Layer) else "")
def test_a_layer_costs_what_is_usual_but_for_what_is_its_own(layer: Layer, differences: dict[str, Any]) -> None:
    expected = usual(layer) | differences
    assert {name: getattr(layer, name) for name in expected} == expected


@given(steps=st.integers(1, 40), memory=st.integers(1, 40), kv_heads=st.sampled_from([1, 2, 4, None]))
def test_attention_reads_queries_keys_values_and_twice_the_scores(
    steps: int, memory: int, kv_heads: int | None
) -> None:
    layer = AttentionProduct(input_shape=(steps, 16), heads=4, memory=memory, kv_heads=kv_heads)
    scores, keys = 4 * steps * memory, memory * 4 * (kv_heads or 4)
    expected = usual(layer) | SEQUENCE | {
        "elementwise": 6 * scores,
        "input_elements": 16 * steps + 2 * keys + 2 * scores,
        "output_elements": 16 * steps + 2 * scores,
        "kept_elements": 16 * steps + scores,
        "kernels": 3,
        "input_gradients": 2,
        "work": "attention",
    }  # fmt: skip
    assert {name: getattr(layer, name) for name in expected} == expected


COMPOSED: list[tuple[Layer, list[Layer], tuple[int, int]]] = [
    (
        MultiHeadAttention(input_shape=STEPS, heads=4),
        [
            *(Dense(input_shape=STEPS, units=E) for _ in range(3)),
            AttentionProduct(input_shape=STEPS, heads=4),
            Dense(input_shape=STEPS, units=E),
        ],
        (2, 2),
    ),
    (
        MultiHeadAttention(input_shape=STEPS, heads=4, kv_heads=2, fused=True),
        [
            Dense(input_shape=STEPS, units=2 * E),
            AttentionProduct(input_shape=STEPS, heads=4, kv_heads=2),
            Dense(input_shape=STEPS, units=E),
        ],
        (2, 2),
    ),
    (
        FullSoftmax(input_shape=STEPS, vocabulary=90),
        [Dense(input_shape=STEPS, units=90), Softmax(input_shape=(T, 90))],
        (1, 4),
    ),
    (
        SpatiallySeparableConvolution(input_shape=MAP, filters=8, kernel=3, stride=2, padding=1),
        [
            Convolution(input_shape=MAP, filters=8, kernel=(3, 1), stride=(2, 1), padding=(1, 0), bias=False),
            Convolution(input_shape=(8, 5, N), filters=8, kernel=(1, 3), stride=(1, 2), padding=(0, 1), bias=False),
        ],
        (3, 3),
    ),
    (
        DepthwiseSeparableConvolution(input_shape=MAP, filters=8, kernel=3),
        [
            Convolution(input_shape=MAP, filters=C, kernel=3, groups=C, bias=False),
            Convolution(input_shape=(C, 7, 7), filters=8, kernel=1, bias=False),
        ],
        (2, 4),
    ),
    (
        SqueezeExcitation(input_shape=MAP, squeezed=4),
        [
            GlobalPooling(input_shape=MAP, size=1),
            Convolution(input_shape=(C, 1, 1), filters=4, kernel=1),
            Activation(input_shape=(4, 1, 1)),
            Convolution(input_shape=(4, 1, 1), filters=C, kernel=1),
            Activation(input_shape=(C, 1, 1), flop=4),
            Scale(input_shape=MAP),
        ],
        (2, 4),
    ),
]


@pytest.mark.parametrize(("layer", "parts", "axes"), COMPOSED, ids=lambda it: it.kind if isinstance(it, Layer) else "")
def test_a_composition_is_the_chain_that_it_says(layer: Layer, parts: list[Layer], axes: tuple[int, int]) -> None:
    names = list(usual(layer))
    assert layer.axes == axes
    assert [[getattr(part, name) for name in names] for part in layer.parts] == [
        [getattr(part, name) for name in names] for part in parts
    ]
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("params", "macs", "elementwise", "kernels")}
    assert {name: getattr(layer, name) for name in sums} == sums
    assert layer.output_shape == parts[-1].output_shape


WINDOWS = {"size": st.integers(1, 30), "window": st.integers(1, 9), "step": st.integers(1, 5)}


@given(**WINDOWS, data=st.data())
def test_windows_of_a_pooling_are_those_that_fit_or_with_a_ceiling_start_inside(
    size: int, window: int, step: int, data: st.DataObject
) -> None:
    padding = data.draw(st.integers(max(0, -((size - window) // 2)), max(window // 2, -((size - window) // 2))))
    end = size + padding
    fitting = [start for start in range(-padding, end, step) if start + window <= end]
    fields: dict[str, Any] = {"input_shape": (2, size), "kernel": window, "stride": step, "padding": padding}
    assert Pooling(**fields).output_shape == (2, len(fitting))
    hanging = fitting[-1] + step < size and fitting[-1] + window < end
    assert Pooling(**fields, ceiling=True).output_shape == (2, len(fitting) + hanging)
    assert Convolution(**fields, filters=2).output_shape == (2, len(fitting))


@given(samples=st.integers(1, 50), steps=st.integers(1, 9), form=st.sampled_from(["two_step", "split"]))
def test_a_word_touches_its_row_and_its_column_until_all_are_touched(samples: int, steps: int, form: Any) -> None:
    layer = LightrnnEmbedding(input_shape=(steps,), vocabulary=100, features=8, form=form)
    rows = 2 * min(samples * steps, 10)
    assert layer.touched(samples) == (rows * (8 if form == "two_step" else 4), rows)
    dense = Dense(input_shape=(steps,), units=3)
    assert dense.touched(samples) == (dense.params, 0)


@pytest.mark.parametrize("field", ["filters", "kernel", "stride", "dilation", "groups", "padding"])
def test_a_number_is_from_one_or_a_margin_from_none_to_two_to_the_31st(field: str) -> None:
    least = 0 if field == "padding" else 1
    for wrong in (least - 1, 2**31 + 1):
        with pytest.raises(ScenarioError) as refused:
            Convolution(**{"input_shape": (4, 6, 6), "filters": 8, "kernel": 1, field: wrong})  # type: ignore[arg-type]
        assert f"{wrong} is not from {least} to 2147483648" in str(refused.value)
    assert Dense(input_shape=(1,), units=2**31).macs == 2**31
    assert Counted(input_shape=(1,), macs=2**62).macs == 2**62
    with pytest.raises(ScenarioError):
        Counted(input_shape=(1,), macs=2**62 + 1)
