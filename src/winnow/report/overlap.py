"""How much the masks of different replicates have in common, beside what chance would give."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations

from winnow.errors import MissingResult
from winnow.experiments.experiment import TICKET
from winnow.pruning.overlap import Packed, chance, together
from winnow.report.against_density import DENSITY
from winnow.report.chart import Axis, Chart, Point, Series
from winnow.report.table import mean_and_std
from winnow.results import Results, Spread
from winnow.store import Store


@dataclass(frozen=True)
class Overlap:
    """The masks of one level."""

    level: int
    density: float
    shared: tuple[float, ...]
    """The Jaccard index of each pair of replicates: weights that both keep, of those that either keeps."""

    chance: float
    """What independent masks with as many weights in each layer would have on average."""


def overlaps(results: Results, store: Store) -> list[Overlap]:
    """The overlap of the tickets' masks by level, over all pairs of replicates; levels with one mask are left out."""
    masks: dict[int, list[tuple[float, Packed]]] = {}
    for training in results.trainings:
        step = training.row.mask
        if training.row.control == TICKET and step is not None:
            with suppress(MissingResult):
                packed = Packed(store.mask(step))
                masks.setdefault(training.row.level, []).append((training.density, packed))
    return [_overlap(level, found) for level, found in sorted(masks.items()) if len(found) > 1]


def _overlap(level: int, masks: Sequence[tuple[float, Packed]]) -> Overlap:
    """Of masks with their densities."""
    pairs = [list(one.shared(other).values()) for (_, one), (_, other) in combinations(masks, 2)]
    return Overlap(
        level,
        statistics.fmean(density for density, _ in masks),
        tuple(together(layers).jaccard for layers in pairs),
        statistics.fmean(chance(layers).mean for layers in pairs),
    )


def overlap_chart(found: Sequence[Overlap]) -> Chart:
    """The overlap of masks against density."""
    real = [
        Point(
            x=100 * each.density,
            y=100 * statistics.fmean(each.shared),
            low=100 * min(each.shared),
            high=100 * max(each.shared),
            note=f"level {each.level}, density {100 * each.density:.3g} %\n"
            f"{mean_and_std(Spread(each.shared), 1, 100)} % shared ({len(each.shared)} pairs)\n"
            f"{100 * each.chance:.1f} % by chance",
        )
        for each in found
    ]
    random = [
        Point(
            x=100 * each.density, y=100 * each.chance, note=f"level {each.level}\n{100 * each.chance:.1f} % by chance"
        )
        for each in found
    ]
    return Chart(
        name="overlap",
        title="Overlap of masks between replicates",
        about="Jaccard index: weights kept by both masks, of those kept by either. Bars reach from the least to the "
        "most of all pairs of replicates; chance is of independent masks with the same density in every layer.",
        x=DENSITY,
        y=Axis(label="weights in common (%)", has_zero=True),
        series=(
            Series(name="tickets", colour="blue", marker="circle", points=tuple(real)),
            Series(name="by chance", colour="reference", dash="2 3", points=tuple(random)),
        ),
    )
