"""What a study found: distances, barriers and accuracies by rewind point, over replicates."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from winnow.errors import CorruptResult, MissingResult
from winnow.experiments.study import Child, Comparison, Quantity, Study, Subnetwork
from winnow.intervals import interval
from winnow.results import Spread, first_line
from winnow.steps import Interpolate
from winnow.store import Store
from winnow.training.objective import score_in_words

METRICS: dict[Quantity, tuple[str, ...]] = {
    "pruning": ("l2", "angle"),
    "data-order": ("l2", "angle"),
    "instability": ("test_barrier", "train_barrier"),
}
"""What is measured of each quantity. Distances are Euclidean and angles in degrees, of the masked weights; a barrier
is the greatest error on the line less the mean of the errors at its ends, a fraction of 1."""


class StudyRecord(NamedTuple):
    """One line of a study's tidy table."""

    experiment: str
    recipe: str
    quantity: str
    """`pruning`, `data-order`, `instability`; or `accuracy`, of a single training."""

    network: str
    """`dense`, `ticket` or `random`."""

    density: float
    k: int
    replicate: int
    sample: int
    other_sample: int | None
    """The noise samples of the two trainings; none where it is of one."""

    iteration: int
    """At which both were compared."""

    layer: str
    """Empty: all of them together."""

    position: float | None
    """On the line from the first network, 0, to the second, 1."""

    metric: str
    value: float


@dataclass(frozen=True)
class Measured:
    """A comparison and what it gave."""

    comparison: Comparison
    rows: tuple[Mapping[str, float | str], ...]

    @property
    def values(self) -> dict[str, float]:
        """The metrics of its quantity, of the networks as wholes."""
        if isinstance(self.comparison.step, Interpolate):
            return {f"{split}_barrier": barrier(self.rows, f"{split}_error") for split in ("train", "test")}
        whole = next(row for row in self.rows if row["layer"] == "")
        return {metric: float(whole[metric]) for metric in METRICS[self.comparison.quantity]}


def barrier(line: tuple[Mapping[str, float | str], ...], metric: str) -> float:
    """The greatest value on a line less the mean of its ends: LMC (arXiv 1912.05671), §2.

    >>> line = [{"position": x, "test_error": e} for x, e in ((0.0, 0.1), (0.5, 0.7), (1.0, 0.3))]
    >>> round(barrier(tuple(line), "test_error"), 3)
    0.5
    """
    values = [float(row[metric]) for row in line]
    return max(values) - (values[0] + values[-1]) / 2


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One metric of one network at one rewind point."""

    quantity: Quantity
    network: Subnetwork
    k: int
    stop: int
    metric: str
    spread: Spread
    """Over the replicates, of each the mean over its pairs of noise samples."""

    pairs: int
    """How many comparisons there are in all."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean over replicates."""
        return interval(self.spread.values)


