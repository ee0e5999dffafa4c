"""Families: what stands in a folder, by name; and objects built from scenario tables by their signatures.

A member is a public frozen dataclass, or a function, that is defined in a module of the family's package. Its name is
the snake_case of its own (`BinomialTree` -> `binomial_tree`); its fields or parameters are the keys of its table, with
their types, units and defaults. There is no list to edit: a member is there when its file is.
"""

from __future__ import annotations

import inspect
import marshal
import os
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property, lru_cache, reduce
from importlib import import_module
from operator import or_
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.units import Count, Number, Quantity, shown

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
    from pydantic_core import CoreSchema

Builder = Callable[..., Any]
_CHOICE = re.compile(r"constrained-\w+$|tuple\[")  # pydantic's names of what a value may be instead, within a path
# What steers, and is not shown: ends of lines, terminals' controls, the direction of writing, halves of letters.
_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NO_MEMBERS = {"base", "rounds"}
_REMEMBERED = 256  # tables, of each field
FILE_KEYS = ("file", "links")  # of tables, under which a text is the name of a file


@dataclass(frozen=True)
class Chosen:
    """A function that was chosen by name with its options; what it needs beside them it is called with."""

    function: Builder
    options: Mapping[str, Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments, **self.options)


@dataclass(frozen=True)
class Family:
    """The members of some packages: of two with the same name, the later package's is meant. `given` parameters are not
    keys of a member's table but what it is called with later: the hosts of a topology."""

    what: str  # one of them, for messages
    packages: tuple[str, ...]
    base: str  # "package.module:Class" that members derive from, or what functions return
    given: tuple[str, ...] = ()

    @cached_property
    def _members(self) -> dict[str, Builder]:
        module, _, name = self.base.partition(":")
        base = getattr(import_module(module), name)
        return {snake_case(m.__name__): m for package in self.packages for m in _defined_in(package, base)}

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._members)

    def member(self, name: str, path: str = "") -> Builder:
        """The class or function of that name; ScenarioError if there is none."""
        if not isinstance(name, str) or name not in self._members:
            close = did_you_mean(name, self._members) if isinstance(name, str) else ""
            raise ScenarioError(f"no {self.what} {shown(name)}.{close}", path=path)
        return self._members[name]

    def build(self, value: Any, path: str = "") -> Any:
        """The member that a name, or a table with its name as `kind`, stands for; ScenarioError with all problems."""
        try:
            return self._read(value)
        except ScenarioError as error:
            raise ScenarioError([Problem(_join(path, p.path), p.message) for p in error.problems]) from None

    def _read(self, value: Any) -> Any:
        if isinstance(value, str):
            self.member(value)
            value = {"kind": value}
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{shown(value)} is not a {self.what}; give a name or a table with a kind")
        if "kind" not in value:
            raise ScenarioError(f"is missing; give the name of a {self.what}", path="kind")
        member = self.member(value["kind"], "kind")
        options = {key: each for key, each in value.items() if key != "kind"}
        if self.given:
            return Chosen(member, build(member, options, left_out=self.given, finish=dict))
        return build(member, options)


FAMILIES: dict[str, Family] = {
    "collectives": Family("collective", ("netsim.collectives",), "netsim.collectives.rounds:Collective"),
    "strategies": Family("strategy", ("netsim.collectives", "netsim.training"), "netsim.collectives.rounds:Collective"),
    "buckets": Family("rule of buckets", ("netsim.training",), "netsim.training.buckets:Rule"),
    "topologies": Family("topology", ("netsim.topologies",), "netsim.topologies.base:Topology", given=("hosts",)),
    "layers": Family("layer", ("netsim.layers",), "netsim.layers.base:Layer"),
    "models": Family("model", ("netsim.models",), "netsim.models.base:Model"),
}


def snake_case(name: str) -> str:
    """`BinomialTree` -> `binomial_tree`, `Torus2D` -> `torus_2d`.

    >>> [snake_case(name) for name in ("Ring", "BinomialTree", "Torus2D", "resnet50")]
    ['ring', 'binomial_tree', 'torus_2d', 'resnet50']
    """
    if name.islower():
        return name
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()


def kind_of(member: Any) -> str:
    """The name under which an object of a family was chosen."""
    if isinstance(member, Chosen):
        return snake_case(member.function.__name__)
    return snake_case(member.__name__ if inspect.isfunction(member) else type(member).__name__)


@lru_cache(maxsize=1024)
def hints_of(member: Builder) -> dict[str, Any]:
    """The annotations of a class or function, resolved, with their marks."""
    return get_type_hints(member, include_extras=True)


