"""A network's name -> the network.

A name is a family and its sizes, `lenet-300-100`. A family is one function from the shape of an example, the
number of classes and the sizes to an `nn.Module`; `register` adds one. A name with a colon is of a network from
elsewhere (`winnow.models.foreign`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from winnow.errors import RecipeError, UnknownName
from winnow.models.drawing import check_takes_values, own_values, with_values, without_values
from winnow.models.foreign import as_written, constructor

Shape = tuple[int, ...]
"""The shape of one example: (channels, height, width) of an image."""


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

    It lies on the CPU where it could not be built so, or holds tensors that are not initialized.
    Raises UnknownName for a family that does not exist, RecipeError for sizes it does not take or shapes it is not for.

    >>> sum(parameter.numel() for parameter in build("lenet-300-100", (1, 28, 28), 10).parameters())
    266610
    """
    return without_values(_construct(name, shape, classes))


def plain(name: str, shape: Shape, classes: int) -> nn.Module:
    """The network of that name on the CPU, with some values, and with nothing of Winnow's in it."""
    return as_written(with_values(_construct(name, shape, classes)))


def draw_own(name: str, shape: Shape, classes: int, seed: int) -> dict[str, Tensor]:
    """The values that a network gives itself when it is built, under a seed; by their names in its state dict.

    >>> values = draw_own("lenet-300-100", (1, 28, 28), 10, seed=0)  # PyTorch's own: uniform within 1 / sqrt(fan_in)
    >>> bool(values["fc1.bias"].abs().max() <= 1 / 28)
    True
    """
    return own_values(_construct(name, shape, classes), seed)


def _construct(name: str, shape: Shape, classes: int) -> Callable[[], nn.Module]:
    return constructor(name, shape, classes) or partial(_ours, name, shape, classes)


def _ours(name: str, shape: Shape, classes: int) -> nn.Module:
    if name.endswith(".py"):
        raise RecipeError(f"network '{name}' is a file. Say which function or class of it: '{name}:NAME'.")
    if len(shape) != 3:
        raise RecipeError(
            f"network '{name}' is for images (channels, height, width); the examples have shape {shape}.\n"
            f'Name a network of your own: model.name = "file.py:function".'
        )
    family, sizes = _parsed(name)
    builder = _FAMILIES[family]
    try:
        inspect.signature(builder).bind(shape, classes, *sizes)
    except TypeError:
        raise RecipeError(f"network '{name}': {_usage(family)}") from None
    network = builder(shape, classes, *sizes)
    check_takes_values(network)
    return network


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
