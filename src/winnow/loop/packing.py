"""What optimizers and schedulers keep, as JSON and tensors, so that it can be stored without pickle.

JSON has no tensors, tuples or numbers as keys. Each is written as an object with a single key that begins with `$`:

    {"$tensor": 3}            the tensor stored under the name "3"
    {"$array": 3}             the same, for a NumPy array
    {"$tuple": [...]}
    {"$dict": [[k, v], ...]}  a dict whose keys are not all strings, or one whose keys begin with `$`
    {"$counter": [[k, n], ...]}
    {"$float": "nan"}         a float that JSON has no number for
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from winnow.errors import RewindError


def packed(value: Any, place: str) -> tuple[Any, dict[str, Tensor]]:
    """Nested dicts, lists, tuples, numbers, strings, None, tensors and arrays -> JSON, and the tensors by name.

    `place` is what the value is called in the error. Raises RewindError, naming the entry, for anything else.

    >>> packed({0: (1, torch.zeros(2))}, "state")
    ({'$dict': [[0, {'$tuple': [1, {'$tensor': 0}]}]]}, {'0': tensor([0., 0.])})
    """
    tensors: dict[str, Tensor] = {}
    return _packed(value, place, tensors), tensors


def unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What was packed. Raises KeyError, ValueError or TypeError for what cannot have been."""
    if isinstance(value, list):
        return [unpacked(item, tensors) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    entries = cast("dict[str, Any]", value)
    if len(entries) == 1 and (tag := next(iter(entries))).startswith("$"):
        return _TAGS[tag](entries[tag], tensors)
    return {name: unpacked(item, tensors) for name, item in entries.items()}


def _packed(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, np.bool | np.integer | np.floating):
        return _packed(value.item(), place, tensors)
    if isinstance(value, Tensor | np.ndarray):
        return _stored(cast("Tensor | np.ndarray[Any, Any]", value), place, tensors)
    if isinstance(value, list | tuple):
        items = [_packed(item, f"{place}[{at}]", tensors) for at, item in enumerate(cast("list[Any]", value))]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, Mapping):
        return _mapping(cast("Mapping[Any, Any]", value), place, tensors)
    raise RewindError(
        f"{place} is of type {type(value).__module__}.{type(value).__qualname__}, which cannot be stored without "
        f"pickle.\nStored are numbers, strings, None, tensors, NumPy arrays, and lists, tuples and dicts of them."
    )


def _stored(value: Tensor | np.ndarray[Any, Any], place: str, tensors: dict[str, Tensor]) -> Any:
    name = len(tensors)
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_complex():
            raise RewindError(
                f"{place} is a {value.layout} tensor of {value.dtype}; stored are dense ones of real numbers."
            )
        tensors[str(name)] = value.detach().cpu().contiguous().clone()
        return {"$tensor": name}
    if value.dtype.kind not in "biuf":
        raise RewindError(f"{place} is an array of {value.dtype}; stored are arrays of numbers.")
    tensors[str(name)] = torch.from_numpy(np.ascontiguousarray(value).copy())
    return {"$array": name}


def _mapping(value: Mapping[Any, Any], place: str, tensors: dict[str, Tensor]) -> Any:
    items = {key: _packed(item, f"{place}[{key!r}]", tensors) for key, item in value.items()}
    if type(value) is Counter:
        return {"$counter": [[_packed(key, place, tensors), count] for key, count in items.items()]}
    if all(isinstance(key, str) and not key.startswith("$") for key in items):
        return items
    return {"$dict": [[_packed(key, f"a key of {place}", tensors), item] for key, item in items.items()]}


def _pairs(value: Any, tensors: Mapping[str, Tensor]) -> dict[Any, Any]:
    return {unpacked(key, tensors): unpacked(item, tensors) for key, item in value}


_TAGS: dict[str, Callable[[Any, Mapping[str, Tensor]], Any]] = {
    "$tensor": lambda value, tensors: tensors[str(value)].clone(),
    "$array": lambda value, tensors: tensors[str(value)].numpy().copy(),
    "$tuple": lambda value, tensors: tuple(unpacked(value, tensors)),
    "$dict": _pairs,
    "$counter": lambda value, tensors: Counter(_pairs(value, tensors)),
    "$float": lambda value, tensors: float(value),
}
