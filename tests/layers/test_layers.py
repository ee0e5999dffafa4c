"""Counts of the other layers, as identities between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.errors import ScenarioError
from netsim.layers.attention import AttentionProduct, MultiHeadAttention
from netsim.layers.convolution import Convolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Add, Concatenation, Dropout, LearnedOffset, Scale
from netsim.layers.embedding import Embedding, EmbeddingBag, LightrnnEmbedding, table_side
from netsim.layers.normalisation import BatchNormalisation, GroupNormalisation, LayerNormalisation
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.layers.recurrent import Gru, Lstm, Rnn
from netsim.layers.reshaping import FirstStep, Flatten, Sequence
from netsim.layers.softmax import FullSoftmax, HierarchicalSoftmax, LightrnnSoftmax, Softmax
from netsim.layers.squeeze import SqueezeExcitation

FEW = st.integers(1, 40)
EVEN = st.integers(1, 40).map(lambda half: 2 * half)


@given(features=FEW, units=FEW)
def test_a_dense_layer_is_a_pointwise_convolution_of_a_map_of_one_pixel(features: int, units: int) -> None:
    dense = Dense(input_shape=(features,), units=units)
    pixel = Convolution(input_shape=(features, 1, 1), filters=units, kernel=1)
    assert (dense.macs, dense.params) == (pixel.macs, pixel.params)


def test_a_dense_layer_of_a_sequence_has_the_same_weights_for_each_step() -> None:
    one, many = Dense(input_shape=(16,), units=8), Dense(input_shape=(5, 16), units=8)
    assert (many.params, many.macs, many.output_shape) == (one.params, 5 * one.macs, (5, 8))


def test_tied_weights_are_work_but_no_gradient() -> None:
    tied, own = (Dense(input_shape=(5, 16), units=8, bias=False, tied=tied) for tied in (True, False))
    assert (tied.params, tied.macs, tied.params_read) == (0, own.macs, own.params)


@given(features=FEW, units=FEW, steps=FEW)
def test_gru_and_lstm_are_three_and_four_vanilla_cells(features: int, units: int, steps: int) -> None:
    plain, gru, lstm = (cell(input_shape=(steps, features), units=units) for cell in (Rnn, Gru, Lstm))
    assert plain.params == units * (features + units) + units
    assert plain.macs == steps * units * (features + units)
    assert (gru.params, gru.macs) == (3 * plain.params, 3 * plain.macs)
    assert (lstm.params, lstm.macs) == (4 * plain.params, 4 * plain.macs)


def test_a_bidirectional_cell_is_two_that_read_from_either_end() -> None:
    one, both = (Lstm(input_shape=(7, 16), units=8, bidirectional=both) for both in (False, True))
    assert (both.params, both.macs, both.output_shape) == (2 * one.params, 2 * one.macs, (7, 16))


def test_two_biases_add_one_number_a_gate_and_unit() -> None:
    papers, pytorch = (Lstm(input_shape=(7, 16), units=8, biases=biases) for biases in (1, 2))
    assert pytorch.params - papers.params == 4 * 8


def test_a_projected_lstm_hands_on_fewer_features() -> None:
    layer = Lstm(input_shape=(7, 16), units=32, projection=8)
    assert layer.output_shape == (7, 8)
    assert layer.params == 4 * 32 * (16 + 8) + 4 * 32 + 32 * 8
    assert layer.macs == 7 * (4 * 32 * (16 + 8) + 32 * 8)


def test_a_vocabulary_of_793471_words_is_a_table_of_891_by_891() -> None:
    assert table_side(793_471) == 891


@given(vocabulary=st.integers(1, 2**31))
def test_the_table_is_the_smallest_square_that_holds_the_vocabulary(vocabulary: int) -> None:
    side = table_side(vocabulary)
    assert (side - 1) ** 2 < vocabulary <= side**2


@given(vocabulary=st.integers(1, 10**7), features=EVEN)
def test_a_split_table_has_half_the_parameters_of_a_two_step_one(vocabulary: int, features: int) -> None:
    split, two_step = (
        LightrnnEmbedding(input_shape=(6,), vocabulary=vocabulary, features=features, form=form)
        for form in ("split", "two_step")
    )
    assert split.params == table_side(vocabulary) * features
    assert two_step.params == 2 * split.params
    assert (split.output_shape, two_step.output_shape) == ((6, features), (12, features))


@given(vocabulary=st.integers(1, 10**7), features=EVEN)
def test_a_split_softmax_costs_half_of_a_two_step_one(vocabulary: int, features: int) -> None:
    split = LightrnnSoftmax(input_shape=(6, features), vocabulary=vocabulary, form="split", bias=False)
    two_step = LightrnnSoftmax(input_shape=(12, features), vocabulary=vocabulary, bias=False)
    assert (two_step.params, two_step.macs) == (2 * split.params, 2 * split.macs)
    assert split.output_shape == two_step.output_shape == (6, 2 * table_side(vocabulary))


@given(side=FEW, features=EVEN)
def test_on_a_full_square_lightrnn_has_two_over_its_side_of_the_full_vectors(side: int, features: int) -> None:
    vocabulary = side**2
    full = Embedding(input_shape=(6,), vocabulary=vocabulary, features=features)
    two = LightrnnEmbedding(input_shape=(6,), vocabulary=vocabulary, features=features)
    assert two.params * side == 2 * full.params
    scores = FullSoftmax(input_shape=(6, features), vocabulary=vocabulary)
    pair = LightrnnSoftmax(input_shape=(12, features), vocabulary=vocabulary)
    assert (pair.params * side, pair.macs * side) == (2 * scores.params, 2 * scores.macs)


def test_a_hierarchical_softmax_scores_a_class_and_the_words_in_it() -> None:
    layer = HierarchicalSoftmax(input_shape=(6, 64), vocabulary=10_000)
    assert layer.output_shape == (6, 100 + 100)
    assert (layer.macs, layer.params) == (6 * 200 * 64, (100 + 10_000) * 65)
    one = HierarchicalSoftmax(input_shape=(64,), vocabulary=10_000)
    assert (one.output_shape, 6 * one.macs, one.params) == ((200,), layer.macs, layer.params)


def test_an_embedding_reads_and_writes_only_the_rows_that_it_looks_up() -> None:
    layer = Embedding(input_shape=(6,), vocabulary=10_000, features=64)
    assert (layer.params, layer.params_read, layer.macs) == (640_000, 0, 0)
    assert (layer.input_elements, layer.output_elements) == (6 * 64, 6 * 64)
    assert layer.touched(samples=10) == (60 * 64, 60)
    assert layer.touched(samples=10_000) == (layer.params, 10_000)


def test_an_embedding_bag_sums_its_rows() -> None:
    bag = EmbeddingBag(input_shape=(6,), vocabulary=10_000, features=64)
    assert (bag.params, bag.output_shape, bag.elementwise) == (640_000, (64,), 6 * 64)


@given(steps=FEW, heads=st.sampled_from([1, 2, 4]), fused=st.booleans())
def test_attention_costs_4_t_e_squared_and_2_t_squared_e(steps: int, heads: int, fused: bool) -> None:
    features = 16
    layer = MultiHeadAttention(input_shape=(steps, features), heads=heads, fused=fused)
    assert layer.macs == 4 * steps * features**2 + 2 * steps**2 * features
    assert layer.params == 4 * features * (features + 1)
    assert layer.output_shape == (steps, features)


@given(steps=FEW, memory=FEW, kv_heads=st.sampled_from([1, 2, 4]), fused=st.booleans())
def test_attention_to_another_sequence_costs_what_both_sequences_do(
    steps: int, memory: int, kv_heads: int, fused: bool
) -> None:
    features, keys = 16, 4 * kv_heads
    layer = MultiHeadAttention(input_shape=(steps, features), heads=4, memory=memory, kv_heads=kv_heads, fused=fused)
    projected = 2 * steps * features**2 + 2 * memory * features * keys
    assert layer.macs == projected + 2 * steps * memory * features
    assert layer.params == 2 * features * (features + 1) + 2 * keys * (features + 1)
    own, other = (MultiHeadAttention(input_shape=(steps, features), heads=4, memory=many) for many in (None, steps))
    assert (own.macs, own.params) == (other.macs, other.params)


def test_the_other_sequence_may_have_other_features() -> None:
    layer = MultiHeadAttention(input_shape=(5, 16), heads=4, memory=7, memory_features=24)
    assert layer.params == 2 * 16 * 17 + 2 * 16 * 25
    assert layer.macs == 2 * 5 * 16 * 16 + 2 * 7 * 24 * 16 + 2 * 5 * 7 * 16


def test_the_number_of_heads_changes_the_memory_of_attention_but_not_its_macs() -> None:
    few, many = (AttentionProduct(input_shape=(32, 64), heads=heads) for heads in (2, 8))
    assert few.macs == many.macs
    assert many.scores == 4 * few.scores
    assert many.output_elements > few.output_elements


def test_squeeze_and_excitation_has_two_dense_layers_over_the_means() -> None:
    layer = SqueezeExcitation(input_shape=(32, 7, 7), squeezed=8)
    assert layer.output_shape == (32, 7, 7)
    assert (layer.macs, layer.params) == (2 * 32 * 8, 2 * 32 * 8 + 32 + 8)


def test_normalisation_has_a_scale_and_a_shift_for_each_channel_or_feature() -> None:
    assert BatchNormalisation(input_shape=(32, 7, 7)).params == 64
    assert BatchNormalisation(input_shape=(32, 7, 7), scale=False).params == 32
    assert GroupNormalisation(input_shape=(32, 7, 7), groups=4).params == 64
    assert LayerNormalisation(input_shape=(7, 32)).params == 64
    assert LayerNormalisation(input_shape=(7, 32), bias=False).params == 32


@pytest.mark.parametrize(("size", "floor", "ceiling"), [(112, 55, 56), (55, 27, 27), (28, 13, 14)])
def test_a_pooling_may_count_a_window_that_hangs_over_the_edge(size: int, floor: int, ceiling: int) -> None:
    shapes = [
        Pooling(input_shape=(8, size, size), kernel=3, stride=2, ceiling=ceil).output_shape for ceil in (False, True)
    ]
    assert shapes == [(8, floor, floor), (8, ceiling, ceiling)]


def test_a_pooling_steps_by_its_window_where_nothing_else_is_said() -> None:
    assert Pooling(input_shape=(8, 14, 14), kernel=2).output_shape == (8, 7, 7)
    assert GlobalPooling(input_shape=(8, 14, 14)).output_shape == (8,)
    assert GlobalPooling(input_shape=(8, 14, 14), size=6).output_shape == (8, 6, 6)


def test_layers_without_weights_have_no_gradient() -> None:
    shape = (8, 4, 4)
    layers = [layer(input_shape=shape) for layer in (Activation, Dropout, Add, Scale, Softmax, GlobalPooling, Flatten)]
    assert [layer.gradient_bytes for layer in layers] == [0] * len(layers)


def test_joining_adds_up_channels_and_adding_keeps_them() -> None:
    assert Concatenation(input_shape=(8, 4, 4), channels=(16, 32)).output_shape == (56, 4, 4)
    add = Add(input_shape=(8, 4, 4))
    assert (add.output_shape, add.input_elements) == ((8, 4, 4), 2 * 128)


def test_a_map_becomes_a_sequence_with_a_class_token_and_positions() -> None:
    patches = Sequence(input_shape=(768, 14, 14))
    positions = LearnedOffset(input_shape=patches.output_shape, tokens=1)
    assert (patches.output_shape, positions.output_shape) == ((196, 768), (197, 768))
    assert positions.params == 197 * 768 + 768
    assert FirstStep(input_shape=positions.output_shape).output_shape == (768,)
    assert Flatten(input_shape=(8, 4, 4)).output_shape == (128,)


def test_kinds_are_the_words_of_the_class_names() -> None:
    assert LightrnnEmbedding(input_shape=(6,), vocabulary=9, features=2).kind == "lightrnn_embedding"
    assert Lstm(input_shape=(7, 16), units=8).kind == "lstm"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: AttentionProduct(input_shape=(5, 10), heads=3), "heads: 3 must divide the 10 features"),
        (lambda: AttentionProduct(input_shape=(5, 8), heads=4, kv_heads=3), "kv_heads: 3 must divide the 4 heads"),
        (lambda: MultiHeadAttention(input_shape=(5, 8), heads=4, memory_features=3), "give its steps as memory, too"),
        (lambda: GroupNormalisation(input_shape=(10, 4, 4), groups=3), "groups: 3 must divide the 10 channels"),
        (lambda: LightrnnSoftmax(input_shape=(5, 10), vocabulary=9), "5 steps are not two a word"),
        (lambda: LightrnnSoftmax(input_shape=(5, 9), vocabulary=9, form="split"), "9 features cannot be split"),
        (lambda: LightrnnEmbedding(input_shape=(5,), vocabulary=9, features=3, form="split"), "3 cannot be split"),
        (lambda: Pooling(input_shape=(8, 2, 2), kernel=3), "which is empty"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(build: object, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        build()  # type: ignore[operator]
