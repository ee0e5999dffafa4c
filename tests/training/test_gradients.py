"""What is exchanged of a layer: its precision, and of embeddings all rows or those that were looked up."""

from __future__ import annotations

from typing import Any

import pytest

from netsim.engine.run import simulate
from netsim.hardware import Efficiency
from netsim.layers.embedding import LightrnnEmbedding
from netsim.loading import from_table
from netsim.models.lightrnn import lightrnn, rnn_lm
from netsim.models.transformer import gpt2_small
from netsim.models.vgg import vgg16

LINK = {"rate": "10 Gbit/s", "latency": "25 us"}
WORDS = {"kind": "rnn_lm", "vocabulary": 100_000, "words": 10, "embedding": 8, "hidden": 8}


def summary(**job: Any) -> dict[str, Any]:
    cluster = {"workers": 4, "device": "v100", "link": LINK}
    table = {"cluster": cluster, "job": {"model": "vgg16", "batch": 2, "strategy": "ring", **job}}
    return simulate(from_table(table), detail="summary").summary()


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("fp16", 2), ("bf16", 2)])
def test_gradients_have_the_bytes_of_their_precision(precision: str, size: int) -> None:
    measured = summary(gradient_precision=precision)
    assert measured["gradient_bytes"] == size * vgg16().params
    assert measured["wire_bytes_per_iteration"] == pytest.approx(2 * 3 * size * vgg16().params)


def test_a_server_gets_the_rows_that_a_worker_looked_up() -> None:
    dense = summary(model=WORDS, strategy="parameter_server")["gradient_bytes"]
    sparse = summary(model=WORDS, strategy="parameter_server", embedding_gradients="sparse")["gradient_bytes"]
    assert dense - sparse == 100_000 * 8 * 4 - 2 * 10 * (8 * 4 + 8)


def test_an_all_reduce_adds_the_rows_that_all_workers_looked_up() -> None:
    dense, sparse = (summary(model=WORDS, embedding_gradients=kind)["gradient_bytes"] for kind in ("dense", "sparse"))
    assert dense - sparse == 100_000 * 8 * 4 - 4 * 2 * 10 * (8 * 4 + 8)


def test_the_optimiser_updates_the_rows_of_its_own_batch_and_everything_else() -> None:
    dense, sparse = (summary(model=WORDS, embedding_gradients=kind)["compute_time_s"] for kind in ("dense", "sparse"))
    assert dense - sparse == pytest.approx(5 * 4 * (100_000 - 20) * 8 / (900e9 * Efficiency().memory))


def test_more_tokens_than_words_are_a_whole_table() -> None:
    model = rnn_lm(vocabulary=50, embedding=8, hidden=8)
    assert model.gradient_sizes(4, 1000)[0] == 50 * (4 * 8 + 8)


@pytest.mark.parametrize(("form", "numbers"), [("two_step", 2 * 20 * 8), ("split", 20 * 8)])
def test_a_word_of_lightrnn_touches_its_row_and_its_column(form: Any, numbers: int) -> None:
    layer = LightrnnEmbedding(input_shape=(10,), vocabulary=10_000, features=8, form=form)
    assert layer.touched(samples=2) == (numbers, 40)
    assert layer.touched(samples=10**6) == (layer.params, 200)


def test_a_table_that_the_output_layer_shares_has_a_gradient_everywhere() -> None:
    model = gpt2_small(128)
    assert model.gradient_sizes(4, 1)[0] == model.gradient_sizes(4)[0] == 4 * 50_257 * 768


def test_lightrnn_saves_less_where_the_full_table_is_sparse() -> None:
    full, two = rnn_lm(), lightrnn()
    dense, sparse = (
        sum(full.gradient_sizes(4, samples)) / sum(two.gradient_sizes(4, samples)) for samples in (None, 32)
    )
    assert dense > sparse > 1
