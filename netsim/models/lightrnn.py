"""LightRNN (Li, Qin, Yang, Hu, Liu, NIPS 2016), and the language model with a full table that it replaces."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval

from netsim.layers.base import Count, Layer
from netsim.layers.embedding import Embedding, LightrnnEmbedding
from netsim.layers.recurrent import Gru, Lstm, Rnn
from netsim.layers.softmax import FullSoftmax, LightrnnSoftmax
from netsim.models.base import Model, Stack

Depth = Annotated[int, Interval(ge=1, le=1000)]
Cell = Literal["rnn", "gru", "lstm"]
_CELLS: dict[str, type[Rnn]] = {"rnn": Rnn, "gru": Gru, "lstm": Lstm}


def lightrnn(
    vocabulary: Count = 793_471,
    embedding: Count = 500,
    hidden: Count = 500,
    layers: Depth = 2,
    words: Count = 32,
    cell: Cell = "lstm",
    form: Literal["two_step", "split"] = "two_step",
) -> Model:
    """A language model with a two-component table of words; a sample is a sequence of `words`.

    The defaults are the smallest setting of the authors' code for the BillionW data. `form` "two_step" is the paper's:
    the cell runs twice a word, on the row's vector and on the column's. "split": each is half a vector, one run a word.
    """
    stack = Stack((words,))
    stack.add(LightrnnEmbedding, "embedding", vocabulary=vocabulary, features=embedding, form=form)
    _cells(stack, cell, layers, hidden)
    stack.add(LightrnnSoftmax, "softmax", vocabulary=vocabulary, form=form)
    options = {"vocabulary": vocabulary, "embedding": embedding, "hidden": hidden, "layers": layers, "words": words}
    return Model("lightrnn", {**options, "cell": cell, "form": form}, stack.layers)


def rnn_lm(
    vocabulary: Count = 793_471,
    embedding: Count = 500,
    hidden: Count = 500,
    layers: Depth = 2,
    words: Count = 32,
    cell: Cell = "lstm",
) -> Model:
    """The full-vocabulary twin of LightRNN: a vector for every word, a score for every word."""
    stack = Stack((words,))
    stack.add(Embedding, "embedding", vocabulary=vocabulary, features=embedding)
    _cells(stack, cell, layers, hidden)
    stack.add(FullSoftmax, "softmax", vocabulary=vocabulary)
    options = {"vocabulary": vocabulary, "embedding": embedding, "hidden": hidden, "layers": layers, "words": words}
    return Model("rnn_lm", {**options, "cell": cell}, stack.layers)


def lstm_lm(size: Literal["medium", "large"] = "medium", vocabulary: Count = 10_000, words: Count = 35) -> Model:
    """The LSTM language models of Zaremba et al. 2014 (arXiv 1409.2329): 2 layers of 650 or 1,500 units."""
    units = {"medium": 650, "large": 1500}[size]
    built: tuple[Layer, ...] = rnn_lm(vocabulary, units, units, 2, words).layers
    return Model("lstm_lm", {"size": size, "vocabulary": vocabulary, "words": words}, built)


def _cells(stack: Stack, cell: str, layers: int, hidden: int) -> None:
    for number in range(1, layers + 1):
        stack.add(_CELLS[cell], f"{cell}{number}", units=hidden)