@dataclass(frozen=True)
class Findings:
    """What a study measured, as far as it is stored."""

    study: Study
    measured: tuple[Measured, ...]
    accuracies: tuple[tuple[Child, float], ...]
    """Test accuracy at the end of each training, a fraction of 1."""

    damaged: tuple[str, ...] = ()
    """Which comparisons and trainings are left out since a result of theirs is damaged, a sentence each."""

    @property
    def ks(self) -> list[int]:
        """The rewind points, in order."""
        return sorted({child.k for child in self.study.children})

    @property
    def findings(self) -> list[Finding]:
        """One for each quantity, network, rewind point, iteration and metric."""
        grouped: dict[tuple[Quantity, Subnetwork, int, int], list[Measured]] = {}
        for each in self.measured:
            place = each.comparison
            grouped.setdefault((place.quantity, place.network, place.k, place.stop), []).append(each)
        found: list[Finding] = []
        for (quantity, network, k, stop), group in grouped.items():
            for metric in METRICS[quantity]:
                spread = _over_replicates((each.comparison.replicate, each.values[metric]) for each in group)
                found.append(
                    Finding(
                        quantity=quantity,
                        network=network,
                        k=k,
                        stop=stop,
                        metric=metric,
                        spread=spread,
                        pairs=len(group),
                    )
                )
        return found

    def finding(
        self, quantity: Quantity, network: Subnetwork, k: int, metric: str, *, stop: int | None = None
    ) -> Finding | None:
        """One of them, at the end of training unless said otherwise; None where nothing is stored of it."""
        stop = self.end(quantity, network, k) if stop is None else stop
        of_it = (
            found
            for found in self.findings
            if (found.quantity, found.network, found.k, found.metric) == (quantity, network, k, metric)
            and found.stop == stop
        )
        return next(of_it, None)

    def end(self, quantity: Quantity, network: Subnetwork, k: int) -> int | None:
        """The iteration at which training from k ends and is compared; None where the study asks for no such thing."""
        return max((each.stop for each in self.study.comparisons if _is_of(each, quantity, network, k)), default=None)

    def compared(self, quantity: Quantity, network: Subnetwork, k: int) -> tuple[int, int]:
        """How many comparisons at the end of training are stored, and how many the study asks for."""
        end = self.end(quantity, network, k)
        stored, asked = (
            sum(_is_of(each, quantity, network, k) and each.stop == end for each in comparisons)
            for comparisons in ([each.comparison for each in self.measured], self.study.comparisons)
        )
        return stored, asked

    def trained(self, network: Subnetwork, k: int) -> tuple[int, int]:
        """How many trainings of a network from k have an accuracy, and how many the study asks for."""
        stored = sum((child.network, child.k) == (network, k) for child, _ in self.accuracies)
        return stored, sum((child.network, child.k) == (network, k) for child in self.study.children)

    @property
    def score(self) -> str:
        """What the recipe's task calls its score: accuracy, R², ..."""
        return score_in_words(self.study.recipe.train.task)

    def accuracy(self, network: Subnetwork, k: int) -> Spread | None:
        """The test accuracy of a network at the end, over replicates: of each the mean over its noise samples."""
        of_it = [(child.replicate, each) for child, each in self.accuracies if (child.network, child.k) == (network, k)]
        return _over_replicates(of_it) if of_it else None

    def records(self) -> Iterator[StudyRecord]:
        """Everything measured, a line each."""
        name, recipe = self.study.name, self.study.recipe.name
        for each in self.measured:
            place = each.comparison
            density = 1.0 if place.network == "dense" else self.study.density
            where = (name, recipe, place.quantity, place.network, density, place.k, place.replicate, *place.samples)
            for row in each.rows:
                layer, position = str(row.get("layer", "")), row.get("position")
                at = None if position is None else float(position)
                for metric, value in row.items():
                    if metric not in ("layer", "position", "weights"):
                        yield StudyRecord(*where, place.stop, layer, at, metric, float(value))
            if place.quantity == "instability":
                for metric, value in each.values.items():
                    yield StudyRecord(*where, place.stop, "", None, metric, value)
        for child, accuracy in self.accuracies:
            density = 1.0 if child.network == "dense" else self.study.density
            where = (name, recipe, "accuracy", child.network, density, child.k, child.replicate, child.sample, None)
            yield StudyRecord(*where, child.trained.stop, "", None, "test_accuracy", accuracy)


def _over_replicates(values: Iterable[tuple[int, float]]) -> Spread:
    """Values with their replicates as one for each replicate, in order: the mean of its own."""
    by_replicate: dict[int, list[float]] = {}
    for replicate, value in values:
        by_replicate.setdefault(replicate, []).append(value)
    return Spread(tuple(statistics.fmean(own) for _, own in sorted(by_replicate.items())))


def _is_of(comparison: Comparison, quantity: Quantity, network: Subnetwork, k: int) -> bool:
    return (comparison.quantity, comparison.network, comparison.k) == (quantity, network, k)


def gather(study: Study, store: Store, *, leave_damaged: bool = False) -> Findings:
    """Read what is stored of a study; what is missing or failed is left out.

    Raises CorruptResult where something is damaged; with `leave_damaged` it is left out and told in `damaged`.
    """
    measured: list[Measured] = []
    accuracies: list[tuple[Child, float]] = []
    damaged: list[str] = []
    for each in (*study.comparisons, *study.children):
        try:
            if isinstance(each, Comparison):
                measured.append(Measured(each, tuple(store.measured(each.step))))
            elif store.failure(each.trained) is None:
                curve = store.curve(each.trained)
                accuracies.append((each, curve.rows[curve.last]["test_accuracy"]))
        except MissingResult:
            continue
        except CorruptResult as damage:
            if not leave_damaged:
                raise
            step = each.step if isinstance(each, Comparison) else each.trained
            damaged.append(f"{study.labels()[step]}: {first_line(damage)}")
    return Findings(study, tuple(measured), tuple(accuracies), tuple(damaged))
