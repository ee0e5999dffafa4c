"""A model of the user's own, from a PyTorch module: it is run once, and every module that is called becomes a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from math import prod
from typing import Any, NamedTuple

from netsim.errors import Problem, ScenarioError
from netsim.layers.attention import MultiHeadAttention
from netsim.layers.base import Layer
from netsim.layers.convolution import Convolution, TransposedConvolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Dropout
from netsim.layers.embedding import Embedding, EmbeddingBag
from netsim.layers.normalisation import BatchNormalisation, GroupNormalisation, LayerNormalisation
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.layers.recurrent import Gru, Lstm, Rnn
from netsim.layers.reshaping import Flatten
from netsim.layers.softmax import Softmax
from netsim.models._blocks import GELU, RELU, SWISH, TANH
from netsim.models._tables import imported
from netsim.models.base import Model

_TOLERANCE = 0.01  # share that may be outside of modules
_ACTIVATIONS = {
    "ReLU": RELU, "ReLU6": RELU, "LeakyReLU": RELU, "PReLU": RELU, "Hardtanh": RELU, "ELU": TANH, "GELU": GELU,
    "SiLU": SWISH, "Sigmoid": TANH, "Tanh": TANH, "Hardswish": SWISH, "Hardsigmoid": RELU, "Mish": SWISH,
}  # fmt: skip
_DROPOUTS = {"Dropout", "Dropout1d", "Dropout2d", "DropPath", "StochasticDepth"}
_NOTHING = {"Identity", "Permute", "Unflatten"}

Shape = tuple[int, ...]


class Fresh(NamedTuple):
    """Whether a module's weight and bias are its own, or were another's (or this one's in an earlier call)."""

    weight: bool
    bias: bool


Reader = Callable[[Any, Shape, Fresh], list[Layer]]  # module, its input's shape


def from_torch(module: Any, example_input: Any, *, name: str = "torch", outside: bool = False) -> Model:
    """The layers of a `torch.nn.Module`, as one run on `example_input` (with its batch axis first) meets them.

    Refused: a kind of module that netsim does not know, by name; and more than 1 % of the multiply-accumulates or the
    parameters outside of modules (`torch.matmul` in a forward), as PyTorch's own counters find them. With `outside` all
    that counts as nothing. A weight that was met before is tied. `options` of the model is what a scenario takes as
    `job.model`.
    """
    torch = _torch()
    calls = _calls(torch, module, example_input)
    unknown = {path: type(found).__name__ for path, found, _ in calls if _reader(found) is None}
    if unknown and not outside:
        raise ScenarioError([Problem(path, f"no layer for a {kind}") for path, kind in unknown.items()])
    layers: list[Layer] = []
    seen: set[int] = set()
    for path, found, tensor in calls:
        read = _reader(found)
        if read is not None:
            layers += _named(read(found, tuple(tensor.shape[1:]), _first_met(found, seen)), path, layers)
    model = imported(name, layers)
    if not outside:
        _check(torch, model, module, example_input)
    return model


def _torch() -> Any:
    try:
        return import_module("torch")
    except ModuleNotFoundError:
        raise ScenarioError("a PyTorch module needs PyTorch, which is not installed") from None


def _calls(torch: Any, module: Any, example: Any) -> list[tuple[str, Any, Any]]:
    """Path, module and input of every call, in order, of modules that are leaves or that netsim knows as a whole."""
    calls: list[tuple[str, Any, Any]] = []
    hooks = []
    whole: set[str] = set()
    for path, part in module.named_modules():
        inside_known = any(path.startswith(f"{outer}.") for outer in whole)
        if inside_known or (list(part.children()) and _reader(part) is None):
            continue
        whole.add(path)
        record = _recorder(calls, path or type(part).__name__.lower())
        hooks.append(part.register_forward_pre_hook(record, with_kwargs=True))
    try:
        with torch.enable_grad():  # without it, transformers take a way round their modules
            module(example)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _recorder(calls: list[tuple[str, Any, Any]], path: str) -> Callable[..., None]:
    def record(part: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        tensor = arguments[0] if arguments else next(iter(keywords.values()))
        if getattr(part, "batch_first", True) is False and tensor.dim() == 3:
            tensor = tensor.transpose(0, 1)
        calls.append((path, part, tensor))

    return record


def _check(torch: Any, model: Model, module: Any, example: Any) -> None:
    """Holds the layers against PyTorch's own counters of parameters and multiply-accumulates."""
    counter = import_module("torch.utils.flop_counter").FlopCounterMode(display=False)
    with torch.enable_grad(), counter:
        module(example)
    counted = counter.get_total_flops() / 2 / example.shape[0]
    problems = []
    if counted > model.macs * (1 + _TOLERANCE):
        missing = counted - model.macs
        problems.append(Problem("", f"{missing:,.0f} of {counted:,.0f} MACs a sample are done outside of modules"))
    trained = sum(parameter.numel() for parameter in module.parameters())
    if abs(trained - model.params) > trained * _TOLERANCE:
        problems.append(Problem("", f"the module has {trained:,} parameters, its known layers {model.params:,}"))
    if problems:
        raise ScenarioError(problems)


def _named(layers: list[Layer], path: str, before: list[Layer]) -> list[Layer]:
    """The layers of a call under the name of its module; a module that is called again gets a number."""
    taken = {layer.name for layer in before}
    named = []
    for number, layer in enumerate(layers, 1):
        name = path if len(layers) == 1 else f"{path}.{number}"
        call = 2
        while name in taken:
            name, call = f"{path}.call{call}.{number}", call + 1
        named.append(replace(layer, name=name))
    return named


def _first_met(part: Any, seen: set[int]) -> Fresh:
    """Which of this module's numbers no module had before."""
    weight, bias = getattr(part, "weight", None), getattr(part, "bias", None)
    fresh = Fresh(id(weight) not in seen, id(bias) not in seen)
    seen.update(id(each) for each in (weight, bias) if each is not None)
    return fresh


def _reader(part: Any) -> Reader | None:
    return next((_READERS[each.__name__] for each in type(part).__mro__ if each.__name__ in _READERS), None)


def _convolution(kind: type[Convolution], part: Any, shape: Shape) -> list[Layer]:
    padding = part.padding
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
    return [kind(input_shape=shape, **fields)]


def _pooling(part: Any, shape: Shape, fresh: Fresh) -> list[Layer]:
    stride = part.stride or part.kernel_size
    return [
        Pooling(
            input_shape=shape,
            kernel=_axes(part.kernel_size),
            stride=_axes(stride),
            padding=_axes(part.padding),
            ceiling=part.ceil_mode,
        )
    ]


def _axes(value: Any) -> int | tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else value


def _global_pooling(part: Any, shape: Shape, fresh: Fresh) -> list[Layer]:
    size = part.output_size if isinstance(part.output_size, int) else max(part.output_size)
    return [GlobalPooling(input_shape=shape, size=size)]


def _recurrent(cell: type[Rnn], part: Any, shape: Shape) -> list[Layer]:
    """One layer for each of the stack; PyTorch keeps two biases."""
    layers: list[Layer] = []
    fields = {"units": part.hidden_size, "bidirectional": part.bidirectional, "biases": 2}
    if getattr(part, "proj_size", 0):
        fields["projection"] = part.proj_size
    for _ in range(part.num_layers):
        layers.append(cell(input_shape=shape, **fields))
        shape = layers[-1].output_shape
    return layers


def _normalisation(kind: type[Layer], part: Any, shape: Shape, **fields: Any) -> list[Layer]:
    return [kind(input_shape=shape, **fields)] if part.weight is not None else []


def _activation(flop: int) -> Reader:
    return lambda part, shape, fresh: [Activation(input_shape=shape, flop=flop)]


_READERS: dict[str, Reader] = {
    **{f"Conv{axes}d": lambda part, shape, fresh: _convolution(Convolution, part, shape) for axes in (1, 2, 3)},
    **{
        f"ConvTranspose{axes}d": lambda part, shape, fresh: _convolution(TransposedConvolution, part, shape)
        for axes in (1, 2, 3)
    },
    "Linear": lambda part, shape, fresh: [
        Dense(
            input_shape=shape,
            units=part.out_features,
            bias=part.bias is not None and fresh.bias,
            tied=not fresh.weight,
        )
    ],
    "Embedding": lambda part, shape, fresh: [
        Embedding(input_shape=(prod(shape),), vocabulary=part.num_embeddings, features=part.embedding_dim)
    ],
    "EmbeddingBag": lambda part, shape, fresh: [
        EmbeddingBag(input_shape=(prod(shape),), vocabulary=part.num_embeddings, features=part.embedding_dim)
    ],
    **{
        f"BatchNorm{axes}d": lambda part, shape, fresh: _normalisation(BatchNormalisation, part, shape)
        for axes in (1, 2, 3)
    },
    "LayerNorm": lambda part, shape, fresh: _normalisation(LayerNormalisation, part, shape, bias=part.bias is not None),
    "GroupNorm": lambda part, shape, fresh: _normalisation(GroupNormalisation, part, shape, groups=part.num_groups),
    **{f"{kind}Pool{axes}d": _pooling for kind in ("Max", "Avg") for axes in (1, 2, 3)},
    **{f"Adaptive{kind}Pool{axes}d": _global_pooling for kind in ("Max", "Avg") for axes in (1, 2, 3)},
    **{kind: lambda part, shape, fresh: [Dropout(input_shape=shape)] for kind in _DROPOUTS},
    "Flatten": lambda part, shape, fresh: [Flatten(input_shape=shape)],
    "Softmax": lambda part, shape, fresh: [Softmax(input_shape=shape)],
    "RNN": lambda part, shape, fresh: _recurrent(Rnn, part, shape),
    "GRU": lambda part, shape, fresh: _recurrent(Gru, part, shape),
    "LSTM": lambda part, shape, fresh: _recurrent(Lstm, part, shape),
    "MultiheadAttention": lambda part, shape, fresh: [
        MultiHeadAttention(input_shape=shape, heads=part.num_heads, bias=part.in_proj_bias is not None, fused=True)
    ],
    **{kind: _activation(flop) for kind, flop in _ACTIVATIONS.items()},
    **{kind: lambda part, shape, fresh: [] for kind in _NOTHING},
}