def parameters(member: Builder, left_out: tuple[str, ...] = ()) -> dict[str, inspect.Parameter]:
    """The keys of a member's table: its parameters, with annotations resolved, but for those `left_out`."""
    hints = hints_of(member)
    if is_dataclass(member):
        hints = {field.name: hints[field.name] for field in fields(member)}
    signature = inspect.signature(member).parameters.values()
    return {
        each.name: each.replace(annotation=hints.get(each.name, Any)) for each in signature if each.name not in left_out
    }


def build(
    member: Builder, table: Any, *, left_out: tuple[str, ...] = (), finish: Callable[..., Any] | None = None
) -> Any:
    """What a class or function makes of a table with its parameters as keys; `finish` takes them in its place.

    Raises ScenarioError with everything that is wrong, each with the path within the table.
    """
    from pydantic import ValidationError

    if not isinstance(table, Mapping):
        keys = ", ".join(parameters(member, left_out))
        raise ScenarioError(f"{shown(table)} is not a table; its keys would be {keys}")
    try:
        form = _form(member, left_out).model_validate(dict(table))
    except ValidationError as error:
        raise ScenarioError(list(_problems(error, parameters(member, left_out)))) from None
    try:
        return (finish or member)(**{name: getattr(form, name) for name in type(form).model_fields})
    except ValueError as error:
        raise ScenarioError(str(error)) from None


def json_schema(member: Builder, *, left_out: tuple[str, ...] = (), kind: str | None = None) -> dict[str, Any]:
    """JSON Schema of a table that `build` takes; with `kind`, of one that also has that kind."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Default value", category=UserWarning)  # of members, left out
        schema = dict(_form(member, left_out).model_json_schema())
    schema["description"] = inspect.getdoc(member) or ""
    if kind is not None:
        schema["properties"] = {"kind": {"const": kind}, **schema.get("properties", {})}
        schema["required"] = ["kind", *schema.get("required", [])]
    return schema


@dataclass(frozen=True)
class Reads:
    """Marks a field that is read from a table by a function of our own, which raises ScenarioError.

    What it reads is frozen, so that equal tables share it: the points of a sweep mostly differ in one table. `of_file`:
    a text is the name of a file. Files are read again once they have changed.
    """

    read: Callable[[Any], Any]
    schema: Callable[[], dict[str, Any]]
    of_file: bool = False

    @cached_property
    def _remembered(self) -> Callable[[bytes], Any]:
        return lru_cache(maxsize=_REMEMBERED)(lambda spelled: self.read(marshal.loads(spelled)[0]))

    def __call__(self, value: Any) -> Any:
        """What the value stands for, read or remembered."""
        spelled = _spelled(value, [value] if self.of_file and isinstance(value, str) else list(files_in(value)))
        return self.read(value) if spelled is None else self._remembered(spelled)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(lambda value: _raising_line_errors(self, value))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.schema()


def files_in(value: Any) -> Iterator[str]:
    """The files that a table names, at any depth."""
    if isinstance(value, Mapping):
        yield from (value[key] for key in FILE_KEYS if isinstance(value.get(key), str))
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for each in value:
        yield from files_in(each)


def _spelled(value: Any, named: list[str]) -> bytes | None:
    """A plain value, and which versions of files it names, as bytes that tell 1, 1.0 and true apart; None for other
    objects and files that are not there."""
    try:
        found = [os.stat(file) for file in named]
        return marshal.dumps((value, [(at.st_ino, at.st_mtime_ns, at.st_size) for at in found]), 2)
    except (ValueError, OSError):  # version 2, since later ones spell equal values differently
        return None


def one_of(family: str) -> Reads:
    """Marks a field that holds a member of a family: its name, or a table with `kind` and the member's fields."""
    return Reads(lambda value: FAMILIES[family].build(value), lambda: _any_of(FAMILIES[family]))


def _any_of(family: Family) -> dict[str, Any]:
    tables = [json_schema(family.member(name), left_out=family.given, kind=name) for name in family.names()]
    return {"anyOf": [{"enum": family.names()}, *tables]}


def _raising_line_errors(read: Callable[[Any], Any], value: Any) -> Any:
    """pydantic puts the line errors of an inner ValidationError behind the path of the outer field."""
    from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

    try:
        return read(value)
    except ScenarioError as error:
        lines = [
            InitErrorDetails(
                type=PydanticCustomError("netsim", "{reason}", {"reason": problem.message}),
                loc=(problem.path,) if problem.path else (),
                input=value,
            )
            for problem in error.problems
        ]
        raise ValidationError.from_exception_data("netsim", lines) from None


