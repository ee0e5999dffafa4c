"""A model of the user's own, from a PyTorch module: it is run once, and every module that is called becomes a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, Literal

from netsim.errors import Problem, ScenarioError
from netsim.layers.base import Layer
from netsim.models._tables import imported
from netsim.models._torch_layers import Call, Fresh, counted, reader_of
from netsim.models.base import Model

_TOLERANCE = 0.01  # share that may be outside of modules


def from_torch(
    module: Any, example_input: Any, *, name: str = "torch", unknown: Literal["error", "count", "skip"] = "error"
) -> Model:
    """The layers of a `torch.nn.Module`, as one run on `example_input` meets them: a tensor with its batch axis first,
    a tuple of arguments or a dictionary of keywords.

    What a forward does outside of modules that netsim knows (`torch.matmul`, parameters of its own) is counted as
    PyTorch's own counters do. A module without children that netsim does not know is refused by its name, or, with
    `unknown`, counted likewise ("count") or as nothing ("skip"), and named in the model's `skipped`. A weight that was
    met before is tied. `options` of the model is what a scenario takes as `job.model`.
    """
    torch = _torch()
    run = _runner(torch, module, example_input)
    macs = _macs_by_module(module, run, _batch(example_input))
    in_all = math.fsum(macs.values())
    calls = _calls(module, run)
    strangers = {call.path: type(call.part).__name__ for call in calls if _is_strange(call.part)}
    if strangers and unknown == "error":
        problems = [Problem(path, f"no layer for a {kind}") for path, kind in strangers.items()]
        told = '"count" would take what PyTorch counts of these, "skip" nothing'
        raise ScenarioError([*problems, Problem("unknown", told)])
    layers: list[Layer] = []
    skipped = []
    seen: set[int] = set()
    for call in calls:
        read = reader_of(call.part)
        if read is not None:
            layers += _named(read(call._replace(fresh=_first_met(call.part, seen))), call.path, layers)
        elif _is_strange(call.part) and unknown == "skip":
            skipped.append(f"{call.path} ({type(call.part).__name__})")
        else:
            layers += _named(_rest(call, macs, seen), call.path, layers)
    model = imported(name, layers, list(dict.fromkeys(skipped)))
    if not skipped:
        _check(module, model, in_all)
    return model


def _torch() -> Any:
    try:
        return import_module("torch")
    except ModuleNotFoundError:
        needs = "a PyTorch module needs PyTorch, which is not installed: pip install 'netsim-training[torch]'"
        raise ScenarioError(needs) from None


def _runner(torch: Any, module: Any, example: Any) -> Callable[[], None]:
    """Runs the module once. With gradients, without which some take a way round their modules."""

    def run() -> None:
        with torch.enable_grad():
            if isinstance(example, Mapping):
                module(**example)
            else:
                module(*example) if isinstance(example, (tuple, list)) else module(example)

    return run


def _batch(example: Any) -> int:
    if isinstance(example, Mapping):
        example = list(example.values())
    return int((example[0] if isinstance(example, (tuple, list)) else example).shape[0])


def _macs_by_module(module: Any, run: Callable[[], None], batch: int) -> dict[str, float]:
    """Path -> multiply-accumulates a sample that a module does itself, not those within it, as PyTorch counts them."""
    attention = import_module("torch.nn.attention")
    counter = import_module("torch.utils.flop_counter").FlopCounterMode(display=False)
    with attention.sdpa_kernel(attention.SDPBackend.MATH), counter:  # as products: what is fused is not counted on CPUs
        run()
    counts = {key: sum(ops.values()) / 2 / batch for key, ops in counter.get_flop_counts().items()}
    root = type(module).__name__
    totals = {path: counts.get(f"{root}.{path}" if path else root, 0.0) for path, _ in module.named_modules()}
    own = dict(totals)
    for path in totals:
        outer = path
        while outer and not totals[outer := outer.rpartition(".")[0]]:
            pass  # a list of modules, which is never called itself
        if path:
            own[outer] -= totals[path]
    return {path or root.lower(): macs for path, macs in own.items()}


def _calls(module: Any, run: Callable[[], None]) -> list[Call]:
    """Every call, in the order in which they end, of modules that netsim knows as a whole, that are leaves, or that
    hold others."""
    calls: list[Call] = []
    hooks = []
    whole: set[str] = set()
    for path, part in module.named_modules():
        if any(path.startswith(f"{outer}.") for outer in whole):
            continue
        if reader_of(part) is not None:
            whole.add(path)
        hooks.append(part.register_forward_hook(_recorder(calls, path), with_kwargs=True))
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _recorder(calls: list[Call], path: str) -> Callable[..., None]:
    def record(part: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any], output: Any) -> None:
        inputs = [each for each in (*arguments, *keywords.values()) if hasattr(each, "shape")]
        first = output[0] if isinstance(output, (tuple, list)) else output
        shape = tuple(first.shape[1:]) if hasattr(first, "shape") else ()
        calls.append(Call(path or type(part).__name__.lower(), part, tuple(inputs), shape, Fresh(True, True)))

    return record


def _is_strange(part: Any) -> bool:
    """Whether a module is a leaf that netsim does not know."""
    return reader_of(part) is None and not list(part.children())


def _first_met(part: Any, seen: set[int]) -> Fresh:
    """Which of this module's numbers no module had before."""
    weight, bias = getattr(part, "weight", None), getattr(part, "bias", None)
    fresh = Fresh(id(weight) not in seen, id(bias) not in seen)
    seen.update(id(each) for each in (weight, bias) if each is not None)
    return fresh


def _rest(call: Call, macs: dict[str, float], seen: set[int]) -> list[Layer]:
    """What a module has and does beside its children: parameters of its own, matrix products."""
    own = [each for each in call.part.parameters(recurse=False) if id(each) not in seen]
    seen.update(map(id, own))
    params, products = sum(each.numel() for each in own), round(macs.pop(call.path, 0.0))
    if not params and not products:
        return []
    work: Any = "dense" if params else "attention"
    both = {} if params else {"input_gradients": 2}
    return counted(call, params=params, macs=products, work=work, **both)


def _check(module: Any, model: Model, in_all: float) -> None:
    """Holds the layers against PyTorch's own counts of parameters and multiply-accumulates a sample."""
    problems = []
    if in_all > model.macs * (1 + _TOLERANCE):
        missing = in_all - model.macs
        problems.append(Problem("", f"{missing:,.0f} of {in_all:,.0f} MACs a sample are not in any layer"))
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
