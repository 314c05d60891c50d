"""`winnow inspect`: a network's parameters, which of them are pruned and why, and what that leaves at each level."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from winnow.cli.arguments import WithRecipe, parse
from winnow.cli.console import output, show
from winnow.errors import UnknownName
from winnow.recipe import Recipe
from winnow.recipes import IDENTITY, names, read

if TYPE_CHECKING:
    from torch import nn

    from winnow.pruning.layers import Parameter

_RATES = {"prune.rate.conv": 0.2, "prune.rate.linear": 0.2, "prune.rate.output": 0.1}
"""Of a network without a recipe: the rates of LTH, for every kind of kernel."""


@dataclass(frozen=True, kw_only=True)
class Options(WithRecipe):
    """Show the parameters of a recipe's network: their shapes and kinds, at which rate they are pruned, or why not.

    In the place of a recipe may stand a network's name, such as `resnet-20` or `nets/mine.py:small`. It needs the shape
    of its examples and the number of classes, which are those of the data (`--data.name cifar10`). Nothing is trained
    or fetched.
    """


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    name, rest = ("digits", words) if not words or words[0].startswith("-") else (words[0], words[1:])
    recipe = _recipe(name)
    recipe = parse(Options, rest, command=f"inspect {name}", default=Options(recipe=recipe)).recipe
    from winnow.data import described
    from winnow.from_recipe import network
    from winnow.models.drawing import tied
    from winnow.pattern import UNIT
    from winnow.pruning.layers import parameters, prunable_layers

    data = described(recipe.data.name, recipe.data.size, recipe.data.corrupt)
    module = network(recipe, data).build()
    pruning = recipe.prune
    every = parameters(module, pruning.rate_at(1), pruning.exclude, pruning.include)
    out = output()
    unit = {"classes": "classes", "tokens": "tokens", "numbers": f"number{'s' * (data.classes > 1)} to learn"}
    shape = "x".join(map(str, data.shape))
    out.print(
        f"{recipe.model.name} for {data.inputs} {shape} in {data.classes} {unit[data.targets]} ({recipe.data.name})",
        soft_wrap=True,
    )
    show(out, _parameters_table(every))
    out.print(_counts(every), soft_wrap=True)
    for other, first in tied(module).items():
        out.print(f"{other} is {first}: one tensor, pruned and trained once.", soft_wrap=True)
    prunable_layers(module, pruning.rate_at(1), pruning.exclude, pruning.include)
    out.print()
    if pruning.granularity == UNIT and pruning.scope == "global":
        out.print(
            "How many weights a level keeps is known once units of all layers together are ranked.", soft_wrap=True
        )
    else:
        show(out, _levels_table(recipe, module))
    return 0


def _recipe(name: str) -> Recipe:
    """The recipe of that name, or of that identity in the store, or one with the network of that name."""
    from winnow.models import families, foreign
    from winnow.store.lookup import recipe_called

    if IDENTITY.fullmatch(name):
        return recipe_called(name)
    if name in names() or (foreign(name) is None and (name.endswith(".toml") or "/" in name)):
        return read(name)
    family = re.sub(r"(-\d+)+$", "", name)
    if foreign(name) is None and not name.endswith(".py") and not {name, family} & set(families()):
        raise UnknownName("recipe or network", family, [*names(), *families()])
    return read("digits").edited({"name": name, "model.name": name, **_RATES})


def _parameters_table(every: Sequence[Parameter]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("parameter", no_wrap=True)
    table.add_column("shape", justify="right", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("pruned", no_wrap=True)
    for each in every:
        pruned = f"no: {each.reason}" if each.rate is None else f"{100 * float(each.rate):g} %"
        pruned += f" ({each.reason})" if each.rate is not None and each.reason else ""
        shape = "x".join(map(str, each.shape)) or "1"
        table.add_row(each.name, shape, each.kind or "", f"{each.size:,}", pruned)
    return table


def _counts(every: Sequence[Parameter]) -> str:
    prunable = [each for each in every if each.rate is not None]
    return (
        f"{sum(each.size for each in every):,} weights in {len(every)} parameters; prunable are "
        f"{sum(each.size for each in prunable):,} in {len(prunable)}."
    )


def _levels_table(recipe: Recipe, module: nn.Module) -> Table:
    from winnow.pattern import Pattern
    from winnow.pruning import prunable_layers
    from winnow.pruning.distribution import kept_in_all
    from winnow.results import in_percent

    pruning = recipe.prune
    table = Table(box=None, pad_edge=False)
    for column in ("level", "density", "weights left"):
        table.add_column(column, justify="right", no_wrap=True)
    deepest = 1 if Pattern.parse(pruning.granularity) else recipe.levels
    for level in range(deepest + 1):
        layers = prunable_layers(module, pruning.rate_at(max(1, level)), pruning.exclude, pruning.include)
        rounds = min(1, level) if pruning.densities else level  # of which each removes its rate
        size = sum(layer.size for layer in layers.values())
        kept = kept_in_all(layers, rounds, pruning.scope, pruning.granularity)
        table.add_row(str(level), f"{in_percent(kept / size)} %", f"{kept:,}")
    return table
