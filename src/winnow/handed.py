"""Networks and data that are handed to `winnow.run` as objects, and the names by which its recipe knows them."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

from torch import nn

from winnow import fingerprint
from winnow.data import described, materialized
from winnow.errors import RecipeError
from winnow.given import PREFIX, give
from winnow.models.drawing import check_takes_values
from winnow.recipe import Recipe


class Fixed:
    """What gives a network that was handed over with its values: a copy each time, always the same."""

    is_fixed = True

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self) -> nn.Module:
        return copy.deepcopy(self.network)


def handed_network(model: str | nn.Module | Callable[..., nn.Module]) -> str:
    """The name of a network: as it is, or of a function or class that builds it, or of a module with its values.

    A function that can be imported goes by `package.module:function`, so that its recipe can be run from anywhere.
    Others, and modules, go by a fingerprint of their content, and their recipe needs them handed over again.

    >>> handed_network(nn.Identity)
    'torch.nn.modules.linear:Identity'
    """
    if isinstance(model, str):
        return model
    if isinstance(model, nn.Module):
        check_takes_values(model)
        if empty := next(
            (name for name, tensor in model.state_dict().items() if getattr(tensor, "is_meta", False)), ""
        ):
            raise RecipeError(
                f"the module's '{empty}' lies on the meta device, so it has no values to begin with.\n"
                f"Hand over the function or class that builds it, or the module with values."
            )
        return give(type(model).__name__, fingerprint.of_module(model), Fixed(model))
    if not callable(model):
        raise RecipeError(
            f"model is a {type(model).__name__}; expected a torch.nn.Module, a function that gives one, or a name."
        )
    module, name = getattr(model, "__module__", ""), getattr(model, "__qualname__", "")
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is model:
        return f"{module}:{name}"
    return give(name.rpartition(".")[2] or type(model).__name__, fingerprint.of_callable(model), model)


def has_objects(recipe: Recipe) -> bool:
    """Whether a recipe's network or data were handed over, so that it stands for nothing where they are not."""
    return recipe.model.name.startswith(PREFIX) or recipe.data.name.startswith(PREFIX)


def names_of_its_own(recipe: Recipe, network: str) -> dict[str, str]:
    """A name and a description for a recipe whose network or data were handed over, of which its own are not true.

    >>> from winnow.recipes import read
    >>> names_of_its_own(read("digits"), "given:Small-1a2b3c4d5e6f")
    {'name': 'Small', 'about': 'Small, with the settings of digits'}
    """
    plain = network.removeprefix(PREFIX).rpartition("-")[0] if network.startswith(PREFIX) else network
    name = plain.rpartition(":")[2].strip("-") or "network"
    return {"name": name, "about": f"{name}, with the settings of {recipe.name}"}


def handed_data(data: Any) -> str:
    """The name of data: as it is, or of datasets or arrays by a fingerprint of their content."""
    if isinstance(data, str):
        return data
    arrays = materialized(data, source="data")
    name = give("data", arrays.checksum(), arrays)
    described(name)  # remembered, so that their results can be read where they are not
    return name
