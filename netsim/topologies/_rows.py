"""Rows that are worked out when somebody asks for them: a network of a million hosts makes no million objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt

T = TypeVar("T")


class Rows(Sequence[T], Generic[T]):
    """A sequence of so many entries, each by its number; equal to any other with the same ones."""

    def __init__(self, size: int, entry: Callable[[int], T]) -> None:
        self._size, self._entry = size, entry

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        numbers = range(self._size)[place]  # which refuses those that there are not
        return self._entry(numbers) if isinstance(numbers, int) else tuple(map(self._entry, numbers))

    def __iter__(self) -> Iterator[T]:
        return map(self._entry, range(self._size))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class Numbers(Rows[float]):
    """Those of an array, as plain numbers; NumPy takes the array itself."""

    def __init__(self, values: npt.NDArray[np.float64]) -> None:
        super().__init__(len(values), values.item)
        self._values = values

    def __iter__(self) -> Iterator[float]:
        return iter(self._values.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self._values, dtype=dtype) if copy else np.asarray(self._values, dtype=dtype)