@cache
def _form(member: Builder, left_out: tuple[str, ...]) -> type[BaseModel]:
    """A pydantic model with the member's parameters as fields: strict, and no others allowed."""
    from pydantic import ConfigDict, create_model

    settings = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, protected_namespaces=())
    definitions: Any = {
        name: (_readable(each.annotation), ... if each.default is each.empty else each.default)
        for name, each in parameters(member, left_out).items()
    }
    form: type[BaseModel] = create_model(member.__name__, __config__=settings, **definitions)
    return form


def _readable(hint: Any) -> Any:
    """A type as pydantic is to see it: dataclasses are built by `build`, and None is what a file leaves out."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        ours = [mark for mark in marks if isinstance(mark, (Quantity, Number, Count, Reads))]
        return Annotated[(Any, ours[-1])] if ours else Annotated[(_readable(inner), *marks)]
    if get_origin(hint) in (Union, UnionType):
        return reduce(or_, (_readable(each) for each in get_args(hint) if each is not NoneType))
    if get_origin(hint) is tuple:
        from pydantic import Strict

        parts = tuple(each if each is Ellipsis else _readable(each) for each in get_args(hint))
        listed: Any = tuple.__class_getitem__(parts)
        return Annotated[listed, Strict(False)]  # a list of a file is as good
    if hint is str:
        from pydantic import AfterValidator

        return Annotated[str, AfterValidator(_text)]
    if is_dataclass(hint):
        member: Any = hint
        return Annotated[Any, Reads(lambda value: build(member, value), lambda: json_schema(member))]
    return hint


def _text(said: str) -> str:
    """Text of a file, which goes to terminals, pages and pictures as it is."""
    from pydantic_core import PydanticCustomError

    if steering := _STEERING.search(said):
        reason = f"{shown(said)} has the control character {steering.group()!a}; it must be of printable ones"
        raise PydanticCustomError("netsim", "{reason}", {"reason": reason})
    return said


def _problems(error: ValidationError, known: Mapping[str, Any]) -> Iterator[Problem]:
    told = set[str]()
    for line in error.errors(include_url=False):
        path, choice = "", False
        for step in line["loc"]:
            if isinstance(step, str) and _CHOICE.match(step):
                choice = True
            else:
                path = f"{path}[{step}]" if isinstance(step, int) else _join(path, step or '""')
        if not (choice and path in told):  # of what may be one thing or another, what keeps it from being the first
            yield Problem(path, _message(line, known))
        told.add(path)


def _message(line: Any, known: Mapping[str, Any]) -> str:
    """Our words for what pydantic says."""
    value, context = shown(line["input"]), line.get("ctx", {})
    match line["type"]:
        case "extra_forbidden":
            return f"no such key.{did_you_mean(str(line['loc'][-1]), known)}"
        case "missing":
            return "is missing"
        case "literal_error":
            return f"{value} will not do; it must be {context['expected']}"
        case "bool_type":
            return f"{value} is neither true nor false"
        case "int_type" | "int_from_float":
            return f"{value} is not a whole number"
        case "float_type":
            return f"{value} is not a number"
        case "finite_number":
            return f"{value} is not finite"
        case "string_type":
            return f"{value} is not text"
        case "tuple_type" | "list_type":
            return f"{value} is not a list"
        case "dict_type" | "mapping_type":
            return f"{value} is not a table"
        case "greater_than" | "greater_than_equal":
            bound = f"more than {context['gt']:g}" if "gt" in context else f"at least {context['ge']:g}"
            return f"{value} is too small; it must be {bound}"
        case "less_than" | "less_than_equal":
            bound = f"less than {context['lt']:g}" if "lt" in context else f"at most {context['le']:.12g}"
            return f"{value} is too large; it must be {bound}"
        case "too_short" | "too_long":
            return f"{value} does not have the right number of entries"
        case _:
            message = str(line["msg"])
            return message if line["type"] == "netsim" else f"{value} will not do: {message}"


def _join(path: str, more: str) -> str:
    return f"{path}.{more}" if path and more and not more.startswith("[") else path + more


def _defined_in(package: str, base: type) -> Iterator[Builder]:
    found = import_module(package)
    for module_info in pkgutil.iter_modules(found.__path__):
        if module_info.name.startswith("_") or module_info.name in _NO_MEMBERS:
            continue
        module = import_module(f"{package}.{module_info.name}")
        for name, member in vars(module).items():
            mine = not name.startswith("_") and getattr(member, "__module__", None) == module.__name__
            if mine and (_derives(member, base) or _returns(member, base)):
                yield member


def _derives(member: Any, base: type) -> bool:
    return inspect.isclass(member) and issubclass(member, base) and not inspect.isabstract(member)


def _returns(member: Any, base: type) -> bool:
    return inspect.isfunction(member) and get_type_hints(member).get("return") is base
