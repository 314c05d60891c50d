"""`winnow instability`: the error between two networks trained from the same k under different noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from winnow.cli.arguments import WithExecution, parse_with_recipe
from winnow.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Options(WithExecution):
    """Measure instability to SGD noise (LMC, arXiv 1912.05671), at each of several rewind points k.

    Two copies of W_k are trained under different noise, and the error is taken along the straight line between them.
    Its barrier is the greatest error less the mean of the two ends'; below 2 points of test error k counts as stable.
    """

    at: str = "0it"
    """The rewind points, separated by commas: 0it,100it,2ep,1.7%."""

    density: str | None = None
    """Of IMP's subnetworks; the nearest level is taken, and said. Left out: the dense network."""

    random: bool = False
    """With a density, whether to measure random masks of the same layer-wise densities too."""

    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 2
    """Noises in each replicate; all pairs are compared. LMC: 3 noises in each of 3 replicates."""

    points: Annotated[int, tyro.conf.arg(metavar="N")] = 30
    """Points on the line, both ends among them."""

    examples: Annotated[int, tyro.conf.arg(metavar="N")] = 10_000
    """Of how many training examples error and loss on the line are taken, at most, and the statistics of batch
    normalization. Test examples are all taken."""

    early: tuple[float, ...] = ()
    """Fractions of the training that remains after k at which to measure as well, such as 0.15."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Where to write everything measured, as a tidy CSV table."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="instability")
    from winnow.cli.studies import amounts, check_words, fraction, run, tell
    from winnow.cli.study_tables import instability_table
    from winnow.experiments import instability
    from winnow.store import Store

    check_words(words, instead="give the rewind points with --at {k}")
    if options.random and options.density is None:
        raise RecipeError(
            "--random measures random masks with a subnetwork's densities, and without --density the network is "
            "dense.\nGive both, such as --density 20% --random."
        )
    store = Store(options.store)
    study = instability(
        options.recipe.edited({"rewind": "0it"}),
        at=amounts(options.at),
        density=fraction(options.density) if options.density is not None else None,
        samples=options.samples,
        points=options.points,
        examples=options.examples,
        early=options.early,
        with_random=options.random,
    )
    studied = run(study, options, store)
    return tell(studied, instability_table(studied.findings), store, options.out)
