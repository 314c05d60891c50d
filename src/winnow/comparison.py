"""Two or more sets of results side by side: accuracy against density, differences, and what each costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from winnow.cost import Cost, cost
from winnow.course import Course
from winnow.errors import MaskError, MissingResult, RecipeError
from winnow.experiments.experiment import TICKET
from winnow.intervals import interval, paired, unpaired
from winnow.pruning.overlap import Packed, chance, together
from winnow.recipe import Matching
from winnow.results import Level, Results, Spread, Training
from winnow.steps import Draw, Prune, Train
from winnow.store import Store


class ComparisonRecord(NamedTuple):
    """One line of the tidy table: a level of a set, and how it compares with the first set at that density."""

    set: str
    experiment: str
    recipe: str
    control: str
    level: int
    density: float
    replicates: int
    accuracy: float
    """Mean over the replicates, a fraction of 1; `low` and `high` are its 95 % confidence interval."""

    low: float
    high: float
    is_matching: bool | None
    """Against the set's own dense network; None for that network itself."""

    trainings: int
    iterations: int
    """Of all that a result of one replicate at this level was made from."""

    seconds: float | None
    reference: str
    """The first set; empty for itself."""

    reference_density: float | None
    how: str
    """`nearest level` or `interpolated`; empty where the first set has no such density."""

    is_paired: bool | None
    pairs: int | None
    """The replicates that both have; the smaller number of replicates where they are not paired."""

    difference: float | None
    """The set's accuracy less the first set's; `difference_low` and `difference_high` are its interval."""

    difference_low: float | None
    difference_high: float | None

    overlap: float | None
    """Of the masks of a replicate with those of the first set at that density: the mean Jaccard index."""

    overlap_by_chance: float | None


@dataclass(frozen=True)
class Point:
    """A set at one density: the accuracy of each replicate."""

    density: float
    accuracies: Mapping[int, float]
    how: Literal["nearest level", "interpolated"] = "nearest level"
    level: int | None = None
    """None where it is interpolated."""


@dataclass(frozen=True)
class Side:
    """One of the sets that are compared: the tickets of a run, or one of its controls."""

    name: str
    results: Results
    store: Store
    control: str = TICKET

    @cached_property
    def levels(self) -> list[Level]:
        """The levels of the set that were trained to the end; tickets begin with the dense network."""
        found = [level for level in self.results.levels if level.control == self.control and level.cut is None]
        if not found:
            raise MissingResult(
                f"'{self.name}' has no results of control '{self.control}' in {self.store.root}.\n"
                f"It has {', '.join(dict.fromkeys(level.control for level in self.results.levels)) or 'none at all'}."
            )
        return found

    @property
    def cut(self) -> list[Level]:
        """The levels that were trained only to rank weights by (`prune.at`), which are not compared."""
        return [level for level in self.results.levels if level.control == self.control and level.cut is not None]

    @property
    def matching(self) -> Matching:
        """Which accuracy the recipe compares."""
        return self.results.experiment.recipe.matching

    @property
    def course(self) -> Course:
        """What the set's trainings share."""
        return self.results.experiment.rows[0].trained.course

    @property
    def smallest_matching(self) -> Level | None:
        """The sparsest level that trains to the accuracy of its own run's dense network."""
        matching = [level for level in self.levels if level.is_matching]
        return min(matching, key=lambda level: level.density, default=None)

    def trainings(self, level: int) -> list[Training]:
        """The results of a level, one for each replicate."""
        of = (self.control, level)
        return [each for each in self.results.trainings if (each.row.control, each.row.level) == of]

    def points(self, matching: Matching) -> list[Point]:
        """The set's levels, by falling density, with the accuracy that is compared."""
        points: list[Point] = []
        for level in self.levels:
            found = self.trainings(level.level)
            accuracies = {each.row.replicate: each.accuracy(matching) for each in found}
            points.append(Point(level.density, accuracies, level=level.level))
        return sorted(points, key=lambda point: -point.density)

    def masks(self, level: int) -> dict[int, Prune | Draw | Train]:
        """The steps that made a level's masks, by replicate; there are none of the dense network."""
        of = (self.control, level)
        rows = (row for row in self.results.experiment.rows if (row.control, row.level) == of)
        return {row.replicate: row.mask for row in rows if row.mask is not None}

    def cost(self, level: int) -> Cost:
        """What one replicate's result at a level takes: the mean over the replicates."""
        costs = [cost([each.row.trained], self.store) for each in self.trainings(level)]
        return Cost(
            round(statistics.fmean(each.trainings for each in costs)),
            round(statistics.fmean(each.iterations for each in costs)),
            statistics.fmean(each.seconds for each in costs),
        )

    def whole_cost(self) -> Cost:
        """What all results of the set take, of all replicates together."""
        return cost([each.row.trained for level in self.levels for each in self.trainings(level.level)], self.store)


