"""`winnow masks`: what the masks of a run say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from winnow.cli.arguments import StoreOption, WithRecipe, options_in, parse_with_recipe
from winnow.cli.console import output, show, show_figure, write_table
from winnow.errors import MissingResult, RecipeError


@dataclass(frozen=True, kw_only=True)
class Options(WithRecipe):
    """Tell what the masks of a stored run have in common and what they leave of the network. Nothing is trained.

    The overlap of two masks is their Jaccard index: the weights that both keep, of those that either keeps. Beside it
    stands what two independent random masks with as many weights in every layer would have, exactly. Then, for the
    tickets, by layer and level: density, dead units (without a remaining incoming or outgoing weight), and of the
    remaining weights how many ended with the sign of their initialization. Whether a mask serves another replicate's
    weights is trained by `winnow run --control swap`.
    """

    store: StoreOption = None
    """Where results lie. Left out: $WINNOW_STORE, else ./winnow-store."""

    weights_per_unit: float = 1.0
    """Warn of a layer with fewer remaining weights for each of its units than this."""

    relative_density: float = 0.1
    """Warn of a layer whose density is less than this fraction of the whole mask's."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Where to write everything measured, as a tidy CSV table: by pair of masks, replicate, level and layer."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="masks")
    if not 0 <= options.weights_per_unit < math.inf:
        raise RecipeError(f"--weights-per-unit is {options.weights_per_unit:g}; give a number from 0 on, such as 1.")
    if not 0 <= options.relative_density <= 1:
        raise RecipeError(
            f"--relative-density is {options.relative_density:g}; give a fraction from 0 to 1, such as 0.1."
        )
    from winnow.anatomy import Limits, MaskRecord
    from winnow.cli.mask_tables import layers_tables, overlap_table, warnings
    from winnow.execution.masks import anatomy
    from winnow.experiments import imp
    from winnow.report.masks import draw
    from winnow.results import to_csv
    from winnow.store.experiments import identity
    from winnow.store.lookup import as_run, namesakes
    from winnow.store.maintenance import existing

    store, name = existing(options.store, make=True), identity(options.recipe)
    found = anatomy(imp(as_run(options.recipe, store, given=options_in(words))), store, identity=name)
    if not found.levels():
        others = namesakes(options.recipe, store) or "`winnow store ls` tells what there is."
        raise MissingResult(
            f"the store {store.root} holds no masks of {options.recipe.name} ({name}).\n"
            f"`winnow run` with the same options makes them. {others}"
        )
    out = output()
    show(out, overlap_table(found))
    show(out, layers_tables(found))
    out.print(warnings(found, Limits(options.weights_per_unit, options.relative_density)), soft_wrap=True)
    if options.out is not None:
        write_table(options.out, to_csv(found.records, MaskRecord._fields))
    show_figure(out, lambda: draw(found, store.root / "figures"))
    return 0
