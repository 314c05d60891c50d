"""A network's name -> the network.

A name is a family and its sizes, `lenet-300-100`. A family is one function from the shape of an example, the
number of classes and the sizes to an `nn.Module`; `register` adds one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import nn

from winnow.errors import RecipeError, UnknownName

Shape = tuple[int, int, int]
"""(channels, height, width) of one example."""


Builder = Callable[..., nn.Module]
"""What a family is: the shape of an example, the number of classes and some sizes -> a network. How many sizes there
may be is told from its signature."""

_FAMILIES: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Add a family of networks under a name; the decorated function stays as it is."""

    def add(builder: Builder) -> Builder:
        _FAMILIES[name] = builder
        return builder

    return add


def families() -> dict[str, Builder]:
    """The families by name."""
    return dict(_FAMILIES)


def build(name: str, shape: Shape, classes: int) -> nn.Module:
    """The network of that name, without values: its tensors lie on the meta device until it is initialized.

    Raises UnknownName for a family that does not exist, RecipeError for sizes it does not take.

    >>> sum(parameter.numel() for parameter in build("lenet-300-100", (1, 28, 28), 10).parameters())
    266610
    """
    family, sizes = _parsed(name)
    builder = _FAMILIES[family]
    try:
        inspect.signature(builder).bind(shape, classes, *sizes)
    except TypeError:
        raise RecipeError(f"network '{name}': {_usage(family)}") from None
    with torch.device("meta"):
        return builder(shape, classes, *sizes)


def _parsed(name: str) -> tuple[str, list[int]]:
    """`lenet-300-100` -> ("lenet", [300, 100]); a family's own name may hold hyphens."""
    words = name.split("-")
    for length in range(len(words), 0, -1):
        family, sizes = "-".join(words[:length]), words[length:]
        if family not in _FAMILIES:
            continue
        if not all(size.isdecimal() and int(size) > 0 for size in sizes):
            raise RecipeError(f"network '{name}': after '{family}' come whole numbers. {_usage(family)}")
        return family, [int(size) for size in sizes]
    raise UnknownName("network", words[0], _FAMILIES)


def _usage(family: str) -> str:
    explanation = inspect.getdoc(_FAMILIES[family]) or ""
    return f"'{family}' is {explanation.partition('.')[0]}."