@dataclass(frozen=True)
class Difference:
    """A set less the first set, at a level of the set."""

    side: Side
    level: Level
    here: Point
    reference: Point
    is_paired: bool

    @property
    def replicates(self) -> list[int]:
        """Those that both have."""
        return sorted(set(self.here.accuracies) & set(self.reference.accuracies))

    @property
    def pairs(self) -> int:
        """How many values there are on each side, on the side that has fewer."""
        if self.is_paired:
            return len(self.replicates)
        return min(len(self.here.accuracies), len(self.reference.accuracies))

    @property
    def _values(self) -> tuple[list[float], list[float]]:
        if not self.is_paired:
            return list(self.reference.accuracies.values()), list(self.here.accuracies.values())
        return (
            [self.reference.accuracies[replicate] for replicate in self.replicates],
            [self.here.accuracies[replicate] for replicate in self.replicates],
        )

    @property
    def mean(self) -> float:
        """The mean difference, as a fraction of 1."""
        first, second = self._values
        return statistics.fmean(second) - statistics.fmean(first)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the difference: Student's for pairs, else Welch's."""
        return paired(*self._values) if self.is_paired else unpaired(*self._values)


@dataclass(frozen=True)
class Overlap:
    """What a set's masks at a level have in common with the first set's at that density, replicate by replicate."""

    level: Level
    reference_level: int
    jaccard: Spread
    """Over the replicates: the weights that both masks keep, of those that either keeps."""

    chance: float
    """What two independent random masks with as many weights in each layer would have."""


@dataclass(frozen=True)
class Comparison:
    """Sets of results, each compared with the first."""

    sides: tuple[Side, ...]
    tolerance: float = 0.05
    """How far apart two densities may be, relative to the larger, to be compared as they are."""

    def __post_init__(self) -> None:
        if len(self.sides) < 2:
            raise RecipeError("a comparison needs at least two sets of results, such as: digits digits@reinit")

    @property
    def matching(self) -> Matching:
        """Which accuracy is compared: the one that the first set's recipe compares."""
        return self.sides[0].matching

    @property
    def score(self) -> str:
        """What the first set's task calls what is compared: accuracy, R², ..."""
        return self.sides[0].results.score

    def differences(self, side: Side) -> list[Difference]:
        """A set less the first, at each level of the set whose density the first set reaches."""
        first = self.sides[0]
        is_paired = why_unpaired(first, side) is None
        reference = first.points(self.matching)
        found: list[Difference] = []
        for level, here in zip(self._by_density(side), side.points(self.matching), strict=True):
            there = _at(reference, here.density, self.tolerance)
            if there is not None:
                difference = Difference(side, level, here, there, is_paired)
                if difference.pairs:
                    found.append(difference)
        return found

    def overlaps(self, side: Side) -> list[Overlap]:
        """How a set's masks overlap with the first set's, where both have masks of the same replicates of one network.

        Left out are levels whose masks are the very same, as a reinitialized network's are its ticket's, and those that
        the dense network is nearest to.
        """
        first = self.sides[0]
        found: list[Overlap] = []
        for each in self.differences(side):
            if not each.is_paired or each.reference.level is None:
                continue
            theirs, ours = first.masks(each.reference.level), side.masks(each.level.level)
            pairs = [(theirs[one], ours[one]) for one in each.replicates if one in theirs and one in ours]
            if all(one == other for one, other in pairs):
                continue
            try:
                shared = [
                    list(Packed(first.store.mask(one)).shared(Packed(side.store.mask(other))).values())
                    for one, other in pairs
                ]
            except (MissingResult, MaskError):  # not stored; or the two do not prune the same layers
                continue
            jaccard = Spread(tuple(together(layers).jaccard for layers in shared))
            by_chance = statistics.fmean(chance(layers).mean for layers in shared)
            found.append(Overlap(each.level, each.reference.level, jaccard, by_chance))
        return found

    def _by_density(self, side: Side) -> list[Level]:
        return sorted(side.levels, key=lambda level: -level.density)

    def records(self) -> Iterator[ComparisonRecord]:
        """The tidy table, line by line."""
        first = self.sides[0]
        for side in self.sides:
            differences = {} if side is first else {each.level.level: each for each in self.differences(side)}
            overlaps = {} if side is first else {each.level.level: each for each in self.overlaps(side)}
            for level, point in zip(self._by_density(side), side.points(self.matching), strict=True):
                values = list(point.accuracies.values())
                low, high = interval(values)
                spent = side.cost(level.level)
                against, overlap = differences.get(level.level), overlaps.get(level.level)
                yield ComparisonRecord(
                    side.name,
                    side.results.identity,
                    side.results.experiment.recipe.name,
                    side.control,
                    level.level,
                    level.density,
                    len(values),
                    statistics.fmean(values),
                    low,
                    high,
                    level.is_matching,
                    spent.trainings,
                    spent.iterations,
                    None if math.isnan(spent.seconds) else spent.seconds,
                    "" if side is first else first.name,
                    against.reference.density if against else None,
                    against.reference.how if against else "",
                    against.is_paired if against else None,
                    against.pairs if against else None,
                    against.mean if against else None,
                    *(against.interval if against else (None, None)),
                    overlap.jaccard.mean if overlap else None,
                    overlap.chance if overlap else None,
                )


