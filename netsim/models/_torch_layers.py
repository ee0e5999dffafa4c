"""What each kind of PyTorch module is as layers. A kind that is not here is not known."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from netsim.errors import ScenarioError
from netsim.layers.attention import MultiHeadAttention
from netsim.layers.base import Layer
from netsim.layers.convolution import Convolution, TransposedConvolution
from netsim.layers.counted import Counted
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Dropout
from netsim.layers.embedding import Embedding, EmbeddingBag
from netsim.layers.normalisation import BatchNormalisation, GroupNormalisation, LayerNormalisation
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.layers.recurrent import Gru, Lstm, Rnn
from netsim.layers.reshaping import Flatten
from netsim.layers.softmax import Softmax
from netsim.models._blocks import GELU, RELU, SWISH, TANH

Shape = tuple[int, ...]
_FLOP_A_NORMALISED_ELEMENT = 8
_ACTIVATIONS = {
    "ReLU": RELU, "ReLU6": RELU, "LeakyReLU": RELU, "RReLU": RELU, "Hardtanh": RELU, "Threshold": RELU,
    "Hardshrink": RELU, "Softshrink": RELU, "ELU": TANH, "CELU": TANH, "SELU": TANH, "GELU": GELU, "SiLU": SWISH,
    "Sigmoid": TANH, "LogSigmoid": TANH, "Softplus": TANH, "Softsign": TANH, "Tanh": TANH, "Tanhshrink": TANH,
    "Hardswish": SWISH, "Hardsigmoid": RELU, "Mish": SWISH,
}  # fmt: skip
_DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "DropPath", "StochasticDepth")
_NOTHING = ("Identity", "Permute", "Unflatten")
_MOVED = ("PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "Upsample", "UpsamplingNearest2d", "Unfold", "Fold")
_PADS = tuple(f"{kind}Pad{axes}d" for kind in ("Zero", "Constant", "Reflection", "Replication") for axes in (1, 2, 3))


class Fresh(NamedTuple):
    """Whether a module's weight and bias are its own, or were another's (or this one's in an earlier call)."""

    weight: bool
    bias: bool


class Call(NamedTuple):
    """A module that was called, with which tensors, and the shape of one sample's part of what it gave."""

    path: str
    part: Any
    inputs: tuple[Any, ...]
    output: Shape
    fresh: Fresh

    @property
    def shape(self) -> Shape:
        """Of one sample's part of the first input."""
        return self.shapes[0] if self.inputs else ()

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of one sample's part of each input."""
        turned = getattr(self.part, "batch_first", True) is False
        shapes = [tuple(each.shape) for each in self.inputs]
        return tuple((one[0], *one[2:]) if turned and len(one) == 3 else one[1:] for one in shapes)


Reader = Callable[[Call], list[Layer]]


def reader_of(part: Any) -> Reader | None:
    """What makes layers of a module; None if netsim does not know its kind."""
    return next((READERS[each.__name__] for each in type(part).__mro__ if each.__name__ in READERS), None)


def counted(call: Call, **counts: Any) -> list[Layer]:
    """A layer with what a module reads and writes, and these counts."""
    few = [each if 0 < len(each) <= 4 else (max(1, prod(each)),) for each in (call.shape, call.output)]
    return [Counted(input_shape=few[0], output_shape=few[1], **counts)]


def _convolution(kind: type[Convolution], call: Call) -> list[Layer]:
    part, padding = call.part, call.part.padding
    if padding == "same":
        padding = tuple(hole * (axis - 1) // 2 for hole, axis in zip(part.dilation, part.kernel_size, strict=True))
    fields = {
        "filters": part.out_channels,
        "kernel": tuple(part.kernel_size),
        "stride": tuple(part.stride),
        "padding": 0 if padding == "valid" else tuple(padding),
        "dilation": tuple(part.dilation),
        "groups": part.groups,
        "bias": part.bias is not None,
    }
    if kind is TransposedConvolution:
        fields["output_padding"] = tuple(part.output_padding)
    built = kind(input_shape=call.shape, **fields)
    if built.output_shape == call.output:
        return [built]
    macs = built.macs * prod(call.output) // prod(built.output_shape)  # padding may be uneven, or grow the map
    return counted(call, macs=macs, params=built.params, work=built.work if built.work != "winograd" else "convolution")


def _pooling(call: Call) -> list[Layer]:
    part = call.part
    fields = {name: _axes(getattr(part, name)) for name in ("kernel_size", "stride", "padding")}
    built = Pooling(
        input_shape=call.shape,
        kernel=fields["kernel_size"],
        stride=fields["stride"] or fields["kernel_size"],
        padding=fields["padding"],
        ceiling=part.ceil_mode,
    )
    if built.output_shape == call.output:
        return [built]
    return counted(call, elementwise=built.elementwise * prod(call.output) // prod(built.output_shape))


def _axes(value: Any) -> Any:
    return tuple(value) if isinstance(value, (tuple, list)) else value


def _global_pooling(call: Call) -> list[Layer]:
    sizes = set(call.output[1:])
    if len(sizes) == 1:
        return [GlobalPooling(input_shape=call.shape, size=sizes.pop())]
    return counted(call, elementwise=prod(call.shape))


def _recurrent(cell: type[Rnn], call: Call) -> list[Layer]:
    """One layer for each of the stack; PyTorch keeps two biases."""
    part, shape, layers = call.part, call.shape, list[Layer]()
    fields = {"units": part.hidden_size, "bidirectional": part.bidirectional}
    fields["biases"] = 2 if part.bias else 0
    if getattr(part, "proj_size", 0):
        fields["projection"] = part.proj_size
    for _ in range(part.num_layers):
        layers.append(cell(input_shape=shape, **fields))
        shape = layers[-1].output_shape
    return layers


def _normalisation(kind: type[Layer], call: Call, **fields: Any) -> list[Layer]:
    if call.part.weight is None:
        return [Activation(input_shape=_few(call.shape), flop=_FLOP_A_NORMALISED_ELEMENT)]
    return [kind(input_shape=_few(call.shape), **fields)]


def _last_axes(call: Call) -> list[Layer]:
    """Layer and RMS normalisation: over the last axis, or over more of them, which then count as one."""
    part, axes = call.part, len(call.part.normalized_shape)
    if part.weight is None:
        return _normalisation(LayerNormalisation, call)
    shape = (*call.shape[: len(call.shape) - axes], prod(part.normalized_shape))
    return [LayerNormalisation(input_shape=_few(shape), bias=getattr(part, "bias", None) is not None)]


def _few(shape: Shape) -> Shape:
    return shape if len(shape) <= 4 else (prod(shape[:-3]), *shape[-3:])


def _dense(call: Call) -> list[Layer]:
    part, fresh = call.part, call.fresh
    bias = part.bias is not None and fresh.bias
    return [Dense(input_shape=_few(call.shape), units=part.out_features, bias=bias, tied=not fresh.weight)]


def _embedding(call: Call) -> list[Layer]:
    part, tokens = call.part, max(1, prod(call.shape))
    if call.fresh.weight:
        return [Embedding(input_shape=(tokens,), vocabulary=part.num_embeddings, features=part.embedding_dim)]
    return counted(call)


def _bag(call: Call) -> list[Layer]:
    """All tokens of a sample; where offsets say whose they are, as many as there are in the mean."""
    part, tokens = call.part, max(1, prod(call.shape))
    if call.inputs[0].dim() == 1 and len(call.inputs) > 1:
        tokens = -(-call.inputs[0].numel() // max(1, call.inputs[1].numel()))
    return [EmbeddingBag(input_shape=(tokens,), vocabulary=part.num_embeddings, features=part.embedding_dim)]


def _attention(call: Call) -> list[Layer]:
    part = call.part
    if part.bias_k is not None or part.add_zero_attn:
        raise ScenarioError("no layer for attention to steps of its own (add_bias_kv, add_zero_attn)", path=call.path)
    fields: dict[str, Any] = {"heads": part.num_heads, "bias": part.in_proj_bias is not None, "fused": True}
    if len(call.inputs) > 1 and call.inputs[1] is not call.inputs[0]:
        fields["memory"] = call.shapes[1][0]
        fields["memory_features"] = call.shapes[1][1]
    return [MultiHeadAttention(input_shape=call.shape, **fields)]


def _each(kinds: tuple[str, ...], reader: Reader) -> dict[str, Reader]:
    return dict.fromkeys(kinds, reader)


def _dims(kind: str) -> tuple[str, ...]:
    return tuple(f"{kind}{axes}d" for axes in (1, 2, 3))


READERS: dict[str, Reader] = {
    **_each(_dims("Conv"), lambda call: _convolution(Convolution, call)),
    **_each(_dims("ConvTranspose"), lambda call: _convolution(TransposedConvolution, call)),
    "Linear": _dense,
    "Embedding": _embedding,
    "EmbeddingBag": _bag,
    **_each((*_dims("BatchNorm"), "SyncBatchNorm"), lambda call: _normalisation(BatchNormalisation, call)),
    "LayerNorm": _last_axes,
    "RMSNorm": _last_axes,
    "GroupNorm": lambda call: _normalisation(GroupNormalisation, call, groups=call.part.num_groups),
    **_each(
        _dims("InstanceNorm"), lambda call: _normalisation(GroupNormalisation, call, groups=call.part.num_features)
    ),
    "LocalResponseNorm": lambda call: [Activation(input_shape=call.shape, flop=_FLOP_A_NORMALISED_ELEMENT)],
    **_each((*_dims("MaxPool"), *_dims("AvgPool")), _pooling),
    **_each((*_dims("AdaptiveMaxPool"), *_dims("AdaptiveAvgPool")), _global_pooling),
    **_each(_DROPOUTS, lambda call: [Dropout(input_shape=_few(call.shape))]),
    "Flatten": lambda call: [Flatten(input_shape=_few(call.shape))],
    **_each(("Softmax", "LogSoftmax", "Softmax2d"), lambda call: [Softmax(input_shape=_few(call.shape))]),
    "RNN": lambda call: _recurrent(Rnn, call),
    "GRU": lambda call: _recurrent(Gru, call),
    "LSTM": lambda call: _recurrent(Lstm, call),
    "MultiheadAttention": _attention,
    "PReLU": lambda call: counted(call, params=call.part.num_parameters, elementwise=prod(call.shape)),
    **{
        kind: lambda call, flop=flop: [Activation(input_shape=_few(call.shape), flop=flop)]  # type: ignore[misc]
        for kind, flop in _ACTIVATIONS.items()
    },
    **_each((*_MOVED, *_PADS), lambda call: counted(call, elementwise=prod(call.output))),
    **_each(_NOTHING, lambda call: []),
}
