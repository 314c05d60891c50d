"""Which parameters weight decay leaves alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import cast

from torch import nn

from winnow.course import Updates
from winnow.errors import RecipeError
from winnow.models.initialize import is_bias
from winnow.models.normalization import is_normalization


def exempt(updates: Updates, network: nn.Module, names: Iterable[str]) -> frozenset[int]:
    """The positions among `names`, a state's parameters, of those that `no_decay` leaves out of weight decay.

    `bias` stands for every parameter called so, in recurrent layers and attention too (`bias_ih_l0`, `in_proj_bias`).
    `norm` stands for the parameters, scales and biases, of every normalization: of PyTorch's own, and of modules whose
    class has "norm" in its name.
    Anything else is a pattern of names. Raises RecipeError for one that matches nothing, or where all match.

    >>> from winnow.from_recipe import course
    >>> from winnow.models import build
    >>> from winnow.recipes import read
    >>> changes = {"optimizer.weight_decay": 1e-4, "optimizer.no_decay": ["bias"]}
    >>> network = build("lenet-8", (1, 8, 8), 10)
    >>> sorted(exempt(course(read("digits").edited(changes)).updates, network, dict(network.named_parameters())))
    [1, 3]
    """
    known = [name for name, _ in network.named_parameters()]
    left_alone: set[str] = set()
    for pattern in updates.no_decay or ():
        found = _matching(pattern, network, known)
        if not found:
            raise RecipeError(
                f"optimizer.no_decay: '{pattern}' matches none of the network's parameters: {', '.join(known)}."
            )
        left_alone |= found
    if left_alone >= set(known):
        raise RecipeError(
            f"optimizer.no_decay ({', '.join(updates.no_decay or ())}) matches all of the network's parameters, "
            f"so weight decay has none left. Set optimizer.weight_decay to 0 instead."
        )
    return frozenset(position for position, name in enumerate(names) if name in left_alone)


def _matching(pattern: str, network: nn.Module, known: list[str]) -> set[str]:
    if pattern == "bias":
        return {name for name in known if is_bias(name.rpartition(".")[2])}
    if pattern == "norm":
        return _of_normalizations(network) & set(known)
    return {name for name in known if fnmatchcase(name, pattern)}


def _of_normalizations(network: nn.Module) -> set[str]:
    modules = cast("Iterator[tuple[str, nn.Module]]", network.named_modules())
    return {
        f"{path}.{name}".removeprefix(".")
        for path, module in modules
        if is_normalization(module)
        for name, _ in module.named_parameters(recurse=False)
    }
