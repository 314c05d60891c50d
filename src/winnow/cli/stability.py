"""`winnow stability`: how far pruning and data order move where training from k ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from winnow.cli.arguments import WithExecution, parse_with_recipe


@dataclass(frozen=True, kw_only=True)
class Options(WithExecution):
    """Measure stability to pruning and to data order (SLTH, arXiv 1903.01611), at each of several rewind points k.

    To pruning: the distance between the network and its subnetwork, both trained from W_k under the same noise. To
    data order: between two trainings of the subnetwork under different noise. L2 distance and angle of the weights
    that the mask keeps, for IMP's masks and for random ones of the same layer-wise densities.
    """

    density: str = "10.7%"
    """Of the subnetworks; the nearest level of the recipe's ladder of densities is taken, and said."""

    at: str = "0it"
    """The rewind points, separated by commas: 0it,100it,2ep,1.7%."""

    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 4
    """Noises for stability to data order; all pairs are compared. The paper's 18 comparisons are 4 noises in each of 3
    replicates."""

    pruning_samples: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Noises for stability to pruning in each replicate. The paper's 3 comparisons are 1 in each of 3 replicates. The
    first is the noise that the mask was found under, which brings the two networks a little closer than others do."""

    random: bool = True
    """Whether to measure random masks of the same layer-wise densities beside IMP's."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Where to write everything measured, as a tidy CSV table, by layer too."""


def main(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    options = parse_with_recipe(Options, words, command="stability")
    from winnow.cli.studies import amounts, check_words, fraction, run, tell
    from winnow.cli.study_tables import stability_table
    from winnow.experiments import stability
    from winnow.store import Store

    check_words(words, instead="give the rewind points with --at {k}")
    store = Store(options.store)
    study = stability(
        options.recipe.edited({"rewind": "0it"}),
        density=fraction(options.density),
        at=amounts(options.at),
        samples=options.samples,
        pruning_samples=options.pruning_samples,
        with_random=options.random,
    )
    studied = run(study, options, store)
    return tell(studied, stability_table(studied.findings), store, options.out)
