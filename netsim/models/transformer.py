"""Transformers: ViT-B/16 (arXiv 2010.11929), BERT (arXiv 1810.04805) and GPT-2 (Radford et al. 2019)."""

from __future__ import annotations

from typing import Literal

from netsim.layers.attention import MultiHeadAttention
from netsim.layers.base import Count
from netsim.layers.convolution import Convolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Add, Dropout, LearnedOffset
from netsim.layers.embedding import Embedding
from netsim.layers.normalisation import LayerNormalisation
from netsim.layers.reshaping import FirstStep, Sequence
from netsim.layers.softmax import FullSoftmax
from netsim.models._blocks import GELU, TANH
from netsim.models.base import Model, Stack

Head = Literal["pooler", "mlm"]


def vit_b16(resolution: Count = 224, classes: Count = 1000) -> Model:
    """ViT-B/16: patches of 16 x 16 as the steps of a sequence, and a class token."""
    stack = Stack((3, resolution, resolution))
    stack.add(Convolution, "patches", filters=768, kernel=16, stride=16)
    stack.add(Sequence, "sequence")
    stack.add(LearnedOffset, "positions", tokens=1)
    for number in range(1, 13):
        _block_norm_first(stack, f"block{number}", heads=12)
    stack.add(LayerNormalisation, "norm")
    stack.add(FirstStep, "class_token")
    stack.add(Dense, "classifier", units=classes)
    return Model("vit_b16", {"resolution": resolution, "classes": classes}, stack.layers)


def bert_base(sequence: Count = 128, head: Head = "pooler") -> Model:
    """BERT base: 12 blocks of 768 features. `head`: "pooler" on the first token, or "mlm" that scores every token."""
    return _bert("bert_base", sequence, head, blocks=12, features=768, heads=12)


def bert_large(sequence: Count = 128, head: Head = "pooler") -> Model:
    """BERT large: 24 blocks of 1,024 features; `head` as in BERT base."""
    return _bert("bert_large", sequence, head, blocks=24, features=1024, heads=16)


def gpt2_small(sequence: Count = 1024) -> Model:
    """GPT-2 small: 12 blocks of 768 features, the output layer tied to the embedding."""
    vocabulary, positions, features = 50_257, 1024, 768
    stack = Stack((sequence,))
    _embeddings(stack, {"words": vocabulary, "positions": max(positions, sequence)}, features)
    stack.add(Dropout, "embeddings.dropout")
    for number in range(1, 13):
        _block_norm_first(stack, f"block{number}", heads=12)
    stack.add(LayerNormalisation, "norm")
    stack.add(FullSoftmax, "softmax", vocabulary=vocabulary, bias=False, tied=True)
    return Model("gpt2_small", {"sequence": sequence}, stack.layers)


def _bert(kind: str, sequence: int, head: Head, *, blocks: int, features: int, heads: int) -> Model:
    vocabulary, positions, sentences = 30_522, 512, 2
    stack = Stack((sequence,))
    tables = {"words": vocabulary, "sentences": sentences, "positions": max(positions, sequence)}
    _embeddings(stack, tables, features)
    stack.add(LayerNormalisation, "embeddings.norm")
    stack.add(Dropout, "embeddings.dropout")
    for number in range(1, blocks + 1):
        _block_norm_last(stack, f"block{number}", heads)
    {"pooler": _pooler, "mlm": _masked_words}[head](stack, vocabulary)
    return Model(kind, {"sequence": sequence, "head": head}, stack.layers)


def _embeddings(stack: Stack, tables: dict[str, int], features: int) -> None:
    """One table for each thing that is known of a token, and the sum of what they say."""
    tokens = stack.shape
    for name, rows in tables.items():
        stack.shape = tokens
        stack.add(Embedding, f"embeddings.{name}", vocabulary=rows, features=features)
    for name in list(tables)[1:]:
        stack.add(Add, f"embeddings.add_{name}")


def _block_norm_first(stack: Stack, name: str, heads: int) -> None:
    def attend() -> None:
        stack.add(LayerNormalisation, f"{name}.norm1")
        stack.add(MultiHeadAttention, f"{name}.attention", heads=heads, fused=True)
        stack.add(Dropout, f"{name}.attention.dropout")

    def transform() -> None:
        stack.add(LayerNormalisation, f"{name}.norm2")
        _feed_forward(stack, name)

    stack.residual(f"{name}.add1", attend)
    stack.residual(f"{name}.add2", transform)


def _block_norm_last(stack: Stack, name: str, heads: int) -> None:
    def attend() -> None:
        stack.add(MultiHeadAttention, f"{name}.attention", heads=heads)
        stack.add(Dropout, f"{name}.attention.dropout")

    stack.residual(f"{name}.add1", attend)
    stack.add(LayerNormalisation, f"{name}.norm1")
    stack.residual(f"{name}.add2", lambda: _feed_forward(stack, name))
    stack.add(LayerNormalisation, f"{name}.norm2")


def _feed_forward(stack: Stack, name: str) -> None:
    features = stack.shape[-1]
    stack.add(Dense, f"{name}.widen", units=4 * features)
    stack.add(Activation, f"{name}.gelu", flop=GELU)
    stack.add(Dense, f"{name}.narrow", units=features)
    stack.add(Dropout, f"{name}.dropout")


def _pooler(stack: Stack, vocabulary: int) -> None:
    stack.add(FirstStep, "class_token")
    stack.add(Dense, "pooler", units=stack.shape[-1])
    stack.add(Activation, "pooler.tanh", flop=TANH)


def _masked_words(stack: Stack, vocabulary: int) -> None:
    stack.add(Dense, "transform", units=stack.shape[-1])
    stack.add(Activation, "transform.gelu", flop=GELU)
    stack.add(LayerNormalisation, "transform.norm")
    stack.add(FullSoftmax, "softmax", vocabulary=vocabulary, tied=True)
