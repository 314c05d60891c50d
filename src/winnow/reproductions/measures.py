"""What of a run or a study stands beside a published number."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from winnow.errors import MissingResult
from winnow.experiments.experiment import TICKET
from winnow.findings import Findings
from winnow.recipe import Matching
from winnow.reproductions.claims import Claim
from winnow.results import Results, Training

_NEAR = 1.06
"""A level is the claim's if their densities differ by at most this factor: half a level's step is 1.12."""


@dataclass(frozen=True)
class Measured:
    """A number of ours."""

    value: float
    by_replicate: tuple[float, ...] = ()
    """The same of each replicate, where the number is their mean."""

    level: int | None = None
    """The level that was found, where that is what was asked for."""


Measure = Callable[[Claim, Results], Measured]


def measured(claim: Claim, source: Results | Findings) -> Measured:
    """Our number for a claim; raises MissingResult."""
    if isinstance(source, Findings):
        return _of_study(claim, source)
    return MEASURES[claim.measure](claim, source)


def _group(results: Results, control: str, density: float | None) -> list[Training]:
    """The trainings of the level nearest to a density, of every replicate, in order; 1 is the dense network."""
    density = 1.0 if density is None else density
    groups: dict[int, list[Training]] = {}
    for training in results.trainings:
        if training.row.control == (TICKET if density == 1.0 else control):
            groups.setdefault(training.row.level, []).append(training)
    means = {level: statistics.fmean(each.density for each in found) for level, found in groups.items()}
    level = min(means, key=lambda level: abs(math.log(means[level] / density)), default=None)
    name = "the dense network" if density == 1.0 else f"{control} at {100 * density:.3g} %"
    if level is None or not 1 / _NEAR < means[level] / density < _NEAR:
        raise MissingResult(f"{name} is not stored")
    return _whole(groups[level], results, name)


def _whole(trainings: Sequence[Training], results: Results, name: str) -> list[Training]:
    wanted = results.experiment.recipe.replicates
    if len(trainings) < wanted:
        raise MissingResult(f"{name}: {len(trainings)} of {wanted} replicates")
    return sorted(trainings, key=lambda training: training.row.replicate)


def _accuracy(claim: Claim, training: Training) -> float:
    """Test accuracy in percent."""
    return 100 * training.accuracy(Matching(at=claim.at, on="test"))


def _stop(trainings: Sequence[Training]) -> float:
    return statistics.fmean(training.curve.early_stop for training in trainings)


def _mean(values: Sequence[float]) -> Measured:
    return Measured(statistics.fmean(values), tuple(values))


def accuracy(claim: Claim, results: Results) -> Measured:
    """Of the dense network, or of a level."""
    return _mean([_accuracy(claim, each) for each in _group(results, claim.control or TICKET, claim.density)])


def best_accuracy(claim: Claim, results: Results) -> Measured:
    """The greatest mean accuracy of any level of tickets."""
    means = [statistics.fmean(_accuracy(claim, each) for each in group) for group in _ladder(claim, results, TICKET)]
    return Measured(max(means))


def gain(claim: Claim, results: Results) -> Measured:
    """Accuracy of a level less that of the dense network, in points, by replicate."""
    dense, ticket = _group(results, TICKET, 1.0), _group(results, claim.control or TICKET, claim.density)
    return _mean([_accuracy(claim, b) - _accuracy(claim, a) for a, b in zip(dense, ticket, strict=True)])


def gain_over_control(claim: Claim, results: Results) -> Measured:
    """Accuracy of a ticket less that of its control, in points, by replicate."""
    ticket, control = (_group(results, name, claim.density) for name in (TICKET, claim.control or "reinit"))
    return _mean([_accuracy(claim, a) - _accuracy(claim, b) for a, b in zip(ticket, control, strict=True)])


def sooner(claim: Claim, results: Results) -> Measured:
    """By how much of the dense network's mean early-stop iteration a ticket's comes before it, in percent."""
    dense, ticket = _group(results, TICKET, 1.0), _group(results, TICKET, claim.density)
    return Measured(100 * (1 - _stop(ticket) / _stop(dense)))


def times_faster(claim: Claim, results: Results) -> Measured:
    """The dense network's mean early-stop iteration, as a multiple of a ticket's."""
    dense, ticket = _group(results, TICKET, 1.0), _group(results, TICKET, claim.density)
    return Measured(_stop(dense) / _stop(ticket))


def times_faster_than_control(claim: Claim, results: Results) -> Measured:
    """A control's mean early-stop iteration, as a multiple of a ticket's."""
    ticket, control = (_group(results, name, claim.density) for name in (TICKET, claim.control or "reinit"))
    return Measured(_stop(control) / _stop(ticket))


def falls_from(claim: Claim, results: Results) -> Measured:
    """The density from which on, down the ladder, mean accuracy stays below the dense network's less the tolerance.

    The tolerance is the one of recipes: one standard deviation of the dense replicates, 0.2 points where there is one.
    """
    dense = [_accuracy(claim, each) for each in _group(results, TICKET, 1.0)]
    floor = statistics.fmean(dense) - (statistics.stdev(dense) if len(dense) > 1 else 0.2)
    found: Measured | None = None
    for group in reversed(_ladder(claim, results, claim.control or TICKET)):
        if statistics.fmean(_accuracy(claim, each) for each in group) >= floor:
            break
        density = 100 * statistics.fmean(each.density for each in group)
        found = Measured(density, level=group[0].row.level)
    if found is None:
        raise MissingResult(f"{claim.control or TICKET} has not fallen at the last level stored")
    return found


def _ladder(claim: Claim, results: Results, control: str) -> list[list[Training]]:
    """Every level of tickets or of a control, in order; all must be stored, of every replicate."""
    groups: list[list[Training]] = []
    for level in range(1, results.experiment.recipe.levels + 1):
        found = [each for each in results.trainings if (each.row.control, each.row.level) == (control, level)]
        groups.append(_whole(found, results, f"{control}, level {level}"))
    return groups


MEASURES: dict[str, Measure] = {
    "accuracy": accuracy,
    "best accuracy": best_accuracy,
    "gain": gain,
    "gain over control": gain_over_control,
    "sooner": sooner,
    "times faster": times_faster,
    "times faster than control": times_faster_than_control,
    "falls from": falls_from,
}
"""By the name that claims call them."""


def _of_study(claim: Claim, findings: Findings) -> Measured:
    """A distance, angle, barrier or accuracy of a study; all that its mean is over must be stored."""
    assert claim.network is not None and claim.k is not None
    place = f"{claim.network}, k = {claim.k}"
    if claim.quantity is None:
        spread = findings.accuracy(claim.network, claim.k)
        _check_whole(place, "trainings", *findings.trained(claim.network, claim.k))
        assert spread is not None
        return _mean([100 * value for value in spread.values])
    assert claim.metric is not None
    found = findings.finding(claim.quantity, claim.network, claim.k, claim.metric)
    _check_whole(place, "comparisons", *findings.compared(claim.quantity, claim.network, claim.k))
    assert found is not None
    scale = 100 if claim.metric.endswith("barrier") else 1
    return _mean([scale * value for value in found.spread.values])


def _check_whole(place: str, what: str, stored: int, asked: int) -> None:
    if not stored:
        raise MissingResult(f"{place} is not stored")
    if stored < asked:
        raise MissingResult(f"{place}: {stored} of {asked} {what}")