def _at(points: Sequence[Point], density: float, tolerance: float) -> Point | None:
    """A set at a density: its nearest level within the tolerance, else between the levels around it.

    Between levels each replicate's accuracy is taken on the line between its two, over the logarithm of density, on
    which levels are evenly spaced. Beyond the first and the last level there is nothing.
    """
    nearest = min(points, key=lambda point: abs(math.log(point.density / density)))
    if abs(nearest.density - density) <= tolerance * max(nearest.density, density):
        return nearest
    above = min((p for p in points if p.density > density), key=lambda point: point.density, default=None)
    below = max((p for p in points if p.density < density), key=lambda point: point.density, default=None)
    if above is None or below is None:
        return None
    weight = math.log(density / below.density) / math.log(above.density / below.density)
    both = set(above.accuracies) & set(below.accuracies)
    accuracies = {
        replicate: weight * above.accuracies[replicate] + (1 - weight) * below.accuracies[replicate]
        for replicate in sorted(both)
    }
    return Point(density, accuracies, "interpolated")


def why_unpaired(first: Side, second: Side) -> str | None:
    """Why the replicates of two sets do not belong together in pairs; None where they do.

    A pair has the same seed, so that it starts from the same weights and sees the same noise on the same examples.
    """
    one, other = first.results.experiment.recipe, second.results.experiment.recipe
    if one.seed != other.seed:
        return f"the seeds differ ({one.seed} and {other.seed})"
    if replace(first.course.examples, mean=None, std=None) != replace(second.course.examples, mean=None, std=None):
        return "the data, its split or its augmentation differ"
    if first.course.network != second.course.network:
        return f"the networks or their initialization differ ({one.model.name} and {other.model.name})"
    if first.course.batch != second.course.batch:
        return f"the batches differ ({first.course.batch} and {second.course.batch}), and so the noise"
    return None
